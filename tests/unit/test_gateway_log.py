"""Gateway addresses that fail duplicate address detection: what is logged of them, and how often."""

import structlog

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.interfaces import InterfaceAddress, Segment
from rdnbr.daemon.gateway_log import GatewayLog

MAC = parse_mac("02:00:00:00:00:01")


def segment(name: str, *failed: str) -> Segment:
    own = tuple(InterfaceAddress(1, parse_ip(text), 64, dad_failed=True) for text in failed)
    return Segment(
        1, name, MAC, 254, None, None, addresses=(InterfaceAddress(1, parse_ip("fe80::9"), 64), *own)
    )


def test_failure_and_its_end_are_logged_once_each():
    """However often the segments change, a failure is one line, and so is its end; each bridge counts by itself."""
    with structlog.testing.capture_logs() as lines:
        log = GatewayLog(structlog.get_logger())
        log.segments_changed([segment("vmbr1")])
        log.segments_changed([segment("vmbr1", "fe80::1")])
        log.segments_changed([segment("vmbr1", "fe80::1")])
        log.segments_changed([segment("vmbr1", "fe80::1"), segment("vmbr2", "fe80::1")])
        log.segments_changed([segment("vmbr1"), segment("vmbr2", "fe80::1")])
        log.segments_changed([segment("vmbr1")])
    assert [(line["log_level"], line["reason"], line["address"], line["bridge"]) for line in lines] == [
        ("error", "gateway-dadfailed", "fe80::1", "vmbr1"),
        ("error", "gateway-dadfailed", "fe80::1", "vmbr2"),
        ("info", "gateway-dadfailed", "fe80::1", "vmbr1"),
        ("info", "gateway-dadfailed", "fe80::1", "vmbr2"),
    ]
