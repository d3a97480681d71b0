"""Where each value of the configuration comes from: the command line, a line of the file, or the default."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rdnbr.config.config import CommandLine, Config
from rdnbr.config.textfile import UnreadableError, path_exists, read_text
from rdnbr.config.toml_lines import Toml

DEFAULT, COMMAND_LINE = "default", "command line"

_DERIVED = frozenset({"given", "allowlist_named"})
"""Fields of the configuration that are no keys of the file."""


class Value(NamedTuple):
    """One value in force."""

    path: tuple[str, ...]
    """The key, after the names of its tables."""
    value: Any
    origin: str
    """`default`, `command line`, or `file:line`."""


def values_in_force(config: Config) -> list[Value]:
    """Return every value, those outside of tables first."""
    toml = _toml(config)
    found = [
        Value(path, value, _origin(path, config.given, config.file, toml)) for path, value in _flat(config)
    ]
    return sorted(found, key=lambda value: len(value.path) > 1)


def as_toml(values: list[Value]) -> list[str]:
    """Return lines in the syntax of the file, each with its origin in a comment."""
    lines, table = [], ""
    for path, value, origin in values:
        name = ".".join([*path[:1], *(f'"{part}"' for part in path[1:-1])]) if len(path) > 1 else ""
        if name != table:
            table = name
            lines.append(f"\n[{name}]")
        text = f"{path[-1]} = {_text(value)}" if value is not None else f"#{path[-1]} is not set"
        lines.append(f"{text:<50}  # {origin}")
    return lines


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _flat(part: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for field in fields(part):
        value = getattr(part, field.name)
        path = (*above, field.name)
        if not above and field.name in _DERIVED:
            continue
        if not above and field.name == "settings":
            yield from _flat(value)
        elif is_dataclass(value):
            yield from _flat(value, path)
        elif isinstance(value, dict):
            for glob, policy in value.items():
                yield from _flat(policy, (*path, glob))
        else:
            yield path, value


def _origin(path: tuple[str, ...], given: CommandLine, file: Path, toml: Toml | None) -> str:
    options = {
        ("bridges",): given.bridges,
        ("allowlist",): given.allowlist,
        ("log", "level"): given.log_level,
        ("log", "format"): given.log_format,
    }
    if options.get(path):
        return COMMAND_LINE
    # An exception of [ports] has what it leaves out from [port].
    for candidate in (path, ("port", path[-1]) if path[0] == "ports" else path):
        if toml is not None and _contains(toml.values, candidate):
            return f"{file}:{toml.line(*candidate)}"
    return DEFAULT


def _toml(config: Config) -> Toml | None:
    if not path_exists(config.file):
        return None
    try:
        return Toml(read_text(config.file))
    except UnreadableError:
        return None


def _contains(values: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(values, dict) or name not in values:
            return False
        values = values[name]
    return True


def _text(value: Any) -> str:
    """Write a value in TOML syntax."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, int | float):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
