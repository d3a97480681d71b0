"""Makes all captures of `pcaps/` that are not of real guests.

Each capture shows one behaviour. scapy builds the frames, so that the code under test does not make its own input. A
malformed frame is a valid frame with one change. The files are the same each time: run `python tests/pcaps_make.py` and
commit them.
"""

import gzip
from pathlib import Path

from capture_bytes import interface, option, packet, pcap_header, pcap_record, section
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

DIRECTORY = Path(__file__).parents[1] / "pcaps"
START = 1_700_000_000

GUEST, OTHER, NODE = "bc:24:11:00:01:00", "bc:24:11:00:02:00", "02:aa:00:00:00:01"
BROADCAST, ZERO, GROUP = "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "01:00:5e:00:00:01"
GUEST4, OTHER4, GATEWAY4 = "2.57.57.30", "2.57.57.31", "169.254.0.1"
GUEST6, OTHER6, GATEWAY6 = "2001:678:3a4:100::80", "2001:678:3a4:100::81", "fe80::1"
LINK_LOCAL = "fe80::be24:11ff:fe00:100"
GUEST6_GROUP, GUEST6_GROUP_MAC = "ff02::1:ff00:80", "33:33:ff:00:00:80"
GATEWAY6_GROUP, GATEWAY6_GROUP_MAC = "ff02::1:ff00:1", "33:33:ff:00:00:01"
ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"

Frame = bytes | tuple[float, bytes]
"""A frame, or a pair of time in seconds and frame; frames without a time are a second apart."""


# ARP


def arp(
    op: int = 1,
    *,
    spa: str = GUEST4,
    tpa: str = GATEWAY4,
    sha: str = GUEST,
    src: str = GUEST,
    **fields: object,
) -> bytes:
    to = BROADCAST if op == 1 else NODE
    tha = ZERO if op == 1 else to
    return bytes(
        Ether(src=src, dst=to, type=0x0806) / ARP(op=op, hwsrc=sha, psrc=spa, hwdst=tha, pdst=tpa, **fields)
    )


def announcement(address: str = GUEST4, mac: str = GUEST) -> bytes:
    return arp(spa=address, tpa=address, sha=mac, src=mac)


def arp_probe(address: str = GUEST4, mac: str = GUEST) -> bytes:
    return arp(spa="0.0.0.0", tpa=address, sha=mac, src=mac)


def rarp(mac: str = GUEST) -> bytes:
    """Return the RARP frame by which QEMU announces a migrated guest (net/announce.c)."""
    request = ARP(op=3, hwsrc=mac, hwdst=mac, psrc="0.0.0.0", pdst="0.0.0.0")
    return bytes(Ether(src=mac, dst=BROADCAST, type=0x8035) / request).ljust(60, b"\0")


NODE_ANSWERS = bytes(
    Ether(src=NODE, dst=GUEST) / ARP(op=2, hwsrc=NODE, psrc=GATEWAY4, hwdst=GUEST, pdst=GUEST4)
)


# NDP


def ip6(
    source: str, destination: str, to: str, payload: Packet, *, mac: str = GUEST, hlim: int = 255
) -> bytes:
    return bytes(Ether(src=mac, dst=to) / IPv6(src=source, dst=destination, hlim=hlim) / payload)


def ns(*options: Packet, source: str = GUEST6, mac: str = GUEST, **fields: object) -> bytes:
    """Return a neighbour solicitation for the gateway."""
    message: Packet = ICMPv6ND_NS(tgt=GATEWAY6, **fields)
    for each in options:
        message /= each
    return ip6(source, GATEWAY6_GROUP, GATEWAY6_GROUP_MAC, message, mac=mac)


def dad(*options: Packet, target: str = GUEST6, to: str = GUEST6_GROUP, mac: str = GUEST) -> bytes:
    message: Packet = ICMPv6ND_NS(tgt=target)
    for each in options:
        message /= each
    return ip6("::", to, GUEST6_GROUP_MAC, message, mac=mac)


def na(
    *options: Packet, target: str = GUEST6, solicited: int = 0, override: int = 1, mac: str = GUEST
) -> bytes:
    """Return an advertisement: unsolicited to all nodes, or solicited to the gateway."""
    message: Packet = ICMPv6ND_NA(tgt=target, R=0, S=solicited, O=override)
    for each in options:
        message /= each
    to, to_mac = (GATEWAY6, NODE) if solicited else (ALL_NODES, ALL_NODES_MAC)
    return ip6(LINK_LOCAL, to, to_mac, message, mac=mac)


def sllao(mac: str = GUEST) -> Packet:
    return ICMPv6NDOptSrcLLAddr(lladdr=mac)


