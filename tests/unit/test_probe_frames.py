"""Section 6 of the wire rules: what is asked, and what answers."""

from dataclasses import replace

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.interfaces import InterfaceAddress, Segment
from rdnbr.core.wire.decode import decode
from rdnbr.core.wire.probe_frames import answer_frame, is_probe_answer, probe_frame

GATEWAY = "52:02:45:76:d2:01"
GUEST = "52:02:45:76:d2:35"
MAC = parse_mac(GUEST)
HOST4 = parse_ip("2.57.57.30")
HOST6 = parse_ip("2001:678:3a4:100::80")
SEGMENT = Segment(7, "vmbr1", parse_mac(GATEWAY), 254, parse_ip("169.254.0.1"), parse_ip("fe80::1"))


def checksum_is_right(data: bytes) -> bool:
    """Whether scapy computes the ICMPv6 checksum that the frame carries."""
    packet = Ether(data)
    carried = packet[IPv6].payload.cksum
    del packet[IPv6].payload.cksum
    return Ether(bytes(packet))[IPv6].payload.cksum == carried


@pytest.mark.parametrize(("broadcast", "dst"), [(False, GUEST), (True, "ff:ff:ff:ff:ff:ff")])
def test_ipv4_question_is_an_arp_request_from_the_gateway(broadcast, dst):
    """An IPv4 host is asked by an ARP request from the gateway address, to its MAC or to everybody."""
    data = probe_frame(SEGMENT, HOST4, MAC, broadcast=broadcast)
    packet = Ether(data)
    arp = packet[ARP]
    assert (packet.dst, packet.src, packet.type) == (dst, GATEWAY, 0x0806)
    assert (arp.hwtype, arp.ptype, arp.hwlen, arp.plen, arp.op) == (1, 0x0800, 6, 4, 1)
    assert (arp.hwsrc, arp.psrc) == (GATEWAY, "169.254.0.1")
    assert (arp.hwdst, arp.pdst) == ("00:00:00:00:00:00", "2.57.57.30")
    assert data[42:] == bytes(18)


@pytest.mark.parametrize(
    ("broadcast", "ether_dst", "dst"),
    [(False, GUEST, "2001:678:3a4:100::80"), (True, "33:33:ff:00:00:80", "ff02::1:ff00:80")],
)
def test_ipv6_question_is_a_solicitation_from_the_gateway(broadcast, ether_dst, dst):
    """An IPv6 host is asked by a solicitation from the gateway address, to itself or to its group."""
    data = probe_frame(SEGMENT, HOST6, MAC, broadcast=broadcast)
    packet = Ether(data)
    assert (packet.dst, packet.src, packet.type) == (ether_dst, GATEWAY, 0x86DD)
    ip = packet[IPv6]
    assert (ip.version, ip.tc, ip.fl, ip.plen, ip.nh, ip.hlim) == (6, 0, 0, 32, 58, 255)
    assert (ip.src, ip.dst) == ("fe80::1", dst)
    assert (packet[ICMPv6ND_NS].code, packet[ICMPv6ND_NS].tgt) == (0, "2001:678:3a4:100::80")
    assert packet[ICMPv6ND_NS].res == 0
    assert packet[ICMPv6NDOptSrcLLAddr].lladdr == GATEWAY
    assert checksum_is_right(data)


def test_no_question_without_a_gateway_of_the_family():
    """Where the segment has no gateway address of a family, nothing of that family is asked."""
    assert probe_frame(replace(SEGMENT, gateway4=None), HOST4, MAC) is None
    assert probe_frame(replace(SEGMENT, gateway6=None), HOST6, MAC) is None
    assert probe_frame(replace(SEGMENT, gateway6=None), HOST4, MAC) is not None
    assert probe_frame(replace(SEGMENT, gateway4=None), HOST6, MAC) is not None


@pytest.mark.parametrize("broadcast", [False, True])
def test_asked_ipv4_host_replies_to_the_gateway(broadcast):
    """The answer to an ARP request is a reply to who asked."""
    data = answer_frame(probe_frame(SEGMENT, HOST4, MAC, broadcast=broadcast), MAC)
    packet = Ether(data)
    arp = packet[ARP]
    assert (packet.dst, packet.src, arp.op, len(data)) == (GATEWAY, GUEST, 2, 60)
    assert (arp.hwsrc, arp.psrc, arp.hwdst, arp.pdst) == (GUEST, "2.57.57.30", GATEWAY, "169.254.0.1")


@pytest.mark.parametrize("broadcast", [False, True])
def test_asked_ipv6_host_advertises_to_the_gateway(broadcast):
    """The answer to a solicitation is solicited, overriding, and names the MAC."""
    data = answer_frame(probe_frame(SEGMENT, HOST6, MAC, broadcast=broadcast), MAC)
    packet = Ether(data)
    said = packet[ICMPv6ND_NA]
    assert (packet.dst, packet.src, packet[IPv6].hlim) == (GATEWAY, GUEST, 255)
    assert (packet[IPv6].src, packet[IPv6].dst) == ("2001:678:3a4:100::80", "fe80::1")
    assert (said.tgt, said.R, said.S, said.O, said.res) == ("2001:678:3a4:100::80", 0, 1, 1, 0)
    assert packet[ICMPv6NDOptDstLLAddr].lladdr == GUEST
    assert checksum_is_right(data)


