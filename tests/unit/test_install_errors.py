"""A kernel that refuses one guest's entries, seen from the frame to what is shown and logged."""

import os
from errno import EACCES, ENODEV, ENOSPC, EPERM

import pytest
import structlog
from dialogue import BRIDGE, NODE, rules
from guest_frames import request

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.fib.actuator import Actuator
from rdnbr.core.fib.backend import Refusal
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.fib.kernel_counter import KernelCounter
from rdnbr.core.model.address import parse_ip, parse_mac, show_ip
from rdnbr.core.model.fib_entries import PutNeighbour, PutRoute, host
from rdnbr.core.model.interfaces import Port
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import Settings
from rdnbr.core.probing.simulated_guests import SimulatedGuests
from rdnbr.daemon.kernel_log import KernelLog

ALICE, BOB = ("52:02:45:00:00:01", "2.57.57.30"), ("52:02:45:00:00:02", "2.57.57.31")
PORT = Port(7, "tap1i0", BRIDGE.index)


class StingyKernel(FakeKernel):
    """Refuses what is put in for one address, as a kernel does that is full, or forbids it."""

    refuses = parse_ip(ALICE[1])
    text = ""
    refused = 0

    def apply(self, operations):
        mine = [one for one in operations if isinstance(one, PutRoute) and one.route.address == self.refuses]
        mine += [
            one
            for one in operations
            if isinstance(one, PutNeighbour) and one.neighbour.address == self.refuses
        ]
        self.refused += bool(mine)
        others = [one for one in operations if all(one is not other for other in mine)]
        return [Refusal(one, Reason.KERNEL_REFUSED, self.text) for one in mine] + super().apply(others)


class Node:
    """An engine and its actuator over a kernel."""

    def __init__(self, lines):
        self.lines = lines
        self.kernel = StingyKernel({BRIDGE.index: BRIDGE.name})
        self.engine = Engine(Settings(), rules("2.57.57.0/24"))
        self.engine.segment_changed(0.0, BRIDGE)
        self.engine.local_addresses_changed(0.0, NODE)
        self.engine.port_changed(0.0, PORT)
        log = KernelLog(structlog.get_logger(), self.engine.segments, self.engine.ports)
        self.actuator = Actuator(self.engine, self.kernel, SimulatedGuests(silent=True), lambda *_: None, log)


@pytest.fixture
def node():
    with structlog.testing.capture_logs() as lines:
        yield Node(lines)


def says(node, now, guest):
    node.actuator.handle_outputs(node.engine.handle_frame(now, PORT.index, request(*guest, "169.254.0.1")))
    node.actuator.apply_changes(now)


def installed(node):
    return {show_ip(view.address): view.installed for view in node.engine.snapshot()}


@pytest.mark.parametrize("code", [ENOSPC, EPERM, ENODEV, EACCES], ids=os.strerror)
def test_refusal_is_told_once_tried_again_and_nobody_elses(node, code):
    """What the kernel refuses is shown, logged once, counted, tried ever more seldom, and in when it may be."""
    kernel = node.kernel
    kernel.text = os.strerror(code)
    says(node, 1.0, ALICE)
    says(node, 1.1, BOB)
    assert installed(node) == {ALICE[1]: False, BOB[1]: True}
    for tenths in range(11, 101):  # to 10 s, turn by turn
        node.actuator.apply_changes(tenths / 10)
    assert kernel.refused == 4  # at 1, 2, 4 and 8 s
    assert node.actuator.counters[KernelCounter.KERNEL_REFUSED] == 8
    assert [(line["event"], line["why"]) for line in node.lines] == [("the kernel refuses", kernel.text)]
    assert node.actuator.next_deadline() == 16.0
    kernel.refuses = None
    node.actuator.apply_changes(16.0)
    assert installed(node) == {ALICE[1]: True, BOB[1]: True}
    alice = host(254, parse_ip(ALICE[1]), BRIDGE.index, parse_mac(ALICE[0]))
    assert alice.route in kernel.read_entries()[0]
    assert alice.neighbour in kernel.read_entries()[1]
    assert node.actuator.next_deadline() is None
