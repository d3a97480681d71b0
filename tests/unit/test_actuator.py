"""The kernel that the works put routes into: what if it does not answer."""

import selectors

import pytest
import structlog

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.fib_entries import DropRoute, host
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.model.outputs import DesiredHost
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import Settings
from rdnbr.daemon.actuator import Actuator
from rdnbr.daemon.kernel_counters import KernelCounter
from rdnbr.linux.packet.receiver import PacketReceiver
from rdnbr.operator.logging.events import Events

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


@pytest.fixture
def works(kernel):
    with selectors.DefaultSelector() as selector:
        log = structlog.get_logger()
        works = Actuator(Engine(Settings(), None), PacketReceiver(selector), Events(log.error), log)
        works.use(kernel, dry_run=False)
        yield works


def test_foreign_routes_and_comparisons_are_counted(works, kernel):
    """What the kernel refuses for the sake of somebody else's route is counted, and so is each look at everything."""
    kernel.mute = False
    kernel.add_foreign_route(254, HOST.key.address, 0)
    works.take(1.0, [DesiredHost(HOST.key, HOST)])
    works.finish(1.0)
    works.look_again()
    assert (
        works.kernel_counters[KernelCounter.FOREIGN_ROUTE],
        works.kernel_counters[KernelCounter.COMPARISONS],
    ) == (1, 1)
    assert works.why_refused(HOST.key.address) == "another program's route is there"


def test_every_refusal_has_a_counter():
    """Whatever a kernel may give as its reason, there is a counter of that name."""
    assert {KernelCounter(Reason.FOREIGN_ROUTE), KernelCounter(Reason.KERNEL_REFUSED)} <= set(KernelCounter)


def test_repeating_tells_whether_there_was_a_route(works, kernel):
    """A route that is wanted goes and comes; of an address without one, each segment is put in and taken out."""
    kernel.mute = False
    works.engine.segment_changed(Segment(3, "vmbr1", HOST.mac, 254, None, None))
    assert not works.reannounce(HOST.key.address)
    works.take(1.0, [DesiredHost(HOST.key, HOST)])
    works.finish(1.0)
    assert works.reannounce(HOST.key.address)
    works.finish(2.0)
    assert kernel.read_entries()[0] == {HOST.route}
    assert works.kernel_counters[KernelCounter.REANNOUNCED] == 2


def test_mute_kernel_is_looked_at_before_it_is_asked_again(works, kernel):
    """What a kernel did not answer to is neither lost nor repeated before somebody has looked at what came of it."""
    works.take(1.0, [DesiredHost(HOST.key, HOST)])
    for now in (1.0, 1.1, 5.0):
        works.finish(now)
    assert (kernel.asked, works.unsure, works.setback.until) == (1, True, 2.0)
    assert works.deadline() is None
    kernel.mute = False
    works.look_again()
    works.finish(6.0)
    assert kernel.read_entries() == ({HOST.route}, {HOST.neighbour})
    assert not works.unsure


def test_what_somebody_keeps_removing_is_put_back_in_the_end(works, kernel):
    """In a truce the kernel does without what is wanted; whoever starts next would not know of it."""
    kernel.mute = False
    works.take(1.0, [DesiredHost(HOST.key, HOST)])
    works.finish(1.0)
    for now in (5.0, 10.0, 15.0):
        kernel.apply([DropRoute(HOST.route)])
        works.reconciler.route_gone(HOST.key.address, HOST.route.table, HOST.route.metric)
        works.finish(now)
    assert kernel.read_entries()[0] == set()
    works.leave(16.0)
    assert kernel.read_entries()[0] == {HOST.route}
