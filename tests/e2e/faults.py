"""Faults around the daemon, and the time of each repair. `test_faults.py` causes them, and README shows the table.

Two guests have both of their addresses on `vmbr1`. `vmbr2` is a second bridge with the same gateways; `vmbr3` has no
gateway. The same daemon runs during all faults.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from tests.e2e.scene import Scene

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
    breaks: Callable[[Scene], None]
    meanwhile: Callable[[Scene], object] | None = None
    """A condition that becomes true before `mends` runs."""
    mends: Callable[[Scene], None] | None = None
    log: str = ""
    """A part of the line that the daemon logs."""


def flush_routes(scene: Scene) -> None:
    scene.node.run("ip", "-4", "route", "flush", "proto", "171")
    scene.node.run("ip", "-6", "route", "flush", "proto", "171")


def flush_neighbours(scene: Scene) -> None:
    scene.node.run("ip", "neigh", "flush", "all", "nud", "permanent")


def remove_route_repeatedly(scene: Scene) -> None:
    logged = len(scene.daemon.log)
    while KEEPS_REMOVING not in scene.daemon.log[logged:]:
        scene.node.ip(f"route del {scene.guest.address4} dev vmbr1 proto 171")
        scene.wait_until_put_back_or(lambda: KEEPS_REMOVING in scene.daemon.log[logged:])


def removal_is_shown(scene: Scene) -> bool:
    shown = {one["address"]: one["installed"] for one in scene.node.show()["bindings"]}
    return shown[scene.guest.address4] is False and shown[scene.guest.address6] is True


def bridge_down(scene: Scene) -> None:
    scene.node.ip("link set vmbr1 down")


def bridge_up(scene: Scene) -> None:
    scene.node.ip("link set vmbr1 up")
    scene.hold_gateways()


def bridge_down_and_up_at_once(scene: Scene) -> None:
    with scene.daemon_paused():
        bridge_down(scene)
        bridge_up(scene)


def bridge_remade(scene: Scene) -> None:
    index = scene.index("vmbr1")
    scene.node.ip("link del vmbr1")
    scene.make_bridge("vmbr1")
    assert scene.index("vmbr1") != index


def bridge_remade_at_once(scene: Scene) -> None:
    with scene.daemon_paused():
        index = scene.index("vmbr1")
        scene.node.ip("link del vmbr1")
        scene.make_bridge("vmbr1", index=index)


def mac_changes(scene: Scene) -> None:
    """Change the MAC four times, as a bridge without a fixed MAC does while guests start one after the other."""
    for last in range(4):
        scene.node.ip(f"link set vmbr1 address 02:52:44:4e:42:{last:02x}")
        scene.wait_until_restored(5)


def mac_restored(scene: Scene) -> None:
    scene.node.ip(f"link set vmbr1 address {scene.bridge_mac}")


def port_down(scene: Scene) -> None:
    scene.node.ip(f"link set {scene.guest.port} down")


def port_up(scene: Scene) -> None:
    scene.node.ip(f"link set {scene.guest.port} up")


def gateways_removed(scene: Scene) -> None:
    scene.node.ip("addr flush dev vmbr1")


def gateways_restored(scene: Scene) -> None:
    scene.hold_gateways()


def gateway4_removed(scene: Scene) -> None:
    scene.node.ip("addr del 169.254.0.1/32 dev vmbr1")


def gateway4_flaps(scene: Scene) -> None:
    with scene.daemon_paused():
        gateway4_removed(scene)
        gateways_restored(scene)


def port_renamed(scene: Scene) -> None:
    scene.rename(scene.guest.port, "tap900i0")


def port_named_again(scene: Scene) -> None:
    scene.rename("tap900i0", scene.guest.port)


def port_to(bridge: str) -> Callable[[Scene], None]:
    def move(scene: Scene) -> None:
        scene.node.ip(f"link set {scene.guest.port} master {bridge}")

    return move


def guest_is_on(bridge: str) -> Callable[[Scene], bool]:
    return lambda scene: {line.split()[2] for line in scene.guest_entries()} == {bridge}


def guest_is_nowhere(scene: Scene) -> bool:
    return scene.guest_entries() == []


def ifindex_reused(scene: Scene) -> None:
    """Another port gets the ifindex of the guest's port while the guest's last frames are still unread."""
    with scene.daemon_paused():
        index = scene.index(scene.guest.port)
        for _ in range(3):
            scene.guest_claims(scene.spare)
        scene.lab.unplug(scene.guest)
        scene.node.ip(
            f"link add tap200i0 index {index} type veth peer name g200",
            "link set g200 up",
            "link set tap200i0 master vmbr1 up",
        )


def only_the_other_port_is_there(scene: Scene) -> bool:
    ports = {port["port"] for port in scene.node.show("ports")["ports"]}
    bound = {one["address"] for one in scene.node.show()["bindings"]}
    return "tap200i0" in ports and scene.spare not in bound and guest_is_nowhere(scene)


def guest_plugged_again(scene: Scene) -> None:
    scene.node.ip("link del tap200i0")
    scene.lab.plug(scene.guest)
    scene.settle(scene.guest)


def overrun(scene: Scene, *lost: Callable[[Scene], None]) -> None:
    """Make 50,000 changes that the monitor receives, and after them the changes in `lost`, which overrun its buffer."""
    routes = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32 dev vmbr3 proto static" for n in range(FLOOD)]
    add, remove = ("".join(f"route {verb} {one}\n" for one in routes) for verb in ("add", "del"))
    scene.node.write(BATCH, add + remove)
    with scene.daemon_paused():
        scene.node.run("ip", "-batch", BATCH)
        for change in lost:
            change(scene)


def overruns(scene: Scene) -> None:
    """Overrun the buffer twice: the daemon compares at once after the first, and after a pause for the second."""
    overrun(scene, flush_routes, lambda scene: scene.lab.unplug(scene.other))
    scene.lab.plug(scene.other)
    scene.settle(scene.other)
    overrun(scene, flush_routes)


def tables_churn(scene: Scene) -> None:
    """Add and remove routes of protocol 171 while the daemon reads all tables, since the bridge goes down and up."""
    routes = [f"10.9.{n >> 8}.{n & 255}/32 dev vmbr3 proto 171 table 99" for n in range(2000)]
    add, remove = ("".join(f"route {verb} {one}\n" for one in routes) for verb in ("add", "del"))
    scene.node.write(BATCH, (add + remove) * 5)
    churn = scene.node.launch("churn", "ip", "-force", "-batch", BATCH)
    for _ in range(10):
        bridge_down(scene)
        bridge_up(scene)
    churn.wait()


def ipv6_disabled(scene: Scene) -> None:
    scene.node.sysctl(ipv6__conf__vmbr1__disable_ipv6=1)


def ipv6_enabled(scene: Scene) -> None:
    scene.node.sysctl(ipv6__conf__vmbr1__disable_ipv6=0)
    scene.hold_gateways()


def only_ipv4_is_left(scene: Scene) -> bool:
    return {line.split()[0] for line in scene.entries()} == {guest.address4 for guest in scene.lab.guests}


def foreign_routes(scene: Scene) -> None:
    scene.node.ip(
        f"route replace {scene.guest.address4} dev vmbr3 proto static",
        f"route replace {scene.guest.address6} dev vmbr3 proto static metric 1024",
    )


def foreign_routes_removed(scene: Scene) -> None:
    scene.node.ip(
        f"route del {scene.guest.address4} dev vmbr3 proto static",
        f"route del {scene.guest.address6} dev vmbr3 proto static",
    )


def foreign_neighbours(scene: Scene) -> None:
    scene.node.ip(
        *(
            f"neigh replace {address} lladdr 02:00:00:00:00:01 dev vmbr1 nud permanent protocol static"
            for address in scene.guest.addresses
        )
    )


def foreign_neighbours_removed(scene: Scene) -> None:
    scene.node.ip(*(f"neigh del {address} dev vmbr1" for address in scene.guest.addresses))


def guest_is_refused(scene: Scene) -> bool:
    """There is no route of rdnbr, and `show` says so."""
    routed = scene.node.hosts() & set(scene.guest.addresses)
    shown = {one["address"]: one["installed"] for one in scene.node.show()["bindings"]}
    return not routed and not any(shown[address] for address in scene.guest.addresses)


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


def odd_devices(scene: Scene) -> None:
    """Add ports with names that are not valid text, and ports of unusual kinds."""
    for number, odd in enumerate(ODD_NAMES):
        name = os.fsdecode(odd)
        scene.node.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"odd{number}")
        scene.node.ip(f"link set odd{number} up")
        scene.node.run("ip", "link", "set", name, "master", "vmbr1", "up")
    for kind in ODD_KINDS:  # those kinds that this kernel has
        scene.node.attempt("ip", "link", "add", "odd", "type", *kind.split())
        scene.node.attempt("ip", "link", "set", "odd", "master", "vmbr1", "up")
        scene.node.attempt("ip", "link", "del", "odd")
    scene.node.ip(f"link property add dev {scene.other.port} altname {LONG_NAME}")


def odd_ports_are_served(scene: Scene) -> bool:
    return len(scene.node.show("ports")["ports"]) == len(scene.lab.guests) + len(ODD_NAMES)


def odd_devices_removed(scene: Scene) -> None:
    scene.node.ip(
        *(f"link del odd{number}" for number in range(len(ODD_NAMES))),
        f"link property del dev {scene.other.port} altname {LONG_NAME}",
    )


def frr_stopped(scene: Scene) -> None:
    scene.node.frr.stop("bgpd")
    scene.node.frr.stop("zebra")


def frr_started(scene: Scene) -> None:
    scene.node.frr.start("zebra")
    scene.node.frr.start("bgpd")


def zebra_stopped(scene: Scene) -> None:
    scene.node.frr.stop("zebra")


def zebra_started(scene: Scene) -> None:
    scene.node.frr.start("zebra")


def fabric_has_nobody(scene: Scene) -> bool:
    return scene.lab.upstream.hosts() == set()


FAULTS = (
    Fault(
        "`ip route flush proto 171`",
        "packets to them are lost until then",
        2.0,
        flush_routes,
    ),
    Fault("`ip neigh flush all nud permanent`", "nothing", 2.0, flush_neighbours),
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
        lambda scene: scene.entries() == [],
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
