"""The notes about adopted bindings in a file, for the run after a crash (`core.model.adoption_note`).

The file is beside the instance lock, one for each network namespace, and lasts until the node boots or systemd removes
the directory. It exists while there are notes. The first line names the boot; each note has a line of fixed length, so
that a change costs one write and the file does not grow. A file of another boot or user is not read, and neither is a
line whose checksum is wrong: without its note a binding is adopted as at a first start.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from rdnbr.core.model.address import parse_ip, parse_mac, show_ip, show_mac
from rdnbr.core.model.adoption_note import AdoptionNote
from rdnbr.core.model.fib_entries import Key
from rdnbr.linux.process.instance_lock import DIRECTORY, is_trusted, namespace_name

_LINE = 160
"""Bytes of each line with its end."""
_MOST = 65_536
"""Lines that are read: as many as there can be bindings, by default."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class AdoptionFile:
    """The file of this network namespace. Only the daemon that holds the instance lock uses it."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._path = directory / f"{namespace_name()}.adopted"
        self._file: int | None = None
        self._lines: dict[Key, int] = {}
        """The number of the line of each note."""
        self._free: list[int] = []
        """Numbers of lines without a note."""

    def read(self) -> dict[Key, AdoptionNote]:
        """Return the notes of an earlier run; empty if there is no file that can be read and trusted."""
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return {}
        try:
            with os.fdopen(file, "rb") as opened:
                if not is_trusted(os.fstat(file)) or opened.read(_LINE) != _header():
                    return {}
                content = opened.read(_MOST * _LINE)
        except OSError:  # a directory, for example
            return {}
        notes = (_parse(content[at : at + _LINE]) for at in range(0, len(content), _LINE))
        return {note.key: note for note in notes if note is not None}

    def replace(self, notes: Iterable[AdoptionNote]) -> None:
        """Replace the file by one with these notes; without notes there is no file.

        Raises:
            OSError: there is no room, for example. Then there is no file.
        """
        self.close()
        kept = list(notes)
        if not kept:
            self._remove()
            return
        new = self._path.with_suffix(".new")
        with suppress(FileNotFoundError):
            new.unlink()
        try:
            self._file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            _write(self._file, b"".join((_header(), *map(_line, kept))), 0)
            new.rename(self._path)
        except OSError:
            self._remove()
            raise
        self._lines = {note.key: number for number, note in enumerate(kept, 1)}

    def change(self, notes: Mapping[Key, AdoptionNote | None]) -> None:
        """Write the notes that have changed; None: the note of a key has ended.

        Raises:
            OSError: as above.
        """
        for key, note in notes.items():
            if note is not None:
                self._write_line(self._lines.get(key), note)
            elif (number := self._lines.pop(key, None)) is not None:
                self._free.append(number)
                self._write_at(number, _EMPTY)
        if not self._lines:
            self.close()
            self._remove()

    def close(self) -> None:
        """Close the file, which stays."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._lines, self._free = None, {}, []

    def _write_line(self, number: int | None, note: AdoptionNote) -> None:
        if self._file is None:
            self.replace([note])
            return
        if number is None:
            number = self._free.pop() if self._free else len(self._lines) + 1
            self._lines[note.key] = number
        self._write_at(number, _line(note))

    def _write_at(self, number: int, line: bytes) -> None:
        assert self._file is not None
        _write(self._file, line, number * _LINE)

    def _remove(self) -> None:
        """Remove the file; what cannot be removed is out of date, and harmless."""
        for path in (self._path, self._path.with_suffix(".new")):
            with suppress(OSError):
                path.unlink()


_EMPTY = b" " * (_LINE - 1) + b"\n"


def _header() -> bytes:
    return _pad(f"rdnbr adopted, boot {_BOOT.read_text().strip()}")


def _line(note: AdoptionNote) -> bytes:
    began = "-" if note.probing_since is None else f"{note.probing_since!r}"
    table, address = note.key
    text = f"{table} {show_ip(address)} {show_mac(note.mac)} {note.since!r} {note.probes_sent} {began}"
    return _pad(f"{text} {crc32(text.encode()):08x}")


def _parse(line: bytes) -> AdoptionNote | None:
    """Read a line; None if it has no note, or is damaged."""
    try:
        text, checksum = line.decode("ascii").rstrip().rsplit(" ", 1)
        if int(checksum, 16) != crc32(text.encode()):
            return None
        table, address, mac, since, probes_sent, began = text.split(" ")
        return AdoptionNote(
            Key(int(table), parse_ip(address)),
            parse_mac(mac),
            float(since),
            int(probes_sent),
            None if began == "-" else float(began),
        )
    except ValueError:
        return None


def _pad(text: str) -> bytes:
    return text.encode("ascii").ljust(_LINE - 1) + b"\n"


def _write(file: int, content: bytes, at: int) -> None:
    """Write all of the content, also where the kernel takes a part of it at a time.

    Raises:
        OSError: as above.
    """
    while content:
        written = os.pwrite(file, content, at)
        content, at = content[written:], at + written
