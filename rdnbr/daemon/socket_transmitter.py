"""Sends the actuator's frames by the packet sockets of the ports."""

from rdnbr.core.model.engine_outputs import Announcement, Probe, SnoopData
from rdnbr.linux.packet.receiver import PacketReceiver


class SocketTransmitter:
    """The transmitter of a daemon that does not run dry."""

    def __init__(self, receiver: PacketReceiver) -> None:
        self._receiver = receiver

    def send_probe(self, now: float, probe: Probe) -> bool:  # noqa: ARG002 (simulated guests need the time)
        """Send a probe on its port; return False if the port is down, gone, congested or refuses it."""
        return self._receiver.send(probe.port, probe.frame)

    def send_announcement(self, announcement: Announcement) -> None:
        """Send an announcement on its port. A frame that cannot be sent counts as lost on the wire."""
        self._receiver.send(announcement.port, announcement.frame)

    def snoop_data(self, change: SnoopData) -> None:
        """Change which IP packets of a port are received."""
        self._receiver.snoop_data(change.port, change.without, change.families, change.awaited)