def tllao(mac: str = GUEST) -> Packet:
    return ICMPv6NDOptDstLLAddr(lladdr=mac)


def nonce(value: bytes) -> Packet:
    return ICMPv6NDOptUnknown(type=14, data=value)


def broken(frame: bytes, at: int, value: int) -> bytes:
    """Return the frame with another byte at one place; its checksum is not corrected."""
    return frame[:at] + bytes([value]) + frame[at + 1 :]


NODE_ADVERTISES = ip6(
    GATEWAY6, ALL_NODES, ALL_NODES_MAC, ICMPv6ND_NA(tgt=GATEWAY6, R=1, S=0) / tllao(NODE), mac=NODE
)

ECHO = ip6(LINK_LOCAL, "ff02::2", "33:33:00:00:00:02", ICMPv6EchoRequest())


PING6 = ip6(GUEST6, OTHER6, NODE, ICMPv6EchoRequest(), hlim=64)


def ping4(source: str) -> bytes:
    return bytes(Ether(src=GUEST, dst=NODE) / IP(src=source, dst=GATEWAY4) / ICMP())


def captured(*frames: Frame, order: str = "<", ticks: int = 1_000_000) -> bytes:
    """Return a pcap with the frames."""
    magic = 0xA1B2C3D4 if ticks == 1_000_000 else 0xA1B23C4D
    records = []
    for number, frame in enumerate(frames):
        at, data = frame if isinstance(frame, tuple) else (float(number), frame)
        records.append(pcap_record(data, START + at, order=order, ticks=ticks))
    return pcap_header(order=order, magic=magic) + b"".join(records)


def two_ports(*frames: tuple[float, int, bytes, int]) -> bytes:
    """Return a pcapng of tap100i0 and tap200i0; each frame is (time, port index, bytes, direction: 1 in, 2 out)."""
    return (
        section()
        + interface(option(2, b"tap100i0"))
        + interface(option(2, b"tap200i0"))
        + b"".join(
            packet(data, round((START + at) * 1_000_000), option(2, bytes([way, 0, 0, 0])), which=which)
            for at, which, data, way in frames
        )
    )


ACCEPTED = {
    "arp-request": captured(arp()),
    "arp-request-padded": captured(arp() + b"\xa5" * 18),
    "arp-reply": captured(arp(2)),
    "arp-reply-to-neighbour": captured(
        bytes(Ether(src=GUEST, dst=OTHER) / ARP(op=2, hwsrc=GUEST, psrc=GUEST4, hwdst=OTHER, pdst=OTHER4))
    ),
    "arp-announcement": captured(announcement()),
    "arp-announcement-reply": captured(arp(2, tpa=GUEST4)),
    "arp-probe": captured(arp_probe()),
    "windows-boot": captured(arp_probe(), arp_probe(), arp_probe(), announcement()),
    "rarp-unknown": captured(rarp()),
    "rarp-known": captured(arp(), rarp()),
    "ns": captured(ns(sllao())),
    "ns-padded": captured(ns(sllao()) + b"\xa5" * 4),
    "ns-without-sllao": captured(ns()),
    "ns-dad": captured(dad(nonce(b"nonce1"))),
    "ns-dad-looped": two_ports((0, 0, dad(nonce(b"nonce1")), 1), (0.1, 1, dad(nonce(b"nonce1")), 1)),
    "ns-dad-colliding": two_ports(
        (0, 0, dad(nonce(b"nonce1")), 1), (0.1, 1, dad(nonce(b"nonce2"), mac=OTHER), 1)
    ),
    "na-solicited": captured(na(tllao(), solicited=1)),
    "na-solicited-without-tllao": captured(na(solicited=1)),
    "na-unsolicited": captured(na(tllao())),
    "na-without-override": captured(na(tllao(), override=0)),
    "optimistic-dad": captured((0.0, dad()), (0.1, ns()), (0.2, na(tllao(), override=0))),
    "priority-tag": captured(
        bytes(
            Ether(src=GUEST, dst=BROADCAST)
            / Dot1Q(vlan=0, prio=6)
            / ARP(op=1, hwsrc=GUEST, psrc=GUEST4, hwdst=ZERO, pdst=GATEWAY4)
        )
    ),
    "packets": captured(
        (0.0, ping4(GUEST4)), (0.1, ping4(GUEST4)), (0.2, PING6), (0.3, PING6), (11.0, ping4(OTHER4))
    ),
    "two-families": captured(arp(), ns(sllao())),
    "two-claim-one-address": captured(announcement(), announcement(mac=OTHER), announcement(mac=OTHER)),
    "re-plugged": two_ports((0, 0, announcement(), 1), (2, 1, announcement(), 1)),
    "node-speaks-first": captured(NODE_ANSWERS, arp(), NODE_ANSWERS),
    "flooded-frame": two_ports((0, 0, arp(), 1), (0.000_020, 1, arp(), 2)),
}

