"""What the second model knows: entries, and how it finds them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rdnbr.core.model.settings import Timers

ANY_CARD = "any"
"""A card that is not known yet."""

ROUTED = {"valid", "probing", "challenged", "frozen", "adopted", "static"}

Anchor = tuple[int | None, str]
Named = tuple[str | None, str | None]
"""MAC and name of the port of a rival."""
Authorization = Callable[[str, str, str, str], tuple[str | None, bool]]
"""Address, port, MAC and card in; why it is refused, and whether it is a vip, out."""
Hosts = Callable[[str, str | None], list[tuple[str, str | None]]]
"""Port, and MAC if known, in; addresses permitted to them by name, and the MAC that their rule asks for, out."""


@dataclass
class Utterance:
    """What a guest says, whatever the frame looks like."""

    kind: str
    """use, unconfirmed, intent, announcement, answer (to us), rarp, presence or packet"""
    mac: str
    address: str = ""
    override: bool = True
    nonce: bytes = b""
    card: str = ""
    """The MAC that the frame is sent from, where it is not `mac`."""
    to_zero: bool = False
    """Whether an answer is to 0.0.0.0."""


@dataclass
class Entry:
    table: int
    address: str
    segment: int
    port: int | None
    mac: str
    seen: float
    number: int
    """Grows with each change of anchor, for the order in which those of a port or a MAC are gone through."""
    state: str = "new"
    due: float = 0.0
    entered: float = 0.0
    asked: int = 0
    asked_since: float | None = None
    """The first question that nothing was heard after."""
    proved: bool = False
    """It answered a question, as this anchor."""
    probed_on: int | None = None
    """The port where it is asked now and then, although it departed."""
    departure: int = 0
    """Grows with each departure."""
    memory: tuple[int | None, str, int, str, float] | None = None
    """Port, MAC, segment and card of who departed, and when it was last seen, while somebody claims the address."""
    challenger: Anchor | None = None
    challenger_segment: int = 0
    moves: list[float] = field(default_factory=list)
    frozen_until: float = 0.0
    freezes: int = 0
    cycle: int = 0
    nonce: bytes = b""
    card: str = ""
    """What it sends from, where that is not its MAC."""
    disputed: bool = False
    """Several answered for it, of whom nothing is known."""
    unsent: str = ""
    """Why it cannot be asked."""
    heard_on: int | None = None
    """Where it is asked first, when it was found in the kernel."""
    port_inferred: bool = False
    """Its port is that of whoever spoke first after a start."""
    last_foreign_dad: float = -1e9
    """When another on its bridge did IPv6 DAD for it."""
    arrived: float = -1e9
    """By the wall clock, for newest-wins."""
    credit: float = 24.0
    """How often it may be stamped anew."""
    credit_at: float = 0.0
    unwelcome: str | None = None
    """Why the kernel does not take it."""

    @property
    def packed(self) -> bytes:
        return packed(self.address)


def is_shared(mac: str) -> bool:
    """Tell whether several guests may answer with this MAC, each from a card of its own."""
    return mac.startswith(("00:00:5e:00:01:", "00:00:5e:00:02:"))


def packed(address: str) -> bytes:
    if ":" not in address:
        return bytes(map(int, address.split(".")))
    head, _, tail = address.partition("::")
    left = b"".join(int(word, 16).to_bytes(2) for word in head.split(":"))
    right = b"".join(int(word, 16).to_bytes(2) for word in tail.split(":"))
    return left + bytes(16 - len(left) - len(right)) + right


class Notebook:
    """What is known, in lists; it is looked through for everything."""

    def __init__(self, timers: Timers, *, most: int, fill: Callable[[str, int], int], node_mac: str) -> None:
        self.timers = timers
        self.most = most
        self.fill = fill
        """Name of a port and a family in; how many addresses it may have, out."""
        self.node_mac = node_mac
        self.ports_macs: dict[int, list[str]] = {}
        """MACs that the node has besides, by segment."""
        self.tables: dict[int, int] = {}
        self.ports: dict[int, tuple[str, int]] = {}
        self.law: Authorization = lambda _address, _port, _mac, _card: (None, False)
        self.open = True
        self.statics: dict[str, tuple[str | None, str | None]] = {}
        """Addresses whose rule says static: the port and the MAC that it names."""
        self.hosts: Hosts = lambda _port, _mac: []
        self.own: Callable[[str], str | None] = lambda _address: None
        self.covered: dict[str, str] = {}
        """Addresses that prefixes of other interfaces contain, each with its prefix."""
        self.connected: set[str] = set()
        """Addresses of guests that the rules call so."""
        self.warned: set[str] = set()
        """Prefixes that were reported since they are there."""
        self.reported: list[tuple[str, str]] = []
        """Prefixes, each with an address of a guest."""
        self.entries: list[Entry] = []
        self.by_name: set[str] = set()
        """Addresses whose rules say who may have them."""
        self.collected: dict[
            tuple[int, str], tuple[float, dict[tuple[int, str], tuple[bool, bool, Utterance]]]
        ] = {}
        """Who claims what several ports were asked for, whether by a rule that names him, whether he was there before
        the start, and until when others may."""
        self.was_there: dict[tuple[int, str], int] = {}
        """Segments and MACs of those who were there before the start, and their ports."""
        self.unable: set[tuple[int, int]] = set()
        """Segments and families that there is no gateway address for."""
        self.waiting: list[tuple[Entry, float]] = []
        """Who cannot be asked for lack of a gateway address, in the order in which that began; and when it is due."""
        self.resumed: list[tuple[Entry, float]] = []
        """Who is to be asked, for the address is back."""
        self.terms: dict[tuple[int, str, Anchor], tuple[float, float, bool]] = {}
        """Until when, for how long, and whether it is for an incumbent that answered."""
        self.said: list[tuple[str | Named | None, ...]] = []
        self.questions: list[tuple[int, str, str, str]] = []
        """Port, address, MAC, and how it is put: unicast, broadcast, or zero (from 0.0.0.0)."""
        self.unsent: list[str] = []
        """Addresses that could not be asked for."""
        self.announced: list[tuple[int, str, str]] = []
        """Port, MAC or "all", and the gateway that they are told of."""
        self.listened: list[tuple[int, tuple[str, ...] | None, tuple[int, ...], tuple[str, ...]]] = []
        """Port, sources that are left out (None: all), families, and sources that are heard in any case."""
        self._number = 0

    def wait_for_gateway(self, entry: Entry) -> None:
        self.waiting = [(one, due) for one, due in self.waiting if one is not entry]
        self.waiting.append((entry, entry.due))
        self.unsent.append(entry.address)

    def find(self, table: int, address: str) -> Entry | None:
        return next((e for e in self.entries if (e.table, e.address) == (table, address)), None)

    def by_number(self) -> list[Entry]:
        return sorted(self.entries, key=lambda entry: entry.number)

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def is_full(self, port: int, address: str) -> bool:
        family = 6 if ":" in address else 4
        held = [e for e in self.entries if e.port == port and e.state != "departed"]
        same = [e for e in held if (":" in e.address) == (family == 6)]
        return len(same) >= self.fill(self.ports[port][0], family)

    def has_its_fill_of_surmises(self, port: int, address: str) -> bool:
        """Tell whether so many entries are surmised to be on a port as it may have."""
        same = [e for e in self.entries if e.port == port and (":" in e.address) == (":" in address)]
        port_inferred = [e for e in same if e.port_inferred and e.state != "departed"]
        return len(port_inferred) >= self.fill(self.ports[port][0], 6 if ":" in address else 4)

    def judge_law(
        self, address: str, anchor: Anchor, segment: int, card: str = "", *, live: bool = False
    ) -> tuple[str | None, bool]:
        why = self.own(address)
        if why:
            return why, False
        if address in self.covered and address not in self.connected and not live:
            return "connected-prefix", False
        if anchor[1] == "00:00:00:00:00:00":
            why, vip = self.judge_law(address, (anchor[0], "nobody"), segment, card, live=live)
            return (None if why == "pinned" else why), vip  # it may be the one
        if anchor[0] is not None:
            return self.law(address, self.ports[anchor[0]][0], anchor[1], card)
        card = card or (ANY_CARD if is_shared(anchor[1]) else "")
        names = [name for name, where in self.ports.values() if where == segment] or [""]
        verdicts = [self.law(address, name, anchor[1], card) for name in names]
        return next((verdict for verdict in verdicts if verdict[0] is None), verdicts[-1])

    def report_prefix(self, address: str) -> None:
        """Report the prefix that an address with a route is in, if that was not done yet."""
        prefix = None if address in self.connected else self.covered.get(address)
        if prefix is not None and prefix not in self.warned:
            self.warned.add(prefix)
            self.reported.append((prefix, address))

    def is_static(self, entry: Entry) -> bool:
        return entry.address in self.statics

    def quarantined(self, now: float, table: int, address: str, anchor: Anchor) -> bool:
        both = (anchor, (anchor[0], ""))
        return any(now < self.terms.get((table, address, who), (-1000.0, 0.0, False))[0] for who in both)

    def routes(self) -> dict[tuple[int, str], tuple[int, str]]:
        return {
            (e.table, e.address): (e.segment, e.mac)
            for e in self.entries
            if e.state in ROUTED and e.unwelcome != "damped"
        }

    def turn_down(self, why: str, port: int, heard: Utterance, verb: str = "refused") -> None:
        if heard.kind == "packet":
            verb, why = "ignored", "no-hint"
        self.say(verb, why, heard.address or None, heard.mac, self.ports[port][0], None)

    def named(self, port: int | None, mac: str) -> Named:
        where = self.ports.get(port or 0)
        return (mac if mac != "00:00:00:00:00:00" else None, where[0] if where else None)

    def say_of(
        self, verb: str, reason: str, entry: Entry, *, gone: bool = False, challenger: Named | None = None
    ) -> None:
        port = self.ports.get(entry.port or 0)
        state = None if gone else entry.state
        if entry.challenger and challenger is None:
            challenger = self.named(*entry.challenger)
        self.say(verb, reason, entry.address, entry.mac, port[0] if port else None, state, challenger)

    def say(
        self,
        verb: str,
        reason: str,
        address: str | None,
        mac: str | None,
        port: str | None,
        state: str | None,
        challenger: Named | None = None,
    ) -> None:
        self.said.append((verb, reason, address, mac, port, state, challenger))

    def take(self) -> Iterator[list[tuple[object, ...]]]:
        """Hand out what was said, asked, announced and listened to since the last time."""
        for what in (self.said, self.questions, self.unsent, self.announced, self.listened, self.reported):
            yield list(what)
            what.clear()
