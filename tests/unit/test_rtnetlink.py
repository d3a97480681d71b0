"""The messages that rdnbr packs and reads itself, compared with pyroute2's."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl import rt_type
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from rdnbr.core.model.address import IP, MAC, parse_ip, parse_mac, show_ip, show_mac
from rdnbr.core.model.fib_entries import Neighbour, Route
from rdnbr.linux.netlink.netlink_socket import read_messages
from rdnbr.linux.netlink.route_lookup import _KINDS
from rdnbr.linux.netlink.rtnetlink import (
    HEADER,
    Place,
    Request,
    drop_neighbour,
    drop_route,
    dump_routes,
    match_route,
    new_route,
    put_neighbour,
    read_neighbour,
    read_place,
    read_route,
)

V4 = parse_ip("2.57.57.30")
V6 = parse_ip("2001:678:3a4:100::80")
GUEST = parse_mac("52:02:45:76:d2:35")

addresses = st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)).map(IP)
indexes = st.integers(1, 2**31 - 1)
routes = st.builds(Route, st.integers(1, 2**32 - 1), addresses, indexes, st.integers(0, 2**32 - 1))
neighbours = st.builds(Neighbour, indexes, addresses, st.binary(min_size=6, max_size=6).map(MAC))


def decoded(codec: type, request: Request) -> Any:
    message = codec(HEADER.pack(16 + len(request.body), request.type, request.flags, 1, 0) + request.body)
    message.decode()
    return message


def body_by_pyroute2(message: Any, kind: int) -> bytes:
    message["header"] = {"type": kind, "flags": 0, "sequence_number": 1, "pid": 0}
    message.encode()
    (packed,) = read_messages(bytes(message.data))
    return packed.body


def fields(message: Any) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in ("attrs", "header")}


def test_new_route_v4() -> None:
    """An IPv4 host route is exclusive, scope link, and without a metric when that is 0."""
    message = decoded(rtmsg, new_route(Route(254, V4, 7, 0), replace=False))
    assert message["header"]["type"] == 24
    assert message["header"]["flags"] == 0x600  # NLM_F_CREATE | NLM_F_EXCL
    assert fields(message) == {
        "family": 2,
        "dst_len": 32,
        "src_len": 0,
        "tos": 0,
        "table": 254,
        "proto": 171,
        "scope": 253,
        "type": 1,
        "flags": 0,
    }
    assert dict(message["attrs"]) == {"RTA_DST": "2.57.57.30", "RTA_OIF": 7}


def test_new_route_v6() -> None:
    """An IPv6 host route names its metric, and a table too big for a byte."""
    message = decoded(rtmsg, new_route(Route(70000, V6, 7, 1024), replace=True))
    assert message["header"]["flags"] == 0x500  # NLM_F_CREATE | NLM_F_REPLACE
    assert (message["family"], message["dst_len"], message["scope"], message["table"]) == (10, 128, 0, 0)
    assert dict(message["attrs"]) == {
        "RTA_DST": "2001:678:3a4:100::80",
        "RTA_OIF": 7,
        "RTA_PRIORITY": 1024,
        "RTA_TABLE": 70000,
    }


def test_drop_route_names_the_full_key() -> None:
    """A delete says everything that tells a route from others: prefix, table, metric, device, protocol."""
    message = decoded(rtmsg, drop_route(Route(171, V6, 7, 50)))
    assert message["header"]["type"] == 25
    assert (message["dst_len"], message["table"], message["proto"], message["type"]) == (128, 171, 171, 1)
    assert dict(message["attrs"]) == {"RTA_DST": "2001:678:3a4:100::80", "RTA_OIF": 7, "RTA_PRIORITY": 50}


@pytest.mark.parametrize("address", [V4, V6])
def test_put_neighbour(address: IP) -> None:
    """A neighbour is permanent, of our protocol, and replaces."""
    message = decoded(ndmsg, put_neighbour(Neighbour(7, address, GUEST)))
    assert message["header"]["type"] == 28
    assert message["header"]["flags"] == 0x500
    assert (message["ifindex"], message["state"], message["flags"]) == (7, 0x80, 0)
    assert message.get_attr("NDA_DST") == show_ip(address)
    assert message.get_attr("NDA_LLADDR") == "52:02:45:76:d2:35"
    assert put_neighbour(Neighbour(7, address, GUEST)).body.endswith(
        b"\x05\0\x0c\0\xab\0\0\0"
    )  # NDA_PROTOCOL


def test_drop_neighbour() -> None:
    """A neighbour is dropped by device and address."""
    message = decoded(ndmsg, drop_neighbour(Neighbour(7, V4, GUEST)))
    assert (message["header"]["type"], message["family"], message["ifindex"]) == (29, 2, 7)
    assert dict(message["attrs"]) == {"NDA_DST": "2.57.57.30"}


@given(routes)
def test_routes_as_pyroute2_packs_them(route: Route) -> None:
    """Read by pyroute2, our message and its own for the same route say the same."""
    four = len(route.address) == 4
    own = rtmsg()
    for name, value in {
        "family": 2 if four else 10,
        "dst_len": 8 * len(route.address),
        "table": route.table if route.table < 256 else 0,
        "proto": 171,
        "scope": 253 if four else 0,
        "type": 1,
    }.items():
        own[name] = value
    own["attrs"] = [("RTA_DST", show_ip(route.address)), ("RTA_OIF", route.device)]
    if route.metric:
        own["attrs"].append(("RTA_PRIORITY", route.metric))
    if route.table > 255:
        own["attrs"].append(("RTA_TABLE", route.table))
    assert body_by_pyroute2(own, 24) == new_route(route, replace=False).body


@given(neighbours)
def test_neighbours_as_pyroute2_packs_them(neighbour: Neighbour) -> None:
    """pyroute2 packs the same bytes for a neighbour, up to the protocol, which its older versions do not know."""
    own = ndmsg()
    own["family"] = 2 if len(neighbour.address) == 4 else 10
    own["ifindex"], own["state"] = neighbour.device, 0x80
    own["attrs"] = [("NDA_DST", show_ip(neighbour.address)), ("NDA_LLADDR", show_mac(neighbour.mac))]
    assert put_neighbour(neighbour).body == body_by_pyroute2(own, 28) + b"\x05\0\x0c\0\xab\0\0\0"


@given(addresses)
def test_route_lookup_as_pyroute2_packs_it(address: IP) -> None:
    """A lookup names the host, and asks for the route as it stands in its table; IPv6 reports the table anyway."""
    own = rtmsg()
    four = len(address) == 4
    own["family"], own["dst_len"] = 2 if four else 10, 8 * len(address)
    own["flags"] = 0x3000 if four else 0x2000  # RTM_F_LOOKUP_TABLE, RTM_F_FIB_MATCH
    own["attrs"] = [("RTA_DST", show_ip(address))]
    assert match_route(address).body == body_by_pyroute2(own, 26)


@given(st.sampled_from([2, 10]), st.integers(0, 255), st.integers(0, 11), indexes)
def test_route_dumps_as_pyroute2_packs_them(family: int, protocol: int, kind: int, device: int) -> None:
    """A dump names the protocol, the type and the device of the routes that the kernel is to return."""
    own = rtmsg()
    own["family"], own["proto"], own["type"] = family, protocol, kind
    own["attrs"] = [("RTA_OIF", device)]
    assert dump_routes(family, protocol=protocol, kind=kind, device=device).body == body_by_pyroute2(own, 26)


def test_route_types_have_the_names_of_pyroute2() -> None:
    """The types of routes have the names that ip(8) and pyroute2 give them."""
    assert {name: number for number, name in enumerate(_KINDS)} == {
        name: number for name, number in rt_type.items() if isinstance(name, str)
    }


@given(routes)
@example(Route(255, V4, 7, 0))
@example(Route(256, V4, 7, 0))
def test_routes_are_read_back(route: Route) -> None:
    """What is packed is read as the same route, and its place too."""
    body = new_route(route, replace=False).body
    assert read_route(body) == route
    assert read_place(body) == Place(route.table, route.address, route.metric)


@given(neighbours)
def test_neighbours_are_read_back(neighbour: Neighbour) -> None:
    """What is packed is read as the same neighbour, of ours."""
    entry = read_neighbour(put_neighbour(neighbour).body)
    assert entry is not None
    assert entry.ours
    assert entry.neighbour == neighbour


@pytest.mark.parametrize(
    "changed",
    [
        {"proto": 4},
        {"dst_len": 24},
        {"type": 6},
        {"tos": 4},
        {"flags": 0x200},
        {"attrs": [("RTA_DST", "2.57.57.30"), ("RTA_OIF", 7), ("RTA_GATEWAY", "192.0.2.1")]},
        {"attrs": [("RTA_DST", "2.57.57.30")]},
    ],
)
def test_other_routes_are_not_ours(changed: dict[str, Any]) -> None:
    """A route that differs from ours in protocol, length, type, TOS or shape is not read as one."""
    message = rtmsg()
    ours = {"family": 2, "dst_len": 32, "table": 254, "proto": 171, "scope": 253, "type": 1}
    ours["attrs"] = [("RTA_DST", "2.57.57.30"), ("RTA_OIF", 7)]
    for name, value in (ours | changed).items():
        message[name] = value
    assert read_route(body_by_pyroute2(message, 24)) is None


@given(st.binary(max_size=200))
def test_any_bytes_can_be_split(datagram: bytes) -> None:
    """Splitting a datagram ends, whatever is in it."""
    for message in read_messages(datagram):
        assert len(message.body) <= len(datagram)
