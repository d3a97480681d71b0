"""Reads the state of FRR with vtysh. Only `show` commands are run: FRR is never configured."""

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

_TIMEOUT = 10.0
"""Seconds that vtysh may take: it needs some for a full table."""

_VERSION = re.compile(r"FRRouting (\d+)\.(\d+)")
_INSTANCE = re.compile(r"router bgp \d+(?:\.\d+)?(?: (?:vrf (?P<vrf>\S+)|view \S+))?")
_FAMILY = re.compile(r" address-family ipv([46]) unicast")
_KERNEL = re.compile(r" {1,2}redistribute kernel\b(?:.* route-map (\S+))?")

_SETS_METRIC = re.compile(r"^route-map (\S+) permit \d+\n(?: .*\n)*? set metric [^+-]", re.MULTILINE)


class VtyshError(Exception):
    """vtysh fails, takes too long, or prints what cannot be read; the message is the reason."""


def installed() -> bool:
    """Return whether vtysh is there."""
    return shutil.which("vtysh") is not None


def read_frr() -> Seen:
    """Read the version of FRR, its daemons, its redistributions and its BGP sessions."""
    if not installed():
        return None
    try:
        version = _VERSION.search(_show("show version"))
        daemons = frozenset(_show("show daemons").split())
        bgp = "bgpd" in daemons
        redistributions = read_redistributions(_show("show running-config bgpd")) if bgp else ()
        sessions = read_sessions(_show("show bgp vrf all summary json")) if bgp else ()
    except VtyshError as error:
        if os.geteuid() == 0 and "failed to connect to any daemons" in str(error):
            return Frr(None, frozenset())
        return Unavailable(
            f"FRR was not looked at, for vtysh says: {error}", "be root, or in the group frrvty"
        )
    release = (int(version[1]), int(version[2])) if version else None
    return Frr(release, daemons, tuple(redistributions), tuple(sessions))


def kernel_routes(vrf: str | None) -> dict[tuple[IP, str], bool]:
    """Return zebra's host routes of protocol `kernel`: (address, device), and whether zebra has selected the route.

    Only a selected route is redistributed into bgpd.

    Args:
        vrf: the VRF to read; None for the default one.

    Raises:
        VtyshError: zebra does not answer.
    """
    where = f"vrf {vrf} " if vrf else ""
    texts = (_show(f"show {family} route {where}kernel json") for family in ("ip", "ipv6"))
    known: dict[tuple[IP, str], bool] = {}
    for text in texts:
        for route, chosen in read_kernel_routes(text):
            known[route] = known.get(route, False) or chosen  # zebra has one route for each metric
    return known


def advertisement(address: IP, vrf: str | None, timeout: float) -> Advertisement:
    """Return what zebra and bgpd show of one host.

    Args:
        address: of the host.
        vrf: the VRF to read; None for the default one.
        timeout: seconds that each of two vtysh runs may take.

    Raises:
        VtyshError: zebra or bgpd does not answer.
    """
    version, bits = (4, 32) if len(address) == 4 else (6, 128)
    prefix = f"{show_ip(address)}/{bits}"
    where = f"vrf {vrf} " if vrf else ""
    routes = _show(f"show {'ip' if version == 4 else 'ipv6'} route {where}{prefix} json", timeout)
    paths = _show(f"show bgp {where}ipv{version} unicast {prefix} json", timeout)
    return Advertisement(tuple(read_routes(routes)), *read_paths(paths))


def read_redistributions(configuration: str) -> list[Redistribution]:
    """Return each `redistribute kernel` of bgpd's running configuration, with its VRF and address family."""
    found = []
    with_metric = {match[1] for match in _SETS_METRIC.finditer(configuration)}
    vrf, family, inside = None, 4, False
    for line in configuration.splitlines():
        if not line.startswith((" ", "!")):
            instance = _INSTANCE.fullmatch(line)
            inside, vrf, family = instance is not None, instance["vrf"] if instance else None, 4
        elif opened := _FAMILY.fullmatch(line):
            family = int(opened[1])
        elif line.startswith(" address-family "):
            family = 0  # multicast, VPN, EVPN: host routes are not in them
        elif inside and family and (kernel := _KERNEL.fullmatch(line)):
            one_metric = " metric " in line or kernel[1] in with_metric
            found.append(Redistribution(vrf, family, kernel[1], one_metric))
    return found


def read_sessions(text: str) -> list[Session]:
    """Read `show bgp vrf all summary json`: the sessions in the unicast families.

    Raises:
        VtyshError: `text` is something else.
    """
    try:
        return [
            Session(None if vrf == "default" else vrf, family, neighbour, peer["state"])
            for vrf, families in json.loads(text or "{}").items()
            for family, name in ((4, "ipv4Unicast"), (6, "ipv6Unicast"))
            for neighbour, peer in families.get(name, {}).get("peers", {}).items()
        ]
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise VtyshError(f"no list of BGP sessions ({error})") from None


def read_routes(text: str) -> Iterator[ZebraRoute]:
    """Read `show ip route PREFIX json`.

    Raises:
        VtyshError: `text` is something else.
    """
    try:
        for route in itertools.chain(*json.loads(text or "{}").values()):
            hops = [hop.get("interfaceName") for hop in route.get("nexthops", ())]
            yield ZebraRoute(route["protocol"], hops[0] if hops else None, route.get("selected", False))
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise VtyshError(f"no list of routes ({error})") from None


def read_paths(text: str) -> tuple[bool, tuple[str, ...]]:
    """Read `show bgp ipv4 unicast PREFIX json`: whether a path is this node's own, and the peers that have the best.

    Raises:
        VtyshError: `text` is something else.
    """
    try:
        found = json.loads(text or "{}")
        return any(path.get("sourced") for path in found.get("paths", ())), tuple(
            found.get("advertisedTo", {})
        )
    except (ValueError, AttributeError, TypeError) as error:
        raise VtyshError(f"no list of paths ({error})") from None


def read_kernel_routes(text: str) -> Iterator[tuple[tuple[IP, str], bool]]:
    """Read `show ip route kernel json`: a list of routes by prefix.

    Raises:
        VtyshError: `text` is something else.
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
        raise VtyshError(f"no list of routes ({error})") from None


def _show(command: str, timeout: float = _TIMEOUT) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["vtysh", "-c", command],  # noqa: S607 (its directory differs between distributions)
            check=False,
            text=True,
            capture_output=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise VtyshError(f"{error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise VtyshError(f"nothing within {timeout:g} s") from None
    if done.returncode:
        said = " ".join((done.stderr.strip() or done.stdout.strip()).split())
        raise VtyshError(said or f"exit {done.returncode}")
    return done.stdout
