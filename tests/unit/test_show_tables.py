"""Tables for people, at the widths terminals have."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from rdnbr.core.model.reason import Reason
from rdnbr.operator.commands import show_tables
from rdnbr.operator.commands.reason_help import REASON_HELP
from rdnbr.operator.text.phrases import age

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def binding(**changes):
    return {
        "address": "2001:678:3a4:100::80",
        "mac": "52:02:45:76:d2:35",
        "port": "tap100i0",
        "bridge": "vmbr1",
        "state": "valid",
        "installed": True,
        "source": "ns-dad",
        "since": (NOW - timedelta(hours=5)).isoformat(),
        "last_seen": (NOW - timedelta(seconds=12)).isoformat(),
        "rule": "/etc/rdnbr/allowlist:3",
        **changes,
    }


def event(**changes):
    return {
        "at": NOW.isoformat(),
        "address": "2.57.57.30",
        "mac": "52:02:45:76:d2:35",
        "port": "tap100i0",
        "decision": "refused",
        "reason": "not-permitted",
        "state": None,
        "rule": None,
        "rival_mac": None,
        "rival_port": None,
        **changes,
    }


def shown(what, document, width, rows=None):
    out = Console(file=io.StringIO(), width=width, highlight=False)
    show_tables.print_table(what, document, out, NOW, width=width, shown=rows)
    return [line.rstrip() for line in out.file.getvalue().splitlines()]


def table(what, document, width):
    """Return the lines of the table: those below the first one."""
    return shown(what, document, width)[1:]


def test_first_line():
    """The first line has guests, bindings, problems, mode and since when; a guest is one in both families."""
    bindings = [binding(vm=100), binding(vm=100, address="2.57.57.30"), binding(mac="52:02:45:00:00:01")]
    bindings += [binding(vm=102, state="departed", installed=False)]
    document = {"mode": "allowlist", "since": NOW.isoformat(), "bindings": bindings}
    since = NOW.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert shown("bindings", document, 80)[0] == (
        f"2 guests, 4 bindings, 3 routed, no problem, allowlist, since {since}"
    )
    assert shown("ports", {"mode": "open", "ports": []}, 80)[0] == "1 problem, open mode"


def test_bindings_at_80_columns():
    """At 80 columns a row is one line with what matters most, and what is left out is named."""
    other = binding(address="2.57.57.30", state="tentative", installed=False)
    assert table("bindings", {"mode": "allowlist", "bindings": [other, binding()]}, 80) == [
        "ADDRESS               MAC                PORT      STATE      ROUTE  SEEN  SINCE",
        "2.57.57.30            52:02:45:76:d2:35  tap100i0  tentative  no      12s     5h",
        "2001:678:3a4:100::80  52:02:45:76:d2:35  tap100i0  valid      yes     12s     5h",
        "no room for BRIDGE, SOURCE, RULE; a wider terminal and --json have them",
    ]


def test_bindings_at_140_columns():
    """At 140 columns everything is there."""
    rule = "/etc/rdnbr/allowlist:3"
    assert table("bindings", {"mode": "allowlist", "bindings": [binding(rule=rule)]}, 140) == [
        "ADDRESS               MAC                PORT      BRIDGE  STATE  ROUTE  SEEN  SINCE  SOURCE  RULE",
        f"2001:678:3a4:100::80  52:02:45:76:d2:35  tap100i0  vmbr1   valid  yes     12s     5h  ns-dad  {rule}",
    ]


@pytest.mark.parametrize("width", [80, 140])
def test_nothing_breaks_inside_a_word(width):
    """The longest addresses and names stay whole; only sentences are folded, between words."""
    long = binding(
        address="2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff",
        port="fwpr999999p99",
        state="challenged",
        source="arp-announcement",
        rule="/etc/rdnbr/allowlist.d/customers-of-the-north.conf:1234",
        unsent="no-gateway",
    )
    document = {
        "mode": "open",
        "gateway_dadfailed": [{"bridge": "vmbr1", "address": "fe80::1"}],
        "waiting": "no bridge is named vmbr9 or vmbr10; ip -br link show type bridge lists them",
        "reload_failed": "nothing was changed:\n/etc/rdnbr/allowlist:1: no such file, and no others",
        "bindings": [long],
    }
    lines = shown("bindings", document, width)
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    for word in (long["address"], long["port"], "/etc/rdnbr/allowlist:1:", "challenged"):
        assert word in words


def test_a_terminal_that_is_too_narrow():
    """Where not even the least fits, the terminal wraps the lines: nothing is cut."""
    address = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff"
    lines = shown("bindings", {"mode": "allowlist", "bindings": [binding(address=address)]}, 40)
    assert f"{address}  tap100i0  valid" in lines


def test_what_filters_left_out():
    """Below the rows it is said how many there are besides."""
    rows = [binding(), binding(address="2.57.57.30")]
    document = {"mode": "allowlist", "bindings": rows}
    assert shown("bindings", document, 140, rows[:1])[-1] == "1 of 2 shown"
    assert shown("bindings", document, 140, [])[1:] == ["none of them matches", "0 of 2 shown"]


def test_problems_are_counted():
    """What is wrong stands below the first line, and is counted in it."""
    rows = [binding(state="frozen"), binding(unsent="port"), binding(unsent="port")]
    lines = shown("bindings", {"mode": "allowlist", "bindings": rows}, 140)
    assert " 2 problems, " in lines[0]
    assert lines[1:3] == [
        "NOT PROBED: 2 bindings: the port takes no frames",
        "FROZEN: 2001:678:3a4:100::80; rdnbr explain says why and until when",
    ]


@pytest.mark.parametrize("what", ["bindings", "ports", "counters", "events"])
def test_open_mode_is_said_first(what):
    """Whatever is shown, the first line and the one below it say that there is no allowlist."""
    first, second = shown(what, {"mode": "open", what: {} if what == "counters" else []}, 80)[:2]
    assert first.endswith("1 problem, open mode")
    assert second == "OPEN MODE: there is no allowlist, any guest may claim any address"


@pytest.mark.parametrize("what", ["bindings", "ports"])
def test_failed_gateway_is_said_first(what):
    """A gateway address that failed duplicate address detection is named before the table."""
    document = {
        "mode": "allowlist",
        "gateway_dadfailed": [{"bridge": "vmbr1", "address": "fe80::1"}],
        what: [],
    }
    assert table(what, document, 200)[0] == (
        "GATEWAY FAILED: fe80::1 of vmbr1 failed duplicate address detection, for a guest has it too; "
        "rdnbr doctor has the cure"
    )


@pytest.mark.parametrize("what", ["bindings", "ports", "counters", "events"])
def test_what_the_daemon_waits_for_is_said(what):
    """While no bridge is served, every table says why."""
    why = "no bridge is named vmbr9 or vmbr10; ip -br link show type bridge lists them"
    lines = shown(what, {"mode": "allowlist", "waiting": why, what: {} if what == "counters" else []}, 100)
    assert lines[1] == f"WAITING: {why}"
    assert len(lines) == 3


def test_ports():
    """Ports have their guest's number and their counts."""
    port = {"port": "tap100i0", "vm": 100, "bridge": "vmbr1", "bindings": 2, "frames": 12345, "drops": 0}
    assert table("ports", {"mode": "allowlist", "ports": [port]}, 80) == [
        "PORT       VM  BRIDGE  BINDINGS  FRAMES  DROPS",
        "tap100i0  100  vmbr1          2  12,345      0",
    ]


