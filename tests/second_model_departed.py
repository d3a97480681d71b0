"""The second model's part of what departed: how long it is remembered, and which of it is asked now and then."""

from typing import Any

from second_model_arrivals import ANYBODY, Arrivals, slowly
from second_model_notes import Anchor, Entry


class Departures(Arrivals):
    """Entries without a route that are remembered."""

    def become(self, now: float, entry: Entry, *given: Any, **more: Any) -> None:
        raise NotImplementedError

    def forget(self, entry: Entry, verb: str, reason: str) -> None:
        raise NotImplementedError

    def remember(self, now: float, entry: Entry, *, silent: bool) -> None:
        """Ask the departed on where it was; of too many there, who departed first is asked no more."""
        home = entry.heard_on if entry.port is None else entry.port
        entry.departure = self.next_number()
        if not silent or home not in self.ports or self.ports[home][1] != entry.segment:
            entry.due = now + self.timers.departed
            return
        entry.probed_on = home
        entry.due = slowly(now, 0)
        family = 6 if ":" in entry.address else 4
        asked_there = [
            e for e in self.entries if e.probed_on == home and (":" in e.address) == (":" in entry.address)
        ]
        if len(asked_there) > self.fill(self.ports[home][0], family):
            self.ask_no_more(now, min(asked_there, key=lambda e: e.departure))

    def ask_no_more(self, now: float, entry: Entry) -> None:
        entry.probed_on = None
        entry.due = max(now, entry.entered + self.timers.departed)

    def leave_alone(self, now: float, port: int) -> None:
        """Let a port be gone."""
        for entry in self.entries:
            if entry.probed_on == port:
                entry.probed_on = None
                entry.due = now + self.timers.departed

    def ask_departed(self, now: float, entry: Entry, *, by_hand: bool = False) -> None:
        port = entry.probed_on
        if port is None:
            return
        if by_hand:
            entry.asked = 0
        elif (why := self.judge_law(entry.address, (port, entry.mac), entry.segment, entry.card)[0]) not in (
            None,
            "connected-prefix",
        ):
            self.ask_no_more(now, entry)
            return
        elif (
            why
            or self.is_full(port, entry.address)
            or self.quarantined(now, entry.table, entry.address, (port, entry.mac))
        ):
            entry.due = slowly(now, entry.asked)
            return
        if (entry.segment, 6 if ":" in entry.address else 4) in self.unable:
            entry.due = slowly(now, entry.asked)
            self.wait_for_gateway(entry)
            return
        how = ["unicast", "broadcast", "zero"][entry.asked % 3]
        if how == "zero" and (":" in entry.address or self.may_give_up(now, port, entry.address)):
            how = "broadcast"
        if how == "unicast" and entry.mac == ANYBODY:
            how = "broadcast"
        self.questions.append((port, entry.address, entry.mac, how))
        entry.asked += 1
        entry.due = slowly(now, entry.asked)

    def come_to_nothing(self, now: float, entry: Entry, why: str) -> None:
        """End a claim that nobody stood by: who departed before is remembered as before."""
        if entry.memory is None:
            self.forget(entry, "expired", why)
            return
        port, mac, segment, card, seen = entry.memory
        claimant = (entry.port, entry.mac)
        same = claimant == (port, mac)
        self.give(now, entry, (port, mac), segment, card)
        entry.seen, entry.port_inferred = seen, False
        rival = None if same else self.named(*claimant)
        self.become(now, entry, "departed", "expired", why, challenger=rival)

    def give(self, now: float, entry: Entry, anchor: Anchor, segment: int, card: str = "") -> None:
        if entry.state == "departed":
            entry.memory = (entry.port, entry.mac, entry.segment, entry.card, entry.seen)
        entry.card = card or (entry.card if anchor == (entry.port, entry.mac) else "")
        entry.port_inferred &= entry.mac == anchor[1]
        entry.port, entry.mac = anchor
        entry.segment = segment
        entry.seen, entry.asked_since, entry.disputed = now, None, False
        entry.challenger = None
        entry.proved = False
        entry.number = self.next_number()
