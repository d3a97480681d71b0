"""Reads bgpd's running configuration: what it redistributes from the kernel, and by which route-maps."""

import re

from rdnbr.linux.frr.frr_status import Redistribution, RouteMap

_INSTANCE = re.compile(r"router bgp \d+(?:\.\d+)?(?: (?:vrf (?P<vrf>\S+)|view \S+))?")
_FAMILY = re.compile(r" address-family ipv([46]) unicast")
_KERNEL = re.compile(
    r" {1,2}redistribute (?:kernel|table-direct (?P<table>\d+))\b(?:.* route-map (?P<map>\S+))?.*"
)

_ROUTE_MAP = re.compile(r"^route-map (\S+) (permit|deny) (\d+)\n((?: .*\n)*)", re.MULTILINE)
_PREFIX_LIST = re.compile(r"match ip(?:v6)? address prefix-list (\S+)")
_SETS_METRIC = re.compile(r"^route-map (\S+) permit \d+\n(?: .*\n)*? set metric [^+-]", re.MULTILINE)


def read_redistributions(configuration: str) -> list[Redistribution]:
    """Return what bgpd's running configuration redistributes from the kernel, with its VRF and address family."""
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
            one_metric = " metric " in line or kernel["map"] in with_metric
            table = int(kernel["table"]) if kernel["table"] else None
            found.append(Redistribution(vrf, family, kernel["map"], one_metric, table))
    return found


def read_instances(configuration: str) -> dict[str | None, str]:
    """Return the line `router bgp …` of each BGP instance of bgpd's running configuration, by VRF."""
    found = (_INSTANCE.fullmatch(line) for line in configuration.splitlines())
    return {match["vrf"]: match[0] for match in found if match is not None and " view " not in match[0]}


def read_route_maps(configuration: str) -> dict[str, RouteMap]:
    """Return the route-maps of bgpd's running configuration, by name."""
    found: dict[str, RouteMap] = {}
    for match in _ROUTE_MAP.finditer(configuration + "\n"):
        name, verdict, number = match[1], match[2], int(match[3])
        before = found.get(name, RouteMap(name, 0, ()))
        lists = tuple(_PREFIX_LIST.findall(match[4])) if verdict == "permit" else ()
        found[name] = RouteMap(name, max(before.last, number), before.prefix_lists + lists)
    return found
