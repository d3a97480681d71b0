"""Frames that show that a MAC is there, and claim no address."""

import guest_frames
import pytest
from dialogue import BRIDGE, World
from scapy.layers.inet6 import (
    ICMPv6MLDMultAddrRec,
    ICMPv6MLDone,
    ICMPv6MLQuery,
    ICMPv6MLQuery2,
    ICMPv6MLReport,
    ICMPv6MLReport2,
    ICMPv6ND_RS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    PadN,
    RouterAlert,
    in6_chksum,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.claim import Claim, Proof, Source
from rdnbr.core.model.engine_outputs import Announcement
from rdnbr.core.model.reason import Reason
from rdnbr.core.wire.decode import decode
from rdnbr.core.wire.presence import listener_query

GUEST = "52:02:45:76:d2:35"
MAC = parse_mac(GUEST)
PRESENCE = Claim(Source.PRESENCE, Proof.PRESENCE, None, MAC, MAC, None)
GROUP = "ff02::1:ff00:80"
ALERT = IPv6ExtHdrHopByHop(options=[RouterAlert()])
REPORT2 = ICMPv6MLReport2(records=[ICMPv6MLDMultAddrRec(rtype=4, dst=GROUP)])


def frame(body: Packet, **fields: object) -> bytes:
    """Return a frame from the guest's link-local address."""
    header = {"src": guest_frames.link_local(GUEST), "dst": "ff02::16", "hlim": 1} | fields
    return bytes(Ether(src=GUEST, dst="33:33:00:00:00:16") / IPv6(**header) / body)


@pytest.mark.parametrize(
    "data",
    [
        guest_frames.router_solicitation(GUEST),
        frame(ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=GUEST), hlim=255),
        frame(ICMPv6ND_RS(), src="::", hlim=255),
        guest_frames.listener_report(GUEST, "2001:db8::80", "fe80::1"),
        frame(ALERT / REPORT2),
        frame(ALERT / REPORT2, src="::"),
        frame(ALERT / ICMPv6MLReport(mladdr=GROUP), dst=GROUP),
        frame(ALERT / ICMPv6MLDone(mladdr=GROUP), dst="ff02::2"),
        frame(IPv6ExtHdrHopByHop(options=[PadN(optdata=b""), RouterAlert()]) / REPORT2),
    ],
    ids=lambda data: Ether(data).summary(),
)
def test_solicitations_of_routers_and_listener_reports_show_a_mac(data: bytes):
    """RS, and MLD of both versions, show that the sender is there; with bytes of padding too."""
    assert decode(data) == PRESENCE
    assert decode(data + bytes(4)) == PRESENCE


@pytest.mark.parametrize(
    "data",
    [
        frame(ICMPv6ND_RS(), hlim=254),
        frame(ICMPv6ND_RS(code=1), hlim=255),
        frame(ICMPv6ND_RS(), hlim=255, src="ff02::1"),
        frame(REPORT2),
        frame(ALERT / REPORT2, hlim=2),
        frame(ALERT / REPORT2, src="ff02::1"),
        frame(ALERT / ICMPv6MLQuery()),
        frame(IPv6ExtHdrHopByHop(options=[PadN(optdata=b"xxxx")]) / REPORT2),
        frame(IPv6ExtHdrHopByHop(options=[RouterAlert(), PadN(optdata=b"xxxxxx")]) / REPORT2),
        frame(IPv6ExtHdrDestOpt(options=[RouterAlert()]) / REPORT2),
        frame(ALERT / ICMPv6MLReport(mladdr=GROUP, cksum=1)),
    ],
    ids=lambda data: Ether(data).summary(),
)
def test_other_messages_show_nothing(data: bytes):
    """What no host sends is counted as other IPv6, as always."""
    assert decode(data) is Reason.NOT_NDP


def test_neighbour_discovery_behind_a_router_alert_is_refused():
    """N2: the router alert hides no solicitation."""
    assert decode(frame(ALERT / ICMPv6ND_RS())) is Reason.EXTENSION_HEADER


@pytest.mark.parametrize("end", [-1, 62, 0])
def test_report_that_a_padded_header_promises_and_the_frame_lacks(end: int):
    """N1: a frame shorter than its IPv6 header says shows nothing."""
    assert decode(frame(ALERT / REPORT2)[:end]) is not PRESENCE
    assert not isinstance(decode(frame(ALERT / REPORT2)[:end]), Claim)


def test_long_report_is_believed_although_it_is_cut():
    """A guest with many addresses sends a report that is longer than what rdnbr reads of a frame."""
    data = guest_frames.listener_report(GUEST, *(f"2001:db8::{number:x}" for number in range(20)))
    assert decode(data[:256], length=len(data)) == PRESENCE


def test_fragmented_report_shows_nothing():
    """N2: a report in a fragment is other IPv6."""
    assert not isinstance(decode(frame(IPv6ExtHdrFragment() / REPORT2)), Claim)


@pytest.mark.parametrize(
    "data", [guest_frames.router_solicitation(GUEST), guest_frames.listener_report(GUEST, "fe80::1")]
)
def test_presence_is_counted_as_other_ipv6(data: bytes):
    """The reason is the promised one, and the decision names the MAC."""
    world = World()
    world.plugs("tap1i0")
    assert world.hears("tap1i0", data) == [f"ignored {GUEST}@tap1i0: not-ndp"]
    assert world.counted("tap1i0") == {"not-ndp": 1}
    assert world.engine.claims == 0


def test_query_is_what_scapy_reads():
    """The general query of MLDv2, with a router alert and a right checksum (RFC 3810 §5.1)."""
    packet = Ether(listener_query(MAC, parse_ip("fe80::1")))
    ip, query = packet[IPv6], packet[ICMPv6MLQuery2]
    assert (packet.src, packet.dst) == (GUEST, "33:33:00:00:00:01")
    assert (ip.src, ip.dst, ip.hlim, ip.plen) == ("fe80::1", "ff02::1", 1, 36)
    assert RouterAlert in packet
    assert (query.type, query.mladdr, query.mrd, query.S, query.QRV, query.QQIC) == (
        130,
        "::",
        1000,
        1,
        2,
        125,
    )
    assert in6_chksum(58, IPv6(src=ip.src, dst=ip.dst, nh=58), ip.original[48:76]) == 0
    assert decode(bytes(packet)) is Reason.NOT_NDP


def test_guests_are_queried_in_batches():
    """Five ports at a time get the query, in the order in which they appeared; a port that goes gets none."""
    world = World()
    for number in range(12):
        world.plugs(f"tap{number}i0")
    world.engine.query_listeners(BRIDGE.index)
    world.unplugs("tap11i0")
    queried: list[tuple[float, int]] = []
    while (due := world.engine.next_deadline()) is not None and due < 5:
        world.now = max(world.now, due)
        outputs = world.engine.expire_timers(world.now)
        queried += [(world.now, output.port) for output in outputs if isinstance(output, Announcement)]
    names = {index: name for name, index in world.indexes.items()}
    assert [names[port] for _, port in queried] == [f"tap{number}i0" for number in range(11)]
    assert [at for at, _ in queried[::5]] == pytest.approx([0.0, 0.1, 0.2])
