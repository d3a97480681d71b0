"""The engine: events with a time in them go in, decisions, wishes and questions come out."""

from collections.abc import Sequence
from typing import NamedTuple

from rdnbr.core.address import IP, MAC
from rdnbr.core.decision import Output, State
from rdnbr.core.claim import Source
from rdnbr.core.plan import Key
from rdnbr.core.settings import Settings
from rdnbr.core.topology import Port, Segment


class View(NamedTuple):
    """One binding, as seen from outside."""

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


class Engine:
    """The interface others are written against (the body follows)."""

    def __init__(self, settings: Settings, allowlist: "Allowlist | None", now: float) -> None: ...
    # every method that takes an event returns what came of it, in order
    def segment_up(self, now: float, segment: Segment) -> list[Output]: ...      # new or changed (same index)
    def segment_gone(self, now: float, index: int) -> list[Output]: ...
    def port_up(self, now: float, port: Port) -> list[Output]: ...               # new or changed (same index)
    def port_gone(self, now: float, index: int) -> list[Output]: ...
    def frame(self, now: float, port: int, data: bytes, vlan: int | None = None, length: int | None = None) -> list[Output]: ...
    def node_changed(self, now: float, node: "Node") -> list[Output]: ...        # own addresses and MACs
    def allow(self, now: float, allowlist: "Allowlist | None") -> list[Output]: ...   # reload
    def adopt(self, now: float, key: Key, mac: MAC, device: int) -> list[Output]: ...
    def flush(self, now: float, address: IP | None = None) -> list[Output]: ...
    def probe(self, now: float, address: IP) -> list[Output]: ...                # ask now, by hand
    def kernel_refused(self, now: float, key: Key, reason: "Reason") -> list[Output]: ...
    def tick(self, now: float) -> list[Output]: ...                              # judge deadlines that are due
    def deadline(self) -> float | None: ...                                      # when tick() is wanted next
    def bindings(self) -> Sequence[View]: ...
    # counters: dict[tuple[port name, Reason], int], exactly one increment for each frame()