def test_ports_that_flap():
    """Where a port is damped, a column says until when."""
    port = {"port": "tap100i0", "vm": 100, "bridge": "vmbr1", "bindings": 2, "frames": 12345, "drops": 0}
    damped = {"port": "tap101i0", "vm": 101, "bridge": "vmbr1", "bindings": 2, "frames": 1, "drops": 0}
    damped["damped_until"] = "2026-01-01T00:00:00.000+00:00"
    said, titles, *lines = table("ports", {"mode": "allowlist", "ports": [port, damped]}, 80)
    assert said.startswith("DAMPED: tap101i0; ")
    assert titles.endswith("DROPS  DAMPED UNTIL")
    assert lines[0].split()[-1] == "-"
    assert lines[1].split()[-1].count(":") == 2
    assert all(len(line) <= 80 for line in lines)


def test_counters():
    """Counters are rows, for each port the largest first."""
    counters = {"tap100i0": {"code": 1, "evidence": 20}, "tap101i0": {"denied": 3}}
    assert shown("counters", {"mode": "allowlist", "counters": counters}, 50) == [
        "no problem, allowlist",
        "PORT      REASON    FRAMES",
        "tap100i0  evidence      20",
        "tap100i0  code           1",
        "tap101i0  denied         3",
        "no room for MEANS; a wider terminal and --json",
        "have them",
    ]


