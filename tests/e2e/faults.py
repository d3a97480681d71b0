"""Faults around the daemon, and the time of each repair. `test_faults.py` causes them, and README shows the table.

Two guests have both of their addresses on `vmbr1`. `vmbr2` is a second bridge with the same gateways; `vmbr3` has no
gateway. The same daemon runs during all faults.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from tests.e2e.fault_lab import FaultLab

BATCH = "/run/batch"
KEEPS_REMOVING = "somebody keeps removing"
FLOOD = 25_000
"""Routes that are added and removed to overrun the netlink buffer."""


@dataclass(frozen=True)
class Fault:
    """One fault, and what ends it where the daemon alone cannot."""

    title: str
    notice: str
    """What the guests concerned notice."""
    within: float
    """Seconds from the last change by the test until everything is as before."""
    breaks: Callable[[FaultLab], None]
    meanwhile: Callable[[FaultLab], object] | None = None
    """A condition that becomes true before `mends` runs."""
    mends: Callable[[FaultLab], None] | None = None
    log: str = ""
    """A part of the line that the daemon logs."""


def flush_routes(fault_lab: FaultLab) -> None:
    fault_lab.node.run("ip", "-4", "route", "flush", "proto", "171")
    fault_lab.node.run("ip", "-6", "route", "flush", "proto", "171")


def flush_neighbours(fault_lab: FaultLab) -> None:
    fault_lab.node.run("ip", "neigh", "flush", "all", "nud", "permanent")


def remove_pin(fault_lab: FaultLab) -> None:
    fault_lab.node.run("bridge", "fdb", "del", fault_lab.guest.mac, "dev", fault_lab.guest.port, "master")


def replace_pin(fault_lab: FaultLab) -> None:
    port = fault_lab.other.port
    fault_lab.node.run("bridge", "fdb", "replace", fault_lab.guest.mac, "dev", port, "master", "dynamic")


def remove_route_repeatedly(fault_lab: FaultLab) -> None:
    logged = len(fault_lab.daemon.log)
    while KEEPS_REMOVING not in fault_lab.daemon.log[logged:]:
        fault_lab.node.ip(f"route del {fault_lab.guest.address4} dev vmbr1 proto 171")
        fault_lab.wait_until_put_back_or(lambda: KEEPS_REMOVING in fault_lab.daemon.log[logged:])


def removal_is_shown(fault_lab: FaultLab) -> bool:
    shown = {one["address"]: one["installed"] for one in fault_lab.node.show()["bindings"]}
    return shown[fault_lab.guest.address4] is False and shown[fault_lab.guest.address6] is True


def bridge_down(fault_lab: FaultLab) -> None:
    fault_lab.node.ip("link set vmbr1 down")


def bridge_up(fault_lab: FaultLab) -> None:
    fault_lab.node.ip("link set vmbr1 up")
    fault_lab.hold_gateways()


def bridge_down_and_up_at_once(fault_lab: FaultLab) -> None:
    with fault_lab.daemon_paused():
        bridge_down(fault_lab)
        bridge_up(fault_lab)


def bridge_remade(fault_lab: FaultLab) -> None:
    index = fault_lab.index("vmbr1")
    fault_lab.node.ip("link del vmbr1")
    fault_lab.make_bridge("vmbr1")
    assert fault_lab.index("vmbr1") != index


def bridge_remade_at_once(fault_lab: FaultLab) -> None:
    with fault_lab.daemon_paused():
        index = fault_lab.index("vmbr1")
        fault_lab.node.ip("link del vmbr1")
        fault_lab.make_bridge("vmbr1", index=index)


def mac_changes(fault_lab: FaultLab) -> None:
    """Change the MAC four times, as a bridge without a fixed MAC does while guests start one after the other."""
    for last in range(4):
        fault_lab.node.ip(f"link set vmbr1 address 02:52:44:4e:42:{last:02x}")
        fault_lab.wait_until_restored(5)


def mac_restored(fault_lab: FaultLab) -> None:
    fault_lab.node.ip(f"link set vmbr1 address {fault_lab.bridge_mac}")


def port_down(fault_lab: FaultLab) -> None:
    fault_lab.node.ip(f"link set {fault_lab.guest.port} down")


def port_up(fault_lab: FaultLab) -> None:
    fault_lab.node.ip(f"link set {fault_lab.guest.port} up")


def gateways_removed(fault_lab: FaultLab) -> None:
    fault_lab.node.ip("addr flush dev vmbr1")


def gateways_restored(fault_lab: FaultLab) -> None:
    fault_lab.hold_gateways()


def gateway4_removed(fault_lab: FaultLab) -> None:
    fault_lab.node.ip("addr del 169.254.0.1/32 dev vmbr1")


def gateway4_flaps(fault_lab: FaultLab) -> None:
    with fault_lab.daemon_paused():
        gateway4_removed(fault_lab)
        gateways_restored(fault_lab)


def port_renamed(fault_lab: FaultLab) -> None:
    fault_lab.rename(fault_lab.guest.port, "tap900i0")


def port_named_again(fault_lab: FaultLab) -> None:
    fault_lab.rename("tap900i0", fault_lab.guest.port)


def port_to(bridge: str) -> Callable[[FaultLab], None]:
    def move(fault_lab: FaultLab) -> None:
        fault_lab.node.ip(f"link set {fault_lab.guest.port} master {bridge}")

    return move


def guest_is_on(bridge: str) -> Callable[[FaultLab], bool]:
    return lambda fault_lab: {line.split()[2] for line in fault_lab.guest_entries()} == {bridge}


def guest_is_nowhere(fault_lab: FaultLab) -> bool:
    return fault_lab.guest_entries() == []


def ifindex_reused(fault_lab: FaultLab) -> None:
    """Another port gets the ifindex of the guest's port while the guest's last frames are still unread."""
    with fault_lab.daemon_paused():
        index = fault_lab.index(fault_lab.guest.port)
        for _ in range(3):
            fault_lab.guest_claims(fault_lab.spare)
        fault_lab.lab.unplug(fault_lab.guest)
        fault_lab.node.ip(
            f"link add tap200i0 index {index} type veth peer name g200",
            "link set g200 up",
            "link set tap200i0 master vmbr1 up",
        )


def only_the_other_port_is_there(fault_lab: FaultLab) -> bool:
    ports = {port["port"] for port in fault_lab.node.show("ports")["ports"]}
    bound = {one["address"] for one in fault_lab.node.show()["bindings"]}
    return "tap200i0" in ports and fault_lab.spare not in bound and guest_is_nowhere(fault_lab)


def guest_plugged_again(fault_lab: FaultLab) -> None:
    fault_lab.node.ip("link del tap200i0")
    fault_lab.lab.plug(fault_lab.guest)
    fault_lab.settle(fault_lab.guest)


def overrun(fault_lab: FaultLab, *lost: Callable[[FaultLab], None]) -> None:
    """Make 50,000 changes that the monitor receives, and after them the changes in `lost`, which overrun its buffer."""
    routes = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32 dev vmbr3 proto static" for n in range(FLOOD)]
    add, remove = ("".join(f"route {verb} {one}\n" for one in routes) for verb in ("add", "del"))
    fault_lab.node.write(BATCH, add + remove)
    with fault_lab.daemon_paused():
        fault_lab.node.run("ip", "-batch", BATCH, within=60.0)
        for change in lost:
            change(fault_lab)


def overruns(fault_lab: FaultLab) -> None:
    """Overrun the buffer twice: the daemon compares at once after the first, and after a pause for the second."""
    overrun(fault_lab, flush_routes, lambda fault_lab: fault_lab.lab.unplug(fault_lab.other))
    fault_lab.lab.plug(fault_lab.other)
    fault_lab.settle(fault_lab.other)
    overrun(fault_lab, flush_routes)


def tables_churn(fault_lab: FaultLab) -> None:
    """Add and remove routes of protocol 171 while the daemon reads all tables, since the bridge goes down and up."""
    routes = [f"10.9.{n >> 8}.{n & 255}/32 dev vmbr3 proto 171 table 99" for n in range(2000)]
    add, remove = ("".join(f"route {verb} {one}\n" for one in routes) for verb in ("add", "del"))
    fault_lab.node.write(BATCH, (add + remove) * 5)
    churn = fault_lab.node.launch("churn", "ip", "-force", "-batch", BATCH)
    for _ in range(10):
        bridge_down(fault_lab)
        bridge_up(fault_lab)
    churn.wait()


def ipv6_disabled(fault_lab: FaultLab) -> None:
    fault_lab.node.sysctl(ipv6__conf__vmbr1__disable_ipv6=1)


def ipv6_enabled(fault_lab: FaultLab) -> None:
    fault_lab.node.sysctl(ipv6__conf__vmbr1__disable_ipv6=0)
    fault_lab.hold_gateways()


def only_ipv4_is_left(fault_lab: FaultLab) -> bool:
    return {line.split()[0] for line in fault_lab.entries()} == {
        guest.address4 for guest in fault_lab.lab.guests
    }


def foreign_routes(fault_lab: FaultLab) -> None:
    fault_lab.node.ip(
        f"route replace {fault_lab.guest.address4} dev vmbr3 proto static",
        f"route replace {fault_lab.guest.address6} dev vmbr3 proto static metric 1024",
    )


def foreign_routes_removed(fault_lab: FaultLab) -> None:
    fault_lab.node.ip(
        f"route del {fault_lab.guest.address4} dev vmbr3 proto static",
        f"route del {fault_lab.guest.address6} dev vmbr3 proto static",
    )


def foreign_neighbours(fault_lab: FaultLab) -> None:
    fault_lab.node.ip(
        *(
            f"neigh replace {address} lladdr 02:00:00:00:00:01 dev vmbr1 nud permanent protocol static"
            for address in fault_lab.guest.addresses
        )
    )


def foreign_neighbours_removed(fault_lab: FaultLab) -> None:
    fault_lab.node.ip(*(f"neigh del {address} dev vmbr1" for address in fault_lab.guest.addresses))


def guest_is_refused(fault_lab: FaultLab) -> bool:
    """There is no route of rdnbr, and `show` says so."""
    routed = fault_lab.node.hosts() & set(fault_lab.guest.addresses)
    shown = {one["address"]: one["installed"] for one in fault_lab.node.show()["bindings"]}
    return not routed and not any(shown[address] for address in fault_lab.guest.addresses)


ODD_NAMES = (
    b"\xff\xfe\x80",
    b"caf\xc3\xa9",
    b"a\"b'c",
    b"x;y{z}",
    b"\x01\x1b[31m",
    b"tap*",
    b"..t",
    b"\\n$(t)",
)

ODD_KINDS = (
    "vrf table 7",
    "vxlan id 7 dstport 4789",
    "gre remote 192.0.2.1",
    "ipip remote 192.0.2.1",
    "dummy",
    "ifb",
    "bond",
)
LONG_NAME = "a-name-much-longer-than-fifteen-characters"


def odd_devices(fault_lab: FaultLab) -> None:
    """Add ports with names that are not valid text, and ports of unusual kinds."""
    for number, odd in enumerate(ODD_NAMES):
        name = os.fsdecode(odd)
        fault_lab.node.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"odd{number}")
        fault_lab.node.ip(f"link set odd{number} up")
        fault_lab.node.run("ip", "link", "set", name, "master", "vmbr1", "up")
    for kind in ODD_KINDS:  # those kinds that this kernel has
        fault_lab.node.attempt("ip", "link", "add", "odd", "type", *kind.split())
        fault_lab.node.attempt("ip", "link", "set", "odd", "master", "vmbr1", "up")
        fault_lab.node.attempt("ip", "link", "del", "odd")
    fault_lab.node.ip(f"link property add dev {fault_lab.other.port} altname {LONG_NAME}")


def odd_ports_are_served(fault_lab: FaultLab) -> bool:
    return len(fault_lab.node.show("ports")["ports"]) == len(fault_lab.lab.guests) + len(ODD_NAMES)


def odd_devices_removed(fault_lab: FaultLab) -> None:
    fault_lab.node.ip(
        *(f"link del odd{number}" for number in range(len(ODD_NAMES))),
        f"link property del dev {fault_lab.other.port} altname {LONG_NAME}",
    )


def frr_stopped(fault_lab: FaultLab) -> None:
    fault_lab.node.frr.stop("bgpd")
    fault_lab.node.frr.stop("zebra")


def frr_started(fault_lab: FaultLab) -> None:
    fault_lab.node.frr.start("zebra")
    fault_lab.node.frr.start("bgpd")


def zebra_stopped(fault_lab: FaultLab) -> None:
    fault_lab.node.frr.stop("zebra")


def zebra_started(fault_lab: FaultLab) -> None:
    fault_lab.node.frr.start("zebra")


def fabric_has_nobody(fault_lab: FaultLab) -> bool:
    return fault_lab.lab.upstream.hosts() == set()


FAULTS = (
    Fault(
        "`ip route flush proto 171`",
        "packets to them are lost until then",
        2.0,
        flush_routes,
    ),
    Fault("`ip neigh flush all nud permanent`", "nothing", 2.0, flush_neighbours),
    Fault("`bridge fdb del` of a pinned MAC (`enforce`)", "nothing", 2.0, remove_pin),
    Fault(
        "another program replaces the pin of a MAC by an entry that leads to another port",
        "packets to it are lost until the comparison of each minute, or until it sends a frame",
        62.0,
        replace_pin,
    ),
    Fault(
        "another program removes a route for the third time in a minute",
        "the route is absent for 10 s, and the log says so",
        11.0,
        remove_route_repeatedly,
        removal_is_shown,
        log=KEEPS_REMOVING,
    ),
    Fault(
        "the bridge goes down, and comes up again",
        "no connection while the bridge is down",
        2.0,
        bridge_down,
        mends=bridge_up,
    ),
    Fault(
        "the bridge goes down and up before the daemon reads the first change",
        "no connection while the bridge is down",
        2.0,
        bridge_down_and_up_at_once,
    ),
    Fault(
        "the bridge's MAC changes",
        "little: the daemon announces the new MAC at once; nevertheless, fix the MAC with `hwaddress`",
        2.0,
        mac_changes,
        mends=mac_restored,
    ),
    Fault("the bridge is deleted and made again", "no connection until then", 2.0, bridge_remade),
    Fault(
        "the bridge is deleted and made again at once, with the same ifindex",
        "no connection until then",
        2.0,
        bridge_remade_at_once,
    ),
    Fault(
        "the gateway addresses are removed and added again (`ifreload -a`)",
        "no connection until then",
        2.0,
        gateways_removed,
        lambda fault_lab: fault_lab.entries() == [],
        gateways_restored,
    ),
    Fault(
        "the bridge loses its only IPv4 address",
        "IPv4 has no gateway until the address is back",
        2.0,
        gateway4_removed,
        mends=gateways_restored,
    ),
    Fault(
        "the bridge's only IPv4 address is removed and added before the daemon reads the first change",
        "packets to them are lost until then",
        2.0,
        gateway4_flaps,
    ),
    Fault(
        "IPv6 is disabled on the bridge, and enabled again",
        "IPv6 has no connection, IPv4 continues",
        5.0,
        ipv6_disabled,
        only_ipv4_is_left,
        ipv6_enabled,
    ),
    Fault(
        "a port goes down, or loses its carrier",
        "routes withdrawn until the port is back and the guest has answered",
        2.0,
        port_down,
        guest_is_nowhere,
        port_up,
    ),
    Fault(
        "a port is renamed",
        "nothing; rules with `port=` are applied to the new name",
        2.0,
        port_renamed,
        mends=port_named_again,
    ),
    Fault(
        "a port moves to another bridge that is served",
        "routed there after the guest has answered",
        2.0,
        port_to("vmbr2"),
        guest_is_on("vmbr2"),
        port_to("vmbr1"),
    ),
    Fault(
        "a port moves to a bridge that is not served",
        "routes withdrawn until the port is back and the guest has answered",
        2.0,
        port_to("vmbr3"),
        guest_is_nowhere,
        port_to("vmbr1"),
    ),
    Fault(
        "a port is deleted, and another port gets its ifindex at once",
        "no guest is taken for another",
        2.0,
        ifindex_reused,
        only_the_other_port_is_there,
        guest_plugged_again,
    ),
    Fault(
        "another program replaces a guest's route",
        "packets follow that route",
        2.0,
        foreign_routes,
        guest_is_refused,
        foreign_routes_removed,
        log="another program's route",
    ),
    Fault(
        "another program replaces a guest's neighbour",
        "routes withdrawn until that neighbour is removed",
        2.0,
        foreign_neighbours,
        guest_is_refused,
        foreign_neighbours_removed,
        log="somebody else's permanent neighbour",
    ),
    Fault(
        "50,000 route changes overrun the netlink buffer, twice",
        "changes during that time take effect late",
        11.0,
        overruns,
        log="netlink events were lost",
    ),
    Fault("routes are added and removed while the daemon reads the tables", "nothing", 5.0, tables_churn),
    Fault(
        "ports have unusual names, or are devices of unusual kinds",
        "nothing",
        2.0,
        odd_devices,
        odd_ports_are_served,
        odd_devices_removed,
    ),
)

FRR_FAULTS = (
    Fault(
        "FRR stops, and starts again",
        "unreachable from outside until FRR's sessions are up",
        15.0,
        frr_stopped,
        fabric_has_nobody,
        frr_started,
    ),
    Fault(
        "zebra alone stops, and starts again",
        "nothing; new and withdrawn routes are announced late",
        15.0,
        zebra_stopped,
        mends=zebra_started,
    ),
)
