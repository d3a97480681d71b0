"""A snapshot of a binding for people and scripts: names instead of ifindexes, and only what the output promises."""

from collections.abc import Mapping
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.binding import Binding, Unsent
from rdnbr.core.model.binding_state import WITH_ROUTE, State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.interfaces import Port, Segment

GONE = "-"
"""Stands for the name of a segment or a port that is gone."""


class BindingSnapshot(NamedTuple):
    """One binding."""

    address: IP
    mac: MAC
    port: str | None
    segment: str
    vlan: int | None
    state: State
    installed: bool
    source: Source
    since: float
    last_seen: float
    rule: str | None
    physical_mac: MAC | None = None
    """As in `Binding`."""
    unsent: Unsent | None = None
    """Why its probes cannot be sent; None: they can."""
    port_index: int | None = None
    """ifindex; None while `port` is."""
    segment_index: int = 0
    """ifindex"""
    rule_names_mac: bool = False
    """Whether the rule that permits the binding has its MAC as `mac=`."""

    @property
    def mac_precedence(self) -> tuple[bool, float]:
        """Which of several bindings of one MAC the MAC belongs to: the least.

        A binding whose rule names the MAC comes before one that any guest may have made, then the oldest binding: a
        guest can bind an address of its own to a neighbour's MAC, and wait until the neighbour's link fails.
        """
        return not self.rule_names_mac, self.since


def binding_snapshot(
    binding: Binding, segments: Mapping[int, Segment], ports: Mapping[int, Port]
) -> BindingSnapshot:
    """Return the snapshot of a binding."""
    port = ports.get(binding.anchor.port or 0)
    return BindingSnapshot(
        binding.key.address,
        binding.anchor.mac,
        port.name if port else None,
        segment_name(binding, segments),
        binding.vlan,
        binding.state,
        binding.state in WITH_ROUTE and binding.refused is None,
        binding.source,
        binding.since,
        binding.last_seen,
        binding.rule.where if binding.rule else None,
        binding.physical_mac,
        binding.unsent,
        port.index if port else None,
        binding.segment,
        binding.rule is not None and binding.rule.qualifiers.mac == binding.anchor.mac,
    )


def segment_name(binding: Binding, segments: Mapping[int, Segment]) -> str:
    """Return the name of the segment of a binding; `GONE` if the segment is not served any more."""
    segment = segments.get(binding.segment)
    return GONE if segment is None else segment.name