def test_counters_are_explained_where_there_is_room():
    """A wide table says what each reason means; of one that a newer daemon counts it says nothing."""
    counters = {"tap100i0": {"not-ndp": 20, "newer": 3}}
    lines = table("counters", {"mode": "allowlist", "counters": counters}, 110)
    assert [line.rstrip() for line in lines] == [
        "PORT      REASON   FRAMES  MEANS",
        "tap100i0  not-ndp      20  other IPv6, such as multicast listener reports",
        "tap100i0  newer         3",
    ]


def test_every_reason_has_a_meaning():
    """Whatever is counted can be looked up, in less than a line."""
    assert set(REASON_HELP) == set(Reason)
    assert max(map(len, REASON_HELP.values())) < 80


def test_counters_of_the_kernel():
    """What is counted of the kernel's tables has a table of its own, without what never happened."""
    document = {"mode": "allowlist", "counters": {}, "kernel": {"foreign-route": 1234, "contested": 0}}
    assert [line for line in table("counters", document, 80) if line] == [
        "no frame was received yet",
        "KERNEL         COUNT",
        "foreign-route  1,234",
    ]


def test_events(monkeypatch):
    """An event is a line."""
    lines = table("events", {"mode": "allowlist", "events": [event()]}, 80)
    assert lines[0].split() == ["AT", "DECISION", "ADDRESS", "PORT", "REASON", "RULE"]
    at = NOW.astimezone().strftime("%Y-%m-%d %H:%M:%S").split()
    assert lines[1].split() == [*at, "refused", "2.57.57.30", "tap100i0", "not-permitted", "-"]
    assert len(lines[2]) <= 80


def test_watched_line():
    """A watched decision is one line, its columns where those before it had them."""
    line = show_tables.event_line(event(rule="a:3"))
    assert line.split()[1:] == [
        "refused",
        "2.57.57.30",
        "52:02:45:76:d2:35",
        "tap100i0",
        "not-permitted",
        "(a:3)",
    ]
    assert show_tables.event_line(event(address=None, mac=None, port=None)).split()[2:] == [
        "-",
        "-",
        "-",
        "not-permitted",
    ]


def test_watched_line_names_the_rival():
    """Who contends with the anchor is at the end of the line."""
    line = show_tables.event_line(event(rival_mac="52:02:45:00:00:66", rival_port="tap666i0"))
    assert line.endswith("not-permitted, rival 52:02:45:00:00:66 on tap666i0")


def test_events_name_the_rival():
    """Where there is room, an event shows who contended."""
    rows = [event(rival_mac="52:02:45:00:00:66", rival_port="tap666i0"), event()]
    lines = table("events", {"mode": "allowlist", "events": rows}, 160)
    assert lines[1].split()[-2:] == ["52:02:45:00:00:66", "tap666i0"]
    assert lines[2].split()[-1] == "-"


def test_missed_lines():
    """What a watcher missed is said."""
    assert show_tables.event_line({"missed": 1200}) == (
        "… 1,200 decisions were missed: they came faster than they were read"
    )


def test_names_are_no_markup():
    """An interface cannot be called so that it colours the table."""
    lines = table("bindings", {"mode": "allowlist", "bindings": [binding(port="[red]x")]}, 120)
    assert "[red]x" in lines[1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0.9, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172_800, "2d")],
)
def test_age(seconds, text):
    """Ages are in the largest unit that has at least two."""
    assert age(NOW - timedelta(seconds=seconds), NOW) == text


def test_no_colours_in_a_pipe(capsys):
    """Where the output is no terminal there are no colours, and all columns."""
    show_tables.print_table(
        "bindings", {"mode": "open", "bindings": [binding()]}, Console(highlight=False), NOW
    )
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "/etc/rdnbr/allowlist:3" in out
