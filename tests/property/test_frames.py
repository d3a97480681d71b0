"""The decoder against scapy: each reads in a frame what the other reads."""

from functools import reduce
from operator import truediv

from hypothesis import assume, given, reject
from hypothesis import strategies as st
from scapy.layers.inet6 import (
    ICMPv6MLDMultAddrRec,
    ICMPv6MLDone,
    ICMPv6MLReport,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptMTU,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrHopByHop,
    PadN,
    RouterAlert,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw
from scapy.utils6 import in6_getnsma, in6_getnsmac, in6_ismaddr
from scapy_reads import LostError, scapy_reads, with_checksum

from rdnbr.core.model.address import IP, MAC, parse_ip, parse_mac, show_ip, show_mac
from rdnbr.core.model.claim import Claim
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.model.reason import Reason
from rdnbr.core.wire.decode import decode
from rdnbr.core.wire.ndp import multicast_mac, solicited_node
from rdnbr.core.wire.probe_frames import answer_frame, is_probe_answer, probe_frame

ETHERTYPES = st.sampled_from([b"\x08\x06", b"\x80\x35", b"\x86\xdd", b"\x81\x00", b"\x88\xa8"])
HOST_MACS = st.builds(
    lambda first, rest: show_mac(MAC(bytes([first & 0xFE]) + rest)),
    st.integers(0, 255),
    st.binary(min_size=5, max_size=5).filter(any),
)
MACS = st.binary(min_size=6, max_size=6)
ANY_MACS = MACS.map(lambda packed: show_mac(MAC(packed)))
IP4 = st.binary(min_size=4, max_size=4).filter(any).map(lambda packed: show_ip(IP(packed)))
UNICAST6 = st.builds(
    lambda first, rest: show_ip(IP(bytes([first]) + rest)),
    st.integers(0, 254),
    st.binary(min_size=15, max_size=15).filter(any),
)
GROUPS = st.binary(min_size=15, max_size=15).map(lambda rest: show_ip(IP(b"\xff" + rest)))
PRIORITY_TAGS = st.sampled_from([None, Dot1Q(vlan=0, prio=6), Dot1AD(vlan=0, prio=1)])
PADDING = st.binary(max_size=40)
FLAG = st.integers(0, 1)
OPTION_BODIES = st.integers(0, 3).flatmap(
    lambda units: st.binary(min_size=8 * units + 6, max_size=8 * units + 6)
)
STRANGE_OPTIONS = st.one_of(
    st.builds(ICMPv6NDOptMTU, mtu=st.integers(0, 2**32 - 1)),
    st.builds(
        lambda kind, body: Raw(bytes([kind, (len(body) + 2) // 8]) + body),
        st.sampled_from([14, 200]),  # a nonce, and unassigned options
        OPTION_BODIES,
    ),
)


def to_wire(ether: Ether, tag: Packet | None, packet: Packet, ethertype: int, padding: bytes) -> bytes:
    """Return the packet as a frame, in some examples with a priority tag."""
    if tag is None:
        return bytes(Ether(src=ether.src, dst=ether.dst, type=ethertype) / packet) + padding
    tag = tag.copy()
    tag.type = ethertype
    return bytes(ether / tag / packet) + padding


@st.composite
def arp_frames(draw):
    """Valid requests, replies, announcements, probes and RARP."""
    operation = draw(st.sampled_from([1, 2, 3]))
    spa = draw(IP4)
    tpa = draw(st.one_of(IP4, st.just(spa)))
    if operation == 1:
        spa = draw(st.sampled_from([spa, "0.0.0.0"]))
    packet = ARP(op=operation, hwsrc=draw(HOST_MACS), psrc=spa, hwdst=draw(ANY_MACS), pdst=tpa)
    ether = Ether(src=draw(HOST_MACS), dst=draw(ANY_MACS))
    return to_wire(ether, draw(PRIORITY_TAGS), packet, 0x8035 if operation == 3 else 0x0806, draw(PADDING))


@st.composite
def ndp_frames(draw):
    """Valid solicitations, DAD and advertisements."""
    target, source = draw(UNICAST6), draw(UNICAST6)
    destination = draw(st.one_of(UNICAST6, GROUPS))
    match draw(st.sampled_from(["solicitation", "detection", "advertisement"])):
        case "solicitation":
            message = ICMPv6ND_NS(tgt=target)
            named = [[], [ICMPv6NDOptSrcLLAddr(lladdr=draw(HOST_MACS))]]
        case "detection":
            source, destination = "::", show_ip(solicited_node(parse_ip(target)))
            message = ICMPv6ND_NS(tgt=target)
            named = [[]]
        case _:
            group = in6_ismaddr(destination)
            message = ICMPv6ND_NA(tgt=target, R=draw(FLAG), S=0 if group else draw(FLAG), O=draw(FLAG))
            named = [[ICMPv6NDOptDstLLAddr(lladdr=draw(HOST_MACS))]] + ([] if group else [[]])
    options = draw(
        st.permutations(draw(st.lists(STRANGE_OPTIONS, max_size=3)) + draw(st.sampled_from(named)))
    )
    header = IPv6(
        src=source, dst=destination, hlim=255, tc=draw(st.integers(0, 255)), fl=draw(FLAG) * 0xF000F
    )
    packet = reduce(truediv, options, header / message)
    ether = Ether(src=draw(HOST_MACS), dst=draw(ANY_MACS))
    return to_wire(ether, draw(PRIORITY_TAGS), packet, 0x86DD, draw(PADDING))


@st.composite
def presence_frames(draw):
    """Valid router solicitations, and multicast listener reports of both versions."""
    source = draw(st.one_of(UNICAST6, st.just("::")))
    alert = IPv6ExtHdrHopByHop(
        options=draw(st.sampled_from([[RouterAlert()], [PadN(optdata=b""), RouterAlert()]]))
    )
    match draw(st.sampled_from(["solicitation", "report", "done", "report2"])):
        case "solicitation":
            options = draw(st.lists(STRANGE_OPTIONS, max_size=3))
            packet = reduce(truediv, options, IPv6(src=source, dst="ff02::2", hlim=255) / ICMPv6ND_RS())
        case "report":
            packet = IPv6(src=source, dst=draw(GROUPS), hlim=1) / alert / ICMPv6MLReport(mladdr=draw(GROUPS))
        case "done":
            packet = IPv6(src=source, dst="ff02::2", hlim=1) / alert / ICMPv6MLDone(mladdr=draw(GROUPS))
        case _:
            records = [ICMPv6MLDMultAddrRec(dst=group) for group in draw(st.lists(GROUPS, max_size=4))]
            packet = IPv6(src=source, dst="ff02::16", hlim=1) / alert / ICMPv6MLReport2(records=records)
    ether = Ether(src=draw(HOST_MACS), dst=draw(ANY_MACS))
    return to_wire(ether, draw(PRIORITY_TAGS), packet, 0x86DD, draw(PADDING))


FRAMES = st.one_of(arp_frames(), ndp_frames(), presence_frames())


@st.composite
def damaged(draw):
    """A valid frame with some changed bytes; in some examples its checksum is corrected."""
    data = bytearray(draw(FRAMES))
    for _ in range(draw(st.integers(1, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.one_of(st.integers(0, 255), st.integers(0, 8)))
    return with_checksum(data) if draw(st.booleans()) else bytes(data)


def claim_read(data: bytes) -> Claim:
    """Return what scapy reads; if scapy has no opinion, another frame is tried."""
    try:
        return scapy_reads(data)
    except LostError:
        reject()


@given(FRAMES)
def test_frame_in_order_is_read_as_scapy_reads_it(data):
    """A valid frame, with any fields, options, tag and padding, is the claim that scapy reads in it."""
    assert decode(data) == claim_read(data)


@given(damaged())
def test_scapy_finds_nothing_to_refuse_in_what_is_believed(data):
    """A damaged frame is refused with a reason, or scapy reads the same claim in it."""
    match decode(data):
        case Claim() as claim:
            assert claim == claim_read(data)
        case reason:
            assert isinstance(reason, Reason)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda macs, kind, rest: macs + kind + rest,
            st.binary(min_size=12, max_size=12),
            ETHERTYPES,
            PADDING,
        ),
        st.builds(lambda data, end: data[:end], damaged(), st.integers(0, 200)),
    ),
    st.one_of(st.none(), st.integers(0, 4095)),
    st.one_of(st.none(), st.integers(0, 300)),
)
def test_any_bytes_get_an_answer(data, vlan, length):
    """For any bytes, the decoder does not raise."""
    assert isinstance(decode(data, vlan, length), Claim | Reason)


@given(FRAMES, st.integers(1, 4095), st.sampled_from([b"\x81\x00", b"\x88\xa8"]))
def test_no_frame_of_another_vlan_is_believed(data, vlan, ethertype):
    """A frame with any VLAN tag is refused, with the tag removed by the kernel or still in the frame (F4)."""
    tagged = data[:12] + ethertype + vlan.to_bytes(2, "big") + data[12:]
    assert decode(tagged) is Reason.TAGGED
    assert decode(data, vlan) is Reason.TAGGED


@given(st.one_of(arp_frames(), ndp_frames()), st.data())
def test_no_cut_frame_is_believed(data, choice):
    """A frame with an address that the capture truncated is refused as truncated, whatever its length (F7)."""
    end = choice.draw(st.integers(0, len(data) - 1))
    assert decode(data[:end], length=len(data)) is Reason.TRUNCATED


@given(st.one_of(IP4, UNICAST6), HOST_MACS, HOST_MACS, IP4, UNICAST6, st.booleans())
def test_answer_to_a_question_proves_what_was_asked(address, guest, node, gateway4, gateway6, broadcast):
    """An answer to any probe is recognised as an answer, and is valid for scapy, too."""
    assume(address not in (gateway4, gateway6))
    segment = Segment(7, "vmbr1", parse_mac(node), 254, parse_ip(gateway4), parse_ip(gateway6))
    asked = probe_frame(segment, parse_ip(address), parse_mac(guest), broadcast=broadcast)
    said = answer_frame(asked, parse_mac(guest))
    claim = decode(said)
    assert (claim_read(asked), claim_read(said)) == (decode(asked), claim)
    assert is_probe_answer(claim, segment)
    assert (claim.address, claim.mac) == (parse_ip(address), parse_mac(guest))


@given(UNICAST6)
def test_groups_are_those_scapy_computes(address):
    """The solicited-node group of an address, and the MAC of that group, are those of scapy."""
    group = solicited_node(parse_ip(address))
    assert group == in6_getnsma(parse_ip(address))
    assert show_mac(multicast_mac(group)) == in6_getnsmac(group)