FRAME = {
    "not-arp-or-ndp": captured(bytes(Ether(src=GUEST, dst="01:80:c2:00:00:0e", type=0x88CC) / bytes(46))),
    # 802.3 with LLC and SNAP: the field after the addresses is a length, and no ethertype.
    "arp-llc": captured(arp()[:12] + (36).to_bytes(2) + bytes.fromhex("aaaa03000000 0806") + arp()[14:42]),
    "short-frame": captured(arp()[:13]),
    "tagged": captured(
        bytes(
            Ether(src=GUEST, dst=BROADCAST)
            / Dot1Q(vlan=100)
            / ARP(op=1, hwsrc=GUEST, psrc=GUEST4, hwdst=ZERO, pdst=GATEWAY4)
        )
    ),
    "qinq": captured(
        bytes(
            Ether(src=GUEST, dst=BROADCAST)
            / Dot1AD(vlan=200)
            / Dot1Q(vlan=100)
            / ARP(op=1, hwsrc=GUEST, psrc=GUEST4, hwdst=ZERO, pdst=GATEWAY4)
        )
    ),
    "bad-source-mac": captured(arp(src=GROUP), arp(src=ZERO), arp(src=BROADCAST), arp(src=GUEST)),
    "own-mac": two_ports((0, 0, NODE_ANSWERS, 2), (1, 0, arp(sha=NODE, src=NODE), 1)),
    "truncated": pcap_header(snap=40)
    + pcap_record(arp()[:40], START, length=42)
    + pcap_record(ns(sllao())[:40], START + 1, length=86),
    "mac-mismatch": captured(arp(sha=OTHER), ns(sllao(OTHER)), na(tllao(OTHER))),
    "special-address": captured(
        *(
            announcement(address)
            for address in (
                "127.0.0.1",
                "0.1.2.3",
                "224.0.0.5",
                "240.0.0.1",
                "255.255.255.255",
                "169.254.7.7",
            )
        ),
        *(na(tllao(), target=address) for address in ("::1", "::", "::ffff:2.57.57.30")),
    ),
    "own-address": captured(
        NODE_ANSWERS,
        NODE_ADVERTISES,
        announcement(GATEWAY4),
        na(tllao(), target=GATEWAY6),
        arp(2, spa=GATEWAY4, tpa=OTHER4),
    ),
}

ARP_MALFORMED = {
    "arp-short": captured(arp()[:41]),
    "arp-format": captured(arp(hwtype=2), arp(ptype=0x86DD), broken(arp(), 18, 8), broken(arp(), 19, 16)),
    "arp-operation": captured(*(broken(arp(), 21, operation) for operation in (0, 3, 4, 8, 9, 24, 25))),
    "arp-sender-mac": captured(arp(sha=ZERO), arp(sha=GROUP), arp(sha=BROADCAST)),
    "arp-reply-from-zero": captured(arp(2, spa="0.0.0.0")),
}

