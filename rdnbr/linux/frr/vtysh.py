"""What FRR tells of itself, asked by vtysh. Only `show` is ever said."""

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator

from rdnbr.core.model.address import IP, parse_ip, show_ip
from rdnbr.core.model.unavailable import Unavailable
from rdnbr.linux.frr.frr_state import Frr, Redistribution, Seen, Session
from rdnbr.linux.frr.host_view import Advertisement, ZebraRoute

_PATIENCE = 10.0
"""Seconds; a full table takes vtysh a while."""

_VERSION = re.compile(r"FRRouting (\d+)\.(\d+)")
_INSTANCE = re.compile(r"router bgp \d+(?:\.\d+)?(?: (?:vrf (?P<vrf>\S+)|view \S+))?")
_FAMILY = re.compile(r" address-family ipv([46]) unicast")
_KERNEL = re.compile(r" {1,2}redistribute kernel\b(?:.* route-map (\S+))?")

_LEVELLING = re.compile(r"^route-map (\S+) permit \d+\n(?: .*\n)*? set metric [^+-]", re.MULTILINE)


class Silent(Exception):
    """vtysh has no answer."""


def installed() -> bool:
    """Tell whether there is a vtysh to ask."""
    return shutil.which("vtysh") is not None


def look() -> Seen:
    """Ask which FRR this is, what of it runs, what it redistributes, and which BGP sessions it has."""
    if not installed():
        return None
    try:
        version = _VERSION.search(_ask("show version"))
        daemons = frozenset(_ask("show daemons").split())
        bgp = "bgpd" in daemons
        redistributions = read_redistributions(_ask("show running-config bgpd")) if bgp else ()
        sessions = read_sessions(_ask("show bgp vrf all summary json")) if bgp else ()
    except Silent as silent:
        if os.geteuid() == 0 and "failed to connect to any daemons" in str(silent):
            return Frr(None, frozenset())
        return Unavailable(
            f"FRR was not looked at, for vtysh says: {silent}", "be root, or in the group frrvty"
        )
    release = (int(version[1]), int(version[2])) if version else None
    return Frr(release, daemons, tuple(redistributions), tuple(sessions))


def kernel_routes(vrf: str | None) -> dict[tuple[IP, str], bool]:
    """Return address and device of the kernel's host routes that zebra knows in a VRF, or in none.

    The value tells whether zebra has selected it, which is what lets bgpd have it.

    Raises:
        Silent: zebra cannot be asked.
    """
    where = f"vrf {vrf} " if vrf else ""
    texts = (_ask(f"show {family} route {where}kernel json") for family in ("ip", "ipv6"))
    known: dict[tuple[IP, str], bool] = {}
    for text in texts:
        for route, chosen in read_kernel_routes(text):
            known[route] = known.get(route, False) or chosen  # with two metrics there are two
    return known


def advertisement(address: IP, vrf: str | None, patience: float) -> Advertisement:
    """Return what zebra and bgpd say of one host.

    Args:
        address: of the host.
        vrf: where to look.
        patience: seconds that each of two answers may take.

    Raises:
        Silent: one of them cannot be asked.
    """
    version, bits = (4, 32) if len(address) == 4 else (6, 128)
    prefix = f"{show_ip(address)}/{bits}"
    where = f"vrf {vrf} " if vrf else ""
    routes = _ask(f"show {'ip' if version == 4 else 'ipv6'} route {where}{prefix} json", patience)
    paths = _ask(f"show bgp {where}ipv{version} unicast {prefix} json", patience)
    return Advertisement(tuple(read_routes(routes)), *read_paths(paths))


def read_redistributions(configuration: str) -> list[Redistribution]:
    """Find each `redistribute kernel` in bgpd's running configuration, in its VRF and address family."""
    found = []
    levelling = {match[1] for match in _LEVELLING.finditer(configuration)}
    vrf, family, inside = None, 4, False
    for line in configuration.splitlines():
        if not line.startswith((" ", "!")):
            instance = _INSTANCE.fullmatch(line)
            inside, vrf, family = instance is not None, instance["vrf"] if instance else None, 4
        elif opened := _FAMILY.fullmatch(line):
            family = int(opened[1])
        elif line.startswith(" address-family "):
            family = 0  # multicast, VPN, EVPN: not where hosts are
        elif inside and family and (kernel := _KERNEL.fullmatch(line)):
            levels = " metric " in line or kernel[1] in levelling
            found.append(Redistribution(vrf, family, kernel[1], levels))
    return found


def read_sessions(text: str) -> list[Session]:
    """Read `show bgp vrf all summary json`: the sessions of the families that hosts are in.

    Raises:
        Silent: it is something else.
    """
    try:
        return [
            Session(None if vrf == "default" else vrf, family, neighbour, told["state"])
            for vrf, families in json.loads(text or "{}").items()
            for family, name in ((4, "ipv4Unicast"), (6, "ipv6Unicast"))
            for neighbour, told in families.get(name, {}).get("peers", {}).items()
        ]
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise Silent(f"no list of BGP sessions ({error})") from None


def read_routes(text: str) -> Iterator[ZebraRoute]:
    """Read `show ip route PREFIX json`.

    Raises:
        Silent: it is something else.
    """
    try:
        for route in itertools.chain(*json.loads(text or "{}").values()):
            hops = [hop.get("interfaceName") for hop in route.get("nexthops", ())]
            yield ZebraRoute(route["protocol"], hops[0] if hops else None, route.get("selected", False))
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise Silent(f"no list of routes ({error})") from None


def read_paths(text: str) -> tuple[bool, tuple[str, ...]]:
    """Read `show bgp ipv4 unicast PREFIX json`: whether a path is this node's own, and to whom the best is told.

    Raises:
        Silent: it is something else.
    """
    try:
        found = json.loads(text or "{}")
        return any(path.get("sourced") for path in found.get("paths", ())), tuple(
            found.get("advertisedTo", {})
        )
    except (ValueError, AttributeError, TypeError) as error:
        raise Silent(f"no list of paths ({error})") from None


def read_kernel_routes(text: str) -> Iterator[tuple[tuple[IP, str], bool]]:
    """Read `show ip route kernel json`: a list of routes by prefix.

    Raises:
        Silent: it is something else.
    """
    try:
        for prefix, routes in json.loads(text or "{}").items():
            address, _, length = prefix.partition("/")
            packed = parse_ip(address)
            if int(length) < len(packed) * 8:
                continue
            for route in routes:
                for hop in route.get("nexthops", ()):
                    yield (packed, hop.get("interfaceName")), bool(route.get("selected"))
    except (ValueError, AttributeError, TypeError) as error:
        raise Silent(f"no list of routes ({error})") from None


def _ask(command: str, patience: float = _PATIENCE) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["vtysh", "-c", command],  # noqa: S607 (where it is differs)
            check=False,
            text=True,
            capture_output=True,
            timeout=patience,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise Silent(f"{error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise Silent(f"nothing within {patience:g} s") from None
    if done.returncode:
        said = " ".join((done.stderr.strip() or done.stdout.strip()).split())
        raise Silent(said or f"exit {done.returncode}")
    return done.stdout
