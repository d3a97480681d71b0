"""The node's links and addresses, from which the engine's segments, ports and local addresses are computed.

Netlink reports links and addresses one at a time. The engine knows segments, ports and local addresses. An update
compares a changed link with its one port. A segment is computed again only if a bridge, its VRF, its addresses or the
configuration changed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.engine_outputs import Output
from rdnbr.core.model.interfaces import GUEST_KINDS, InterfaceAddress, Link, NextHop, Port, Segment
from rdnbr.core.model.served_segments import served_segments
from rdnbr.core.policy.local_addresses import LocalAddresses, node_local_addresses, places_of_mac

OUTPUTS_AT_ONCE = 400
"""Outputs of the engine after which an update stops and is continued by the next one: when a bridge with a thousand
ports goes, the guests of other bridges must not wait until all its bindings are withdrawn."""


class Changes(NamedTuple):
    """The result of an update of the engine."""

    outputs: list[Output]
    """The outputs of the engine."""
    links: frozenset[int]
    """ifindexes of the links that were compared with the engine's ports."""
    renamed: frozenset[str]
    """Old names of the engine's ports that were renamed."""
    filtered: bool
    """Whether `guest_ports` or `own_addresses` may have changed."""
    unfinished: bool = False
    """Whether ports that are gone are left for another update."""


