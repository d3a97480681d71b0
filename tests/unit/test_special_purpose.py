"""Rules A7 and N11: addresses that are nobody's host route."""

import pytest

from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.special_purpose import special_purpose_of


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.255.255.255",
        "127.0.0.0",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.255.255",
        "224.0.0.0",
        "239.255.255.255",
        "240.0.0.0",
        "255.255.255.255",
        "::",
        "::1",
        "ff00::",
        "ff02::1",
        "::ffff:0.0.0.0",
        "::ffff:255.255.255.255",
    ],
)
def test_special_address_is_refused(address):
    """A7, N11: what is not one host's everywhere is no host route."""
    assert special_purpose_of(parse_ip(address)) is Reason.SPECIAL_ADDRESS


@pytest.mark.parametrize("address", ["fe80::", "fe80::1", "fe80::5202:45ff:fe76:d235", "febf:ffff::1"])
def test_link_local_address_has_a_reason_of_its_own(address):
    """N11: every guest has a link-local address, and it is never routed."""
    assert special_purpose_of(parse_ip(address)) is Reason.LINK_LOCAL


@pytest.mark.parametrize(
    "address",
    [
        "1.0.0.0",
        "2.57.57.0",
        "2.57.57.255",
        "10.0.0.1",
        "100.64.0.1",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "223.255.255.255",
        "::2",
        "::fffe:2.57.57.30",
        "2001:678:3a4:100::80",
        "fd00::1",
        "fe7f::1",
        "fec0::1",
    ],
)
def test_any_other_address_is_not_special(address):
    """A7, N11, A13: right beside the special ranges, and inside private ones, addresses are hosts."""
    assert special_purpose_of(parse_ip(address)) is None
