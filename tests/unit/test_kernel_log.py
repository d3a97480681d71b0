"""A kernel that refuses, or does not answer at all: what is told of it, and how often."""

from errno import ENOBUFS

import pytest
import structlog

from rdnbr.core.fib.backend import Refusal
from rdnbr.core.fib.install_errors import REMEMBERED, InstallErrors
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.fib_entries import DropRoute, PutNeighbour, PutRoute, host
from rdnbr.core.model.interfaces import Segment
from rdnbr.core.model.reason import Reason
from rdnbr.daemon.kernel_log import KernelLog, ip_command

GUEST = parse_mac("52:02:45:76:d2:35")
FOUR = host(254, parse_ip("2.57.57.30"), 3, GUEST)
SIX = host(171, parse_ip("2001:db8::1"), 9, GUEST)
SEGMENTS = {3: Segment(3, "vmbr1", GUEST, 254, None, None)}


def refused(item, text):
    return Refusal(PutRoute(item.route, replaces=False), Reason.KERNEL_REFUSED, text)


@pytest.fixture
def lines():
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (PutNeighbour(FOUR.neighbour), "neigh replace 2.57.57.30 lladdr 52:02:45:76:d2:35 dev vmbr1"),
        (PutRoute(FOUR.route, replaces=False), "route replace 2.57.57.30 dev vmbr1 metric 0"),
        (DropRoute(SIX.route), "route del 2001:db8::1 dev if9 table 171 metric 1024"),
    ],
)
def test_operation_in_the_words_of_ip(operation, said):
    """An operation is named as one would type it, with the device's name where it is known."""
    assert ip_command(operation, SEGMENTS) == said


class Refusals:
    """Records refusals, and logs those that are new."""

    def __init__(self):
        self.errors = InstallErrors()
        self.log_ = KernelLog(structlog.get_logger(), SEGMENTS, {})

    def log(self, refusals):
        self.log_.entries_refused(self.errors.record(refusals))


def test_refusal_is_told_once(lines):
    """The same refusal of an address is told once, another reason again, and the first after a success again."""
    refusals = Refusals()
    for text in ("no", "no", "never", "never"):
        refusals.log([refused(FOUR, text)])
    refusals.errors.forget(FOUR.key.address)
    refusals.log([refused(FOUR, "never")])
    assert [line["why"] for line in lines] == ["no", "never", "never"]


def test_what_many_are_refused_for_is_one_line(lines):
    """When a bridge goes down under many guests, one line names the first of them, and how many there are."""
    refusals = Refusals()
    refusals.log([refused(FOUR, "Network is down"), refused(SIX, "Network is down")])
    refusals.log([refused(FOUR, "Network is down"), refused(SIX, "no")])
    assert [(line["what"], line["why"], line.get("addresses")) for line in lines] == [
        ("route replace 2.57.57.30 dev vmbr1 metric 0", "Network is down", 2),
        ("route replace 2001:db8::1 dev if9 table 171 metric 1024", "no", None),
    ]


def test_refusals_remembered_are_bounded(lines):
    """Of more addresses than are remembered the oldest is told again, and only that one."""
    refusals = Refusals()
    many = [host(254, number.to_bytes(4, "big"), 3, GUEST) for number in range(REMEMBERED + 1)]
    for item in [*many, many[-1], many[0]]:
        refusals.log([refused(item, "no")])
    assert len(lines) == REMEMBERED + 2


def test_kernel_that_does_not_answer_is_told_with_a_cure(lines):
    """A line says that the kernel does not answer, why and what to look at; another one says that it answers again."""
    log = KernelLog(structlog.get_logger(), SEGMENTS, {})
    log.kernel_unanswered(OSError(ENOBUFS, "No buffer space available"))
    log.kernel_answered()
    assert [line["event"] for line in lines] == [
        "the kernel does not answer; everything is looked at again when it does",
        "the kernel answers again",
    ]
    assert "ulimit -n" in lines[0]["cure"]