class InterfaceInventory:
    """The present links and addresses; the caller reports each change."""

    def __init__(self, globs: Sequence[str] = ()) -> None:
        self._globs = tuple(globs)
        self._links: dict[int, Link] = {}
        self._members: dict[int, dict[int, None]] = {}
        """Links by the ifindex of their master."""
        self._macs: Counter[tuple[int, MAC]] = Counter()
        """MACs of the node, each with the ifindex of a bridge that it is on."""
        self._elsewhere: dict[int, Link] = {}
        """The members of bridges that lead elsewhere, by ifindex."""
        self._addresses: dict[int, dict[tuple[IP, int], InterfaceAddress]] = {}
        """By ifindex, then by address and length: a change of the other fields is no other address."""
        self._next_hops: frozenset[NextHop] = frozenset()
        self._segments: dict[int, Segment] = {}
        self._guest_ports: dict[int, str] = {}
        self._local = LocalAddresses()
        self._stale: dict[int, None] = {}
        """ifindexes of bridges whose segment must be computed again."""
        self._changed_bridges: dict[int, None] = {}
        """ifindexes of bridges that must be compared with the engine's segments."""
        self._changed_links: dict[int, None] = {}
        """ifindexes of links that must be compared with the engine's ports."""
        self._everything_changed = True
        self._addresses_changed = True
        self._next_hops_changed = False
        self._macs_changed = True
        self._outputs: list[Output] = []
        """Outputs of the engine that no update has returned yet."""
        self._renamed: set[str] = set()
        self._filtered = False

    def set_globs(self, globs: Sequence[str]) -> None:
        """Serve the bridges whose names match; without globs, the bridges that have a gateway address."""
        self._globs = tuple(globs)
        self._everything_changed = True
        self._stale |= dict.fromkeys(self._links)

    def replace_all(self, links: Iterable[Link], addresses: Iterable[InterfaceAddress]) -> None:
        """Replace all links and addresses by those of a dump."""
        self._stale |= dict.fromkeys(self._links)
        self._links, self._members, self._macs, self._addresses = {}, {}, Counter(), {}
        self._elsewhere = {}
        for link in links:
            self.link_changed(link)
        for address in addresses:
            self.address_changed(address)
        self._everything_changed = self._addresses_changed = self._macs_changed = True

    def link_changed(self, link: Link) -> None:
        """Record a link that is new or changed."""
        before = self._links.get(link.index)
        self._changed_links[link.index] = None
        if before == link:
            return
        if before is not None:
            self._remove(before)
        self._links[link.index] = link
        self._macs.update(places_of_mac(link))
        if link.master is not None:
            self._members.setdefault(link.master, {})[link.index] = None
            if link.leads_elsewhere:
                self._elsewhere[link.index] = link
                self._next_hops_changed = True
        self._macs_changed |= before is None or [*places_of_mac(before)] != [*places_of_mac(link)]
        self._mark_segments(link)

    def link_gone(self, index: int) -> None:
        """Record that a link is gone, together with its addresses."""
        self._changed_links[index] = None
        self._changed_links |= self._members.get(index, {})
        self._mark_bridge(index)
        link = self._links.get(index)
        if link is not None:
            self._remove(link)
            self._macs_changed = True
        self._addresses_changed |= self._addresses.pop(index, None) is not None

    def mark_changed(self, index: int) -> None:
        """Compare a link with the engine at the next update, although no change was reported."""
        self._changed_links[index] = None

    def address_changed(self, address: InterfaceAddress) -> None:
        """Record an address of the node that is new or changed."""
        own = self._addresses.setdefault(address.index, {})
        if own.get((address.address, address.length)) != address:
            own[address.address, address.length] = address
            self._mark_address(address)

    def address_gone(self, address: InterfaceAddress) -> None:
        """Record that the node lost an address."""
        own = self._addresses.get(address.index, {})
        if own.pop((address.address, address.length), None) is not None:
            self._mark_address(address)

    def set_next_hops(self, next_hops: frozenset[NextHop]) -> None:
        """Replace the next hops of the node's routes."""
        self._next_hops_changed |= next_hops != self._next_hops
        self._next_hops = next_hops

    def segments(self) -> list[Segment]:
        """Return the segments to serve, sorted by ifindex."""
        self._compute_segments()
        return [self._segments[index] for index in sorted(self._segments)]

    def guest_ports(self) -> list[str]:
        """Return the names of all ports that lead to guests, as of the last update.

        Ports that are down or without carrier are included, since a guest sets its own carrier.
        """
        return list(self._guest_ports.values())

    def own_addresses(self) -> list[IP]:
        """Return all addresses of the node."""
        return [entry.address for own in self._addresses.values() for entry in own.values()]

    def update_engine(self, now: float, engine: Engine) -> Changes:
        """Apply the changes to the engine at `now`. Removals come before additions, since an ifindex can be reused.

        An update with many outputs is `unfinished`: call `update_engine` again in the next turn. The same holds after
        an exception: the changes stay recorded until the engine has all of them.
        """
        self._compute_segments()
        if self._everything_changed:
            self._everything_changed = False
            self._changed_bridges |= dict.fromkeys((*self._segments, *engine.segments))
            self._changed_links |= dict.fromkeys((*self._links, *engine.ports, *self._guest_ports))
        bridges = self._changed_bridges
        replaced = [
            index
            for index in bridges
            if _identity(self._segments, index) != _identity(engine.segments, index)
        ]
        for index in replaced:
            self._changed_links |= self._members.get(index, {})
        links = self._changed_links
        self._filtered |= self._addresses_changed | self._update_guest_ports(links)
        ports = {index: self._port(index) for index in links}
        outputs, renamed = self._outputs, self._renamed
        gone: list[int] = []
        for index, port in ports.items():
            if port is not None or index not in engine.ports:
                continue
            if len(outputs) >= OUTPUTS_AT_ONCE:
                return self._changes(gone, unfinished=True)
            lost_segment = engine.ports[index].segment not in self._links
            outputs += engine.port_gone(now, index, segment_gone=lost_segment)
            gone.append(index)
        for index in replaced:
            if index in engine.segments:
                outputs += engine.segment_gone(now, index)
        changed = self._addresses_changed or self._next_hops_changed or bool(replaced)
        if changed or self._macs_changed:
            outputs += engine.local_addresses_changed(now, self._local_addresses(changed=changed))
            self._addresses_changed = self._next_hops_changed = self._macs_changed = False
        for index in bridges:
            segment = self._segments.get(index)
            if segment is not None and engine.segments.get(index) != segment:
                outputs += engine.segment_changed(now, segment)
        for index, port in ports.items():
            known = engine.ports.get(index)
            if port is not None and known != port:
                if known is not None and known.name != port.name:
                    renamed.add(known.name)
                outputs += engine.port_changed(now, port)
        self._changed_bridges, self._changed_links = {}, {}
        return self._changes(links, unfinished=False)

    def _changes(self, links: Iterable[int], *, unfinished: bool) -> Changes:
        """Return what the engine has put out, also before an exception, and forget it."""
        changes = Changes(
            self._outputs, frozenset(links), frozenset(self._renamed), self._filtered, unfinished=unfinished
        )
        self._outputs, self._renamed, self._filtered = [], set(), False
        return changes

    def _remove(self, link: Link) -> None:
        """Remove a link from every index."""
        self._mark_segments(link)
        del self._links[link.index]
        for place in places_of_mac(link):
            self._macs[place] -= 1
            if not self._macs[place]:
                del self._macs[place]
        self._next_hops_changed |= self._elsewhere.pop(link.index, None) is not None
        if link.master is not None:
            del self._members[link.master][link.index]
            if not self._members[link.master]:
                del self._members[link.master]

    def _mark_segments(self, link: Link) -> None:
        """Mark the bridges that a changed link affects: a bridge itself, or all bridges in a VRF."""
        if link.kind == "bridge":
            self._mark_bridge(link.index)
        elif link.kind == "vrf":
            for index in self._members.get(link.index, ()):
                self._mark_bridge(index)

    def _mark_bridge(self, index: int) -> None:
        self._stale[index] = self._changed_bridges[index] = None

    def _mark_address(self, address: InterfaceAddress) -> None:
        self._addresses_changed = True
        self._mark_bridge(address.index)

    def _compute_segments(self) -> None:
        stale, self._stale = self._stale, {}
        for index in stale:
            self._segments.pop(index, None)
            link = self._links.get(index)
            if link is not None:
                master = self._links.get(link.master or 0)
                for segment in served_segments(
                    [link] if master is None else [link, master],
                    [*self._addresses.get(index, {}).values()],
                    self._globs,
                ):
                    if segment.index == index:
                        self._segments[index] = segment

    def _update_guest_ports(self, links: Iterable[int]) -> bool:
        """Update the names of the guest ports; return whether one changed."""
        changed = False
        for index in links:
            link = self._links.get(index)
            name = link.name if link is not None and self._is_guest_port(link) else None
            if name != self._guest_ports.get(index):
                changed = True
                self._guest_ports.pop(index, None)
                if name is not None:
                    self._guest_ports[index] = name
        return changed

    def _is_guest_port(self, link: Link) -> bool:
        return link.master in self._segments and link.kind in GUEST_KINDS

    def _port(self, index: int) -> Port | None:
        """Return the port for a link; None unless the link leads to a guest, is up and has carrier."""
        link = self._links.get(index)
        if (
            link is None
            or link.master is None
            or not self._is_guest_port(link)
            or not (link.up and link.carrier)
        ):
            return None
        return Port(index, link.name, link.master)

    def _local_addresses(self, *, changed: bool) -> LocalAddresses:
        """Return the node's local addresses; `changed` says that more than the MACs may have changed."""
        if changed:
            own = [entry for entries in self._addresses.values() for entry in entries.values()]
            # Of the links, those that lead elsewhere decide about next hops. The MACs follow.
            self._local = node_local_addresses(
                self._elsewhere.values(), own, self._segments.values(), self._next_hops
            )
        self._local = replace(self._local, macs=frozenset(self._macs))
        return self._local


def _identity(known: Mapping[int, Segment], index: int) -> tuple[str, int] | None:
    """Return the name and the table of a segment; None if there is none.

    If one of them changes, other rules or other routes apply, so the segment counts as a new one.
    """
    segment = known.get(index)
    return None if segment is None else (segment.name, segment.table)
