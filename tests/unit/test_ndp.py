"""Rules N, S and V: which neighbour discovery messages are claims, and of what."""

import pytest
from scapy.layers.inet import TCP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.claim import Claim, Proof, Source
from rdnbr.core.model.reason import Reason
from rdnbr.core.wire.decode import decode

GUEST = "52:02:45:76:d2:35"
OTHER = "52:02:45:76:d2:36"
MAC = parse_mac(GUEST)
HOST = parse_ip("2001:db8::80")
GATEWAY = parse_ip("fe80::1")
GROUP = "ff02::1:ff00:80"
ETHER = Ether(src=GUEST, dst="52:02:45:76:d2:01")
NS = ICMPv6ND_NS(tgt="fe80::1")
NA = ICMPv6ND_NA(tgt="2001:db8::80", R=0, S=1, O=1)
SLLAO = ICMPv6NDOptSrcLLAddr(lladdr=GUEST)
TLLAO = ICMPv6NDOptDstLLAddr(lladdr=GUEST)
DAD = ICMPv6ND_NS(tgt="2001:db8::80")
NONCE = Raw(bytes.fromhex("0e01 a1a2a3a4a5a6"))
MULTICAST_MACS = ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"]


def frame(body: Packet, src: str = "2001:db8::80", dst: str = "fe80::1", **fields: object) -> bytes:
    """A frame from the guest, in order but for `fields` of its IPv6 header."""
    return bytes(ETHER / IPv6(**{"src": src, "dst": dst, "hlim": 255} | fields) / body)


def dad(body: Packet, dst: str = GROUP) -> bytes:
    """A frame as duplicate address detection sends it."""
    return frame(body, src="::", dst=dst)


# N: common to both


@pytest.mark.parametrize("length", [14, 53])
def test_less_than_a_header_is_short(length):
    """N1: an IPv6 header has 40 bytes."""
    assert decode(frame(NS / SLLAO)[:length]) is Reason.IP6_SHORT


def test_payload_beyond_the_frame_is_short():
    """N1: a payload length that the frame does not hold is refused."""
    assert decode(frame(NS / SLLAO)[:-1]) is Reason.IP6_SHORT


def test_padding_is_no_payload():
    """N1: bounds come from the payload length, so padding is not read as options."""
    assert decode(frame(NS / SLLAO) + bytes.fromhex("0200 0102030405")) == decode(frame(NS / SLLAO))


@pytest.mark.parametrize("version", [0, 4, 5, 7, 15])
def test_other_version_is_refused(version):
    """N1: IPv6 is version 6."""
    assert decode(frame(NS / SLLAO, version=version)) is Reason.IP6_VERSION


@pytest.mark.parametrize(
    "header",
    [
        IPv6ExtHdrHopByHop(),
        IPv6ExtHdrDestOpt(),
        IPv6ExtHdrRouting(),
        IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(20))]),
    ],
)
@pytest.mark.parametrize(
    "message", [NS / SLLAO, NA / TLLAO, ICMPv6ND_RA(), ICMPv6ND_RS(), ICMPv6ND_Redirect()]
)
def test_discovery_behind_an_extension_header_is_refused(header, message):
    """N2: neighbour discovery follows its IPv6 header directly."""
    assert decode(frame(header / message)) is Reason.EXTENSION_HEADER


@pytest.mark.parametrize("offset", [0, 1, 185])
@pytest.mark.parametrize("before", [None, IPv6ExtHdrDestOpt()])
def test_fragment_of_icmpv6_is_refused(offset, before):
    """N2, RFC 6980: neighbour discovery is never fragmented."""
    fragment = IPv6ExtHdrFragment(nh=58, offset=offset, m=1) / Raw(bytes(64))
    assert decode(frame(before / fragment if before else fragment)) is Reason.FRAGMENT


def test_first_fragment_is_read_to_the_end_of_its_headers():
    """N2, RFC 7113: an extension header inside a first fragment hides nothing."""
    body = IPv6ExtHdrFragment(m=1) / IPv6ExtHdrDestOpt() / NA / TLLAO
    assert decode(frame(body)) is Reason.FRAGMENT


