"""Who may send what, where `enforce` is on: the contents of the sets that a packet filter looks in.

1. A sender is a port, a MAC and an address that are bound together and have a route. While an address is being
   contended for, its sender is the incumbent.
2. A MAC that is bound belongs to one port of its bridge, that of its oldest binding. Otherwise a guest could bind an
   address of its own to somebody else's MAC, and the bridge would hand it everything sent there.
3. The port of an adopted binding is not known before its first frame. Where the filter already knew one, that one
   stays; where there was no filter yet, it waits until every port is known, so that nobody is cut off by its coming.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.binding_state import WITH_ROUTE
from rdnbr.core.model.snapshot import BindingSnapshot

_GATEWAY6 = IP(b"\xfe\x80" + bytes(13) + b"\x01")


class Sender(NamedTuple):
    """What may be sent: from this port, by this MAC, with this address."""

    port: str
    mac: MAC
    address: IP


class Place(NamedTuple):
    """Where a MAC belongs."""

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
    """The ports they belong to."""


class _Held(NamedTuple):
    since: float
    bridge: str
    port: str | None
    mac: MAC
    address: IP


class SourceGuard:
    """Follows the bindings, and tells what should be in the sets."""

    def __init__(self, found: Iterable[Sender] | None = None) -> None:
        """Begin with the senders that an earlier run left in the filter; None: there is no filter."""
        self.changed = True
        """Whether `contents` may have changed; whoever has asked for them says False."""
        self._had_filter = found is not None
        self._known: dict[tuple[MAC, IP], set[str]] = {}
        for sender in found or ():
            self._known.setdefault((sender.mac, sender.address), set()).add(sender.port)
        self._held: dict[IP, tuple[_Held, ...]] = {}
        self._filtered: frozenset[str] = frozenset()
        self._own = frozenset({_GATEWAY6})

    @property
    def addresses(self) -> list[IP]:
        """The addresses that somebody may send from."""
        return list(self._held)

    def set_ports(self, ports: Iterable[str], own: Iterable[IP]) -> None:
        """Filter these ports; `own` are the node's addresses, of which the link-local ones count."""
        before = self._filtered, self._own
        self._filtered = frozenset(filter(_is_plain, ports))
        self._own = frozenset({_GATEWAY6, *(address for address in own if _is_link_local(address))})
        self.changed |= before != (self._filtered, self._own)

    def update_address(self, address: IP, views: Sequence[BindingSnapshot]) -> None:
        """Take note of all bindings there are of an address now."""
        held = tuple(
            _Held(view.since, view.segment, view.port, view.mac, address)
            for view in views
            if view.state in WITH_ROUTE
        )
        if held == self._held.get(address, ()):
            return
        self.changed = True
        if held:
            self._held[address] = held
        else:
            del self._held[address]

    def allowed_sources(self) -> Contents | None:
        """Return what should be in the sets; None: there should be no filter yet."""
        held = [one for many in self._held.values() for one in many]
        if not self._had_filter and any(one.port is None for one in held):
            return None
        self._had_filter = True
        placed = [(one, port) for one in held for port in self._ports(one)]
        oldest: dict[tuple[str, MAC], tuple[float, str]] = {}
        for one, port in placed:
            owned = one.bridge, one.mac
            oldest[owned] = min(oldest.get(owned, (one.since, port)), (one.since, port))
        senders = [
            Sender(port, one.mac, one.address)
            for one, port in placed
            if oldest[one.bridge, one.mac][1] == port
        ]
        return Contents(
            self._filtered,
            self._own,
            frozenset(sender for sender in senders if len(sender.address) == 4),
            frozenset(sender for sender in senders if len(sender.address) == 16),
            frozenset(sender.mac for sender in senders),
            frozenset(Place(sender.port, sender.mac) for sender in senders),
        )

    def _ports(self, held: _Held) -> Iterable[str]:
        ports = self._known.get((held.mac, held.address), ()) if held.port is None else (held.port,)
        return filter(_is_plain, ports)


def _is_plain(name: str) -> bool:
    """Tell whether a device's name means just itself in a ruleset; a guest behind another name stays unheard."""
    return name.isascii() and not set('"*\\').intersection(name)


def _is_link_local(address: IP) -> bool:
    return len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80
