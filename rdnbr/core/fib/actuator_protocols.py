"""What an actuator needs from outside: someone who sends frames, and someone who reports what the kernel does."""

from collections.abc import Sequence
from typing import Protocol

from rdnbr.core.fib.install_errors import RefusalReport
from rdnbr.core.model.address import IP
from rdnbr.core.model.engine_outputs import Announcement, CoveringPrefix, Probe, SnoopData, UnsentProbe


class Transmitter(Protocol):
    """Sends frames to ports: packet sockets, or simulated guests."""

    def send_probe(self, now: float, probe: Probe) -> bool:
        """Send a probe; tell whether the port took it."""

    def send_announcement(self, announcement: Announcement) -> None:
        """Send an announcement, to which no answer is expected."""

    def snoop_data(self, change: SnoopData) -> None:
        """Receive the IP packets of a port, or receive them no more."""


class KernelObserver(Protocol):
    """Is told what the kernel does unasked, for people to see. Nothing depends on it."""

    def guests_covered(self, covering: CoveringPrefix) -> None:
        """A prefix of another interface contains addresses of guests."""

    def entries_refused(self, reports: Sequence[RefusalReport]) -> None:
        """The kernel has refused entries."""

    def removals_contested(self, addresses: Sequence[IP]) -> None:
        """Another program keeps removing entries of these addresses, which are held down now."""

    def probe_unsent(self, now: float, probe: Probe | UnsentProbe) -> None:
        """A probe could not be sent: a port did not take it, or its segment has no address to send it from."""

    def kernel_unanswered(self, error: OSError) -> None:
        """The kernel does not answer; the first time of a series."""

    def kernel_answered(self) -> None:
        """The kernel answers again."""
