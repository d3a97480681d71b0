"""The second model's part of arrivals: who is told of the gateway, asked without a claim, heard by its packets."""

from dataclasses import dataclass, field
from math import ceil
from typing import Any

from second_model_notes import ROUTED, Notebook, Utterance, packed

GATEWAY = "169.254.0.1"
ANYBODY = "00:00:00:00:00:00"
PATIENCE = (0.1, 0.2, 0.4, 0.8, 1.6)


@dataclass
class Inquiry:
    port: int
    address: str
    mac: str
    asked: int = 0
    due: float = 0.0
    by_hand: bool = False
    had: bool = False
    """The one who is asked had it."""


@dataclass
class Round:
    """Of one port: who is asked for what the rules name, now and then."""

    macs: list[str | None] = field(default_factory=list)
    finished: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)
    due: float = 0.0


def slowly(now: float, asked: int) -> float:
    """Tell when to ask again after so many slow questions."""
    return float(ceil(now + [30, 60, 120, 240, 480, 600][min(asked, 5)]))


@dataclass
class Window:
    length: float
    families: tuple[int, ...] = ()
    until: float | None = None
    """None: nothing was heard in it, and it waits."""
    sources: list[str] = field(default_factory=list)


class Arrivals(Notebook):
    """Everything about guests that are new on a port."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.node_macs: dict[int, str] = {}
        self.own_of: dict[int, list[str]] = {}
        """Addresses of each segment, in the order in which guests are told of them."""
        self.told: dict[tuple[int, str], float] = {}
        self.to_tell: list[int] = []
        self.next_batch = 0.0
        self.defended: dict[tuple[int, str], float] = {}
        self.next_round: dict[int, float] = {}
        self.to_defend: dict[tuple[int, str], float] = {}
        self.inquiries: list[Inquiry] = []
        self.rounds: dict[int, Round] = {}
        self.everybody: list[str] = []
        """The MACs that the rules may name."""
        self.windows: dict[int, Window] = {}
        self.awaited: dict[int, dict[str, float]] = {}
        """By port, the addresses of those who are deaf, and until when one packet from there counts."""
        self.unlocated: dict[tuple[int, str], list[str]] = {}
        self.signs: dict[tuple[int, str], tuple[float, float, int]] = {}
        """When a frame of a MAC on a port counts as a sign of life again, how long that was, and how many were gone."""
        self.came_up: dict[int, float] = {}
        """When each port appeared."""
        self.checked: dict[tuple[int, str], float] = {}
        """When somebody on a port last checked by ARP whether an address is free."""

    # Who is told of the gateway

    def segment_up(self, segment: int, table: int, mac: str, own: list[str]) -> None:
        if self.node_macs.get(segment, mac) != mac:
            for port, (_, where) in self.ports.items():
                if where == segment and port not in self.to_tell:
                    self.to_tell.append(port)
        self.tables[segment] = table
        self.node_macs[segment] = mac
        self.own_of[segment] = own

    def note_arrival(self, now: float, port: int, heard: Utterance) -> bool:
        last = self.told.get((port, heard.mac))
        # Whoever uses the gateway's address against the gateway says the same as one that announces it.
        announces = heard.kind in ("rarp", "announcement") or (
            heard.address == GATEWAY and heard.kind in ("use", "answer")
        )
        if last is not None and not (announces and now >= last + 5.0):
            return False
        self.told[port, heard.mac] = now
        new = last is None
        self.announced += [(port, heard.mac, own) for own in self.own_of[self.ports[port][1]]]
        self.look_for(now, port, heard.mac)
        if new:
            self.open_window(now, port)
        return True

    def defend(self, now: float, segment: int, address: str) -> None:
        if address not in self.own_of[segment]:
            return
        last = self.defended.get((segment, address), -1000.0)
        wait_until = max(last + 10.0, self.next_round.get(segment, 0.0))
        if now < wait_until:
            self.to_defend[segment, address] = wait_until
        else:
            self.announce(now, segment, address)

    def announce(self, now: float, segment: int, address: str) -> None:
        self.defended[segment, address] = now
        self.next_round[segment] = now + 0.2
        self.to_defend.pop((segment, address), None)
        ports = [port for port, (_, where) in self.ports.items() if where == segment]
        self.announced += [(port, "all", address) for port in ports]

    def tick_arrivals(self, now: float) -> None:
        for (segment, address), at in list(self.to_defend.items()):
            if at <= now:
                del self.to_defend[segment, address]
                self.defend(now, segment, address)
        if self.to_tell and now >= self.next_batch:
            self.next_batch = now + 0.1
            self.announced += [
                (port, "all", own) for port in self.to_tell for own in self.own_of[self.ports[port][1]]
            ]
            self.to_tell.clear()
        while due_rounds := [port for port, one in self.rounds.items() if one.due <= now]:
            self.go_round(now, min(due_rounds, key=lambda port: (self.rounds[port].due, port)))
        while due := [inquiry for inquiry in self.inquiries if inquiry.due <= now]:
            inquiry = min(due, key=lambda one: (one.due, one.port, packed(one.address)))
            if inquiry.asked == len(PATIENCE) or not self.lacks(
                now, inquiry.port, inquiry.address, inquiry.mac, by_hand=inquiry.by_hand or inquiry.had
            ):
                self.inquiries.remove(inquiry)
            else:
                self.inquire(now, inquiry)
        over = {
            port for port, awaited in self.awaited.items() if any(until <= now for until in awaited.values())
        }
        for port in sorted(over):
            self.awaited[port] = {who: until for who, until in self.awaited[port].items() if until > now}
            self.say_whom_to_hear(port)
        due_windows = [(one.until, port) for port, one in self.windows.items() if one.until is not None]
        for _, port in sorted(item for item in due_windows if item[0] <= now):
            self.review_window(port)
        for port in sorted(self.ports):
            lacking, window = self.lacking(port), self.windows.get(port)
            if lacking and (window is None or window.until is None):
                self.listen(port, lacking)
            elif window and not lacking:
                end = now + self.timers.data_window
                window.until = end if window.until is None else min(end, window.until)

    # Who is asked without a claim

    def look_for(self, now: float, port: int, mac: str | None) -> None:
        if self.hosts(self.ports[port][0], mac):
            first = slowly(now, 0)
            one = self.rounds.setdefault(port, Round(due=first))
            one.macs += [] if mac in one.macs else [mac]
            one.finished, one.due = 0, min(one.due, first)
        for address, only in self.hosts(self.ports[port][0], mac):
            who = mac or only or ANYBODY
            under_way = any((one.port, one.address) == (port, address) for one in self.inquiries)
            if not under_way and self.lacks(now, port, address, who):
                self.inquiries.append(Inquiry(port, address, who))
                self.inquire(now, self.inquiries[-1])

    def search(self, now: float, address: str) -> None:
        """Look for an address on every port, for the operator."""
        for port in self.ports:
            under_way = any((one.port, one.address) == (port, address) for one in self.inquiries)
            may = any(
                self.law(address, self.ports[port][0], mac, "")[0] is None
                for mac in ("nobody", *self.everybody)
            )
            if may and not under_way and self.lacks(now, port, address, ANYBODY, by_hand=True):
                self.inquiries.append(Inquiry(port, address, ANYBODY, due=now, by_hand=True))

    def ask_what_it_had(self, now: float, port: int, mac: str, address: str, after: float = 0.0) -> None:
        """Ask a guest for what it had, now or later."""
        there = [one for one in self.inquiries if (one.port, one.address) == (port, address)]
        if there and (there[0].asked or after):
            return
        if not there:
            if not after and not self.lacks(now, port, address, mac, by_hand=True):
                return
            there = [Inquiry(port, address, mac, had=True)]
            self.inquiries += there
        if after:
            there[0].due = now + after
        else:
            self.inquire(now, there[0])

    def find_guest(self, now: float, segment: int, port: int, mac: str, addresses: list[str]) -> None:
        """Hear from the kernel who was there before the start."""
        if port in self.ports and self.ports[port][1] == segment:
            self.bind(now, port, mac)
            for address in addresses:
                self.ask_what_it_had(now, port, mac, address)
            self.look_for(now, port, mac)
        elif addresses:
            self.unlocated[segment, mac] = addresses

    def bind(self, now: float, port: int, mac: str | None) -> None:
        """Give what static rules give to a MAC or a port."""
        raise NotImplementedError

    def note_sign(self, now: float, port: int, mac: str) -> None:
        gone = sum((entry.mac, entry.state) == (mac, "departed") for entry in self.entries)
        counts_at, apart, gone_before = self.signs.get((port, mac), (-1000.0, 0.0, -1))
        if now < counts_at and gone == gone_before:
            return
        table = self.tables[self.ports[port][1]]
        mine = [entry for entry in self.by_number() if (entry.mac, entry.table) == (mac, table)]
        had = [entry.address for entry in mine if entry.state == "departed"]
        had += [one.address for one in self.inquiries if (one.port, one.mac, one.asked) == (port, mac, 0)]
        nowhere = self.unlocated.get((self.ports[port][1], mac), [])
        had += [address for address in nowhere if not self.find(table, address)]
        has = {":" in entry.address for entry in mine if entry.state in ROUTED and entry.port == port}
        segment = self.ports[port][1]
        if not had and all(six in has or (segment, 6 if six else 4) in self.unable for six in (False, True)):
            self.signs[port, mac] = (now + 30.0, 0.0, gone)
            return
        apart = min(2 * apart, 600.0) if apart and gone == gone_before else 30.0
        self.signs[port, mac] = (now + apart, apart, gone)
        self.bind(now, port, mac)
        for address in had:
            self.ask_what_it_had(now, port, mac, address)
        self.look_for(now, port, mac)
        if port not in self.windows:
            self.open_window(now, port)

    def go_round(self, now: float, port: int) -> None:
        one = self.rounds[port]
        if not one.left:
            wanted: dict[str, str] = {}
            for mac in one.macs:
                for address, only in self.hosts(self.ports[port][0], mac):
                    if self.lacks_on(now, port, address, mac or only or ANYBODY):
                        wanted.setdefault(address, mac or only or ANYBODY)
            one.left = list(wanted.items())
        one.left = [(address, mac) for address, mac in one.left if self.lacks_on(now, port, address, mac)]
        if one.left:
            address, mac = one.left.pop(0)
            how = ["unicast", "broadcast", "zero"][one.finished % 3]
            if how == "zero" and (":" in address or self.may_give_up(now, port, address)):
                how = "broadcast"
            if how == "unicast" and mac == ANYBODY:
                how = "broadcast"
            if (self.ports[port][1], 6 if ":" in address else 4) not in self.unable:
                self.questions.append((port, address, mac, how))
        if one.left:
            one.due = now
        else:
            one.finished += 1
            one.due = slowly(now, one.finished)

    def lacks_on(self, now: float, port: int, address: str, mac: str) -> bool:
        """Tell whether nobody has it, and nobody is asked for it there as one that departed."""
        entry = self.find(self.tables[self.ports[port][1]], address)
        return (entry is None or entry.probed_on != port) and self.lacks(now, port, address, mac)

    def expects(self, port: int, mac: str) -> bool:
        return any(one.port == port and one.mac in (mac, ANYBODY) for one in self.inquiries)

    def lacks(self, now: float, port: int, address: str, mac: str, *, by_hand: bool = False) -> bool:
        """Tell whether nobody has it, and this one might."""
        segment = self.ports[port][1]
        entry = self.find(self.tables[segment], address)
        why, _ = self.judge_law(address, (port, mac), segment)
        return (
            (by_hand or not self.open)
            and (entry is None or entry.state == "departed")
            and (why is None or (why == "pinned" and mac == ANYBODY))
            and not self.quarantined(now, self.tables[segment], address, (port, mac))
            and not self.is_full(port, address)
        )

    def inquire(self, now: float, inquiry: Inquiry) -> None:
        inquiry.due = now + PATIENCE[inquiry.asked]
        inquiry.asked += 1
        how = "broadcast" if inquiry.mac == ANYBODY else "unicast"
        if (self.ports[inquiry.port][1], 6 if ":" in inquiry.address else 4) not in self.unable:
            self.questions.append((inquiry.port, inquiry.address, inquiry.mac, how))

    # Whose packets count

    def open_window(self, now: float, port: int) -> None:
        self.listen(port, (4, 6))
        self.windows[port].length = self.timers.data_window
        self.windows[port].until = now + self.timers.data_window

    def await_packet(self, port: int, source: str, until: float) -> None:
        awaited = self.awaited.setdefault(port, {})
        new = source not in awaited
        awaited[source] = until
        if new:
            self.say_whom_to_hear(port)

    def say_whom_to_hear(self, port: int) -> None:
        window, awaited = self.windows.get(port), tuple(self.awaited.get(port, ()))
        if window is None or len(window.sources) >= 8:
            self.listened.append((port, None, (), awaited))
        else:
            self.listened.append((port, tuple(window.sources), window.families, awaited))

    def listen(self, port: int, families: tuple[int, ...]) -> None:
        window = self.windows.setdefault(port, Window(self.timers.data_window))
        if window.families != families:
            window.families = families
            self.say_whom_to_hear(port)

    def review_window(self, port: int) -> None:
        window, lacking = self.windows[port], self.lacking(port)
        window.until = None
        if not lacking:
            del self.windows[port]
            self.say_whom_to_hear(port)
        elif window.sources:
            useless = lacking == window.families
            window.length = min(window.length * 2, 300.0) if useless else self.timers.data_window
            window.families, window.sources = lacking, []
            self.say_whom_to_hear(port)
        else:
            self.listen(port, lacking)

    def lacking(self, port: int) -> tuple[int, ...]:
        """Tell of which families no address is routed to a port."""
        there = {":" in e.address for e in self.entries if e.port == port and e.state in ROUTED}
        segment = self.ports[port][1]
        return tuple(
            number for number in (4, 6) if (number == 6) not in there and (segment, number) not in self.unable
        )

    def packet_counts(self, now: float, port: int, source: str) -> bool:
        if source in self.awaited.get(port, {}):
            del self.awaited[port][source]
            self.say_whom_to_hear(port)
            return True
        window = self.windows.get(port)
        if window is None or source.startswith(("169.254.", "fe80:")) or source in window.sources:
            return False
        if (6 if ":" in source else 4) not in window.families:
            return False
        window.sources.append(source)
        window.until = now + window.length if window.until is None else window.until
        self.say_whom_to_hear(port)
        return True

    def port_leaves(self, port: int) -> None:
        """Forget what was about a port."""
        self.told = {key: at for key, at in self.told.items() if key[0] != port}
        self.to_tell = [one for one in self.to_tell if one != port]
        self.inquiries = [one for one in self.inquiries if one.port != port]
        self.rounds.pop(port, None)
        self.windows.pop(port, None)
        self.awaited.pop(port, None)
        self.signs = {key: value for key, value in self.signs.items() if key[0] != port}
        self.came_up.pop(port, None)
        for key, (_, claimants) in list(self.collected.items()):
            for anchor in [anchor for anchor in claimants if anchor[0] == port]:
                del claimants[anchor]
            if not claimants:
                del self.collected[key]
        self.checked = {key: at for key, at in self.checked.items() if key[0] != port}

    def may_give_up(self, now: float, port: int, address: str) -> bool:
        """Tell whether somebody on a port may be checking whether the address is free, and would give it up."""
        return now < max(self.came_up[port], self.checked.get((port, address), -1e9)) + 10.0
