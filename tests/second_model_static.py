"""The second model's part of `static` rules: bound without a question, and moved by nobody."""

from second_model_arrivals import ANYBODY
from second_model_departed import Departures
from second_model_notes import ROUTED, Entry, Utterance


class Statics(Departures):
    """Entries that are never asked."""

    def bind(self, now: float, port: int, mac: str | None) -> None:
        """Give the addresses of static rules to a MAC that was heard, or to a port that is up."""
        name, segment = self.ports[port]
        table = self.tables[segment]
        for address, (named, only) in self.statics.items():
            there = named in (None, name) if mac else named == name
            if only is None or mac not in (None, only) or not there:
                continue
            why, _ = self.judge_law(address, (port, only), segment)
            if why or self.quarantined(now, table, address, (port, only)):
                continue
            entry = self.find(table, address)
            if entry is None:
                if len(self.entries) < self.most and not self.is_full(port, address):
                    entry = Entry(table, address, segment, port, only, now, self.next_number())
                    self.entries.append(entry)
                    self.learn_static(now, entry)
            elif entry.state == "departed":
                if not self.is_full(port, address):
                    self.give(now, entry, (port, only), segment)
                    self.learn_static(now, entry)
            elif (entry.port, entry.mac, entry.segment) == (None, only, segment):
                entry.port, entry.number, entry.port_inferred = port, self.next_number(), True
                self.release(entry)
                self.become_static(now, entry)

    def learn_static(self, now: float, entry: Entry) -> None:
        self.become(now, entry, "static", "learned", "static")
        if not self.is_damped(entry):
            self.say_of("installed", "static", entry)

    def become_static(self, now: float, entry: Entry) -> None:
        verb = "refreshed" if entry.state in ROUTED else "installed"
        self.become(now, entry, "static", verb, "static")

    def settle_static(self, now: float, entry: Entry) -> None:
        """Give what was found in the kernel, and is static, the port that its rule names or where it was heard."""
        if entry.mac == ANYBODY:
            return
        name, only = self.statics[entry.address]
        here = [port for port, known in self.ports.items() if known == (name, entry.segment)]
        named = here[0] if here and only in (None, entry.mac) else None
        heard_on = entry.heard_on
        if heard_on is not None and self.ports[heard_on][1] != entry.segment:
            heard_on = None
        known = entry.port or named
        if known or heard_on:
            entry.port, entry.number = known or heard_on, self.next_number()
            entry.port_inferred = known is None
            self.become_static(now, entry)

    def hear_static(self, now: float, entry: Entry, heard: Utterance) -> None:
        """Hear the owner of what is static, or is to be."""
        if entry.state != "static":
            self.become_static(now, entry)
            return
        if heard.kind == "intent":
            entry.nonce = heard.nonce
        else:
            entry.seen, entry.asked_since = now, None
        self.say_of("refreshed", "evidence", entry)

    def judge_again(self, now: float, entries: list[Entry] | None = None) -> None:
        for entry in list(self.entries) if entries is None else entries:
            if entry.state == "departed":
                continue
            live, anchor = entry.state in ROUTED, (entry.port, entry.mac)
            if self.judge_law(entry.address, anchor, entry.segment, entry.card, live=live)[0]:
                self.forget(entry, "withdrawn" if live else "expired", "no-longer-permitted")
                continue
            if live:
                self.report_prefix(entry.address)
            if entry.port is not None and self.is_static(entry) != (entry.state == "static"):
                if self.is_static(entry):
                    self.become_static(now, entry)
                else:
                    self.become(now, entry, "probing", "refreshed", "awaiting-answer")

    def look_everywhere(self, now: float) -> None:
        for port in self.ports:
            mine = [e.mac for e in self.by_number() if e.port == port and e.state != "departed"]
            for mac in (None, *dict.fromkeys(mine)):
                self.bind(now, port, mac)
                self.look_for(now, port, mac)

    def note_arrival(self, now: float, port: int, heard: Utterance) -> bool:
        arrived = super().note_arrival(now, port, heard)
        if arrived:
            self.bind(now, port, heard.mac)
        return arrived
