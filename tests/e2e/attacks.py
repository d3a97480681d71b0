"""Attacks that a guest may try, and the daemon's answer to each. `test_attacks.py` sends them; README shows the table.

Guest 100 has its two addresses and sends frames now and then. Guest 101 is the attacker. Guest 102 has its addresses
and sends nothing by itself, but its stack answers. Guest 103 is another tenant; the allowlist pins its addresses to it.
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
"""Indexes of guests in the lab."""


@dataclass(frozen=True)
class Attack:
    """Frames with the same aim, one kind after the other."""

    title: str
    outcome: str
    reasons: tuple[str, ...]
    """The daemon counts each frame under one of these reasons."""
    frames: dict[str, Build]
    """Frame builders, by kind of claim."""
    reached: tuple[str, str] = LIVE
    """The addresses that still answer the upstream, in both families."""
    guest: int = ATTACKER
    """Index of the guest that sends the frames."""
    mac: str | None = None
    """The sender's MAC; None: a new MAC that no guest has."""


def every_kind(address4: str, address6: str) -> dict[str, Build]:
    """Return every kind of claim to either address."""
    return kinds4(address4) | kinds6(address6) | without_override(address6)


def overriding(address4: str, address6: str) -> dict[str, Build]:
    """Return every kind of claim to either address, without the NA that has no Override flag."""
    return kinds4(address4) | kinds6(address6)


_CONFLICT = ("rival-claim", "being-decided", "quarantined")
_INCUMBENT_KEEPS = (
    "the incumbent answers a probe and keeps the address; ignores the claimant for 10 s, then 20, 40 … 300 s"
)
_BUILTIN = "refused, whatever the allowlist says"
_AS_TWO_GUESTS = "as a conflict between two guests"

CLAIMS = (
    Attack("Address of an active guest", _INCUMBENT_KEEPS, _CONFLICT, overriding(*LIVE)),
    Attack(
        "Address of a guest that sends nothing by itself",
        _INCUMBENT_KEEPS,
        _CONFLICT,
        overriding(*SILENT),
        reached=SILENT,
    ),
    Attack(
        "Bound address, by an NA without the Override flag",
        "the binding stays, as the flag demands",
        ("no-override",),
        without_override(LIVE[1]),
    ),
    Attack(
        "Own address, with a second MAC on the same port",
        f"{_AS_TWO_GUESTS}: the first MAC keeps the address while it answers",
        _CONFLICT,
        overriding(*LIVE),
        guest=SPEAKER,
    ),
    Attack(
        "Another guest's address and MAC, from a second port",
        f"{_AS_TWO_GUESTS}: the ports differ",
        _CONFLICT,
        overriding(*LIVE),
        mac=LIVE_MAC,
    ),
    Attack(
        "Another guest's MAC, by RARP",
        "probes the MAC's addresses on their own port, where they stay; ignores the next RARP",
        ("arrived", "unknown-mac", "too-many-new"),
        {"RARP": rarp},
        mac=LIVE_MAC,
    ),
    Attack("RARP of a new MAC", "ignored", ("unknown-mac",), {"RARP": rarp}),
    Attack(
        "Address pinned to another tenant, which has the address",
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
        f"{_BUILTIN}; announces the gateway's MAC to the segment, at most every 10 s",
        ("own-address",),
        every_kind(GATEWAY4, GATEWAY6),
        reached=NODE,  # the guests accept the forged MAC for a while; another test waits for the end of that
    ),
    Attack("Another address of the node", _BUILTIN, ("own-address",), every_kind(*NODE), reached=NODE),
    Attack("BGP peer, or any next hop of the node", _BUILTIN, ("next-hop",), every_kind(*PEER), reached=NODE),
    Attack(
        "Address inside a prefix of the node's other interfaces",
        "refused, unless it has a route already or its rule says `connected`",
        ("connected-prefix",),
        every_kind("192.0.2.77", "2001:db8:eeee::77"),
    ),
    Attack(
        "Special-purpose address",
        _BUILTIN,
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
        "not read, except for 10 s after a port appears; then ignored, because the address is bound",
        (),
        {"IPv4": lambda mac: data4(mac, LIVE[0]), "IPv6": lambda mac: data6(mac, LIVE[1])},
    ),
    Attack(
        "Priority tag (VLAN 0)",
        "as untagged",
        _CONFLICT,
        {"ARP request": lambda mac: tagged(arp(mac, LIVE[0]), Dot1Q(vlan=0, prio=6))},
    ),
)

_OUTCOMES = {
    "tagged": "not of this segment",
    "own-mac": "refused: a reflected frame, or a forged MAC",
    "arp-operation": "not a claim",
    "mac-mismatch": "refused; `mac_check` can permit it for a port",
    "rogue-ra": "counted; the bridge forwards it, so filter it there (`enforce`)",
    "rogue-redirect": "counted; the bridge forwards it, so filter it there (`enforce`)",
}

MALFORMED = tuple(
    Attack(title, _OUTCOMES.get(reason, "refused"), (reason,), {kind: build})
    for kind, malformed in (("ARP", malformed4(LIVE[0])), ("NDP", malformed6(LIVE[1])))
    for title, (reason, build) in malformed.items()
)

ATTACKS = CLAIMS + MALFORMED
