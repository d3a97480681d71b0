"""The daemon's JSON documents as tables for people."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rdnbr.operator.commands.reason_help import REASON_HELP
from rdnbr.operator.text.phrases import age, clock, counted

WIDE = 110
"""Width of a terminal, in characters, from which on a table has all its columns."""

UNBOUNDED = 200
"""Width, in characters, of a table that goes to a pipe or a file."""

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


class Column(NamedTuple):
    """A column of a table."""

    title: str
    cell: Callable[[Any], Text]
    wide: bool = False
    """The column is left out on a terminal narrower than WIDE."""
    number: bool = False


def table_console(*, width: int | None = None) -> Console:
    """Return the console for tables: with colours and the terminal's width on a terminal, else plain and UNBOUNDED."""
    out = Console(highlight=False, soft_wrap=False, width=width)
    return out if out.is_terminal or width is not None else Console(highlight=False, width=UNBOUNDED)


def print_table(what: str, document: Mapping[str, Any], out: Console, now: datetime) -> None:
    """Print the table of `rdnbr show WHAT`.

    Args:
        what: bindings, ports, counters or events.
        document: the daemon's, as `json_views` makes it.
        out: the console that the table goes to.
        now: the time that ages are counted to.
    """
    if document["mode"] == "open":
        out.print(Text("OPEN MODE: there is no allowlist, any guest may claim any address", style="bold red"))
    # A daemon that runs since before an upgrade does not send these two.
    for failed in document.get("gateway_dadfailed", ()):
        sentence = (
            f"GATEWAY FAILED: {failed['address']} of {failed['bridge']} failed duplicate address detection, "
            "for a guest has it too; rdnbr doctor has the cure"
        )
        out.print(Text(sentence, style="bold red"))
    waiting = document.get("waiting")
    if waiting is not None:
        out.print(Text(f"WAITING: {waiting}", style="bold yellow"), soft_wrap=True)
    failed_reload = document.get("reload_failed")
    if failed_reload is not None:
        why = " ".join(str(failed_reload).split())
        out.print(Text(f"NOT RELOADED: {why}", style="bold red"), soft_wrap=True)
    columns, rows = _TABLES[what](document, now)
    if rows:
        out.print(_table([column for column in columns if out.width >= WIDE or not column.wide], rows))
    else:
        out.print(Text(_EMPTY[what], style="dim"))
    if what == "counters":
        _kernel_counters(document.get("kernel", {}), out)
    if what == "bindings" and rows:
        routed = sum(row["installed"] for row in rows)
        out.print(Text(f"{counted(len(rows), 'binding')}, {routed:,} routed", style="dim"))
        for why, count in Counter(row.get("unsent") for row in rows).items():
            if why is not None:
                out.print(
                    Text(f"{counted(count, 'binding')} cannot be probed: {_UNSENT[why]}", style="bold red")
                )


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


def _table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.title, justify="right" if column.number else "left", overflow="fold", no_wrap=False
        )
    for row in rows:
        table.add_row(*(column.cell(row) for column in columns))
    return table


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


Shape = tuple[list[Column], list[Mapping[str, Any]]]


def _bindings(document: Mapping[str, Any], now: datetime) -> Shape:
    columns = [
        Column("ADDRESS", _plain("address")),
        Column("MAC", _plain("mac")),
        Column("PORT", _plain("port")),
        Column("BRIDGE", _plain("bridge"), wide=True),
        Column("STATE", _state),
        Column("ROUTE", lambda row: Text("yes" if row["installed"] else "no")),
        Column("SEEN", lambda row: Text(age(datetime.fromisoformat(row["last_seen"]), now)), number=True),
        Column(
            "SINCE", lambda row: Text(age(datetime.fromisoformat(row["since"]), now)), wide=True, number=True
        ),
        Column("SOURCE", _plain("source"), wide=True),
        Column("RULE", _plain("rule"), wide=True),
    ]
    return columns, document["bindings"]


def _ports(document: Mapping[str, Any], _now: datetime) -> Shape:
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
    return columns, document["ports"]


def _counters(document: Mapping[str, Any], _now: datetime) -> Shape:
    columns = [
        Column("PORT", _plain("port")),
        Column("REASON", _plain("reason")),
        Column("FRAMES", _count("count"), number=True),
        Column("MEANS", lambda row: Text(REASON_HELP.get(row["reason"], "")), wide=True),
    ]
    rows = [
        {"port": port, "reason": reason, "count": count}
        for port, reasons in document["counters"].items()
        for reason, count in sorted(reasons.items(), key=lambda item: -item[1])
    ]
    return columns, list(rows)


def _kernel_counters(kernel_counters: Mapping[str, int], out: Console) -> None:
    """Print the counters of the kernel's tables that are not zero."""
    rows = [{"what": what, "count": count} for what, count in kernel_counters.items() if count]
    if rows:
        out.print()
        out.print(
            _table([Column("KERNEL", _plain("what")), Column("COUNT", _count("count"), number=True)], rows)
        )


def _events(document: Mapping[str, Any], _now: datetime) -> Shape:
    columns = [
        Column("AT", lambda row: Text(clock(datetime.fromisoformat(row["at"])))),
        Column("DECISION", _plain("decision")),
        Column("ADDRESS", _plain("address")),
        Column("MAC", _plain("mac"), wide=True),
        Column("PORT", _plain("port")),
        Column("REASON", _plain("reason")),
        Column("STATE", _state, wide=True),
        Column("RULE", _plain("rule"), wide=True),
        Column("RIVAL", _rival, wide=True),
    ]
    return columns, document["events"]


_TABLES = {"bindings": _bindings, "ports": _ports, "counters": _counters, "events": _events}
_EMPTY = {
    "bindings": "no guest was learned yet",
    "ports": "no port: no guest is plugged into a served bridge",
    "counters": "no frame was received yet",
    "events": "no event yet",
}
