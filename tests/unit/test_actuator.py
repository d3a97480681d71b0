"""The actuator: what it makes the kernel hold, and what it does when the kernel refuses or does not answer."""

import pytest

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.fib.actuator import Actuator
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.fib.kernel_counter import KernelCounter
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.engine_outputs import Announcement, DesiredHost, Probe, SnoopData, UnsentProbe
from rdnbr.core.model.fib_entries import DropRoute, host
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import Settings
from rdnbr.daemon.parts import make_parts
from rdnbr.replay.replay import Replay

HOST = host(254, parse_ip("2.57.57.30"), 3, parse_mac("52:02:45:76:d2:35"))


class MuteKernel(FakeKernel):
    """Does not answer while it is mute; counts how often it was asked."""

    mute = True
    asked = 0

    def apply(self, operations):
        self.asked += 1
        if self.mute:
            raise TimeoutError("netlink does not answer")
        return super().apply(operations)


@pytest.fixture
def kernel():
    return MuteKernel({3: "vmbr1"})


class Observer:
    """Records the order in which the actuator uses what is outside of it."""

    def __init__(self):
        self.seen = []

    def __getattr__(self, name):
        return lambda *arguments: self.seen.append((name, *arguments))


@pytest.fixture
def engine():
    return Engine(Settings(), None)


@pytest.fixture
def observer():
    return Observer()


@pytest.fixture
def actuator(engine, kernel, observer):
    return Actuator(engine, kernel, observer, observer.decision, observer)


def test_daemon_dry_run_and_replay_have_the_same_actuator(engine):
    """The daemon, its dry run and replay differ in the backend and the transmitter, not in the actuator."""
    parts = [make_parts(engine, None, None, None, None, None, kernel) for kernel in (None, FakeKernel({}))]
    assert [part.dry_run for part in parts] == [True, False]
    assert {type(part.actuator) for part in parts} == {type(Replay(HOST.mac)._actuator)} == {Actuator}


def test_the_kernel_comes_before_the_frames(actuator, kernel, observer):
    """Frames wait for the kernel, since an answer must find its route; of a port's snooping the last change counts."""
    kernel.mute = False
    probe, announcement = Probe(7, HOST.key.address, HOST.mac, b"probe"), Announcement(7, b"announcement")
    actuator.handle_outputs(
        [probe, SnoopData(7, ()), DesiredHost(HOST.key, HOST), announcement, SnoopData(7, None)]
    )
    assert (kernel.asked, observer.seen) == (0, [])
    observer.send_probe = lambda now, sent: (
        observer.seen.append((now, sent, *kernel.read_entries()[0])) or True
    )
    actuator.apply_changes(1.0)
    assert observer.seen == [
        (1.0, probe, HOST.route),
        ("send_announcement", announcement),
        ("snoop_data", SnoopData(7, None)),
    ]
    actuator.apply_changes(2.0)
    assert len(observer.seen) == 3


def test_foreign_routes_and_comparisons_are_counted(actuator, kernel):
    """What the kernel refuses for the sake of somebody else's route is counted, and so is each look at everything."""
    kernel.mute = False
    kernel.add_foreign_route(254, HOST.key.address, 0)
    actuator.handle_outputs([DesiredHost(HOST.key, HOST)])
    actuator.apply_changes(1.0)
    actuator.resync_from_kernel()
    assert (
        actuator.counters[KernelCounter.FOREIGN_ROUTE],
        actuator.counters[KernelCounter.COMPARISONS],
    ) == (1, 1)
    assert actuator.install_error(HOST.key.address) == "another program's route is there"


def test_unsent_probes_are_counted_and_told(actuator, observer):
    """A probe that a port does not take, and one that has no address to come from, are counted under `unsent`."""
    probe = Probe(7, HOST.key.address, HOST.mac, b"probe")
    observer.send_probe = lambda _now, _sent: False
    actuator.handle_outputs([probe, UnsentProbe(3, HOST.key.address)])
    actuator.apply_changes(1.0)
    assert actuator.counters[KernelCounter.UNSENT] == 2
    assert observer.seen == [
        ("probe_unsent", 1.0, probe),
        ("probe_unsent", 1.0, UnsentProbe(3, HOST.key.address)),
    ]


def test_every_refusal_has_a_counter():
    """Whatever a kernel may give as its reason, there is a counter of that name."""
    assert {KernelCounter(Reason.FOREIGN_ROUTE), KernelCounter(Reason.KERNEL_REFUSED)} <= set(KernelCounter)


def test_repeating_tells_whether_there_was_a_route(actuator, engine, kernel):
    """A route that is wanted goes and comes; of an address without one, each segment is put in and taken out."""
    kernel.mute = False
    engine.segment_changed(0.0, Segment(3, "vmbr1", HOST.mac, 254, None, None))
    assert not actuator.reannounce(HOST.key.address)
    actuator.handle_outputs([DesiredHost(HOST.key, HOST)])
    actuator.apply_changes(1.0)
    assert actuator.reannounce(HOST.key.address)
    actuator.apply_changes(2.0)
    assert kernel.read_entries()[0] == {HOST.route}
    assert actuator.counters[KernelCounter.REANNOUNCED] == 2


def test_mute_kernel_is_looked_at_before_it_is_asked_again(actuator, kernel, observer):
    """What a kernel did not answer to is neither lost nor repeated before somebody has looked at what came of it."""
    actuator.handle_outputs([DesiredHost(HOST.key, HOST)])
    for now in (1.0, 1.1, 5.0):
        actuator.apply_changes(now)
    assert (kernel.asked, actuator.resync_due_at()) == (1, 2.0)
    assert actuator.next_deadline() is None
    kernel.mute = False
    actuator.resync_from_kernel()
    actuator.apply_changes(6.0)
    assert kernel.read_entries() == ({HOST.route}, {HOST.neighbour})
    assert actuator.resync_due_at() is None
    assert [seen[0] for seen in observer.seen] == ["kernel_unanswered", "kernel_answered"]


def test_what_somebody_keeps_removing_is_put_back_in_the_end(actuator, kernel):
    """In a truce the kernel does without what is wanted; whoever starts next would not know of it."""
    kernel.mute = False
    actuator.handle_outputs([DesiredHost(HOST.key, HOST)])
    actuator.apply_changes(1.0)
    for now in (5.0, 10.0, 15.0):
        kernel.apply([DropRoute(HOST.route)])
        actuator.route_removed(HOST.key.address, HOST.route.table, HOST.route.metric)
        actuator.apply_changes(now)
    assert kernel.read_entries()[0] == set()
    actuator.install_held_down(16.0)
    assert kernel.read_entries()[0] == {HOST.route}
