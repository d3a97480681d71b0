"""newest-wins over several nodes: BGP selects the node where the guest is.

Guests move between nodes whose clocks differ by less than a tick. A node that a guest left does not notice that, and
keeps its route. Daemons restart, rules are read again, clocks are corrected, an era ends. After each step the node with
the lowest metric of an address is the one where the guest arrived last, if two arrivals are more than a tick and the
clocks' difference apart. Each metric is that of a second model of ten lines.
"""

from dialogue import BRIDGE, MAIN, NODE, rules
from guest_frames import announcement, rarp, request
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.model.address import parse_ip, show_ip
from rdnbr.core.model.engine_outputs import DesiredHost, Output
from rdnbr.core.model.fib_entries import Host, Key
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.med_timestamp import ERA, TICK, era_of, tick_at
from rdnbr.core.model.settings import Settings, Timers

NEWEST = Settings(Timers(reprobe=86_000.0), mobility="newest-wins")
"""No probes, because the node that a guest left must not notice that."""
ALLOW = "2.57.57.0/24\n2001:678::/64"
GUESTS = [
    ("52:02:45:00:00:01", ("2.57.57.1", "2001:678::1")),
    ("52:02:45:00:00:02", ("2.57.57.2", "2001:678::2")),
]
NODES = 3
SKEW = 1.5
"""The largest difference of two clocks, in seconds."""
ERA_BEGINS = float(53 * ERA * TICK)


