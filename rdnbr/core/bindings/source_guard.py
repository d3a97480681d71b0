"""The sets of the packet filter that `enforce` installs: which port may send from which MAC and address.

1. A sender is the port, the MAC and the address of a binding that has a route. While an address is challenged, the
   incumbent is the sender. Behind a virtual router's MAC the physical MAC is a sender as well, unless that MAC belongs
   to another port.
2. A bound MAC belongs to one port of its bridge: the port of a binding whose rule names the MAC, else of its oldest
   binding (`BindingSnapshot.mac_precedence`). Otherwise a guest could bind an
   address of its own to the MAC of another guest, and the bridge would forward the other guest's traffic to its port.
3. The port of an adopted binding is not known before its first frame. If the filter of an earlier run has a port for
   the binding, that port stays, and so do the MACs that sent from it. If there is no filter yet, none is made until
   every port is known, so that the first filter does not drop the frames of a correct guest.
4. An IP packet may have any bound MAC of its port with any bound address of its port: a virtual router sends its
   advertisements from the virtual MAC, with its own address as the source (RFC 9568 §7.2).

The cost of a change is proportional to the bindings of one MAC on one bridge.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
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


class PortAddress(NamedTuple):
    """An address that is bound on a port."""

    port: str
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
    addresses4: frozenset[PortAddress]
    addresses6: frozenset[PortAddress]
    macs: frozenset[MAC]
    """Bound MACs."""
    places: frozenset[Place]
    """The port of each bound MAC."""


class Difference(NamedTuple):
    """The elements to remove from the sets and to add to them."""

    removed: Contents
    added: Contents


class _Held(NamedTuple):
    precedence: tuple[bool, float]
    bridge: str
    port: str | None
    mac: MAC
    address: IP
    physical_mac: MAC | None


_Group = tuple[str, MAC]
"""A bridge and a MAC."""


class SourceGuard:
    """Computes the sets from the bindings, and records their changes."""

    def __init__(self, listed: Iterable[Sender] | None = None) -> None:
        """Start from the senders in the filter of an earlier run; None if there is no filter."""
        self._had_filter = listed is not None
        self._listed: dict[tuple[MAC, IP], set[str]] = {}
        self._listed_macs: dict[PortAddress, set[MAC]] = {}
        for sender in listed or ():
            self._listed.setdefault((sender.mac, sender.address), set()).add(sender.port)
            self._listed_macs.setdefault(PortAddress(sender.port, sender.address), set()).add(sender.mac)
        self._held: dict[IP, tuple[_Held, ...]] = {}
        self._without_port = 0
        """Held bindings whose port is not known."""
        self._groups: dict[_Group, dict[_Held, None]] = {}
        """Held bindings by bridge and MAC."""
        self._behind: dict[_Group, dict[_Held, None]] = {}
        """Held bindings by bridge and physical MAC."""
        self._owners: dict[_Group, str] = {}
        """The port that each bound MAC belongs to."""
        self._senders: dict[_Group, tuple[frozenset[Sender], frozenset[Sender]]] = {}
        """The senders of each group: with the bound MAC, and with physical MACs."""
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
            _Held(one.mac_precedence, one.segment, one.port, one.mac, address, one.physical_mac)
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
            _discard(self._groups, (one.bridge, one.mac), one)
            for mac in self._physical_macs(one):
                _discard(self._behind, (one.bridge, mac), one)
        for one in held:
            self._groups.setdefault((one.bridge, one.mac), {})[one] = None
            for mac in self._physical_macs(one):
                self._behind.setdefault((one.bridge, mac), {})[one] = None
        groups = {(one.bridge, one.mac) for one in (*before, *held)}
        for group in tuple(groups):
            if self._update_owner(group):
                groups |= {(one.bridge, one.mac) for one in self._behind.get(group, ())}
        for group in groups:
            self._update_senders(group)

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

    def _update_owner(self, group: _Group) -> bool:
        """Find the port that a MAC belongs to; return whether it is another one now."""
        placed = [
            (one.precedence, port) for one in self._groups.get(group, ()) for port in self._ports_of(one)
        ]
        before = self._owners.pop(group, None)
        if placed:
            self._owners[group] = min(placed)[1]
        return self._owners.get(group) != before

    def _update_senders(self, group: _Group) -> None:
        owner = self._owners.get(group, "")
        there = [one for one in self._groups.get(group, ()) if owner in self._ports_of(one)]
        bound = frozenset(Sender(owner, one.mac, one.address) for one in there)
        behind = frozenset(
            Sender(owner, mac, one.address)
            for one in there
            for mac in self._physical_macs_of(one, owner)
            if self._owners.get((one.bridge, mac), owner) == owner
        )
        bound_before, behind_before = self._senders.pop(group, (frozenset(), frozenset()))
        if bound:
            self._senders[group] = bound, behind
        self._replace_senders(behind_before - behind, behind - behind_before)
        gone, new = bound_before - bound, bound - bound_before
        self._replace_senders(gone, new)
        self._replace("macs", (one.mac for one in gone), (one.mac for one in new))
        self._replace(
            "places", (Place(one.port, one.mac) for one in gone), (Place(one.port, one.mac) for one in new)
        )

    def _replace_senders(self, gone: Iterable[Sender], new: Iterable[Sender]) -> None:
        for number, size in ((4, 4), (6, 16)):
            old = [one for one in gone if len(one.address) == size]
            added = [one for one in new if len(one.address) == size]
            self._replace(f"bound{number}", old, added)
            self._replace(
                f"addresses{number}",
                (PortAddress(one.port, one.address) for one in old),
                (PortAddress(one.port, one.address) for one in added),
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

    def _ports_of(self, held: _Held) -> Iterator[str]:
        ports = self._listed.get((held.mac, held.address), ()) if held.port is None else (held.port,)
        return filter(_is_plain, ports)

    def _physical_macs_of(self, held: _Held, port: str) -> Collection[MAC]:
        """Return the MACs other than its own that a binding sends from, if it is on this port."""
        if held.port is None:
            return self._listed_macs.get(PortAddress(port, held.address), set()) - {held.mac}
        return () if held.physical_mac is None else (held.physical_mac,)

    def _physical_macs(self, held: _Held) -> set[MAC]:
        return {mac for port in self._ports_of(held) for mac in self._physical_macs_of(held, port)}


def _is_plain(name: str) -> bool:
    """Return whether nft reads a device name literally. A port with another name is not filtered."""
    return name.isascii() and not set('"*\\').intersection(name)


def _is_link_local(address: IP) -> bool:
    return len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80


def _discard(index: dict[_Group, dict[_Held, None]], group: _Group, held: _Held) -> None:
    del index[group][held]
    if not index[group]:
        del index[group]
