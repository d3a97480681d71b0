"""A second engine: simple, slow, and written from the prose of `machine` and the design, not from their code.

It hears of utterances, not of frames; it looks through all its entries for everything; it has no heap, no index, no
table. What it decides is compared with what the engine decides, word by word. It knows no pace of questions: who
compares gives the engine one that never runs out.
"""

from dataclasses import replace
from math import ceil, inf
from typing import Any
from zlib import crc32

from second_model_arrivals import ANYBODY
from second_model_damping import Damping
from second_model_handed_on import HandedOn, Note
from second_model_notes import ROUTED, Anchor, Entry, Named, Utterance, is_shared, packed
from second_model_stamps import Stamps
from second_model_static import Statics


def family(address: str) -> int:
    return 6 if ":" in address else 4


class Model(Statics):
    """The whole node."""

    def __init__(self, *notes: Any, **more: Any) -> None:
        super().__init__(*notes, **more)
        self.stamps = Stamps()
        self.damping = Damping()
        self.handed_on = HandedOn(self.timers)

    # What happens

    def hear(self, now: float, port: int, heard: Utterance) -> None:
        if port in self.ports and heard.kind == "intent" and "." in heard.address:
            self.checked[port, heard.address] = now
        if port in self.ports and heard.kind == "intent" and ":" in heard.address:
            segment = self.ports[port][1]
            entry = self.find(self.tables[segment], heard.address)
            if entry and entry.segment == segment:
                own = entry.mac == heard.mac and entry.port in (port, None)
                entry.last_foreign_dad = entry.last_foreign_dad if own else now
        if port not in self.ports:
            self.say("ignored", "unknown-port", None, None, None, None)
        elif heard.kind == "packet" and not self.packet_counts(now, port, heard.address):
            why = "not-ndp" if ":" in heard.address else "not-arp-or-ndp"
            self.say("ignored", why, None, None, self.ports[port][0], None)
        elif {self.node_mac, *self.ports_macs.get(self.ports[port][1], ())} & {heard.mac, heard.card}:
            self.turn_down("own-mac", port, heard)
        elif heard.card and not is_shared(heard.mac):
            self.turn_down("mac-mismatch", port, heard)
        else:
            self.hear_guest(now, port, heard)
            self.note_arrival(now, port, heard)
            self.note_sign(now, port, heard.mac)

    def hear_guest(self, now: float, port: int, heard: Utterance) -> None:
        if heard.kind == "presence":
            self.say("ignored", "not-ndp", None, heard.mac, self.ports[port][0], None)
        elif heard.kind == "rarp":
            self.open_window(now, port)
            mine = [
                e
                for e in self.by_number()
                if e.mac == heard.mac and e.table == self.tables[self.ports[port][1]]
            ]
            arrived = [self.arrive(now, entry, port, heard.mac, heard.card) for entry in mine]
            self.look_for(now, port, heard.mac)
            if not any(arrived) and not self.expects(port, heard.mac):
                self.say("ignored", "unknown-mac", None, heard.mac, self.ports[port][0], None)
        else:
            self.claim(now, port, heard)

    def claim(self, now: float, port: int, heard: Utterance, *, settled: bool = False) -> None:
        _, segment = self.ports[port]
        if heard.kind == "answer" and (segment, family(heard.address)) in self.unable and not heard.to_zero:
            heard = replace(heard, kind="use")  # there is no gateway that could have asked
        entry = self.find(self.tables[segment], heard.address)
        known = entry.card if entry and (entry.port, entry.mac) == (port, heard.mac) else ""
        live = entry is not None and entry.state in ROUTED
        free = entry is None or entry.state == "departed"
        why, vip = self.judge_law(heard.address, (port, heard.mac), segment, heard.card or known, live=live)
        if why:
            if why == "own-address" and heard.kind != "packet":
                self.defend(now, segment, heard.address)
            self.turn_down(why, port, heard)
        elif not settled and self.has_to_wait(port, heard, entry):
            self.collect(now, port, heard, entry)
        elif heard.kind == "packet" and (
            heard.address in self.statics or not (free or self.is_deaf_owner(entry, port, heard.mac))
        ):
            self.turn_down("no-hint", port, heard)
        elif entry is None or entry.state == "departed":
            self.claim_free(now, port, heard, entry)
        else:
            self.claim_bound(now, port, heard, entry, vip=vip)

    def claim_bound(self, now: float, port: int, heard: Utterance, entry: Entry, *, vip: bool) -> None:
        _, segment = self.ports[port]
        if (entry.state, entry.port_inferred, entry.mac, entry.segment) == (
            "static",
            True,
            heard.mac,
            segment,
        ):
            entry.port, entry.number = port, self.next_number()
            self.release(entry)
            entry.port_inferred = False
        if entry.mac in (heard.mac, ANYBODY) and (
            entry.port == port or (entry.port is None and entry.segment == segment)
        ):
            if entry.port is None and (heard.kind != "intent" or self.is_static(entry)):
                if self.has_its_fill_of_surmises(port, heard.address):
                    self.turn_down("port-full", port, heard)
                    return
                entry.port, entry.mac, entry.number = port, heard.mac, self.next_number()
                entry.port_inferred = True
                self.release(entry)
            self.hear_owner(now, entry, heard)
        else:
            self.hear_rival(now, entry, port, heard, vip=vip)

    def is_deaf_owner(self, entry: Entry | None, port: int, mac: str) -> bool:
        """Tell whether a packet is from the owner itself, who was asked and said nothing."""
        assert entry is not None
        return (port, mac) == (self.home_of(entry), entry.mac) and self.is_deaf(entry)

    def home_of(self, entry: Entry) -> int | None:
        return entry.heard_on if entry.port is None else entry.port

    def is_deaf(self, entry: Entry) -> bool:
        """Tell whether an owner was asked in vain, on all ports if its own is not certain."""
        if entry.state not in ("probing", "challenged", "frozen", "adopted"):
            return False
        if entry.port is None:
            return entry.asked > 2
        if entry.port_inferred:
            return entry.asked > 1 and self.asks_anybody(entry, entry.asked - 2)
        return entry.asked > 1 or entry.asked == len(self.patience(entry)) > 0

    def has_to_wait(self, port: int, heard: Utterance, entry: Entry | None) -> bool:
        """Tell whether several ports were asked, so that others may claim it with as much right."""
        if heard.kind not in ("use", "answer", "announcement"):
            return False
        unknown = entry and (entry.port, entry.mac, entry.segment) == (None, ANYBODY, self.ports[port][1])
        if entry and unknown and entry.state in ("adopted", "challenged"):
            return True
        asked = {one.port for one in self.inquiries if one.address == heard.address}
        free = entry is None or entry.state == "departed"
        return free and heard.kind == "answer" and len(asked) > 1 and port in asked

    def collect(self, now: float, port: int, heard: Utterance, entry: Entry | None) -> None:
        key = (self.tables[self.ports[port][1]], heard.address)
        if key not in self.collected:
            self.collected[key] = (now + 0.2, {})
            if entry and entry.mac == ANYBODY and entry.state in ("adopted", "challenged"):
                if entry.asked == 0:
                    self.put_question(now, entry)
                entry.due = max(entry.due, now + 0.2)
        claimants = self.collected[key][1]
        if len(claimants) < 8 or (port, heard.mac) in claimants:
            unknown = entry is not None and entry.state in ("adopted", "challenged")
            place = (self.ports[port][1], heard.card or heard.mac)
            there = unknown and self.was_there.get(place) == port
            proper = heard.kind == "answer" and (heard.to_zero or ":" in heard.address)
            claimants[port, heard.mac] = (heard.address in self.by_name, there and proper, heard)
        self.say("noted", "collected", heard.address, heard.mac, self.ports[port][0], None)

    def settle_answers(self, now: float) -> None:
        due = sorted(
            (at, key[0], packed(key[1]), key) for key, (at, _) in self.collected.items() if at <= now
        )
        for _, _, _, key in due:
            _, found = self.collected.pop(key)
            # The law of that time named the claimant, or not; and a proxy does not override.
            ranks = {
                anchor: (named, heard.override, there) for anchor, (named, there, heard) in found.items()
            }
            claimants = [
                (anchor, found[anchor][2]) for anchor in sorted(found, key=ranks.__getitem__, reverse=True)
            ]
            if list(ranks.values()).count(max(ranks.values())) == 1:
                (port, _), heard = claimants.pop(0)
                self.claim(now, port, heard, settled=True)
            else:
                entry = self.find(*key)
                if entry and entry.mac == ANYBODY and entry.state in ("adopted", "challenged"):
                    entry.disputed, entry.seen = True, now
                    self.say_of("kept", "several-answers", entry)
            for (port, _), heard in claimants:
                self.turn_down("several-answers", port, heard)

    def claim_free(self, now: float, port: int, heard: Utterance, entry: Entry | None) -> None:
        _, segment = self.ports[port]
        table = self.tables[segment]
        if self.quarantined(now, table, heard.address, (port, heard.mac)):
            self.turn_down("quarantined", port, heard)
            return
        if entry and entry.port_inferred and entry.mac != heard.mac:
            self.turn_down("being-decided", port, heard)
            return
        if entry is None and len(self.entries) >= self.most:
            self.turn_down("table-full", port, heard)
            return
        if self.is_full(port, heard.address):
            self.turn_down("port-full", port, heard)
            return
        answered = False
        if entry is None:
            entry = Entry(table, heard.address, segment, port, heard.mac, now, self.next_number())
            entry.card = heard.card
            self.entries.append(entry)
        else:
            answered = (
                heard.kind == "answer" and (entry.port, entry.mac) == (port, heard.mac) and entry.asked > 0
            )
            self.give(now, entry, (port, heard.mac), segment, heard.card)
        entry.nonce = heard.nonce
        if self.is_static(entry):
            self.learn_static(now, entry)
        elif answered:
            entry.proved = True
            self.become(now, entry, "valid", "learned", "answered")
            if not self.is_damped(entry):
                self.say_of("installed", "answered", entry)
        elif heard.kind == "intent":
            self.become(now, entry, "tentative", "learned", "awaiting-dad", wait=self.dad(entry))
        elif heard.kind in ("unconfirmed", "packet") or self.open:
            self.become(now, entry, "tentative", "learned", "awaiting-answer")
        else:
            self.become(now, entry, "valid", "learned", "first-claim")
            if not self.is_damped(entry):
                self.say_of("installed", "first-claim", entry)
            self.become(now, entry, "probing")
        for other in self.by_number():
            if other.mac == heard.mac and other.state == "departed" and other.table == table:
                self.arrive(now, other, port, heard.mac, heard.card)
        self.look_for(now, port, heard.mac)

    def hear_owner(self, now: float, entry: Entry, heard: Utterance) -> None:
        answered = heard.kind == "answer" and entry.asked > 0
        if answered or not entry.card:
            entry.card = heard.card or entry.card
        if self.is_static(entry) and entry.state != "frozen":
            self.hear_static(now, entry, heard)
            self.renew_announced(now, entry, heard)
            return
        if heard.kind == "intent":
            entry.nonce = heard.nonce
            self.hear_owner_intend(now, entry)
            return
        entry.seen, entry.asked_since, entry.disputed = now, None, False
        if answered:
            entry.proved = True
            for who in ((entry.port, entry.mac), (entry.port, "")):
                self.terms.pop((entry.table, entry.address, who), None)
        how = "answered" if answered else "evidence"
        if entry.state == "tentative":
            if answered or (heard.kind != "unconfirmed" and not self.open):
                self.become(now, entry, "valid", "installed", how)
                if not entry.proved:
                    self.become(now, entry, "probing")
            else:
                self.say_of("refreshed", "awaiting-answer", entry)
                if entry.asked == 0:
                    self.ask(now, entry)
        elif entry.state == "challenged":
            assert entry.challenger is not None
            if entry.challenger != (entry.port, entry.mac):
                self.dismiss(now, entry, self.timers.quarantine, defends=True)
            self.become(now, entry, "valid", "kept", "incumbent-answered")
        elif entry.state == "frozen":
            entry.asked = 0
            self.say_of("refreshed", how, entry)
        elif entry.state == "valid":
            self.say_of("refreshed", how, entry)
        else:
            self.become(now, entry, "valid", "refreshed", how)
        self.renew_announced(now, entry, heard)

    def renew_announced(self, now: float, entry: Entry, heard: Utterance) -> None:
        answers_dad = ":" in entry.address and now < entry.last_foreign_dad + 2.0
        if heard.kind == "announcement" and not answers_dad:
            self.renew(now, entry)

    def hear_owner_intend(self, now: float, entry: Entry) -> None:
        if entry.state == "valid":
            self.become(now, entry, "probing", "refreshed", "awaiting-dad", wait=self.dad(entry))
        elif entry.state == "challenged":
            self.say_of("refreshed", "awaiting-answer", entry)
        else:
            self.say_of("refreshed", "awaiting-dad", entry)
            if entry.state == "tentative" and entry.challenger is None and now < entry.entered + 10.0:
                entry.asked = 0
                entry.due = now + self.dad(entry)

    def hear_rival(self, now: float, entry: Entry, port: int, heard: Utterance, *, vip: bool) -> None:
        anchor, before = (port, heard.mac), (entry.port, entry.mac)
        asked_rival = entry.asked > 3 if entry.state == "challenged" else entry.asked > 0
        contested = entry.state in ("tentative", "challenged") and entry.challenger == anchor and asked_rival
        if contested and heard.kind == "answer":
            if self.is_full(port, entry.address):
                self.turn_down("port-full", port, heard)
            elif entry.state == "tentative":
                loser = self.named(entry.port, entry.mac)
                self.give(now, entry, anchor, self.ports[port][1], heard.card)
                entry.proved = True
                self.become(now, entry, "valid", "installed", "answered", challenger=loser)
                self.others_follow(now, entry, before, heard.card)
            else:
                loser = self.named(entry.port, entry.mac)
                self.give(now, entry, anchor, self.ports[port][1], heard.card)
                entry.proved = True
                self.become(now, entry, "valid", "moved", "incumbent-silent", challenger=loser)
                self.count_move(now, entry, loser)
                self.others_follow(now, entry, before, heard.card)
        elif self.quarantined(now, entry.table, entry.address, anchor) and not (
            heard.kind == "answer" and entry.asked > 0 and self.asks_anybody(entry, entry.asked - 1)
        ):
            self.turn_down("quarantined", port, heard)
        elif not heard.override and entry.state in ROUTED:
            self.turn_down("no-override", port, heard)
        elif heard.nonce and heard.nonce == entry.nonce:
            self.turn_down("looped-back", port, heard, verb="ignored")
        elif self.is_full(port, entry.address):
            self.turn_down("port-full", port, heard)
        elif vip and heard.kind == "announcement" and heard.override:
            if entry.state == "frozen" or (entry.moves and now - entry.moves[-1] < 1.0):
                self.turn_down("moved-too-often", port, heard)
            else:
                self.follow(now, entry, anchor, self.ports[port][1], heard.card)
                self.others_follow(now, entry, before, heard.card)
        else:
            why = self.contend(now, entry, anchor, self.ports[port][1])
            if why:
                self.turn_down(why, port, heard)

    def others_follow(self, now: float, entry: Entry, before: Anchor, card: str) -> None:
        """Let the other addresses of its MAC be contended for, where that MAC has gone to another port."""
        assert entry.port is not None
        if entry.mac == before[1]:
            for other in self.by_number():
                same = (other.table, other.port, other.mac) == (entry.table, *before)
                if same and other.state != "departed":
                    self.arrive(now, other, entry.port, entry.mac, card)

    def follow(self, now: float, entry: Entry, anchor: Anchor, segment: int, card: str) -> None:
        routed = entry.state in ROUTED
        loser = self.named(entry.port, entry.mac)
        self.give(now, entry, anchor, segment, card)
        self.become(now, entry, "valid", "moved" if routed else "installed", "announced", challenger=loser)
        if routed:
            self.count_move(now, entry, loser)
        if entry.state == "valid":
            self.become(now, entry, "probing")

    def contend(self, now: float, entry: Entry, anchor: Anchor, segment: int) -> str | None:
        if entry.state == "frozen":
            return "moved-too-often"
        if entry.state == "static":
            return "static"
        if entry.state == "challenged" or (entry.state == "tentative" and entry.challenger):
            return "being-decided"
        entry.challenger, entry.challenger_segment = anchor, segment
        if entry.port_inferred:
            entry.port, entry.port_inferred, entry.number = None, False, self.next_number()
        if entry.state == "tentative":
            self.say_of("challenged", "rival-claim", entry)
        else:
            self.become(now, entry, "challenged", "challenged", "rival-claim")
        return None

    def arrive(self, now: float, entry: Entry, port: int, mac: str, card: str = "") -> bool:
        segment = self.ports[port][1]
        at_home = entry.mac == mac and entry.port in (port, None)
        if (entry.state == "departed" or not at_home) and self.is_full(port, entry.address):
            return False
        card = card or (entry.card if at_home else "")
        live = entry.state in ROUTED
        why, _ = self.judge_law(entry.address, (port, mac), segment, card, live=live)
        if why or self.quarantined(now, entry.table, entry.address, (port, mac)):
            return False
        if entry.state == "departed":
            self.give(now, entry, (port, mac), segment, card)
            if self.is_static(entry):
                self.learn_static(now, entry)
            else:
                self.become(now, entry, "tentative", "learned", "arrived")
        elif not at_home:
            return self.contend(now, entry, (port, mac), segment) is None
        elif entry.state == "valid":
            self.become(now, entry, "probing", "refreshed", "arrived")
        elif entry.state in ("tentative", "challenged"):
            self.say_of("refreshed", "awaiting-answer", entry)
        else:
            self.say_of("refreshed", "arrived", entry)
        self.renew(now, entry)
        return True

    def renew(self, now: float, entry: Entry) -> None:
        if self.stamps.renew(now, entry) and entry.unwelcome != "damped":
            self.say_of("installed", "renewed", entry)

    # Ports, rules, the node, the operator, the kernel

    def port_up(self, now: float, port: int, name: str, segment: int) -> None:
        before = self.ports.get(port)
        if before and before[1] != segment:
            self.port_gone(now, port)
        self.ports[port] = (name, segment)
        if not before or before[1] != segment:
            self.came_up[port] = now
            self.open_window(now, port)
            for entry in self.by_number():
                if (entry.state, entry.port) == ("departed", port) and entry.table == self.tables[segment]:
                    self.arrive(now, entry, port, entry.mac)
                elif (entry.state, entry.port) == ("departed", port):
                    self.ask_what_it_had(now, port, entry.mac, entry.address)
            self.bind(now, port, None)
            self.look_for(now, port, None)
        elif before[0] != name:
            self.judge_again(now, [entry for entry in self.by_number() if entry.port == port])
            self.hold_or_let_go(name)

    def port_gone(self, now: float, port: int, why: str = "port-gone") -> None:
        if port not in self.ports:
            return
        lost = self.ports[port][0]
        routed = any(entry.port == port and entry.state in ROUTED for entry in self.entries)
        if why == "port-gone" and routed and self.damping.lose(now, lost):
            self.say("held", "damped", None, None, lost, None)
        for entry in self.by_number():
            if entry.port == port and entry.state != "departed":
                self.depart(now, entry, why)
        self.leave_alone(now, port)
        name, _ = self.ports.pop(port)
        self.port_leaves(port)
        for entry in list(self.entries):
            if entry.challenger and entry.challenger[0] == port:
                gone = (entry.challenger[1], name)
                entry.challenger = None
                if entry.state == "challenged":
                    self.become(now, entry, "probing", "kept", "port-gone", challenger=gone)

    def segment_gone(self, now: float, segment: int) -> None:
        for port in [port for port, (_, where) in self.ports.items() if where == segment]:
            self.port_gone(now, port, "segment-gone")
        for entry in self.by_number():
            if entry.port is None and entry.segment == segment and entry.state != "departed":
                self.depart(now, entry, "segment-gone")
        self.tables.pop(segment, None)
        self.unable -= {(segment, number) for number in (4, 6)}
        self.node_macs.pop(segment, None)
        self.defended = {key: at for key, at in self.defended.items() if key[0] != segment}
        self.to_defend = {key: at for key, at in self.to_defend.items() if key[0] != segment}
        self.next_round.pop(segment, None)

    def depart(self, now: float, entry: Entry, why: str) -> None:
        if entry.state not in ROUTED:
            self.come_to_nothing(now, entry, why)
            return
        challenger = entry.challenger
        segment = entry.challenger_segment
        self.become(now, entry, "departed", "withdrawn", why, silent=False)
        if challenger and challenger[0] != entry.port and challenger[0] in self.ports:
            self.give(now, entry, challenger, segment)
            self.become(now, entry, "tentative", "learned", "arrived")
        elif entry.port_inferred and why == "port-gone" and not self.is_static(entry):
            self.ask(now, entry)
        else:
            entry.port_inferred = False

    def adopt(
        self,
        now: float,
        address: str,
        mac: str,
        segment: int,
        heard_on: int,
        metric: int | None,
        earlier: Note | None = None,
        pinned: int | None = None,
    ) -> None:
        table = self.tables.get(segment)
        if table is None or self.find(table, address):
            return
        if earlier and not (
            mac == earlier[0]
            and 0 <= earlier[1] <= (earlier[1] if earlier[3] is None else earlier[3]) <= now
            and bool(earlier[2]) == (earlier[3] is not None)
        ):
            earlier = None
        since = earlier[1] if earlier else now
        if pinned not in self.ports or self.ports[pinned][1] != segment or mac == ANYBODY:
            pinned = None
        entry = Entry(table, address, segment, pinned, mac, since, self.next_number())
        why, _ = self.judge_law(address, (pinned, mac), segment, live=True)
        if why:
            self.say("withdrawn", why, address, mac, self.ports[pinned][0] if pinned else None, None)
            return
        self.entries.append(entry)
        there = heard_on in self.ports and self.ports[heard_on][1] == segment
        if there and not self.judge_law(address, (heard_on, mac), segment, live=True)[0]:
            entry.heard_on = heard_on
        self.stamps.find(now, entry, metric)
        self.become(now, entry, "adopted", "adopted", "found-in-kernel")
        if mac != ANYBODY:
            self.report_prefix(address)
        if self.is_static(entry):
            self.settle_static(now, entry)
        self.handed_on.begin(now, entry, earlier, heard=bool(heard_on))

    def recall(self, now: float, address: str, mac: str, segment: int, port: int) -> None:
        if port not in self.ports or self.ports[port][1] != segment:
            return
        why, _ = self.judge_law(address, (port, mac), segment)
        if why or self.find(self.tables[segment], address) or self.is_full(port, address):
            return
        if len(self.entries) < self.most:
            entry = Entry(self.tables[segment], address, segment, port, mac, now, self.next_number())
            self.entries.append(entry)
            if self.is_static(entry):
                self.learn_static(now, entry)
            else:
                self.become(now, entry, "tentative", "learned", "arrived")

    def flush(self, now: float, address: str | None) -> None:
        for entry in list(self.entries):
            if address in (None, entry.address):
                self.forget_flushed(now, entry)
                if address is not None:
                    self.let_go_of(entry)
        if address is None:
            for port in sorted(self.damping.held, key=lambda port: self.damping.losses[port][-1]):
                self.let_go(port)

    def flush_port(self, now: float, name: str) -> None:
        there = [entry for entry in self.by_number() if self.port_name(entry) == name]
        for entry in sorted(there, key=lambda entry: entry.state == "departed"):
            self.forget_flushed(now, entry)
        self.let_go(name)

    def forget_flushed(self, now: float, entry: Entry) -> None:
        self.forget(entry, "withdrawn" if entry.state in ROUTED else "expired", "flushed")
        if entry.port in self.ports and entry.state in ROUTED:
            if entry.state != "static":
                self.ask_what_it_had(now, entry.port, entry.mac, entry.address, after=10.0)
            self.signs = {key: value for key, value in self.signs.items() if key[0] != entry.port}

    # Ports that flap

    def port_name(self, entry: Entry) -> str | None:
        where = self.ports.get(entry.port or 0)
        return where[0] if where else None

    def is_damped(self, entry: Entry) -> bool:
        return self.port_name(entry) in self.damping.held

    def let_go_of(self, entry: Entry) -> None:
        name = self.port_name(entry)
        if name is not None:
            self.let_go(name)

    def let_go(self, name: str) -> None:
        if self.damping.forget(name):
            self.say("released", "damped", None, None, name, None)
            self.hold_or_let_go(name)

    def hold_or_let_go(self, name: str) -> None:
        """Hold back or install the routes on a port, whichever is right now."""
        for entry in self.by_number():
            there = self.port_name(entry) == name and entry.state in ROUTED
            if there and self.is_damped(entry) is not (entry.unwelcome == "damped"):
                self.install(entry)

    def release(self, entry: Entry) -> None:
        """Install what was held back, if the port where it was heard now is not damped; hold back nothing."""
        if entry.unwelcome == "damped":
            self.install(entry)

    def install(self, entry: Entry) -> None:
        """Have the entry's route in the kernel, or held back."""
        if self.is_damped(entry):
            if entry.unwelcome != "damped":
                entry.unwelcome = "damped"
                self.say_of("held", "damped", entry)
        elif entry.unwelcome == "damped":
            entry.unwelcome = None
            self.say_of("installed", "damped", entry)

    def probe(self, now: float, address: str) -> None:
        # Only tables of bridges that are there; what is remembered of another one is nowhere.
        there = [e for e in self.entries if e.address == address and e.table in self.tables.values()]
        for entry in sorted(there, key=lambda entry: entry.table):
            self.let_go_of(entry)
        known = [e for e in there if e.state != "departed" or e.probed_on]
        for entry in known:
            if entry.state == "valid":
                self.become(now, entry, "probing")
            elif entry.state == "departed":
                self.ask_departed(now, entry, by_hand=True)
            else:
                self.put_question(now, entry)
        if not known:
            self.search(now, address)

    def kernel_says(self, table: int, address: str, why: str | None) -> None:
        entry = self.find(table, address)
        if entry is None or entry.unwelcome == "damped":
            return
        if why is None and entry.unwelcome:
            self.say_of("installed", entry.unwelcome, entry)
            entry.unwelcome = None
        elif why and entry.state in ROUTED and entry.unwelcome != why:
            entry.unwelcome = why
            self.say_of("refused", why, entry)

    # Time

    def next_due(self) -> float | None:
        return min((entry.due for entry in self.entries if entry.state != "static"), default=None)

    def tick(self, now: float, *, unread: bool = False) -> None:
        self.settle_answers(now)
        self.handed_on.tick(now, unread=unread)
        while self.resumed:
            entry, due = self.resumed.pop(0)
            if entry in self.entries and entry.due == due and entry.state != "static":
                entry.due = now
                self.judge(now, entry, unread)
        while due := [entry for entry in self.entries if entry.due <= now and entry.state != "static"]:
            self.judge(now, min(due, key=lambda entry: (entry.due, entry.table, entry.packed)), unread)
        for port in self.damping.over(now):
            self.say("released", "damped", None, None, port, None)
            self.hold_or_let_go(port)
        self.tick_arrivals(now)

    def judge(self, now: float, entry: Entry, unread: bool) -> None:
        deaf = unread or now - entry.due > 1.0
        if entry.state == "departed" and entry.port_inferred:
            if entry.asked == len(self.patience(entry)):
                entry.port_inferred = False
                entry.due = max(now, entry.entered + self.timers.departed)
            else:
                self.ask(now, entry)
        elif entry.probed_on:
            self.ask_departed(now, entry)
        elif entry.state == "departed":
            self.forget(entry, "expired", "forgotten")
        elif entry.state == "frozen" and now >= entry.frozen_until and self.is_static(entry):
            self.become(now, entry, "static", "refreshed", "thawed")
        elif entry.state == "frozen" and now >= entry.frozen_until:
            self.become(now, entry, "probing", "kept", "thawed")
        elif entry.state in ("valid", "frozen") and entry.asked == 0:
            if self.quiet_until(entry) > now:
                self.rest(entry)
                return
            entry.cycle += 1
            if entry.state == "valid":
                self.become(now, entry, "probing")
            else:
                self.ask(now, entry)
        else:
            if deaf:
                entry.asked = 0
                entry.asked_since = None
            self.handed_on.go_on(now, entry, self.patience(entry))
            if entry.asked == len(self.patience(entry)):
                self.be_silent(now, entry)
            else:
                self.ask(now, entry)

    def be_silent(self, now: float, entry: Entry) -> None:
        if entry.state == "challenged":
            assert entry.challenger is not None
            self.dismiss(now, entry, self.timers.unproven)
            quiet = now - entry.seen > self.timers.reprobe * 1.25 + sum(self.patience(None))
            assert entry.asked_since is not None
            if quiet and now - entry.asked_since >= sum(self.patience(None)):
                self.become(now, entry, "departed", "withdrawn", "silent")
            else:
                self.become(now, entry, "probing", "kept", "rival-silent")
            return
        if entry.disputed:
            entry.disputed, entry.asked, entry.asked_since = False, 0, None
            entry.due = now + self.timers.reprobe
            return
        back_home = entry.memory is not None and entry.memory[:2] == (entry.port, entry.mac)
        if not entry.proved and not back_home:
            self.quarantine(now, entry, (entry.port, ""), self.timers.unproven)
            if entry.challenger and entry.challenger[0] != entry.port:
                self.quarantine(now, entry, (entry.challenger[0], ""), self.timers.unproven)
        entry.port_inferred = False
        if entry.state == "tentative":
            self.come_to_nothing(now, entry, "silent")
        else:
            self.become(now, entry, "departed", "withdrawn", "silent")

    def ask(self, now: float, entry: Entry) -> None:
        if self.has_nothing_to_ask_from(entry):
            entry.unsent, entry.asked, entry.asked_since = "no-gateway", 0, None
            entry.due = now + 60.0
            self.wait_for_gateway(entry)
            return
        entry.unsent = ""
        self.put_question(now, entry)
        entry.asked += 1
        entry.asked_since = now if entry.asked_since is None else entry.asked_since
        entry.due = now + self.patience(entry)[entry.asked - 1]
        self.handed_on.was_asked(now, entry, self.patience(entry))
        last = entry.asked == len(self.patience(entry)) - 1 and self.how_to_ask(entry) == "zero"
        if last and entry.state == "probing" and "." in entry.address:
            known = self.came_up.get(entry.port or 0, -1e9) + 10.0
            entry.due = max(entry.due, min(known, entry.due + self.patience(entry)[-1]))
        home = self.home_of(entry)
        if home in self.ports and self.is_deaf(entry):
            self.await_packet(home, entry.address, entry.due)

    def put_question(self, now: float, entry: Entry) -> None:
        everywhere = [port for port, (_, segment) in self.ports.items() if segment == entry.segment]
        if entry.state == "adopted" and entry.asked == 0 and entry.heard_on in everywhere:
            everywhere = [entry.heard_on]
        if entry.state == "departed":
            everywhere = [port for port in everywhere if port != entry.port]
        wide = entry.port is None or self.asks_anybody(entry, entry.asked)
        ports = everywhere if wide else [entry.port]
        to_incumbent = [(port, entry.address, entry.mac) for port in ports]
        if entry.state == "challenged" and entry.asked >= 3:
            assert entry.challenger is not None
            assert entry.challenger[0] is not None
            asked = [(entry.challenger[0], entry.address, entry.challenger[1])]
        elif entry.state == "tentative" and entry.challenger:
            assert entry.challenger[0] is not None
            asked = [*to_incumbent, (entry.challenger[0], entry.address, entry.challenger[1])]
        else:
            asked = to_incumbent
        for number, (port, address, mac) in enumerate(asked):
            how = self.how_to_ask(entry)
            if mac == ANYBODY and how == "unicast":
                how = "broadcast"
            # A rival is asked besides, in its own way, also where it has the MAC that is asked for everywhere.
            if entry.state == "tentative" and wide and len(ports) > 1 and number < len(to_incumbent):
                how = "unicast"
            if how == "zero" and (":" in address or self.may_give_up(now, port, address)):
                how = "broadcast"
            if (self.ports[port][1], family(address)) not in self.unable:
                self.questions.append((port, address, mac, how))

    def has_nothing_to_ask_from(self, entry: Entry) -> bool:
        """Tell whether silence would mean nothing; a rival that cannot be asked is silent."""
        if entry.state == "departed" or (entry.state == "challenged" and entry.asked >= 3):
            return False
        segments = {entry.segment}
        if entry.state == "tentative" and entry.challenger:
            segments.add(entry.challenger_segment)
        there = [segment for segment in segments if segment in self.tables]
        return bool(there) and all((segment, family(entry.address)) in self.unable for segment in there)

    def cannot_send(self, now: float, port: int, address: str, mac: str) -> None:
        """The port did not take a question: it was none, unless it is only a rival's."""
        if port not in self.ports:
            return
        entry = self.find(self.tables[self.ports[port][1]], address)
        if entry is None or (entry.port, entry.mac) != (port, mac):
            return
        is_asked = entry.state in ROUTED and entry.state != "static"
        if is_asked or (entry.state == "tentative" and not entry.challenger):
            entry.unsent, entry.asked, entry.asked_since, entry.due = "port", 0, None, now + 1.0

    def has_gateways(self, now: float, segment: int, families: set[int]) -> None:
        """The segment has gateway addresses of these families now."""
        back = families & {number for where, number in self.unable if where == segment}
        self.unable -= {(segment, number) for number in (4, 6)}
        self.unable |= {(segment, number) for number in {4, 6} - families}
        if back:
            still = [
                entry
                for entry, due in (*self.resumed, *self.waiting)
                if entry.due == due and entry.state != "static"
            ]
            self.waiting.clear()
            for entry in still:
                entry.due = min(entry.due, now)
            self.resumed = [(entry, entry.due) for entry in still if entry in self.entries]

    def how_to_ask(self, entry: Entry) -> str:
        """Tell how the next question is put: the last ones reach those who are deaf to the first."""
        sequence = len(self.patience(entry))
        if entry.state == "departed":
            return "unicast"
        if entry.state == "challenged":
            return ["unicast", "broadcast", "zero"][entry.asked % 3]
        if entry.asked >= sequence - 1 and sequence > 1:
            return "zero"
        return "unicast" if entry.asked < 3 else "broadcast"

    def asks_anybody(self, entry: Entry, asked: int) -> bool:
        """Tell whether the question after `asked` others goes beyond the entry's port."""
        last = asked >= min(3, self.timers.probe_count - 1)
        if entry.state in ("departed", "tentative"):
            return entry.port_inferred
        if entry.state == "adopted":
            return last and entry.port is not None
        return entry.port_inferred and last and entry.state in ("probing", "frozen")

    def patience(self, entry: Entry | None) -> list[float]:
        """Tell how long is waited after each question."""
        timers = self.timers
        if entry and entry.state == "tentative":
            tenth = timers.tentative / 10
            return [tenth, tenth * 1.5, tenth * 2.5, tenth * 2.5, tenth * 2.5]
        if entry and entry.state == "challenged":
            return [timers.challenge / 3] * 6
        if entry and entry.state == "departed":
            return [timers.challenge / 3] * 3
        return [timers.probe_retrans * 1.5**n for n in range(timers.probe_count)]

    def spread(self, entry: Entry) -> float:
        return crc32(entry.packed + entry.cycle.to_bytes(4)) / 2**32

    def quiet_until(self, entry: Entry) -> float:
        at = entry.seen + self.timers.reprobe * (0.75 + 0.5 * self.spread(entry))
        return ceil(at * 2) / 2

    def rest(self, entry: Entry) -> None:
        entry.due = self.quiet_until(entry)
        if entry.state == "frozen":
            static = self.is_static(entry)
            entry.due = entry.frozen_until if static else min(entry.due, entry.frozen_until)

    def dad(self, entry: Entry) -> float:
        return self.timers.dad_ipv6 if ":" in entry.address else self.timers.dad_ipv4

    # What comes of it

    def become(
        self,
        now: float,
        entry: Entry,
        state: str,
        verb: str = "",
        reason: str = "",
        wait: float = 0.0,
        challenger: Named | None = None,
        silent: bool = True,
    ) -> None:
        if state in ROUTED - {"adopted"} and entry.state not in ROUTED:
            self.stamps.arrive(now, entry)
        begins = state in ROUTED - {"adopted"} and entry.state not in ROUTED
        entry.state = state
        self.handed_on.is_now(entry, state)
        entry.entered = now
        entry.asked = 0
        entry.probed_on = None
        if state != "tentative":
            entry.memory = None
        entry.unsent = ""
        if verb and not (begins and verb == "installed" and self.is_damped(entry)):
            self.say_of(verb, reason, entry, challenger=challenger)
        if begins:
            self.install(entry)
        if state not in ("tentative", "challenged"):
            entry.challenger = None
        if state in ("valid", "frozen"):
            self.rest(entry)
        elif state == "adopted":
            room = max(0.0, self.timers.adopt_grace - sum(self.patience(None)))
            entry.due = entry.seen + room * self.spread(entry)
        elif state == "departed":
            entry.unwelcome = None
            self.remember(now, entry, silent=silent)
            self.lose_incumbent(entry)
        elif wait:
            entry.due = now + wait
        elif state == "static":
            entry.due = inf
        else:
            self.ask(now, entry)
        if state == "valid" and self.is_static(entry):
            self.become_static(now, entry)

    def count_move(self, now: float, entry: Entry, loser: Named) -> None:
        self.stamps.arrive(now, entry)
        self.install(entry)
        entry.moves = [*entry.moves, now][-5:]
        if len(entry.moves) == 5 and now - entry.moves[0] <= 180.0:
            entry.frozen_until = now + min(self.timers.freeze * 2**entry.freezes, 3600.0)
            entry.freezes += 1
            entry.moves = []
            self.become(now, entry, "frozen", "frozen", "moved-too-often", challenger=loser)

    def forget(self, entry: Entry, verb: str, reason: str) -> None:
        self.entries.remove(entry)
        self.handed_on.is_now(entry, "nothing")
        self.lose_incumbent(entry)
        self.say_of(verb, reason, entry, gone=True)

    def dismiss(self, now: float, entry: Entry, first: float, *, defends: bool = False) -> None:
        port, mac = entry.challenger or (0, "")
        self.quarantine(now, entry, (port, mac if port == entry.port else ""), first, defends=defends)

    def quarantine(
        self, now: float, entry: Entry, anchor: Anchor, first: float, *, defends: bool = False
    ) -> None:
        until, length, _ = self.terms.get((entry.table, entry.address, anchor), (-1000.0, 0.0, False))
        length = min(length * 2, 300.0) if now < until + 300 else first
        self.terms[entry.table, entry.address, anchor] = (now + length, length, defends)

    def lose_incumbent(self, entry: Entry) -> None:
        for name in [name for name, term in self.terms.items() if name[:2] == (entry.table, entry.address)]:
            if self.terms[name][2]:
                del self.terms[name]
