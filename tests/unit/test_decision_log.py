"""What is logged of decisions, how often, and that logging never waits."""

import json
import os
import time
from contextlib import suppress

import pytest
import structlog
from dialogue import BRIDGE, MAIN, World

from rdnbr.config.config import Log
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Challenger, Decision, Verb
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.reason import Reason
from rdnbr.lab.wait import wait_for
from rdnbr.operator.logging import nonblocking_writer
from rdnbr.operator.logging.decision_log import LINES, QUIET, UNPROVEN, WINDOW, DecisionLog
from rdnbr.operator.logging.nonblocking_writer import Writer
from rdnbr.operator.logging.setup import configure_logging, logger

MAC = parse_mac("52:02:45:76:d2:35")


def refused(at, address="192.0.2.1", port="tap100i0", reason=Reason.NOT_PERMITTED):
    return Decision(at, Verb.REFUSED, reason, parse_ip(address), MAC, port)


@pytest.fixture
def lines():
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
def decision_log(lines):
    return DecisionLog(structlog.get_logger(), verbose=False)


@pytest.fixture
def pipe():
    read, write = os.pipe()
    yield read, write
    for fd in (read, write):
        os.close(fd)
    structlog.reset_defaults()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("allow", [None, "2.57.57.0/24\n2001:678::/64"])
def test_guests_that_answer_for_each_other_without_end_are_seldom_logged(decision_log, lines, family, allow):
    """Two guests answer every probe, also from 0.0.0.0: a few lines at first, and no more in ten minutes."""
    address = "2.57.57.30" if family == 4 else "2001:678::80"
    world = World(allow)
    for number in (1, 2):
        world.guest(f"guest{number}", f"tap{number}i0", address)
    world.carries_out(world.engine.adopt(world.now, Key(MAIN, parse_ip(address)), None, BRIDGE.index))
    world.runs(QUIET)
    assert sum(made.reason == "several-answers" for made in world.decisions) > 100
    for made in world.decisions:
        decision_log(made)
    assert [(line["event"], line["reason"], line.get("port")) for line in lines] == [
        ("adopted", "found-in-kernel", None),
        ("noted", "collected", "tap1i0"),
        ("noted", "collected", "tap2i0"),
        ("kept", "several-answers", None),
        ("refused", "several-answers", "tap1i0"),
        ("refused", "several-answers", "tap2i0"),
    ]


def test_decision(decision_log, lines):
    """A decision is a line with all its facts."""
    decision_log(
        Decision(
            5.0, Verb.INSTALLED, Reason.ANSWERED, parse_ip("2001:db8::1"), MAC, "tap100i0", State.VALID, "a:3"
        )
    )
    assert lines == [
        {
            "log_level": "info",
            "event": "installed",
            "address": "2001:db8::1",
            "mac": "52:02:45:76:d2:35",
            "port": "tap100i0",
            "reason": "answered",
            "state": "valid",
            "rule": "a:3",
        }
    ]


def test_a_rival_is_named(decision_log, lines):
    """The log names who contends with the anchor, so that a theft leaves a trace of the thief."""
    thief = Challenger(parse_mac("52:02:45:00:00:66"), "tap666i0")
    address = parse_ip("2001:db8::1")
    decision_log(
        Decision(5.0, Verb.CHALLENGED, Reason.RIVAL_CLAIM, address, MAC, "tap100i0", State.VALID, None, thief)
    )
    assert (lines[0]["rival_mac"], lines[0]["rival_port"]) == ("52:02:45:00:00:66", "tap666i0")


@pytest.mark.parametrize("verb", [Verb.REFRESHED, Verb.IGNORED])
def test_bulk_is_for_debugging(decision_log, lines, verb):
    """What happens with every frame is not logged, but when debugging."""
    decision = Decision(1.0, verb, Reason.EVIDENCE)
    decision_log(decision)
    assert lines == []
    DecisionLog(structlog.get_logger(), verbose=True)(decision)
    assert [line["log_level"] for line in lines] == ["debug"]


