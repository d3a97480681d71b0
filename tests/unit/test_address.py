"""Addresses as text are the same with every Python, and in the form of RFC 5952."""

from ipaddress import ip_address
from socket import AF_INET6, inet_ntop

import pytest

from rdnbr.core.model.address import IP, parse_ip, show_ip


@pytest.mark.parametrize(
    "text",
    [
        "2.57.57.30",
        "2001:678:3a4:100::80",
        "fe80::1",
        "::",
        "::1",
        "::ffff:2.57.57.30",
        "::ffff:0.0.0.0",
        "2001:db8:0:1:1:1:1:1",
        "2001:0:0:1::1",
        "::fffe:239:391e",
        "0:0:0:0:1:ffff:239:391e",
    ],
)
def test_an_address_is_shown_in_one_form(text):
    """The form is canonical, reading it gives the same address, and an IPv4-mapped address ends as IPv4."""
    address = parse_ip(text)
    shown = show_ip(address)
    assert parse_ip(shown) == address
    if ":" in text and ip_address(text).ipv4_mapped is not None:
        assert shown == text
    elif ":" in text and not text.startswith("::"):
        assert shown == inet_ntop(AF_INET6, IP(address))  # the C library's form
