"""The parts of one daemon that several of its steps use. They are made once, complete, and never exchanged."""

from collections.abc import Mapping
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from rdnbr.core.bindings.engine import Engine
from rdnbr.core.fib.actuator import Actuator
from rdnbr.core.fib.backend import FibBackend
from rdnbr.core.fib.fake import FakeKernel
from rdnbr.core.model.address import MAC
from rdnbr.core.model.engine_outputs import Decision
from rdnbr.core.probing.simulated_guests import SimulatedGuests
from rdnbr.daemon.adoption_memory import AdoptionMemory
from rdnbr.daemon.kernel_log import KernelLog
from rdnbr.daemon.mac_pinning import MacPinning
from rdnbr.daemon.socket_transmitter import SocketTransmitter
from rdnbr.daemon.source_filter import SourceFilter
from rdnbr.linux.netlink.bridge_fdb import read_fdb
from rdnbr.linux.netlink.kernel_fib import KernelFib
from rdnbr.linux.netlink.kernel_pins import NEEDED, can_pin
from rdnbr.linux.nft.enforcement import CannotEnforceError
from rdnbr.linux.packet.receiver import PacketReceiver
from rdnbr.operator.logging.events import Events
from rdnbr.operator.text.phrases import counted


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop, the kernel watcher and the command handler share."""

    engine: Engine
    actuator: Actuator
    receiver: PacketReceiver
    events: Events
    source_filter: SourceFilter
    mac_pinning: MacPinning
    adoption_memory: AdoptionMemory
    kernel_log: KernelLog
    log: FilteringBoundLogger
    guests: SimulatedGuests | None
    """The guests of a dry run; None while frames really leave."""

    @property
    def dry_run(self) -> bool:
        """Whether nothing is installed and nothing is sent."""
        return self.guests is not None

    @property
    def serving(self) -> bool:
        """Whether there is a bridge to serve."""
        return bool(self.engine.segments)

    def start_pinning(self) -> None:
        """Pin the bound MACs to their ports from now on.

        Raises:
            CannotEnforceError: the kernel cannot.
        """
        if not can_pin():
            raise CannotEnforceError(
                f"enforce needs Linux {'.'.join(map(str, NEEDED))} to pin MACs; set enforce = false"
            )
        self.mac_pinning.start()

    def status(self) -> str:
        """Return in a few words what is served."""
        bindings, ports = self.engine.count, len(self.engine.ports)
        return f"{counted(bindings, 'binding')} on {counted(ports, 'port')}"


def make_parts(
    engine: Engine,
    receiver: PacketReceiver,
    events: Events,
    source_filter: SourceFilter,
    mac_pinning: MacPinning,
    log: FilteringBoundLogger,
    kernel: KernelFib | None,
) -> Parts:
    """Connect the parts of a daemon around an actuator.

    Without a kernel the daemon runs dry: a simulated kernel holds the entries, and simulated guests get the frames.
    """

    def publish(decision: Decision, frame: bytes | None) -> None:
        events.publish(decision, frame)
        if decision.address is not None:
            source_filter.address_changed(decision.address)
            mac_pinning.address_changed(decision.address)

    kernel_log = KernelLog(log, engine.segments, engine.ports)
    guests = SimulatedGuests() if kernel is None else None
    backend: FibBackend = FakeKernel(None) if kernel is None else kernel
    actuator = Actuator(engine, backend, guests or SocketTransmitter(receiver), publish, kernel_log)
    memory = AdoptionMemory(actuator, log, dry_run=kernel is None)
    return Parts(
        engine, actuator, receiver, events, source_filter, mac_pinning, memory, kernel_log, log, guests
    )


def fdb_ports(log: FilteringBoundLogger) -> Mapping[tuple[int, MAC], int]:
    """Return the port of each bridge and MAC in the bridges' forwarding databases; empty if they cannot be read."""
    try:
        return read_fdb()
    except OSError as error:
        log.warning("cannot read the bridges' tables; adopted guests are asked on every port", why=str(error))
        return {}