@pytest.mark.parametrize("verb", list(Verb))
def test_every_verb_is_logged(lines, verb):
    """There is a level for each kind of decision."""
    DecisionLog(structlog.get_logger(), verbose=True)(Decision(1.0, verb, Reason.EVIDENCE))
    assert [line["event"] for line in lines] == [verb.value]


def test_repeated_refusal(decision_log, lines):
    """The same refusal again is logged once, and after a quiet time once more, with how often it happened."""
    for at in range(100):
        decision_log(refused(1000.0 + at))
    decision_log(refused(1000.0 + QUIET))
    assert [line.get("repeated") for line in lines] == [None, 99]


def test_different_refusals(decision_log, lines):
    """Another port, address or reason is another refusal."""
    decision_log(refused(1.0))
    decision_log(refused(1.0, port="tap101i0"))
    decision_log(refused(1.0, address="192.0.2.2"))
    decision_log(refused(1.0, reason=Reason.DENIED))
    assert len(lines) == 4


def test_flood_of_refusals(decision_log, lines):
    """A port that claims ever other addresses gets a few lines, and one with the number of the rest."""
    for number in range(12_345 + UNPROVEN):
        decision_log(refused(100.0 + number / 1000, address=f"10.0.{number >> 8}.{number & 255}"))
    decision_log(refused(101.0, port="tap101i0"))
    assert len(lines) == UNPROVEN + 1
    decision_log.log_suppressed(100.0 + WINDOW)
    assert lines[-1] == {
        "log_level": "warning",
        "event": "… 12,345 more refusals and unproven claims on tap100i0 in the last 60 s",
        "port": "tap100i0",
        "more": 12_345,
    }


def test_flood_of_claims_that_nobody_answers_for(decision_log, lines):
    """Claims that are asked about, and expire, share the few lines of the refusals."""
    for number in range(UNPROVEN):
        address = parse_ip(f"10.0.0.{number}")
        decision_log(
            Decision(100.0, Verb.LEARNED, Reason.AWAITING_ANSWER, address, MAC, "t", State.TENTATIVE)
        )
        decision_log(Decision(103.0, Verb.EXPIRED, Reason.SILENT, address, MAC, "t"))
    decision_log.log_suppressed(100.0 + WINDOW)
    assert len(lines) == UNPROVEN + 1
    assert lines[-1]["event"] == f"… {UNPROVEN} more refusals and unproven claims on t in the last 60 s"


def test_flood_of_other_decisions(decision_log, lines):
    """Nor can a guest fill the log with decisions that are no refusals."""
    for _ in range(LINES + 5):
        decision_log(Decision(100.0, Verb.LEARNED, Reason.FIRST_CLAIM, port="tap0i0"))
    decision_log.log_suppressed(100.0 + WINDOW)
    assert len(lines) == LINES + 1
    assert lines[-1]["event"] == "… 5 more decisions on tap0i0 in the last 60 s"


def test_allowance_comes_back(decision_log, lines):
    """When the window is over, a port may cause lines again."""
    for number in range(UNPROVEN + 1):
        decision_log(refused(100.0, address=f"10.0.0.{number}"))
    decision_log(refused(100.0 + WINDOW, address="10.0.1.1"))
    assert lines[-1]["address"] == "10.0.1.1"
    assert len(lines) == UNPROVEN + 2


def read_lines(read, writer):
    writer.drain(5)
    return [json.loads(line) for line in os.read(read, 65536).splitlines()]


def test_json(pipe):
    """Programs get one JSON object a line: time, level and event first."""
    read, write = pipe
    writer = configure_logging(Log(format="json"), write)
    logger().info("installed", address="192.0.2.1")
    [line] = read_lines(read, writer)
    assert list(line) == ["timestamp", "level", "event", "address"]
    assert line["level"] == "info"


def test_json_where_there_is_no_terminal(pipe):
    """Without a choice, what is no terminal gets JSON."""
    read, write = pipe
    writer = configure_logging(Log(), write)
    logger().info("installed")
    assert read_lines(read, writer)[0]["event"] == "installed"


