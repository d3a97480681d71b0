"""Reads the state of FRR with vtysh. Only `show` commands are run: FRR is never configured."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence

from rdnbr.core.model.address import IP, parse_ip, show_ip
from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.linux.frr.frr_json import (
    VtyshError,
    read_kernel_routes,
    read_many_paths,
    read_paths,
    read_routes,
    read_sessions,
)
from rdnbr.linux.frr.frr_running_config import read_instances, read_redistributions, read_route_maps
from rdnbr.linux.frr.frr_status import Frr, Seen
from rdnbr.linux.frr.host_routes import Advertisement
from rdnbr.linux.frr.slow_settings import read_slow_settings

_TIMEOUT = 10.0
"""Seconds that vtysh may take: it needs some for a full table."""

ASKED = 1000
"""Addresses that bgpd is asked about at most, for paths of other nodes."""
_AT_ONCE = 50
"""Commands of one vtysh."""

_VERSION = re.compile(r"FRRouting (\d+)\.(\d+)")


def installed() -> bool:
    """Return whether vtysh is there."""
    return shutil.which("vtysh") is not None


def read_frr(timeout: float = _TIMEOUT) -> Seen:
    """Read the version of FRR, its daemons, its redistributions and its BGP sessions.

    Args:
        timeout: seconds that each of four vtysh runs may take.
    """
    if not installed():
        return None
    try:
        version = _VERSION.search(_show("show version", timeout=timeout))
        daemons = frozenset(_show("show daemons", timeout=timeout).split())
        bgp = "bgpd" in daemons
        configuration = _show("show running-config bgpd", timeout=timeout) if bgp else ""
        sessions = read_sessions(_show("show bgp vrf all summary json", timeout=timeout)) if bgp else ()
    except VtyshError as error:
        if os.geteuid() == 0 and "failed to connect to any daemons" in str(error):
            return Frr(None, frozenset())
        return UnreadFact(
            f"FRR was not looked at, for vtysh says: {error}", "be root, or in the group frrvty"
        )
    release = (int(version[1]), int(version[2])) if version else None
    return Frr(
        release,
        daemons,
        tuple(read_redistributions(configuration)),
        tuple(sessions),
        tuple(read_slow_settings(configuration)),
        instances=read_instances(configuration),
        route_maps=read_route_maps(configuration),
    )


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
    routes = _show(f"show {'ip' if version == 4 else 'ipv6'} route {where}{prefix} json", timeout=timeout)
    paths = _show(f"show bgp {where}ipv{version} unicast {prefix} json", timeout=timeout)
    return Advertisement(tuple(read_routes(routes)), *read_paths(paths))


def announced_elsewhere(addresses: Sequence[IP], vrf: str | None) -> dict[IP, tuple[str, ...]]:
    """Return the addresses that this node announces and others too, with the next hops of the others.

    Args:
        addresses: to ask about; at most ASKED of them are.
        vrf: the VRF to read; None for the default one.

    Raises:
        VtyshError: bgpd does not answer.
    """
    where = f"vrf {vrf} " if vrf else ""
    commands = [
        f"show bgp {where}ipv{4 if len(one) == 4 else 6} unicast {show_ip(one)}/{len(one) * 8} json"
        for one in addresses[:ASKED]
    ]
    found: dict[IP, tuple[str, ...]] = {}
    for start in range(0, len(commands), _AT_ONCE):
        text = _show(*commands[start : start + _AT_ONCE])
        found |= {parse_ip(prefix.partition("/")[0]): hops for prefix, hops in read_many_paths(text)}
    return found


def _show(*commands: str, timeout: float = _TIMEOUT) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["vtysh", *(word for command in commands for word in ("-c", command))],  # noqa: S607 (its directory differs between distributions)
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
