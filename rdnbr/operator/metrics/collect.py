"""Collects what the metrics are made of: from the daemon by its control socket, from zebra by vtysh."""

import time
from pathlib import Path
from typing import NamedTuple

from rdnbr.linux.frr import frr_json, vtysh
from rdnbr.linux.frr.frr_status import Frr
from rdnbr.linux.frr.zebra_diff import Difference, compare, served
from rdnbr.linux.netlink.links import snapshot
from rdnbr.operator.control.client import Client, CommandFailed
from rdnbr.operator.control.protocol import Document

FRR_INTERVAL = 60.0
"""Seconds for which zebra's answer is used again: to read all of its routes takes it a while."""


class DaemonFacts(NamedTuple):
    """The documents of the daemon."""

    figures: Document
    counters: Document
    ports: Document


class Zebra(NamedTuple):
    """What zebra has of rdnbr's routes."""

    differences: tuple[Difference, ...]
    readable: bool


def collect_daemon(socket: Path) -> DaemonFacts | None:
    """Return the figures of the daemon; None if none answers, or one of an older version."""
    try:
        with Client(socket) as client:
            return DaemonFacts(client.request("metrics"), client.request("counters"), client.request("ports"))
    except CommandFailed:
        return None


class ZebraReader:
    """Compares zebra with the kernel, at most once in `FRR_INTERVAL`."""

    def __init__(self, bridges: tuple[str, ...]) -> None:
        """Compare the routes over bridges with these names or globs; empty: over all that own a gateway address."""
        self._bridges = bridges
        self._last: Zebra | None = None
        self._due = 0.0

    def read(self) -> Zebra | None:
        """Return what zebra has; None if it does not run here."""
        now = time.monotonic()
        if now >= self._due:
            self._last = self._compare()
            self._due = now + FRR_INTERVAL
        return self._last

    def _compare(self) -> Zebra | None:
        try:
            frr = vtysh.read_frr()
            if not isinstance(frr, Frr):
                return None if frr is None else Zebra((), readable=False)
            if "zebra" not in frr.daemons:
                return None
            return Zebra(tuple(compare(served(snapshot(), self._bridges))), readable=True)
        except (frr_json.VtyshError, OSError):
            return Zebra((), readable=False)