@pytest.mark.parametrize("offset", [0, 185])
def test_fragment_of_something_else_is_no_business_of_ours(offset):
    """N2: guests may fragment their own traffic."""
    assert decode(frame(IPv6ExtHdrFragment(nh=17, offset=offset) / Raw(bytes(64)))) is Reason.NOT_NDP


@pytest.mark.parametrize("offset", [1, 256])
def test_middle_of_a_fragmented_packet_is_not_read_as_headers(offset):
    """N2: bytes of a later fragment that look like ICMPv6 behind options are just bytes."""
    middle = IPv6ExtHdrFragment(nh=60, offset=offset) / Raw(bytes.fromhex("3a00 010400000000")) / NA
    assert decode(frame(middle)) is Reason.NOT_NDP


def test_extension_header_with_nothing_to_follow_is_no_business_of_ours():
    """N2: a packet may end with its extension header, when that says so (next header 59)."""
    assert decode(frame(IPv6ExtHdrHopByHop(nh=59))) is Reason.NOT_NDP


@pytest.mark.parametrize("length", [54, 61, 62, 69])
def test_extension_header_beyond_the_payload_is_short(length):
    """N1, N2: a chain of headers that runs out of the packet is refused."""
    body = IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt(nh=58)
    assert decode(frame(body)[:length]) is Reason.IP6_SHORT


def test_extension_headers_with_nothing_behind_are_short():
    """N1, N2: ICMPv6 was promised and none is there."""
    assert decode(frame(IPv6ExtHdrHopByHop(nh=58))) is Reason.IP6_SHORT


def test_cut_extension_headers_are_truncated():
    """F7, N2: when the capture cut the chain of headers, nobody is to blame."""
    data = frame(IPv6ExtHdrHopByHop() / NS)
    assert decode(data[:60], length=len(data)) is Reason.TRUNCATED


@pytest.mark.parametrize("hop_limit", [0, 1, 64, 254])
@pytest.mark.parametrize("message", [NS / SLLAO, NA / TLLAO])
def test_message_from_afar_is_refused(hop_limit, message):
    """N3: a hop limit under 255 may have passed a router."""
    assert decode(frame(message, hlim=hop_limit)) is Reason.HOP_LIMIT


@pytest.mark.parametrize("message", [NS / SLLAO, NA / TLLAO])
def test_damaged_message_is_refused(message):
    """N4: the checksum covers the message."""
    data = bytearray(frame(message))
    data[-1] ^= 1
    assert decode(bytes(data)) is Reason.CHECKSUM


def test_checksum_covers_the_addresses():
    """N4: the checksum covers the pseudo header."""
    data = bytearray(frame(NS / SLLAO))
    data[14 + 23] ^= 1
    assert decode(bytes(data)) is Reason.CHECKSUM


@pytest.mark.parametrize("code", [1, 255])
def test_code_is_refused(code):
    """N5: there is only code 0."""
    assert decode(frame(ICMPv6ND_NS(tgt="fe80::1", code=code) / SLLAO)) is Reason.CODE
    assert decode(frame(ICMPv6ND_NA(tgt="2001:db8::80", code=code) / TLLAO)) is Reason.CODE


@pytest.mark.parametrize("size", [0, 1, 8, 23])
@pytest.mark.parametrize("message", [NS, NA])
def test_message_without_its_target_is_short(size, message):
    """N6: a solicitation and an advertisement have at least 24 bytes."""
    assert decode(frame(Raw(bytes(message)[:size]), nh=58) + bytes(24)) is Reason.NDP_SHORT


@pytest.mark.parametrize(
    "options",
    [
        "0000 000000000000",
        "0100 520245 76d235",
        "0102 520245 76d235",
        "0101 520245 76d235 0e02 010203040506",
        "01",
        "0101 520245",
    ],
)
def test_option_without_bounds_is_refused(options):
    """N7: an option of length 0, or one that ends outside the payload, damns the whole message."""
    assert decode(frame(NS / Raw(bytes.fromhex(options)))) is Reason.OPTION


@pytest.mark.parametrize("mac", MULTICAST_MACS)
def test_link_layer_address_of_no_interface_is_refused(mac):
    """N8: a link-layer option holds the MAC of one interface."""
    assert decode(frame(NS / ICMPv6NDOptSrcLLAddr(lladdr=mac))) is Reason.LINK_LAYER_OPTION
    assert decode(frame(NA / ICMPv6NDOptDstLLAddr(lladdr=mac))) is Reason.LINK_LAYER_OPTION


