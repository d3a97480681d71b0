"""The second model's part of crashes: what the next run is to know of those who were adopted and showed nothing."""

from dataclasses import dataclass, field

from second_model_notes import Entry

from rdnbr.core.model.settings import Timers

Note = tuple[str, float, int, float | None]
"""The MAC, when it was first adopted, how often it was asked in vain, and since when."""


@dataclass
class HandedOn:
    timers: Timers
    notes: dict[tuple[int, str], Note] = field(default_factory=dict)
    left_off: dict[tuple[int, str], tuple[int, float]] = field(default_factory=dict)
    """Where an earlier run left off asking."""
    waited_for: list[tuple[float, Entry, int]] = field(default_factory=list)
    next_unheard: float = 0.0

    def begin(self, now: float, entry: Entry, earlier: Note | None, *, heard: bool) -> None:
        if entry.state != "adopted":
            return
        if not heard:
            entry.due = min(entry.due, max(now, self.next_unheard))
            self.next_unheard = max(now, self.next_unheard) + 0.05
        self.notes[entry.table, entry.address] = earlier or (entry.mac, entry.seen, 0, None)
        if earlier is not None and earlier[2] and earlier[3] is not None:
            self.left_off[entry.table, entry.address] = earlier[2], earlier[3]
            entry.due = min(entry.due, now)

    def go_on(self, now: float, entry: Entry, sequence: list[float]) -> None:
        """Go on asking where an earlier run left off, unless that is long ago; the last question is put again."""
        asked, since = self.left_off.pop((entry.table, entry.address), (0, 0.0))
        if entry.state == "adopted" and asked and now - since <= self.timers.adopt_grace + sum(sequence):
            entry.asked = min(asked, len(sequence) - 1)
            entry.asked_since = since

    def was_asked(self, now: float, entry: Entry, sequence: list[float]) -> None:
        if entry.state != "adopted":
            return
        assert entry.asked_since is not None
        if entry.asked == len(sequence) and entry.asked_since < entry.entered:
            entry.due = max(now + sequence[0], min(entry.due, entry.asked_since + sum(sequence)))
        self.waited_for.append((now + sequence[0], entry, entry.asked))

    def tick(self, now: float, *, unread: bool) -> None:
        for at, entry, asked in [one for one in self.waited_for if one[0] <= now]:
            self.waited_for.remove((at, entry, asked))
            place = entry.table, entry.address
            heard = not unread and now - at <= 1.0
            if heard and place in self.notes and entry.state == "adopted" and entry.asked == asked:
                self.notes[place] = entry.mac, self.notes[place][1], asked, entry.asked_since

    def is_now(self, entry: Entry, state: str) -> None:
        if state not in ("adopted", "challenged", "probing"):
            self.notes.pop((entry.table, entry.address), None)
            self.left_off.pop((entry.table, entry.address), None)
