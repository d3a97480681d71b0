"""The engine and the second model side by side: the same happens to both, and both must say the same."""

from dataclasses import dataclass, replace

import guest_frames
from dialogue import BRIDGE, GATEWAY4, GATEWAY6, from_zero
from second_model import Model
from second_model_arrivals import ANYBODY
from second_model_handed_on import Note
from second_model_notes import ANY_CARD, Authorization, Hosts, Utterance

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.fib.backend import Refusal
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.fib.reconciler import Reconciler
from rdnbr.core.model.address import MAC, parse_ip, parse_mac, show_ip, show_mac
from rdnbr.core.model.claim import Claim
from rdnbr.core.model.engine_outputs import (
    Announcement,
    CoveringPrefix,
    Decision,
    DesiredHost,
    NoteForNextRun,
    Output,
    Probe,
    SnoopData,
    UnsentProbe,
)
from rdnbr.core.model.fib_entries import (
    DropNeighbour,
    DropRoute,
    Host,
    Key,
    Operation,
    PutNeighbour,
    PutRoute,
)
from rdnbr.core.model.interfaces import InterfaceAddress
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import Limits, PortPolicy, Settings, Timers
from rdnbr.core.wire.decode import decode

A4, VIP4, B4 = "2.57.57.1", "2.57.57.2", "2.57.57.3"
A6, VIP6 = "2001:678::1", "2001:678::2"
FOREIGN, OWN4, LATER = "9.9.9.9", GATEWAY4, "2.57.57.9"
SECOND4, SECOND6 = "169.254.1.1", "2001:678::ffff"
ADDRESSES = [A4, VIP4, B4, A6, VIP6]
SHARED = "00:00:5e:00:01:0a"
"""The MAC of a virtual router."""
MACS = [*(f"52:02:45:00:00:0{number}" for number in range(1, 5)), SHARED]
MORE = (InterfaceAddress(1, parse_ip(SECOND4), 32), InterfaceAddress(1, parse_ip(SECOND6), 64))
"""Addresses that a bridge may have besides its gateways."""
OTHER_BRIDGE = replace(BRIDGE, index=2, name="vmbr2")
VRF_BRIDGE = replace(BRIDGE, index=3, name="vmbr3", table=100)
PORTS = [11, 12, 13]
NAMES = ["tap1i0", "tap2i0", "tap3i0", "veth4i0"]
ONE_ADDRESS = "tap3i0"
MOST = 6

SETTINGS = Settings(
    limits=Limits(probes_per_second=1_000_000, addresses=MOST),
    port=PortPolicy(addresses_ipv4=40, addresses_ipv6=40, new_addresses_per_second=1_000_000),
    ports={ONE_ADDRESS: PortPolicy(addresses_ipv4=1, addresses_ipv6=40, new_addresses_per_second=1_000_000)},
)


def _prefixes(address: str) -> bool:
    return address.startswith(("2.57.57.", "2001:678::"))


def _plain(address: str, _port: str, _mac: str, _card: str) -> tuple[str | None, bool]:
    return (None if _prefixes(address) else "not-permitted"), False


def _vips(address: str, _port: str, _mac: str, _card: str) -> tuple[str | None, bool]:
    return (None if _prefixes(address) else "not-permitted"), address in (VIP4, VIP6)


def _pinned(address: str, port: str, mac: str, card: str) -> tuple[str | None, bool]:
    if address in (A4, A6):
        return (None if port == "tap1i0" else "pinned"), False
    if address == B4:
        return "denied", False
    if address == VIP4:
        named = not {mac, card}.isdisjoint({*MACS[:2], ANY_CARD})
        return (None if named else "pinned"), named
    return _plain(address, port, mac, card)


def _static(address: str, port: str, mac: str, card: str) -> tuple[str | None, bool]:
    if address in (A4, A6):
        owner = {mac, card}.isdisjoint({MACS[0] if address == A4 else MACS[1], ANY_CARD})
        return (("pinned" if owner or (address == A4 and port != "tap1i0") else None), False)
    if address == B4:
        return (None if port == "tap1i0" else "pinned"), False
    return _plain(address, port, mac, card)[0], address == VIP6


def _open(_address: str, _port: str, _mac: str, _card: str) -> tuple[str | None, bool]:
    return None, False


ANYCAST = {"anycast": {B4, VIP6}}
"""What each law calls anycast."""