def test_link_layer_address_of_another_medium_is_refused():
    """N8: on Ethernet a link-layer option has one unit of eight bytes."""
    assert decode(frame(NS / Raw(bytes([1, 2]) + MAC + bytes(8)))) is Reason.LINK_LAYER_OPTION


def test_unknown_options_are_passed_over():
    """N8: options of other kinds, and the other message's link-layer option, mean nothing."""
    options = Raw(bytes.fromhex("fd02 0000000000000000000000000000")) / ICMPv6NDOptDstLLAddr(lladdr=OTHER)
    assert decode(frame(NS / options / SLLAO)) == decode(frame(NS / SLLAO))


@pytest.mark.parametrize(
    "message",
    [
        NS / SLLAO / ICMPv6NDOptSrcLLAddr(lladdr=OTHER),
        NA / TLLAO / ICMPv6NDOptDstLLAddr(lladdr=OTHER),
    ],
)
def test_two_link_layer_addresses_are_refused(message):
    """N9: who names two MACs names none."""
    assert decode(frame(message)) is Reason.OPTION_CONFLICT


def test_same_link_layer_address_twice_is_one():
    """N9: a repeated option is no contradiction."""
    assert decode(frame(NS / SLLAO / SLLAO)) == decode(frame(NS / SLLAO))


@pytest.mark.parametrize("message", [ICMPv6ND_NS(tgt="ff02::1") / SLLAO, ICMPv6ND_NA(tgt="ff02::1") / TLLAO])
def test_group_as_target_is_refused(message):
    """N10: a group is nobody's address."""
    assert decode(frame(message)) is Reason.MULTICAST_TARGET


@pytest.mark.parametrize("address", ["fe80::1", "fe80::80", "::1", "::ffff:2.57.57.30"])
def test_special_address_is_left_to_the_engine(address):
    """N11: the decoder hands on every address, so that the node's own can be told from the merely special."""
    assert decode(frame(NS / SLLAO, src=address)).address == parse_ip(address)
    assert decode(frame(ICMPv6ND_NA(tgt=address) / TLLAO)).address == parse_ip(address)


@pytest.mark.parametrize("message", [NS / SLLAO, NA / TLLAO])
def test_message_from_a_group_is_refused(message):
    """N12: a group sends nothing."""
    assert decode(frame(message, src="ff02::1")) is Reason.MULTICAST_SOURCE


def test_router_advertisement_of_a_guest_is_rogue():
    """RFC 6105: a guest is no router, whatever its advertisement looks like."""
    assert decode(frame(ICMPv6ND_RA(), src="fe80::80", dst="ff02::1", hlim=64)) is Reason.ROGUE_RA


def test_redirect_of_a_guest_is_rogue():
    """RFC 6105: only routers redirect."""
    assert decode(frame(ICMPv6ND_Redirect())) is Reason.ROGUE_REDIRECT


@pytest.mark.parametrize("body", [ICMPv6EchoRequest(), TCP(), Raw(b"")])
def test_other_ipv6_is_no_business_of_ours(body):
    """F3: only neighbour solicitations and advertisements claim anything."""
    assert decode(frame(body)) is Reason.NOT_NDP


# S: neighbour solicitations


@pytest.mark.parametrize("dst", ["ff02::1", "ff02::1:ff00:81", "ff05::1:ff00:80", "2001:db8::80"])
def test_detection_goes_to_the_group_of_its_target(dst):
    """S1: a solicitation from :: goes to the solicited-node group of its target."""
    assert decode(dad(DAD, dst=dst)) is Reason.DAD_DESTINATION


def test_detection_names_no_link_layer_address():
    """S2: a solicitation from :: has no source link-layer option."""
    assert decode(dad(DAD / SLLAO)) is Reason.DAD_WITH_LINK_LAYER


def test_detection_intends_its_target():
    """S3: a solicitation from :: is a claim to come, for the target, at the Ethernet source."""
    assert decode(dad(DAD)) == Claim(Source.NS_DAD, Proof.INTENT, HOST, MAC, MAC, None, HOST)


