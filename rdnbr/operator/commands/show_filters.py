"""Which rows `rdnbr show` has, and in what order. Pure."""

from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Any

from rdnbr.core.model.interfaces import vm_of

Row = Mapping[str, Any]

FILTERS: Mapping[str, tuple[str, ...]] = {
    "bindings": ("address", "port", "bridge", "vm", "mac", "state"),
    "ports": ("port", "bridge", "vm"),
    "counters": ("port", "vm"),
    "events": ("address", "port", "vm", "mac", "state"),
}
"""The filters that each table has."""

ALL_FILTERS = ("address", "port", "bridge", "vm", "mac", "state")

SORTABLE: Mapping[str, Mapping[str, str]] = {
    "bindings": {
        **{name: name for name in ("address", "mac", "port", "bridge", "vm", "state", "source", "rule")},
        "seen": "last_seen",
        "since": "since",
    },
    "ports": {name: name for name in ("port", "vm", "bridge", "bindings", "frames", "drops")},
    "counters": {"port": "port", "reason": "reason", "frames": "count"},
    "events": {name: name for name in ("at", "decision", "address", "mac", "port", "reason", "state")},
}
"""For each table the names to sort by, and the JSON key of each."""

ALL_SORTABLE = tuple(dict.fromkeys(name for names in SORTABLE.values() for name in names))

_DESCENDING = frozenset({"bindings", "frames", "drops", "seen", "since"})
"""The largest number, or the latest time, first."""


class NotApplicable(Exception):
    """The table has no such filter or column; the message says which it has."""


def rows_of(what: str, document: Mapping[str, Any]) -> list[Row]:
    """Return the rows of a document of `rdnbr show WHAT`."""
    if what != "counters":
        return list(document[what])
    return [
        {"port": port, "reason": reason, "count": count}
        for port, reasons in document["counters"].items()
        for reason, count in sorted(reasons.items(), key=lambda item: -item[1])
    ]


def with_rows(what: str, document: Mapping[str, Any], rows: Iterable[Row]) -> dict[str, Any]:
    """Return the document with these rows instead of its own."""
    if what != "counters":
        return {**document, what: list(rows)}
    counters: dict[str, dict[str, int]] = {}
    for row in rows:
        counters.setdefault(row["port"], {})[row["reason"]] = row["count"]
    return {**document, "counters": counters}


def select(args: Namespace, rows: Iterable[Row]) -> list[Row]:
    """Return the rows that all filters of the command line match, sorted as it says.

    What has no value to sort by comes last.

    Raises:
        NotApplicable: the table has no such filter or column.
    """
    what = args.what
    tests = []
    for name in ALL_FILTERS:
        wanted = getattr(args, name)
        if wanted is None:
            continue
        if name not in FILTERS[what]:
            filters = ", ".join(f"--{one}" for one in FILTERS[what])
            raise NotApplicable(f"rdnbr show {what} has no --{name}; it has {filters}")
        tests.append(_test(name, wanted))
    chosen = [row for row in rows if all(test(row) for test in tests)]
    if args.sort is None:
        return chosen
    key = SORTABLE[what].get(args.sort)
    if key is None:
        raise NotApplicable(
            f"rdnbr show {what} cannot be sorted by {args.sort}; by {', '.join(SORTABLE[what])}"
        )
    present = [row for row in chosen if row.get(key) is not None]
    present.sort(key=lambda row: _order(key, row[key]), reverse=args.sort in _DESCENDING)
    return present + [row for row in chosen if row.get(key) is None]


def _test(name: str, wanted: str) -> Callable[[Row], bool]:
    match name:
        case "address":
            network = ip_network(wanted)
            return lambda row: row["address"] is not None and ip_address(row["address"]) in network
        case "vm":
            number = int(wanted)
            return lambda row: row["port"] is not None and vm_of(row["port"]) == number
        case "port" | "bridge":
            return lambda row: row[name] is not None and fnmatchcase(row[name], wanted)
        case _:
            return lambda row: bool(row[name] == wanted)


def _order(key: str, value: Any) -> Any:
    """Sort numbers as numbers, and addresses as addresses, IPv4 first."""
    if key != "address":
        return value
    address = ip_address(value)
    return address.version, int(address)