def test_console(pipe):
    """People get lines without colours where there is no terminal."""
    read, write = pipe
    writer = configure_logging(Log(format="console"), write)
    logger().warning("refused", port="tap100i0")
    writer.drain(5)
    text = os.read(read, 65536).decode()
    assert "[warning  ] refused" in text
    assert "port=tap100i0" in text
    assert "\x1b" not in text


@pytest.fixture
def journal(pipe, monkeypatch):
    """The pipe, as systemd connects a service to the journal."""
    there = os.fstat(pipe[1])
    monkeypatch.setenv("JOURNAL_STREAM", f"{there.st_dev}:{there.st_ino}")
    return pipe


def test_journal(journal):
    """The journal gets text with a priority, and without the time and the level, which the journal has itself."""
    read, write = journal
    writer = configure_logging(Log(), write)
    logger().info("serving", bridges=["vmbr1"], dry_run=False)
    logger().warning("open mode: anybody", cure="write /etc/rdnbr/allowlist", port="")
    logger().error("broken")
    writer.drain(5)
    assert os.read(read, 65536).decode().splitlines() == [
        "<6>serving bridges=['vmbr1'] dry_run=False",
        "<4>open mode: anybody cure='write /etc/rdnbr/allowlist' port=''",
        "<3>broken",
    ]


@pytest.mark.parametrize("where", ["journal", "console"])
def test_field_of_several_lines(journal, where):
    """A list of mistakes is one line that a person can read, without escapes for its line breaks."""
    read, write = journal
    writer = configure_logging(Log(format="auto" if where == "journal" else "console"), write)
    logger().error("reload failed", why="nothing was changed:\na:1: no address\na:2: no port")
    writer.drain(5)
    (line,) = os.read(read, 65536).decode().splitlines()
    assert "nothing was changed: a:1: no address; a:2: no port" in line


def test_traceback_in_the_journal(journal):
    """Each line of a traceback has the priority, since the journal makes an entry of each line."""
    read, write = journal
    writer = configure_logging(Log(), write)
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logger().exception("broken", step="timers")
    writer.drain(5)
    lines = os.read(read, 65536).decode().splitlines()
    assert (lines[0], lines[-1]) == ("<3>broken step=timers", "<3>ZeroDivisionError: division by zero")
    assert all(line.startswith("<3>") for line in lines)


def test_json_in_the_journal(journal):
    """Whoever wants JSON there gets the same lines as elsewhere, with a priority."""
    read, write = journal
    writer = configure_logging(Log(format="json"), write)
    logger().warning("refused")
    writer.drain(5)
    line = os.read(read, 65536).decode()
    assert line.startswith("<4>{")
    assert list(json.loads(line[3:])) == ["timestamp", "level", "event"]


def test_stream_that_is_not_the_journal(journal, tmp_path):
    """A service whose output goes to a file gets JSON there, although systemd has connected it to the journal first."""
    file = tmp_path / "log"
    with file.open("w") as stream:
        writer = configure_logging(Log(), stream.fileno())
        logger().info("installed")
        writer.drain(5)
    assert json.loads(file.read_text())["event"] == "installed"


def test_level(pipe):
    """What is below the level is left out."""
    read, write = pipe
    writer = configure_logging(Log(level="warning", format="json"), write)
    logger().info("left out")
    logger().warning("kept")
    assert [line["event"] for line in read_lines(read, writer)] == ["kept"]


def test_exception(pipe):
    """A traceback is one field of one line."""
    read, write = pipe
    writer = configure_logging(Log(format="json"), write)
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logger().exception("broken")
    [line] = read_lines(read, writer)
    assert "ZeroDivisionError: division" in line["exception"]