def test_detection_tells_its_nonce():
    """S3: the nonce of RFC 7527 lets a looped-back solicitation be known again."""
    assert decode(dad(DAD / NONCE)).nonce == bytes.fromhex("a1a2a3a4a5a6")


def test_nonce_is_the_first_of_its_kind():
    """S3: neither an option of another kind nor a second nonce is taken for the nonce."""
    unknown = Raw(bytes.fromhex("c801 b1b2b3b4b5b6"))
    second = Raw(bytes.fromhex("0e01 c1c2c3c4c5c6"))
    assert decode(dad(DAD / unknown)).nonce == b""
    assert decode(dad(DAD / unknown / NONCE / second)).nonce == bytes.fromhex("a1a2a3a4a5a6")


def test_solicitation_claims_its_source():
    """S4, S6: a solicitation claims its source at the MAC in its option, and never its target."""
    assert decode(frame(NS / SLLAO)) == Claim(Source.NS, Proof.USE, HOST, MAC, MAC, None, GATEWAY)


def test_link_layer_option_other_than_the_ethernet_source_is_told():
    """S4, V5: a claim names both MACs; whether they may differ is not the decoder's business."""
    solicitation = decode(frame(NS / ICMPv6NDOptSrcLLAddr(lladdr=OTHER)))
    advertisement = decode(frame(NA / ICMPv6NDOptDstLLAddr(lladdr=OTHER)))
    assert (solicitation.mac, solicitation.ether) == (parse_mac(OTHER), MAC)
    assert (advertisement.mac, advertisement.ether) == (parse_mac(OTHER), MAC)


def test_solicitation_without_link_layer_option_proves_little():
    """S5: without the option, nothing but the Ethernet source says where the source address is."""
    assert decode(frame(NS)) == Claim(Source.NS, Proof.INTENT, HOST, MAC, MAC, None, GATEWAY)


# V: neighbour advertisements


def test_answer_to_everybody_is_refused():
    """V1: what goes to a group answers nobody."""
    assert decode(frame(NA / TLLAO, dst="ff02::1")) is Reason.SOLICITED_MULTICAST


def test_answer_claims_its_target_and_tells_who_asked():
    """V2: a solicited advertisement claims its target, and its destination is who asked."""
    assert decode(frame(NA / TLLAO)) == Claim(Source.NA, Proof.USE, HOST, MAC, MAC, None, GATEWAY)


def test_unsolicited_advertisement_tells_nobody():
    """V3: an unsolicited advertisement claims its target, and answers no one."""
    announced = ICMPv6ND_NA(tgt="2001:db8::80", S=0, O=1) / TLLAO
    expected = Claim(Source.NA_UNSOLICITED, Proof.USE, HOST, MAC, MAC, None)
    assert decode(frame(announced, dst="ff02::1")) == expected
    assert decode(frame(announced)) == expected


@pytest.mark.parametrize("solicited", [0, 1])
def test_missing_override_is_told(solicited):
    """V3: without the Override flag an advertisement must not displace anybody."""
    assert decode(frame(ICMPv6ND_NA(tgt="2001:db8::80", S=solicited, O=0) / TLLAO)).override is False


def test_announcement_names_its_link_layer_address():
    """V4: an advertisement to a group without the link-layer option is refused."""
    announced = ICMPv6ND_NA(tgt="2001:db8::80", S=0, O=1)
    assert decode(frame(announced, dst="ff02::1")) is Reason.NO_TARGET_LINK_LAYER


def test_answer_without_link_layer_option_is_from_its_ethernet_source():
    """V4: an answer to one who knew the MAC may leave the option out."""
    assert decode(frame(NA)) == Claim(Source.NA, Proof.USE, HOST, MAC, MAC, None, GATEWAY)


def test_router_flag_changes_nothing():
    """V6: a guest that routes for others claims its address as the rest do."""
    assert decode(frame(ICMPv6ND_NA(tgt="2001:db8::80", R=1, S=1, O=1) / TLLAO)) == decode(frame(NA / TLLAO))


def test_source_of_an_advertisement_may_be_another_of_its_addresses():
    """V8: hosts answer for a global address from their link-local one."""
    assert decode(frame(NA / TLLAO, src="fe80::80")) == decode(frame(NA / TLLAO))
