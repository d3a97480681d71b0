"""The counters of what happens to the kernel's tables. The engine counts the frames."""

from enum import StrEnum


class KernelCounter(StrEnum):
    """The names of the counters, which are promised. Each begins at 0 when the daemon starts."""

    FOREIGN_ROUTE = "foreign-route"
    """Routes and neighbours that were not installed because an entry of another program is in their place."""
    KERNEL_REFUSED = "kernel-refused"
    """Routes and neighbours that the kernel refused for another reason."""
    CONTESTED = "contested"
    """Addresses that were held down because another program kept removing their entries."""
    REANNOUNCED = "reannounced"
    """Routes that were removed and put again so that listeners are told of them (`rdnbr resync`)."""
    COMPARISONS = "comparisons"
    """Comparisons of all desired entries with all entries of the kernel."""
    OVERRUNS = "overruns"
    """Times that the kernel lost netlink events before they were read (ENOBUFS)."""
    UNANSWERED = "unanswered"
    """Times that the kernel did not answer at all."""
    DEAF_PORTS = "deaf-ports"
    """Times that no socket could be opened on a port."""
    UNSENT = "unsent"
    """Probes that could not be sent: no gateway address of the family, or a port that takes no frames."""
    INTERNAL_ERROR = "internal-error"
    """Faults of rdnbr itself in a netlink message, a timer or a command. Frames with a fault are counted by port."""
