"""Whether the node's clock is synchronised."""

import ctypes

_TIMEX_SIZE = 512
"""Bytes; more than struct timex has (linux/timex.h). A structure of zeros reads the state and changes nothing."""
_TIME_ERROR = 5


def is_synchronised() -> bool:
    """Return whether an NTP or PTP daemon synchronises the kernel's clock (adjtimex(2))."""
    state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE))
    return state != _TIME_ERROR
