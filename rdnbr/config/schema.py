"""The schema of the configuration file: TOML values become dataclasses, and every mismatch is reported."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, NewType, get_args, get_origin, get_type_hints

from rdnbr.config.toml_lines import Toml
from rdnbr.core.model.problem import Problem
from rdnbr.core.model.settings import Metric, SecondsOrNever

SECONDS = (0.01, 86_400.0)
"""Bounds of every timer, in seconds."""
COUNTS = (1, 1_000_000)
"""Bounds of every count and rate."""
ListenAddress = NewType("ListenAddress", str)
"""A loopback address and a port, such as 127.0.0.1:9171 or [::1]:9171."""
METRICS = (0, 2**24 - 1)
"""Bounds of every metric. zebra takes the byte above for an administrative distance."""


class SchemaReader:
    """Converts TOML values to settings. A wrong value becomes a problem, and the conversion continues."""

    def __init__(self, file: str, toml: Toml, problems: list[Problem]) -> None:
        self._file = file
        self._toml = toml
        self._problems = problems
        self._places: dict[str, str] = {}
        """The right place of each key, in words."""

    def table(self, known: dict[str, Any], values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        """Return the values of the keys that are known and valid.

        Args:
            known: the type of each known key.
            values: the table.
            path: the names of the tables that contain it.
        """
        valid: dict[str, Any] = {}
        self._places = self._places or _places_of_keys(known)
        for name, value in values.items():
            here = (*path, name)
            if name not in known:
                place = None if isinstance(value, dict) else self._places.get(name)
                self._add_problem(here, _unknown(name, known, path, place, is_table=isinstance(value, dict)))
            elif get_origin(known[name]) is Mapping:
                valid[name] = self._named_tables(get_args(known[name])[1], value, here)
            elif is_dataclass(known[name]):
                valid[name] = self._dataclass(known[name], value, here)
            else:
                try:
                    valid[name] = _value(known[name], value)
                except ValueError as error:
                    self._add_problem(here, f"{name} {error}")
        return valid

    def _named_tables(self, kind: Any, value: Any, path: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """Return the valid values of each table. The caller fills in the keys that a table leaves out."""
        name = ".".join(path)
        if not isinstance(value, dict) or not all(isinstance(table, dict) for table in value.values()):
            self._add_problem(
                path, f'{name} takes tables: write [{name}."NAME or GLOB"], and under it its keys'
            )
            return {}
        hints = get_type_hints(kind)
        return {glob: self.table(hints, table, (*path, glob)) for glob, table in value.items()}

    def _dataclass(self, kind: Any, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return kind(**self.table(get_type_hints(kind), value, path))
        name = ".".join(path)
        self._add_problem(
            path, f"{name} is a table: write [{name}], and under it its keys: {_keys(fields(kind))}"
        )
        return kind()

    def _add_problem(self, path: tuple[str, ...], message: str) -> None:
        self._problems.append(Problem(self._file, self._toml.line(*path), message))


def _keys(known: Sequence[Any]) -> str:
    return ", ".join(item.name for item in known)


def _places_of_keys(known: Mapping[str, Any]) -> dict[str, str]:
    """Return the right place of each key. In TOML, a key below a [table] belongs to that table."""
    tables = {name: get_type_hints(kind) for name, kind in known.items() if is_dataclass(kind)}
    inner = {key: f"in [{name}]" for name, keys in tables.items() for key in keys}
    return inner | {name: "above the first [table]" for name in known if name not in tables}


def _unknown(
    name: str, known: Iterable[str], path: tuple[str, ...], place: str | None, *, is_table: bool
) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    what = f"unknown table [{'.'.join((*path, name))}]" if is_table else f"unknown key {name!r}"
    where = f" in [{'.'.join(path)}]" if path and not is_table else ""
    if place is not None:
        cure = f"it belongs {place}"
    elif close:
        cure = f"did you mean {close[0]!r}?"
    else:
        cure = f"known here: {', '.join(known)}"
    return f"{what}{where}; {cure}"


def _value(kind: Any, value: Any) -> Any:
    """Convert one TOML value to the type `kind`.

    Raises:
        ValueError: the value has another type or is out of range. The message continues after the key's name.
    """
    if get_origin(kind) is Literal:
        return _choice(get_args(kind), value)
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, without quotes, not {_show(value)}")
        return value
    if kind is int:
        return _number(value, COUNTS, "a whole number", (int,))
    if kind is Metric:
        return _number(value, METRICS, "a whole number", (int,))
    if kind is SecondsOrNever and value == 0 and not isinstance(value, bool):
        return 0.0
    if kind in (float, SecondsOrNever):
        return float(_number(value, SECONDS, "a number", (int, float)))
    if kind is ListenAddress:
        return _listen_address(value)
    if kind in (Path, Path | None):
        if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
            raise ValueError(f"must be a path in quotes that begins with /, not {_show(value)}")
        return Path(value)
    if kind == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise ValueError(f'must be a list of names such as ["vmbr1", "vmbr2*"], not {_show(value)}')
        return tuple(value)
    raise AssertionError(kind)


def _choice(choices: tuple[str | bool, ...], value: Any) -> str | bool:
    for choice in choices:
        if value == choice and type(value) is type(choice):  # 1 is not true
            return choice
    names = [choice for choice in choices if isinstance(choice, str)]
    close = difflib.get_close_matches(str(value), names, n=1)
    hint = f"; did you mean {_show(close[0])}?" if close else ""
    raise ValueError(f"must be one of {', '.join(map(_show, choices))}, not {_show(value)}{hint}")


def _listen_address(value: Any) -> str:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    try:
        loopback = ip_address(host.strip("[]")).is_loopback and (":" in host) == host.startswith("[")
    except ValueError:
        loopback = False
    if not loopback or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(
            f'must be a loopback address and a port such as "127.0.0.1:9171" or "[::1]:9171", not {_show(value)}'
        )
    return str(value)


def _number(value: Any, bounds: tuple[float, float], what: str, kinds: tuple[type, ...]) -> Any:
    low, high = bounds
    right = isinstance(value, kinds) and not isinstance(value, bool)
    if right and low <= value <= high:  # False for nan
        return value
    bare = "" if right else " without quotes or unit"
    raise ValueError(f"must be {what}{bare} from {low} to {high:.15g}, not {_show(value)}")


def _show(value: Any) -> str:
    """Write a value in TOML syntax, at most 60 characters."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    text = text if text.isprintable() else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