def _anycast(address: str, _port: str, _mac: str, _card: str) -> tuple[str | None, bool]:
    return (None if _prefixes(address) else "not-permitted"), address == VIP6


CONNECTED = {"connected": {B4, VIP6}}
"""What each law calls connected."""
COVERED = {VIP4: "2.57.57.2/31", B4: "2.57.57.2/31", VIP6: "2001:678::2/127"}
"""The addresses that the prefixes of another interface contain, while it has them."""


def _connected(address: str, port: str, mac: str, card: str) -> tuple[str | None, bool]:
    if address == VIP6:
        return (None if port == "tap1i0" else "pinned"), False
    return _plain(address, port, mac, card)


LAWS: dict[str, tuple[str | None, Authorization]] = {
    "open": (None, _open),
    "plain": ("2.57.57.0/24\n2001:678::/64", _plain),
    "anycast": (f"2.57.57.0/24\n2001:678::/64\n{B4} anycast\n{VIP6} anycast vip", _anycast),
    "connected": (
        f"2.57.57.0/24\n2001:678::/64\n{B4} connected\n{VIP6} port=tap1i0 connected",
        _connected,
    ),
    "static": (
        "\n".join(
            [
                "2.57.57.0/24",
                "2001:678::/64",
                f"{A4} port=tap1i0 mac={MACS[0]} static",
                f"{A6} mac={MACS[1]} static",
                f"{B4} port=tap1i0 static",
                f"{VIP6} static vip",
            ]
        ),
        _static,
    ),
    "vips": (f"2.57.57.0/24\n2001:678::/64\n{VIP4} vip\n{VIP6} vip", _vips),
    "pinned": (
        "\n".join(
            [
                "2.57.57.0/24",
                "2001:678::/64",
                f"{A4} port=tap1i0",
                f"{A6} port=tap1i0",
                f"deny {B4}",
                f"{VIP4} mac={MACS[0]} vip",
                f"{VIP4} mac={MACS[1]} vip",
            ]
        ),
        _pinned,
    ),
}


def nobodys(_port: str, _mac: str | None) -> list[tuple[str, str | None]]:
    """Name nobody, as a law does that HOSTS has nothing about."""
    return []


def _pins(port: str, mac: str | None) -> list[tuple[str, str | None]]:
    by_port: list[tuple[str, str | None]] = [(A4, None), (A6, None)] if port == "tap1i0" else []
    return by_port + ([(VIP4, mac)] if mac in MACS[:2] else [])


def _by_port(port: str, _mac: str | None) -> list[tuple[str, str | None]]:
    return [(VIP6, None)] if port == "tap1i0" else []


STATICS: dict[str, dict[str, tuple[str | None, str | None]]] = {
    "static": {
        A4: ("tap1i0", MACS[0]),
        A6: (None, MACS[1]),
        B4: ("tap1i0", None),
        VIP6: (None, None),
    }
}
"""Each law's static addresses, with the port and the MAC that their rules name."""

BY_NAME = {"connected": {VIP6}, "static": {A4, A6, B4}, "pinned": {A4, A6, VIP4}}
"""Each law's addresses whose rules say which port or MAC may have them."""

HOSTS: dict[str, Hosts] = {"pinned": _pins, "connected": _by_port}


def frame(heard: Utterance) -> bytes:
    """Write what a guest says as its frame."""
    written = _frame(heard)
    return written[:6] + parse_mac(heard.card) + written[12:] if heard.card else written


def _frame(heard: Utterance) -> bytes:
    gateway = GATEWAY6 if ":" in heard.address else GATEWAY4
    match heard.kind:
        case "use":
            return guest_frames.request(heard.mac, heard.address, gateway)
        case "unconfirmed":
            return guest_frames.unconfirmed(heard.mac, heard.address, gateway)
        case "answer":
            asker = "0.0.0.0" if heard.to_zero else gateway
            return guest_frames.reply(heard.mac, heard.address, asker, override=heard.override)
        case "announcement":
            return guest_frames.announcement(heard.mac, heard.address, override=heard.override)
        case "intent":
            return guest_frames.intent(heard.mac, heard.address, heard.nonce)
        case "packet":
            return guest_frames.packet(heard.mac, heard.address)
        case "presence":
            return guest_frames.listener_report(heard.mac, A6)
        case _:
            return guest_frames.rarp(heard.mac)


