"""What is counted of the kernel's tables; frames are counted by the engine."""

from enum import StrEnum


class KernelCounter(StrEnum):
    """Names of counters, which are promised; they begin at 0 with the daemon."""

    FOREIGN_ROUTE = "foreign-route"
    """Routes and neighbours not put in, for somebody else's holds the place."""
    KERNEL_REFUSED = "kernel-refused"
    """Routes and neighbours that the kernel did not take for another reason."""
    CONTESTED = "contested"
    """Addresses that somebody kept removing entries of, so that they were left alone for a while."""
    REANNOUNCED = "reannounced"
    """Routes taken out and put back so that others hear of them (`rdnbr resync`)."""
    COMPARISONS = "comparisons"
    """Comparisons of all that should be in the kernel with all that is."""
    OVERRUNS = "overruns"
    """Times that the kernel lost news of its changes before they were read (ENOBUFS)."""
    UNANSWERED = "unanswered"
    """Times that the kernel did not answer at all."""
    DEAF_PORTS = "deaf-ports"
    """Times that a port could not be listened to."""
    INTERNAL_ERROR = "internal-error"
    """Faults of rdnbr itself in a netlink message, a timer or a command; frames with a fault are counted by port."""