def test_nobody_reads(pipe):
    """With a reader that is stuck, writing never waits, and the lines that were lost are counted."""
    read, write = pipe
    fill(write)
    writer = Writer(write, lines=10)
    writer.write("0\n")
    wait_for(writer._queue.empty, 5, "the writing thread to take the first line and block")
    for number in range(1, 100):
        writer.write(f"{number}\n")
    received = b""
    while b"\n9\n" not in received:  # the ten that fitted are through
        received += os.read(read, 65_536)
    writer.write("again\n")
    writer.write("and again\n")
    writer.drain(5)
    received += os.read(read, 65_536)
    *kept, notice, again, last = received.decode().replace("." * 4095 + "\n", "").splitlines()
    assert kept == [str(number) for number in range(len(kept))]
    assert notice == f"… {100 - len(kept)} lines of the log were lost: nobody took them"
    assert (again, last) == ("again", "and again")


def test_lost_lines_are_told_as_soon_as_somebody_reads(pipe):
    """How many lines were lost is written when the last that fitted is through, though no other line follows."""
    read, write = pipe
    fill(write)
    writer = Writer(write, lines=10)
    writer.write("0\n")
    wait_for(writer._queue.empty, 5, "the writing thread to take the first line and block")
    for number in range(1, 100):
        writer.write(f"{number}\n")
    received = b""
    while b"were lost" not in received:
        received += os.read(read, 65_536)
    *kept, told = received.decode().replace("." * 4095 + "\n", "").splitlines()
    assert kept == [str(number) for number in range(len(kept))]
    assert told == f"… {100 - len(kept)} lines of the log were lost: nobody took them"
    writer.drain(5)


def test_lost_lines_are_told_in_json(pipe):
    """Where the log is JSON, so is the line that tells how many are missing."""
    read, write = pipe
    fill(write)
    writer = configure_logging(Log(format="json"), write)
    for _ in range(nonblocking_writer.LINES + 50):
        logger().info("installed")
    received = b""
    while b"were lost" not in received:
        received += os.read(read, 65_536)
    writer.drain(5)
    lines = received.decode().replace("." * 4095 + "\n", "").splitlines()
    told = json.loads(lines[-1])
    assert list(told) == ["timestamp", "level", "event", "lost"]
    assert told["level"] == "warning"
    assert told["lost"] == nonblocking_writer.LINES + 50 - (len(lines) - 1)


def test_full_disk(pipe):
    """What finds no room on the disk is counted, and told in front of the first line that finds some."""
    read, write = pipe
    disk = os.open("/dev/full", os.O_WRONLY)
    writer = Writer(disk)
    writer.write("lost\n")
    writer.write("lost too\n")
    while writer._unreported < 2:
        time.sleep(0.001)
    os.dup2(write, disk)
    writer.write("kept\n")
    writer.drain(5)
    os.close(disk)
    assert os.read(read, 4096).decode() == "… 2 lines of the log were lost: nobody took them\nkept\n"


def test_reader_that_is_gone():
    """A log whose reader has ended costs nobody anything, and the end does not wait for it."""
    read, write = os.pipe()
    os.close(read)
    writer = Writer(write)
    for _ in range(100):
        writer.write("x\n")
    writer.drain(5)
    assert not writer._thread.is_alive()
    os.close(write)


def test_pipe_that_somebody_made_non_blocking(pipe):
    """A full pipe that is non-blocking loses no line and tears none: the thread waits until there is room."""
    read, write = pipe
    fill(write)
    os.set_blocking(write, False)
    writer = Writer(write)
    writer.write("whole\n")
    received = b""
    while b"whole" not in received:
        received += os.read(read, 65_536)
    writer.drain(5)
    assert received.endswith(b".\nwhole\n")


def fill(write):
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b"." * 4095 + b"\n")
    except BlockingIOError:
        os.set_blocking(write, True)


def test_end_does_not_wait_for_ever(pipe):
    """Draining gives up when nobody reads."""
    read, write = pipe
    fill(write)
    writer = Writer(write, lines=2)
    for _ in range(4):
        writer.write("x\n")
    writer.drain(0.05)
    assert writer._thread.is_alive()
    os.set_blocking(read, False)
    while writer._thread.is_alive():  # it must be over before its descriptor is somebody else's
        with suppress(BlockingIOError):
            os.read(read, 65_536)
        writer.drain(0.05)
