"""Whether somebody keeps the node's clock right."""

import ctypes

_TIMEX_SIZE = 512
"""Bytes; more than struct timex has (linux/timex.h). All zero, it asks and changes nothing."""
_TIME_ERROR = 5


def is_kept() -> bool:
    """Tell whether the kernel's clock is synchronised, as NTP and PTP daemons tell it (adjtimex(2))."""
    state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE))
    return state != _TIME_ERROR
