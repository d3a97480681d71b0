"""The daemon's JSON documents as tables for people."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from rdnbr.operator.commands.reason_help import REASON_HELP
from rdnbr.operator.commands.show_filters import Row, rows_of
from rdnbr.operator.commands.table_layout import Column, lay_out
from rdnbr.operator.text.phrases import age, clock, counted, date_and_time, listed

_STATE_STYLES = {
    "valid": "green",
    "probing": "yellow",
    "challenged": "yellow",
    "adopted": "cyan",
    "static": "green",
    "frozen": "bold red",
    "tentative": "dim",
    "departed": "dim",
}


_UNSENT = {
    "no-gateway": "the bridge has no gateway address of the family, see rdnbr doctor",
    "port": "the port takes no frames",
}


def print_table(
    what: str,
    document: Mapping[str, Any],
    out: Console,
    now: datetime,
    *,
    width: int | None = None,
    shown: Sequence[Row] | None = None,
) -> None:
    """Print the table of `rdnbr show WHAT`: a line about the daemon, what is wrong, and the rows.

    Args:
        what: bindings, ports, counters or events.
        document: the daemon's, as `json_views` makes it.
        out: the console that the table goes to. It has colours on a terminal only.
        now: the time that ages are counted to.
        width: of the terminal. Columns that have no room are left out and named. None: there is room for all.
        shown: the rows that the filters have left; None: all.
    """
    rows = rows_of(what, document)
    wrong = problems(what, document, rows)
    _print(out, width, Text(summary(what, document, rows, len(wrong))))
    for problem in wrong:
        _print(out, width, Text(problem, style="bold red"))
    some = rows if shown is None else shown
    if some:
        layout = lay_out(_COLUMNS[what](document, now), some, width)
        for line in layout.lines:
            out.print(line, soft_wrap=True)
        if layout.left_out:
            left_out = f"no room for {', '.join(layout.left_out)}; a wider terminal and --json have them"
            _print(out, width, Text(left_out, style="dim"))
    else:
        _print(out, width, Text("none of them matches" if rows else _EMPTY[what], style="dim"))
    if len(some) < len(rows):
        _print(out, width, Text(f"{len(some):,} of {len(rows):,} shown", style="dim"))
    if what == "counters":
        _kernel_counters(document.get("kernel", {}), out)


def summary(what: str, document: Mapping[str, Any], rows: Sequence[Row], wrong: int) -> str:
    """Return the first line: how many guests, how many problems, the mode, and since when the daemon runs."""
    parts = []
    if what == "bindings":
        there = [row for row in rows if row["state"] != "departed"]
        guests = {row["mac"] if row.get("vm") is None else row["vm"] for row in there}
        routed = sum(row["installed"] for row in rows)
        parts = [counted(len(guests), "guest"), counted(len(rows), "binding"), f"{routed:,} routed"]
    parts.append(counted(wrong, "problem") if wrong else "no problem")
    parts.append("open mode" if document["mode"] == "open" else "allowlist")
    if document.get("since"):  # a daemon that runs since before an upgrade does not send it
        parts.append(f"since {date_and_time(datetime.fromisoformat(document['since']))}")
    return ", ".join(parts)


def problems(what: str, document: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """Return a sentence for each thing that is wrong, as far as the document says it.

    A daemon that runs since before an upgrade does not send all of the keys.
    """
    found = []
    if document["mode"] == "open":
        found.append("OPEN MODE: there is no allowlist, any guest may claim any address")
    found += [
        f"GATEWAY FAILED: {failed['address']} of {failed['bridge']} failed duplicate address detection, "
        "for a guest has it too; rdnbr doctor has the cure"
        for failed in document.get("gateway_dadfailed", ())
    ]
    if document.get("waiting") is not None:
        found.append(f"WAITING: {document['waiting']}")
    if document.get("reload_failed") is not None:
        found.append(f"NOT RELOADED: {' '.join(document['reload_failed'].split())}")
    if what == "bindings":
        unsent = Counter(row["unsent"] for row in rows if row.get("unsent") is not None)
        found += [f"NOT PROBED: {counted(count, 'binding')}: {_UNSENT[why]}" for why, count in unsent.items()]
        frozen = [row["address"] for row in rows if row["state"] == "frozen"]
        if frozen:
            found.append(f"FROZEN: {listed(frozen, 3)}; rdnbr explain says why and until when")
    if what == "ports":
        damped = [row["port"] for row in rows if row.get("damped_until")]
        if damped:
            found.append(f"DAMPED: {listed(damped, 3)}; the routes of a port that flaps are held back")
    return found


def _print(out: Console, width: int | None, text: Text) -> None:
    """Print a sentence: on a terminal folded between words, else as one line."""
    out.print(text, soft_wrap=width is None)


def event_line(event: Mapping[str, Any]) -> str:
    """Return a decision as `rdnbr watch` prints it; a second line has the frame behind it, if there is one."""
    if "missed" in event:
        return f"… {event['missed']:,} decisions were missed: they came faster than they were read"
    cells = (
        f"{clock(datetime.fromisoformat(event['at'])):8}",
        f"{event['decision']:10}",
        f"{event['address'] or '-':26}",
        f"{event['mac'] or '-':17}",
        f"{event['port'] or '-':11}",
        event["reason"] + (f" ({event['rule']})" if event["rule"] else "") + _against(event),
    )
    frame = event.get("frame")
    return " ".join(cells) + (f"\n      frame: {frame}" if frame else "")


def _against(event: Mapping[str, Any]) -> str:
    """Name the challenger; a daemon that runs since before an upgrade may not send it."""
    mac, port = event.get("rival_mac"), event.get("rival_port")
    return f", rival {mac or '-'} on {port or '-'}" if mac or port else ""


def _plain(key: str) -> Callable[[Mapping[str, Any]], Text]:
    """Return a cell with the value of `key`, as plain text: a name of an interface must not be read as markup."""
    return lambda row: Text("-" if row[key] is None else str(row[key]))


def _until(key: str) -> Callable[[Mapping[str, Any]], Text]:
    """Return a cell with a time; a daemon that runs since before an upgrade may not send it."""
    return lambda row: Text(clock(datetime.fromisoformat(row[key])) if row.get(key) else "-")


def _count(key: str) -> Callable[[Mapping[str, Any]], Text]:
    return lambda row: Text(f"{row[key]:,}")


def _state(row: Mapping[str, Any]) -> Text:
    state = row["state"] or "-"
    return Text(state, style=_STATE_STYLES.get(state, ""))


def _rival(row: Mapping[str, Any]) -> Text:
    return Text(" ".join(filter(None, (row.get("rival_mac"), row.get("rival_port")))) or "-")


def _bindings(_document: Mapping[str, Any], now: datetime) -> list[Column]:
    return [
        Column("ADDRESS", _plain("address")),
        Column("MAC", _plain("mac"), 1),
        Column("PORT", _plain("port")),
        Column("BRIDGE", _plain("bridge"), 6),
        Column("STATE", _state),
        Column("ROUTE", lambda row: Text("yes" if row["installed"] else "no"), 2),
        Column("SEEN", lambda row: Text(age(datetime.fromisoformat(row["last_seen"]), now)), 3, number=True),
        Column("SINCE", lambda row: Text(age(datetime.fromisoformat(row["since"]), now)), 4, number=True),
        Column("SOURCE", _plain("source"), 5),
        Column("RULE", _plain("rule"), 7),
    ]


def _ports(document: Mapping[str, Any], _now: datetime) -> list[Column]:
    columns = [
        Column("PORT", _plain("port")),
        Column("VM", _plain("vm"), number=True),
        Column("BRIDGE", _plain("bridge")),
        Column("BINDINGS", _count("bindings"), number=True),
        Column("FRAMES", _count("frames"), number=True),
        Column("DROPS", _count("drops"), number=True),
    ]
    if any(row.get("damped_until") for row in document["ports"]):
        columns.append(Column("DAMPED UNTIL", _until("damped_until")))
    return columns


def _counters(_document: Mapping[str, Any], _now: datetime) -> list[Column]:
    return [
        Column("PORT", _plain("port")),
        Column("REASON", _plain("reason")),
        Column("FRAMES", _count("count"), number=True),
        Column("MEANS", lambda row: Text(REASON_HELP.get(row["reason"], "")), 1),
    ]


def _kernel_counters(kernel_counters: Mapping[str, int], out: Console) -> None:
    """Print the counters of the kernel's tables that are not zero."""
    rows = [{"what": what, "count": count} for what, count in kernel_counters.items() if count]
    if rows:
        out.print()
        columns = [Column("KERNEL", _plain("what")), Column("COUNT", _count("count"), number=True)]
        for line in lay_out(columns, rows, None).lines:
            out.print(line, soft_wrap=True)


def _events(_document: Mapping[str, Any], _now: datetime) -> list[Column]:
    return [
        Column("AT", lambda row: Text(date_and_time(datetime.fromisoformat(row["at"])))),
        Column("DECISION", _plain("decision")),
        Column("ADDRESS", _plain("address")),
        Column("MAC", _plain("mac"), 3),
        Column("PORT", _plain("port"), 1),
        Column("REASON", _plain("reason")),
        Column("STATE", _state, 4),
        Column("RULE", _plain("rule"), 2),
        Column("RIVAL", _rival, 5),
    ]


_COLUMNS = {"bindings": _bindings, "ports": _ports, "counters": _counters, "events": _events}
_EMPTY = {
    "bindings": "no guest was learned yet",
    "ports": "no port: no guest is plugged into a served bridge",
    "counters": "no frame was received yet",
    "events": "no event yet",
}
