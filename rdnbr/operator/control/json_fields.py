"""Reads typed values out of a JSON object that the daemon sent. Pure.

A client and a daemon may be of different versions, for an upgrade does not restart the daemon. A key that the client
does not know is ignored. A key that it needs and does not find, and a value of another kind, raise `OtherVersion`.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from rdnbr.core.model.address import IP, MAC, parse_ip, parse_mac
from rdnbr.operator.control.client import CommandFailed
from rdnbr.operator.control.protocol import Json

T = TypeVar("T")


class OtherVersion(CommandFailed):
    """The daemon's answer is not what this version expects; the message names the key and the cure."""

    def __init__(self, what: str) -> None:
        """Write the message.

        Args:
            what: is wrong with the answer, after "its answer has".
        """
        super().__init__(
            f"the daemon is of another version than this command: its answer has {what}; systemctl restart rdnbr"
        )


class Fields:
    """The keys of one JSON object."""

    def __init__(self, document: Json, where: str = "answer") -> None:
        """Take an object.

        Args:
            document: what should be a JSON object.
            where: the key that it stands at, for the message.

        Raises:
            OtherVersion: it is no object.
        """
        if not isinstance(document, dict):
            raise OtherVersion(f"no object as {where}")
        self._document = document

    def __contains__(self, key: str) -> bool:
        return key in self._document

    def get(self, key: str, read: Callable[[Json], T]) -> T:
        """Return the value of `key` as `read` understands it.

        Raises:
            OtherVersion: the key is missing, or `read` raises TypeError or ValueError.
        """
        if key not in self._document:
            raise OtherVersion(f"no {key}")
        value = self._document[key]
        try:
            return read(value)
        except (TypeError, ValueError):
            raise OtherVersion(f"{str(value)[:40]!r} as {key}") from None

    def optional(self, key: str, read: Callable[[Json], T]) -> T | None:
        """Return the value of `key`, as `get` does, or None if the value is null.

        Raises:
            OtherVersion: as for `get`.
        """
        return self.get(key, lambda value: None if value is None else read(value))

    def objects(self, key: str) -> Iterator["Fields"]:
        """Yield the objects of the list at `key`.

        Raises:
            OtherVersion: there is no such list, or it holds something else.
        """
        for one in self.get(key, _items):
            yield Fields(one, key)


def text(value: Json) -> str:
    """Read a string."""
    if not isinstance(value, str):
        raise TypeError
    return value


def texts(value: Json) -> tuple[str, ...]:
    """Read a list of strings."""
    return tuple(map(text, _items(value)))


def integer(value: Json) -> int:
    """Read a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def flag(value: Json) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise TypeError
    return value


def moment(value: Json) -> float:
    """Read a time as RFC 3339 has it: seconds since 1970."""
    at = datetime.fromisoformat(text(value))
    if at.tzinfo is None:
        raise ValueError
    return at.timestamp()


def ip(value: Json) -> IP:
    """Read an IPv4 or IPv6 address."""
    return parse_ip(text(value))


def mac(value: Json) -> MAC:
    """Read an Ethernet address."""
    return parse_mac(text(value))


def octets(value: Json) -> bytes:
    """Read octets in hexadecimal."""
    return bytes.fromhex(text(value))


def _items(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise TypeError
    return value