class Hypervisor:
    """One node: its engine, its clock, and the kernel's routes, which stay when the engine ends."""

    def __init__(self, now: float, skew: float) -> None:
        self.skew = skew
        self.routes: dict[Key, Host] = {}
        self.seen: dict[Key, list[int]] = {}
        """All metrics that each route had since the guest last arrived here."""
        self.start(now)

    def start(self, now: float) -> None:
        """Start a daemon as after a crash; it adopts the routes."""
        self.engine = Engine(NEWEST, rules(ALLOW))
        self.engine.set_clock(now, now + self.skew)
        self.engine.segment_changed(0.0, BRIDGE)
        self.engine.local_addresses_changed(now, NODE)
        for number in range(len(GUESTS)):
            self.engine.port_changed(now, Port(10 + number, f"tap{number}i0", BRIDGE.index))
        for key, host in list(self.routes.items()):
            self.does(self.engine.adopt(now, key, host.mac, host.device, None, host.metric))

    def hears(self, now: float, guest: int, frame: bytes) -> None:
        self.engine.set_clock(now, now + self.skew)
        self.does(self.engine.handle_frame(now, 10 + guest, frame))

    def does(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case DesiredHost(key, None):
                    self.routes.pop(key, None)
                case DesiredHost(key, Host() as host):
                    self.routes[key] = host
                case _:
                    pass


class Fabric(RuleBasedStateMachine):
    """All nodes, and the true time."""

    @initialize(
        skews=st.lists(st.floats(0, SKEW), min_size=NODES, max_size=NODES),
        begin=st.sampled_from([ERA_BEGINS - 30.0, ERA_BEGINS + 15_000_000.0]),
    )
    def starts(self, skews: list[float], begin: float) -> None:
        self.now = begin
        self.nodes = [Hypervisor(begin, skew) for skew in skews]
        self.at: dict[int, int] = {}
        """Guest to its node."""
        self.arrived: dict[tuple[int, int], float] = {}
        """Guest and node to the node's own time of the last arrival."""

    @rule(guest=st.integers(0, 1), node=st.integers(0, NODES - 1), by_mac=st.booleans(), late=st.floats(0, 7))
    def arrives(self, guest: int, node: int, by_mac: bool, late: float) -> None:
        """A guest arrives at a node and announces itself, or QEMU does so if the node remembers it."""
        self.passes(TICK + SKEW + late)
        mac, addresses = GUESTS[guest]
        there = self.nodes[node]
        if by_mac and (guest, node) in self.arrived:
            there.hears(self.now, guest, rarp(mac))
        else:
            for address in addresses:
                there.hears(self.now, guest, announcement(mac, address))
        self.at[guest] = node
        self.arrived[guest, node] = self.now + there.skew
        self.passes(0)

    @rule(guest=st.integers(0, 1))
    def talks(self, guest: int) -> None:
        """A guest sends ordinary claims where it is."""
        if guest in self.at:
            mac, addresses = GUESTS[guest]
            for address in addresses:
                gateway = "fe80::1" if ":" in address else "169.254.0.1"
                self.nodes[self.at[guest]].hears(self.now, guest, request(mac, address, gateway))

    @rule(node=st.integers(0, NODES - 1))
    def daemon_restarts(self, node: int) -> None:
        self.nodes[node].start(self.now)
        self.passes(0)

    @rule(node=st.integers(0, NODES - 1))
    def files_are_read_again(self, node: int) -> None:
        engine = self.nodes[node].engine
        engine.configure(self.now, NEWEST)
        self.nodes[node].does(engine.set_allowlist(self.now, rules(ALLOW)))
        self.passes(0)

    @rule(node=st.integers(0, NODES - 1), skew=st.floats(0, SKEW))
    def clock_is_corrected(self, node: int, skew: float) -> None:
        """NTP corrects the clock, within the largest difference; BGP sees no change."""
        there = self.nodes[node]
        before = dict(there.routes)
        era = era_of(tick_at(self.now + there.skew))
        there.skew = skew
        there.engine.set_clock(self.now, self.now + skew)
        if era_of(tick_at(self.now + skew)) == era:
            there.does(there.engine.expire_timers(self.now))
            assert there.routes == before
        self.passes(0)

    @rule(seconds=st.sampled_from([1.0, 10.0, 100.0, 4000.0]))
    def time_passes(self, seconds: float) -> None:
        self.passes(seconds)

    def passes(self, seconds: float) -> None:
        """Let time pass, and a little more if clocks are about to leave an era: nodes do so one by one."""
        self.now += seconds
        if ERA_BEGINS - SKEW <= self.now < ERA_BEGINS:
            self.now = ERA_BEGINS
        for node in self.nodes:
            node.engine.set_clock(self.now, self.now + node.skew)
            node.does(node.engine.expire_timers(self.now))

    @invariant()
    def newest_wins(self) -> None:
        for guest, node in getattr(self, "at", {}).items():
            for address in GUESTS[guest][1]:
                key = Key(MAIN, parse_ip(address))
                metrics = [there.routes[key].metric if key in there.routes else 2**32 for there in self.nodes]
                assert metrics.index(min(metrics)) == node, f"{show_ip(key.address)} is at {node}: {metrics}"
                assert metrics.count(min(metrics)) == 1
                assert min(metrics) > 0
                assert max(metric for metric in metrics if metric < 2**32) < 2**24

    @invariant()
    def model_agrees(self) -> None:
        """Each metric follows from the time of the arrival there and the present time, both by that node's clock."""
        for (guest, node), arrived in getattr(self, "arrived", {}).items():
            there = self.nodes[node]
            for address in GUESTS[guest][1]:
                metric = there.routes[Key(MAIN, parse_ip(address))].metric
                assert metric == worth(arrived, self.now + there.skew)


def worth(arrived: float, clock: float) -> int:
    """Return the metric of an arrival, in seconds: the second model."""
    era_length = 2 * (2**24 - 1 - 2 * 1800)
    era_began = clock // era_length * era_length
    later_than_any = int(arrived // 2) - int(era_began // 2) + 1800
    return 16_777_215 - max(0, later_than_any)


Fabric.TestCase.settings = settings(
    max_examples=settings.default.max_examples * 3 // 5, stateful_step_count=40, deadline=None
)
test_newest_wins_over_several_nodes = Fabric.TestCase
