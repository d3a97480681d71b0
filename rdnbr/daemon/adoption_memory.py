"""Keeps the notes about adopted bindings in their file, so that a crash loop routes no guest for ever that has left."""

from collections.abc import Mapping

from structlog.typing import FilteringBoundLogger

from rdnbr.core.fib.actuator import Actuator
from rdnbr.core.model.adoption_note import AdoptionNote
from rdnbr.core.model.fib_entries import Key
from rdnbr.linux.process.adoption_file import AdoptionFile


class AdoptionMemory:
    """The notes of one daemon."""

    def __init__(self, actuator: Actuator, log: FilteringBoundLogger, *, dry_run: bool) -> None:
        """Begin without reading or writing.

        Args:
            actuator: has the notes that change.
            log: of the daemon.
            dry_run: use no file. It may be that of the daemon beside.
        """
        self._actuator = actuator
        self._log = log
        self._file = None if dry_run else AdoptionFile()
        self._adopting = False
        """Whether the next notes are all that there are."""

    def read(self) -> Mapping[Key, AdoptionNote]:
        """Return the notes of an earlier run, which the adoption uses and replaces."""
        self._adopting = True
        return {} if self._file is None else self._file.read()

    def update(self, _now: float) -> None:
        """Write the notes that have changed. After an error there is no file, and the next run starts afresh."""
        notes = self._actuator.drain_notes()
        if self._file is None or not (notes or self._adopting):
            return
        try:
            if self._adopting:
                self._file.replace(note for note in notes.values() if note is not None)
            else:
                self._file.change(notes)
        except OSError as error:
            self._file.replace(())
            self._file = None
            self._log.error("adopted guests are not noted for the next start", why=str(error))
        self._adopting = False

    def next_deadline(self) -> float | None:
        """Return when `update` has something to do; None: when a note changes."""
        return 0.0 if self._adopting or self._actuator.has_notes else None

    def close(self) -> None:
        """Close the file, which stays for the next run."""
        if self._file is not None:
            self._file.close()
            self._file = None