def utterance(
    kind: str, mac: str, address: str, *, override: bool = True, nonce: bytes = b"", card: str = ""
) -> Utterance:
    """Say only what the family's frames can say."""
    if ":" not in address:
        kind, override, nonce = ("use" if kind == "unconfirmed" else kind), True, b""
    if card == mac or kind in ("unconfirmed", "packet") or (kind == "intent" and ":" in address):
        card = ""
    if kind == "presence":
        return Utterance(kind, mac)
    if kind == "rarp":
        return Utterance(kind, mac, card=card)
    return Utterance(
        kind,
        mac,
        address,
        override if kind in ("answer", "announcement") else True,
        nonce if kind == "intent" else b"",
        card,
    )


class MoodyKernel(FakeKernel):
    """Refuses everything while it is in the mood."""

    failing = False

    def apply(self, operations):
        if self.failing:
            return [Refusal(operation, Reason.KERNEL_REFUSED, "not now") for operation in operations]
        return super().apply(operations)

    def forget_foreign(self) -> None:
        self._foreign_routes.clear()
        self._foreign_neighbours.clear()


@dataclass
class Call:
    """What was done to the engine, to do it again."""

    method: str
    arguments: tuple[object, ...]
    options: dict[str, bool]


class Side:
    """An engine and the second model, side by side, with a kernel behind the first."""

    def __init__(self) -> None:
        self.now = 0.0
        self.engine = Engine(SETTINGS, None)
        self.model = Model(
            Timers(),
            most=MOST,
            fill=lambda name, family: 1 if (name, family) == (ONE_ADDRESS, 4) else 40,
            node_mac=guest_frames.NODE,
        )
        self.model.ports_macs = {OTHER_BRIDGE.index: [MACS[3]]}
        self.model.everybody = MACS
        self.kernel = MoodyKernel({1: "vmbr1", 2: "vmbr2", 3: "vmbr3"})
        self.reconciler = Reconciler()
        self.wanted: dict[Key, Host] = {}
        self.calls: list[Call] = []
        self.outputs: list[Output] = []
        self.asked: list[Probe] = []
        self.frames = 0
        self.noted: dict[tuple[int, str], Note] = {}
        """What the next run would know."""
        self.disturbed = 0.0
        """When time last stood still for the engine; silence is counted from there."""

    def does(self, method: str, *arguments: object, **options: bool) -> None:
        """Do something to the engine; the model's part was done before."""
        self.calls.append(Call(method, arguments, options))
        came = getattr(self.engine, method)(*arguments, **options) or []
        said, asked, unsent, announced, listened, reported = self.model.take()
        self.outputs += came
        decisions = [output for output in came if isinstance(output, Decision)]
        heard = [spoken(decision) for decision in decisions]
        assert heard == said, f"{method}{arguments}: the engine says {heard}, the model {said}"
        probes = [output for output in came if isinstance(output, Probe)]
        asks = [(p.port, show_ip(p.address), show_mac(p.mac), form(p.frame)) for p in probes]
        assert asks == asked, f"{method}{arguments}: the engine asks {asks}, the model {asked}"
        unable = [show_ip(output.address) for output in came if isinstance(output, UnsentProbe)]
        assert unable == unsent, f"{method}{arguments}: the engine cannot ask {unable}, the model {unsent}"
        telling = [told(output) for output in came if isinstance(output, Announcement)]
        assert telling == announced, f"{method}{arguments}: the engine tells {telling}, the model {announced}"
        hears = [hearing(output) for output in came if isinstance(output, SnoopData)]
        assert hears == listened, f"{method}{arguments}: the engine hears {hears}, the model {listened}"
        covering = [(o.prefix, show_ip(o.address)) for o in came if isinstance(o, CoveringPrefix)]
        assert covering == reported, (
            f"{method}{arguments}: the engine reports {covering}, the model {reported}"
        )
        assert all(decision.at == self.now for decision in decisions)
        self.asked = (self.asked + probes)[-20:]
        for output in came:
            if isinstance(output, NoteForNextRun):
                self.takes_note(output)
            if isinstance(output, DesiredHost):
                self.reconciler.set_desired(output.key, output.host)
                if output.host is None:
                    self.wanted.pop(output.key, None)
                else:
                    self.wanted[output.key] = output.host

    def takes_note(self, output: NoteForNextRun) -> None:
        place = output.key.table, show_ip(output.key.address)
        if output.note is None:
            del self.noted[place]
        else:
            key, mac, *rest = output.note
            assert key == output.key
            self.noted[place] = (show_mac(mac), *rest)

    def hears(self, port: int, heard: Utterance) -> None:
        self.model.hear(self.now, port, heard)
        self.frames += 1
        self.does("handle_frame", self.now, port, frame(heard))

    def ticks(self, *, unread: bool = False) -> None:
        self.model.tick(self.now, unread=unread)
        self.does("expire_timers", self.now, unread=unread)

    def reconciles(self) -> None:
        operations: list[Operation] = self.reconciler.plan_operations(self.now)
        refusals = self.kernel.apply(operations)
        for key, reason in self.reconciler.record_results(self.now, operations, refusals):
            self.model.kernel_says(key.table, show_ip(key.address), reason)
            if reason is None:
                self.does("kernel_accepted", self.now, key)
            else:
                self.does("kernel_refused", self.now, key, reason)
        failed = {id(refusal.operation) for refusal in refusals}
        for operation in operations:
            if id(operation) not in failed:
                self._hears_of(operation)

    def _hears_of(self, operation: Operation) -> None:
        """Let the kernel tell what changed, as it tells everybody, those who wanted it too."""
        match operation:
            case PutRoute(route):
                self.reconciler.route_added(route)
            case DropRoute(route):
                self.reconciler.route_removed(route.address, route.table, route.metric)
            case PutNeighbour(neighbour):
                self.reconciler.neighbour_added(neighbour)
            case DropNeighbour(neighbour):
                self.reconciler.neighbour_removed(neighbour.device, neighbour.address)

    def runs(self, seconds: float, awake: set[tuple[int, str]]) -> None:
        """Let time pass as the daemon does; anchors that are awake answer at once."""
        until = self.now + seconds
        self.answers(awake)
        while (due := self.engine.next_deadline()) is not None and due < until:
            assert self.engine._transitions.timers.next_deadline() == self.model.next_due()
            self.now = max(self.now, due)
            self.ticks()
            self.answers(awake)
            self.reconciles()
        self.now = max(self.now, until)

    def answers(self, awake: set[tuple[int, str]]) -> None:
        while self.asked:
            probe = self.asked.pop(0)
            mac, address = show_mac(probe.mac), show_ip(probe.address)
            asked = MACS if mac == ANYBODY else [mac]
            for answering in [one for one in asked if (probe.port, one) in awake]:
                self.now += 0.001
                card = MACS[probe.port - PORTS[0]] if answering == SHARED else ""
                answer = utterance("answer", answering, address, card=card)
                self.hears(probe.port, replace(answer, to_zero=from_zero(probe.frame)))


