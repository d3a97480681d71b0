"""The sets of the packet filter that `enforce` installs: which port may send from which MAC and address.

1. A sender is the port, the MAC and the address of a binding that has a route. While an address is challenged, the
   incumbent is the sender.
2. A bound MAC belongs to one port of its bridge: the port of its oldest binding. Otherwise a guest could bind an
   address of its own to the MAC of another guest, and the bridge would forward the other guest's traffic to its port.
3. The port of an adopted binding is not known before its first frame. If the filter of an earlier run has a port for
   the binding, that port stays. If there is no filter yet, none is made until every port is known, so that the first
   filter does not drop the frames of a correct guest.

The cost of a change is proportional to the bindings of one MAC on one bridge.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.binding_state import WITH_ROUTE
from rdnbr.core.model.snapshot import BindingSnapshot

_GATEWAY6 = IP(b"\xfe\x80" + bytes(13) + b"\x01")


class Sender(NamedTuple):
    """A port that may send frames with this source MAC and this source address."""

    port: str
    mac: MAC
    address: IP


class Place(NamedTuple):
    """The port that a MAC belongs to."""

    port: str
    mac: MAC


class Contents(NamedTuple):
    """All sets of the filter, by their names."""

    ports: frozenset[str]
    """The ports that are filtered."""
    own: frozenset[IP]
    """Link-local addresses that no guest may use: the node's, and the gateway's in any case."""
    bound4: frozenset[Sender]
    bound6: frozenset[Sender]
    macs: frozenset[MAC]
    """Bound MACs."""
    places: frozenset[Place]
    """The port of each bound MAC."""


class Difference(NamedTuple):
    """The elements to remove from the sets and to add to them."""

    removed: Contents
    added: Contents


class _Held(NamedTuple):
    since: float
    bridge: str
    port: str | None
    mac: MAC
    address: IP


class SourceGuard:
    """Computes the sets from the bindings, and records their changes."""

    def __init__(self, listed: Iterable[Sender] | None = None) -> None:
        """Start from the senders in the filter of an earlier run; None if there is no filter."""
        self._had_filter = listed is not None
        self._listed: dict[tuple[MAC, IP], set[str]] = {}
        for sender in listed or ():
            self._listed.setdefault((sender.mac, sender.address), set()).add(sender.port)
        self._held: dict[IP, tuple[_Held, ...]] = {}
        self._without_port = 0
        """Held bindings whose port is not known."""
        self._groups: dict[tuple[str, MAC], dict[_Held, None]] = {}
        """Held bindings by bridge and MAC."""
        self._senders: dict[tuple[str, MAC], frozenset[Sender]] = {}
        """The senders of each group."""
        self._sets: dict[str, Counter[Any]] = {name: Counter() for name in Contents._fields}
        """How many senders or settings need each element of each set."""
        self._before: dict[tuple[str, Any], bool] = {}
        """Whether a changed element was in its set when the changes were last drained."""
        self._ports: frozenset[str] = frozenset()
        self._own: frozenset[IP] = frozenset()
        self.set_ports((), ())

    @property
    def changed(self) -> bool:
        """Whether there may be changes to drain."""
        return bool(self._before)

    @property
    def ready(self) -> bool:
        """Whether a filter may be written. Once the first changes were drained, this stays true."""
        return self._had_filter or not self._without_port

    def addresses_on(self, ports: Collection[str]) -> list[IP]:
        """Return the addresses of the held bindings on ports with these names."""
        return [address for address, held in self._held.items() if any(one.port in ports for one in held)]

    def set_ports(self, ports: Iterable[str], own: Iterable[IP]) -> None:
        """Set the ports to filter.

        Args:
            ports: their names.
            own: the node's addresses. The link-local ones among them are refused to guests.
        """
        before, self._ports = self._ports, frozenset(ports)
        self._replace(
            "ports", filter(_is_plain, before - self._ports), filter(_is_plain, self._ports - before)
        )
        owned, self._own = self._own, frozenset({_GATEWAY6, *filter(_is_link_local, own)})
        self._replace("own", owned - self._own, self._own - owned)

    def update_address(self, address: IP, bindings: Sequence[BindingSnapshot]) -> None:
        """Replace the held bindings of an address; `bindings` are all its bindings, of all routing tables."""
        held = tuple(
            _Held(one.since, one.segment, one.port, one.mac, address)
            for one in bindings
            if one.state in WITH_ROUTE
        )
        before = self._held.pop(address, ())
        if held:
            self._held[address] = held
        if held == before:
            return
        self._without_port += sum(one.port is None for one in held) - sum(one.port is None for one in before)
        for one in before:
            del self._groups[one.bridge, one.mac][one]
        for one in held:
            self._groups.setdefault((one.bridge, one.mac), {})[one] = None
        for group in {(one.bridge, one.mac) for one in (*before, *held)}:
            self._update_group(group)

    def contents(self) -> Contents:
        """Return all elements of the sets."""
        return Contents(*(frozenset(counted) for counted in self._sets.values()))

    def drain_changes(self) -> Difference:
        """Return the changes since the last call, or since the start."""
        removed: dict[str, set[Any]] = {name: set() for name in Contents._fields}
        added: dict[str, set[Any]] = {name: set() for name in Contents._fields}
        for (name, element), was_there in self._before.items():
            if was_there != (element in self._sets[name]):
                (removed if was_there else added)[name].add(element)
        self._before.clear()
        self._had_filter = True
        return Difference(
            Contents(*(frozenset(elements) for elements in removed.values())),
            Contents(*(frozenset(elements) for elements in added.values())),
        )

    def _update_group(self, group: tuple[str, MAC]) -> None:
        held = self._groups[group]
        if not held:
            del self._groups[group]
        placed = [(one, port) for one in held for port in self._ports_of(one)]
        _, owner = min(((one.since, port) for one, port in placed), default=(0.0, ""))
        senders = frozenset(Sender(port, one.mac, one.address) for one, port in placed if port == owner)
        before = self._senders.pop(group, frozenset())
        if senders:
            self._senders[group] = senders
        gone, new = before - senders, senders - before
        for name, size in (("bound4", 4), ("bound6", 16)):
            self._replace(
                name,
                (one for one in gone if len(one.address) == size),
                (one for one in new if len(one.address) == size),
            )
        self._replace("macs", (one.mac for one in gone), (one.mac for one in new))
        self._replace(
            "places", (Place(one.port, one.mac) for one in gone), (Place(one.port, one.mac) for one in new)
        )

    def _replace(self, name: str, gone: Iterable[Any], new: Iterable[Any]) -> None:
        counted = self._sets[name]
        for element in new:
            self._before.setdefault((name, element), element in counted)
            counted[element] += 1
        for element in gone:
            self._before.setdefault((name, element), True)
            counted[element] -= 1
            if not counted[element]:
                del counted[element]

    def _ports_of(self, held: _Held) -> Iterable[str]:
        ports = self._listed.get((held.mac, held.address), ()) if held.port is None else (held.port,)
        return filter(_is_plain, ports)


def _is_plain(name: str) -> bool:
    """Return whether nft reads a device name literally. A port with another name is not filtered."""
    return name.isascii() and not set('"*\\').intersection(name)


def _is_link_local(address: IP) -> bool:
    return len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80