NDP_MALFORMED = {
    "ip6-short": captured(ns(sllao())[:53], ns(sllao())[:-1]),
    "ip6-version": captured(broken(ns(sllao()), 14, 0x40)),
    "fragment": captured(
        ip6(
            GUEST6,
            GATEWAY6_GROUP,
            GATEWAY6_GROUP_MAC,
            IPv6ExtHdrFragment() / ICMPv6ND_NS(tgt=GATEWAY6) / sllao(),
        )
    ),
    "extension-header": captured(
        ip6(
            GUEST6,
            GATEWAY6_GROUP,
            GATEWAY6_GROUP_MAC,
            IPv6ExtHdrDestOpt() / ICMPv6ND_NS(tgt=GATEWAY6) / sllao(),
        )
    ),
    "not-ndp": captured(ECHO),
    "hop-limit": captured(
        ip6(GUEST6, GATEWAY6_GROUP, GATEWAY6_GROUP_MAC, ICMPv6ND_NS(tgt=GATEWAY6) / sllao(), hlim=254),
        ip6(LINK_LOCAL, ALL_NODES, ALL_NODES_MAC, ICMPv6ND_NA(tgt=GUEST6, S=0) / tllao(), hlim=254),
    ),
    "checksum": captured(ns(sllao(), cksum=0x1234)),
    "code": captured(ns(sllao(), code=1)),
    "ndp-short": captured(
        ip6(
            GUEST6, GATEWAY6_GROUP, GATEWAY6_GROUP_MAC, Raw(bytes(ICMPv6ND_NS(tgt=GATEWAY6, cksum=0))[:23])
        ).replace(
            b"\x00\x17\x3b",
            b"\x00\x17\x3a",  # Raw says "no next header"
        )
    ),
    "option": captured(
        ns(ICMPv6NDOptUnknown(type=1, len=0, data=bytes(6))),
        ns(ICMPv6NDOptUnknown(type=1, len=2, data=bytes.fromhex("bc2411000100"))),
    ),
    "link-layer-option": captured(
        ns(sllao(GROUP)),
        ns(sllao(ZERO)),
        ns(ICMPv6NDOptUnknown(type=1, len=2, data=bytes(14))),
        na(tllao(GROUP)),
    ),
    "option-conflict": captured(ns(sllao(), sllao(OTHER)), na(tllao(), tllao(OTHER))),
    "multicast-target": captured(na(tllao(), target=ALL_NODES)),
    "link-local": captured(dad(target=LINK_LOCAL, to="ff02::1:ff00:100"), na(tllao(), target=LINK_LOCAL)),
    "multicast-source": captured(ns(sllao(), source=ALL_NODES)),
    "dad-destination": captured(dad(to=ALL_NODES)),
    "dad-with-link-layer": captured(dad(sllao())),
    "solicited-multicast": captured(
        ip6(LINK_LOCAL, ALL_NODES, ALL_NODES_MAC, ICMPv6ND_NA(tgt=GUEST6, S=1) / tllao())
    ),
    "no-target-link-layer": captured(na()),
    "na-forged-override": captured(
        ns(sllao()), na(tllao(OTHER), mac=OTHER), na(tllao(OTHER), mac=OTHER), na(tllao(OTHER))
    ),
    "na-without-override-displaces-nobody": captured(ns(sllao()), na(tllao(OTHER), override=0, mac=OTHER)),
    "rogue-ra": captured(ip6(LINK_LOCAL, ALL_NODES, ALL_NODES_MAC, ICMPv6ND_RA())),
    "rogue-redirect": captured(ip6(LINK_LOCAL, GUEST6, NODE, ICMPv6ND_Redirect(tgt=LINK_LOCAL, dst=OTHER6))),
}

ALLOWLIST = {
    "permitted": captured(arp(), dad()),
    "not-permitted": captured(announcement("8.8.8.8")),
    "denied": captured(announcement("2.57.57.1")),
    "pinned": captured(announcement(OTHER4)),
}


def gzipped(content: bytes) -> bytes:
    """Compress a capture; the header names the same operating system with every Python (RFC 1952 §2.3.1)."""
    compressed = bytearray(gzip.compress(content, mtime=0))
    compressed[9] = 3  # Unix
    return bytes(compressed)


_ONE = captured(arp(), ns(sllao()))
FORMATS = {
    "format-nanoseconds.pcap": captured(arp(), ns(sllao()), ticks=1_000_000_000),
    "format-big-endian.pcap": captured(arp(), ns(sllao()), order=">"),
    "format-big-endian-nanoseconds.pcap": captured(arp(), ns(sllao()), order=">", ticks=1_000_000_000),
    "format-gzip.pcap.gz": gzipped(_ONE),
    "format-two-ports.pcapng": two_ports(
        (0, 0, arp(), 1), (1, 1, arp(spa=OTHER4, sha=OTHER, src=OTHER), 1), (1.000_1, 1, NODE_ANSWERS, 2)
    ),
    "format-gzip.pcapng.gz": gzipped(two_ports((0, 0, arp(), 1), (1, 0, ns(sllao()), 1))),
    "broken-truncated.pcap": captured(arp(), ns(sllao()), arp())[:-7],
    "broken-truncated.pcapng": two_ports((0, 0, arp(), 1), (1, 0, ns(sllao()), 1))[:-9],
    "broken-gzip.pcap.gz": gzipped(captured(arp(), ns(sllao()), arp()))[:-12],
    "broken-text.pcap": b"tcpdump: listening on tap100i0, link-type EN10MB (Ethernet)\n",
    "broken-empty.pcap": b"",
    "broken-any.pcap": pcap_header(link_type=276) + pcap_record(bytes(62), START),
}


def files() -> dict[str, bytes]:
    """Return the content of each file, by its name."""
    two = {"ns-dad-looped", "ns-dad-colliding", "re-plugged", "flooded-frame", "own-mac"}
    frames = ACCEPTED | FRAME | ARP_MALFORMED | NDP_MALFORMED | ALLOWLIST
    return {f"{name}.{'pcapng' if name in two else 'pcap'}": data for name, data in frames.items()} | FORMATS


if __name__ == "__main__":
    for name, data in files().items():
        (DIRECTORY / name).write_bytes(data)