def form(asked: bytes) -> str:
    """Say how a question is put, as the model does."""
    if from_zero(asked):
        return "zero"
    return "broadcast" if asked[0] & 1 else "unicast"


def told(announcement: Announcement) -> tuple[int, str, str]:
    """Say whom an announcement is for, and of which gateway, as the model does."""
    claim = decode(announcement.frame)
    assert isinstance(claim, Claim)
    assert claim.address is not None
    to = MAC(announcement.frame[:6])
    return announcement.port, "all" if to[0] & 1 else show_mac(to), show_ip(claim.address)


def hearing(
    listen: SnoopData,
) -> tuple[int, tuple[str, ...] | None, tuple[int, ...], tuple[str, ...]]:
    """Say whose packets are heard, as the model does."""
    awaited = tuple(map(show_ip, listen.awaited))
    if listen.without is None:
        return listen.port, None, (), awaited
    families = tuple({4: 4, 16: 6}[size] for size in listen.families)
    return listen.port, tuple(map(show_ip, listen.without)), families, awaited


def spoken(decision: Decision) -> tuple[object, ...]:
    """Say a decision as the model does."""
    challenger = decision.challenger
    return (
        decision.verb.value,
        decision.reason.value,
        show_ip(decision.address) if decision.address else None,
        show_mac(decision.mac) if decision.mac else None,
        decision.port,
        decision.state.value if decision.state else None,
        (show_mac(challenger.mac) if challenger.mac else None, challenger.port) if challenger else None,
    )
