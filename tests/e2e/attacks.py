"""What a guest may try, and what comes of it: the table that the tests carry out and README shows.

The scene: guest 100 has its two addresses and speaks now and then. Guest 101 attacks. Guest 102 has its addresses and
says nothing, but its stack answers. Guest 103 is another tenant: what is its own is pinned to it.
"""

from dataclasses import dataclass

from scapy.layers.l2 import Dot1Q

from tests.e2e.attack_frames import (
    GATEWAY4,
    GATEWAY6,
    Build,
    arp,
    data4,
    data6,
    kinds4,
    kinds6,
    malformed4,
    malformed6,
    na,
    ns,
    rarp,
    sllao,
    tagged,
    tllao,
    without_override,
)

ALLOWLIST = """\
2.57.57.0/24
2001:678:3a4:100::/64
2.57.57.33                vm=103
2001:678:3a4:100::83      vm=103
2.57.60.0/24              vm=103
2001:678:3a4:100:8::/80   vm=103
deny 2.57.57.1
deny 2001:678:3a4:100::1
"""

LIVE = "2.57.57.30", "2001:678:3a4:100::80"
LIVE_MAC = "52:02:45:76:d2:35"
SILENT = "2.57.57.32", "2001:678:3a4:100::82"
PINNED = "2.57.57.33", "2001:678:3a4:100::83"
NODE = "198.51.100.1", "2001:db8:ffff::1"
PEER = "198.51.100.0", "2001:db8:ffff::"

SPEAKER, ATTACKER = 0, 1
"""Numbers of guests."""


@dataclass(frozen=True)
class Attack:
    """Frames that try the same, one kind after the other."""

    title: str
    outcome: str
    reasons: tuple[str, ...]
    """Each frame is counted under one of these."""
    frames: dict[str, Build]
    """By kind."""
    reached: tuple[str, str] = LIVE
    """Who answers the upstream all the same, in both families."""
    guest: int = ATTACKER
    """Who sends it."""
    mac: str | None = None
    """The sender's MAC; None: one that nobody has and that was never used before."""


def every_kind(address4: str, address6: str) -> dict[str, Build]:
    """Return every kind of claim to either address."""
    return kinds4(address4) | kinds6(address6) | without_override(address6)


def overriding(address4: str, address6: str) -> dict[str, Build]:
    """Return every kind of claim to either address but the one that displaces nobody."""
    return kinds4(address4) | kinds6(address6)


_CONTEST = ("rival-claim", "being-decided", "quarantined")
_ASKED = "its guest is asked, answers and keeps it; the claimant is not heard for 10 s, then 20, 40 … 300"
_LAW = "refused before the allowlist is asked"

CLAIMS = (
    Attack("Address of a guest that is there", _ASKED, _CONTEST, overriding(*LIVE)),
    Attack("Address of a guest that keeps silent", _ASKED, _CONTEST, overriding(*SILENT), reached=SILENT),
    Attack(
        "Bound address, by an NA that displaces nobody",
        "taken at its word",
        ("no-override",),
        without_override(LIVE[1]),
    ),
    Attack(
        "Own address, with a second MAC on the same port",
        "as between two guests: the first MAC keeps it while it answers",
        _CONTEST,
        overriding(*LIVE),
        guest=SPEAKER,
    ),
    Attack(
        "Another guest's address and MAC, from a second port",
        "as between two guests: the port tells them apart",
        _CONTEST,
        overriding(*LIVE),
        mac=LIVE_MAC,
    ),
    Attack(
        "Another guest's MAC, shown by RARP",
        "its addresses are asked for on the first port, and stay there; the next is not heard",
        ("arrived", "unknown-mac", "too-many-new"),
        {"RARP": rarp},
        mac=LIVE_MAC,
    ),
    Attack("RARP of a MAC that is new", "means nothing", ("unknown-mac",), {"RARP": rarp}),
    Attack(
        "Address pinned to another tenant that has it",
        "refused by the allowlist",
        ("pinned",),
        every_kind(*PINNED),
        reached=PINNED,
    ),
    Attack(
        "Free address in another tenant's prefix",
        "refused by the allowlist",
        ("pinned",),
        every_kind("2.57.60.7", "2001:678:3a4:100:8::7"),
    ),
    Attack(
        "Address outside the allowlist",
        "refused by the allowlist",
        ("not-permitted",),
        every_kind("8.8.8.8", "2001:4860:4860::8888"),
    ),
    Attack(
        "Address denied",
        "refused by the allowlist",
        ("denied",),
        every_kind("2.57.57.1", "2001:678:3a4:100::1"),
    ),
    Attack(
        "Gateway",
        f"{_LAW}; the segment is told who the gateway is, at most every 10 s",
        ("own-address",),
        every_kind(GATEWAY4, GATEWAY6),
        reached=NODE,  # the guests believe it for a while; another test waits for that to end
    ),
    Attack("Another address of the node", _LAW, ("own-address",), every_kind(*NODE), reached=NODE),
    Attack("BGP peer, or any next hop of the node", _LAW, ("next-hop",), every_kind(*PEER), reached=NODE),
    Attack(
        "Address inside a prefix of the node's other interfaces",
        _LAW,
        ("connected-prefix",),
        every_kind("192.0.2.77", "2001:db8:eeee::77"),
    ),
    Attack(
        "Special address",
        _LAW,
        ("special-address",),
        {
            "127.9.9.9": lambda mac: arp(mac, "127.9.9.9"),
            "0.1.2.3": lambda mac: arp(mac, "0.1.2.3"),
            "169.254.7.7": lambda mac: arp(mac, "169.254.7.7"),
            "224.0.0.5": lambda mac: arp(mac, "224.0.0.5"),
            "255.255.255.255": lambda mac: arp(mac, "255.255.255.255"),
            "::": lambda mac: na(mac, "::", tllao(mac), source="fe80::7"),
            "::ffff:2.57.57.30": lambda mac: na(mac, "::ffff:2.57.57.30", tllao(mac), source="fe80::7"),
        },
    ),
    Attack(
        "Link-local address",
        "never routed",
        ("link-local",),
        {"NS": lambda mac: ns(mac, "fe80::7", GATEWAY6, sllao(mac))},
    ),
    Attack(
        "Packet with another guest's source address",
        "not read, but for moments after a port appears; then it means nothing, for the address has its guest",
        (),
        {"IPv4": lambda mac: data4(mac, LIVE[0]), "IPv6": lambda mac: data6(mac, LIVE[1])},
    ),
    Attack(
        "Priority tag (VLAN 0)",
        "as untagged",
        _CONTEST,
        {"ARP request": lambda mac: tagged(arp(mac, LIVE[0]), Dot1Q(vlan=0, prio=6))},
    ),
)

_OUTCOMES = {
    "tagged": "not of this segment",
    "own-mac": "refused: reflected, or stolen from the node",
    "arp-operation": "not a claim",
    "mac-mismatch": "refused; `mac_check` says otherwise for a port",
    "rogue-ra": "counted; rdnbr does not forward, so stop it with the bridge's filter",
    "rogue-redirect": "counted; rdnbr does not forward, so stop it with the bridge's filter",
}

MALFORMED = tuple(
    Attack(title, _OUTCOMES.get(reason, "refused"), (reason,), {kind: build})
    for kind, spoiled in (("ARP", malformed4(LIVE[0])), ("NDP", malformed6(LIVE[1])))
    for title, (reason, build) in spoiled.items()
)

ATTACKS = CLAIMS + MALFORMED