@pytest.mark.parametrize(
    "packet",
    [
        ARP(op=2, psrc="169.254.0.1", pdst="2.57.57.30", hwsrc=GATEWAY),
        ARP(op=1, psrc="2.57.57.30", pdst="2.57.57.30", hwsrc=GATEWAY),
        IPv6(src="::", dst="ff02::1:ff00:80", hlim=255) / ICMPv6ND_NS(tgt="2001:678:3a4:100::80"),
        IPv6(src="fe80::1", dst="fe80::80", hlim=255) / ICMPv6ND_NA(tgt="fe80::1"),
    ],
)
def test_nothing_else_is_answered(packet):
    """Replies, announcements and IPv6 address detection ask a host nothing."""
    assert answer_frame(bytes(Ether(src=GATEWAY, dst=GUEST) / packet), MAC) is None


def test_probe_from_zero_is_an_arp_probe_of_rfc_5227():
    """RFC 5227 §2.1.1: the sender is 0.0.0.0. Its answer has the target 0.0.0.0, and counts. IPv6 has no such probe."""
    data = probe_frame(SEGMENT, HOST4, MAC, broadcast=True, zero_sender=True)
    arp = Ether(data)[ARP]
    assert (arp.op, arp.hwsrc, arp.psrc, arp.pdst) == (1, GATEWAY, "0.0.0.0", "2.57.57.30")
    said = answer_frame(data, MAC)
    assert Ether(said)[ARP].pdst == "0.0.0.0"
    assert is_probe_answer(decode(said), SEGMENT)
    assert probe_frame(SEGMENT, HOST6, MAC, zero_sender=True) == probe_frame(SEGMENT, HOST6, MAC)


@pytest.mark.parametrize(
    ("host", "source"),
    [("10.0.0.9", "10.0.0.1"), ("10.0.0.200", "10.0.0.129"), ("10.0.1.9", "169.254.0.1")],
)
def test_probe_comes_from_the_narrowest_prefix_of_the_bridge(host, source):
    """A host in a prefix of the bridge is probed from the bridge's address there, any other from the gateway."""
    own = [("169.254.0.1", 32), ("10.0.0.1", 24), ("10.0.0.129", 25), ("fe80::1", 64)]
    addresses = tuple(InterfaceAddress(7, parse_ip(text), length) for text, length in own)
    segment = replace(SEGMENT, addresses=addresses)
    data = probe_frame(segment, parse_ip(host), MAC)
    assert Ether(data)[ARP].psrc == source
    assert is_probe_answer(decode(answer_frame(data, MAC)), segment)


@pytest.mark.parametrize("target", ["169.254.0.1", "10.0.0.1", "0.0.0.0"])
def test_answer_to_any_own_address_counts(target):
    """V2: a reply to any address of the bridge is an answer, for the probe may have come from any of them."""
    addresses = tuple(InterfaceAddress(7, parse_ip(text), 24) for text in ("169.254.0.1", "10.0.0.1"))
    said = Ether(src=GUEST, dst=GATEWAY) / ARP(op=2, hwsrc=GUEST, psrc="10.0.0.9", pdst=target)
    assert is_probe_answer(decode(bytes(said)), replace(SEGMENT, addresses=addresses))


@pytest.mark.parametrize("host", [HOST4, HOST6])
@pytest.mark.parametrize("broadcast", [False, True])
def test_answer_is_known_as_one(host, broadcast):
    """What a host answers to a question is an answer, and claims the address asked for at its MAC."""
    claim = decode(answer_frame(probe_frame(SEGMENT, host, MAC, broadcast=broadcast), MAC))
    assert is_probe_answer(claim, SEGMENT)
    assert (claim.address, claim.mac, claim.ether) == (host, MAC, MAC)


@pytest.mark.parametrize("host", [HOST4, HOST6])
def test_answer_to_another_is_none_of_ours(host):
    """V2, A11: what a host answers to somebody else is a claim, but no answer to the gateway."""
    asker = replace(SEGMENT, gateway4=parse_ip("2.57.57.31"), gateway6=parse_ip("fe80::31"))
    assert not is_probe_answer(decode(answer_frame(probe_frame(asker, host, MAC), MAC)), SEGMENT)


@pytest.mark.parametrize(
    "packet",
    [
        ARP(op=1, hwsrc=GUEST, psrc="2.57.57.30", pdst="169.254.0.1"),
        ARP(op=2, hwsrc=GUEST, psrc="2.57.57.30", pdst="2.57.57.30"),
        IPv6(src="2001:678:3a4:100::80", dst="fe80::1", hlim=255) / ICMPv6ND_NS(tgt="fe80::1"),
        IPv6(src="2001:678:3a4:100::80", dst="fe80::1", hlim=255)
        / ICMPv6ND_NA(tgt="2001:678:3a4:100::80", S=0),
    ],
)
def test_claim_that_nobody_asked_for_is_no_answer(packet):
    """V2, V3: a host that asks, or speaks unasked, answers nothing."""
    claim = decode(bytes(Ether(src=GUEST, dst=GATEWAY) / packet))
    assert claim.mac == MAC
    assert not is_probe_answer(claim, SEGMENT)


def test_unsolicited_claim_answers_no_segment_without_gateway():
    """V3: that there is neither a gateway nor a destination to compare does not make an answer."""
    data = Ether(src=GUEST, dst="33:33:00:00:00:01") / IPv6(src="fe80::80", dst="ff02::1", hlim=255)
    data /= ICMPv6ND_NA(tgt="2001:678:3a4:100::80", S=0) / ICMPv6NDOptDstLLAddr(lladdr=GUEST)
    assert not is_probe_answer(decode(bytes(data)), replace(SEGMENT, gateway6=None))
