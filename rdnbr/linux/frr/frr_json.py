"""Reads the JSON of FRR's `show` commands: zebra's routes, bgpd's paths and sessions."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

from rdnbr.core.model.address import IP, parse_ip
from rdnbr.linux.frr.frr_status import Session
from rdnbr.linux.frr.host_routes import ZebraRoute


class VtyshError(Exception):
    """vtysh fails, takes too long, or prints what cannot be read; the message is the reason."""


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


def read_paths(text: str) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
    """Read `show bgp ipv4 unicast PREFIX json`.

    Returns:
        Whether a path is this node's own, the peers that have the best path, and the next hops of paths of others.

    Raises:
        VtyshError: `text` is something else.
    """
    try:
        return _paths(json.loads(text or "{}"))
    except (ValueError, AttributeError, TypeError) as error:
        raise VtyshError(f"no list of paths ({error})") from None


def read_many_paths(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Read several answers to `show bgp ipv4 unicast PREFIX json`, one after the other.

    Returns:
        The prefix of each that is this node's own and has paths of other nodes, and the next hops of those.

    Raises:
        VtyshError: `text` is something else.
    """
    decoder, at, found = json.JSONDecoder(), 0, []
    try:
        while (at := len(text) - len(text[at:].lstrip())) < len(text):
            document, at = decoder.raw_decode(text, at)
            own, _, others = _paths(document)
            if own and others:
                found.append((document["prefix"], others))
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise VtyshError(f"no list of paths ({error})") from None
    return found


def _paths(document: Any) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
    paths = document.get("paths", ())
    others = (
        hop["ip"]
        for path in paths
        if path.get("valid") and not path.get("sourced")
        for hop in path.get("nexthops", ())[:1]
    )
    return any(path.get("sourced") for path in paths), tuple(document.get("advertisedTo", {})), tuple(others)


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
