"""A guest that lives and is silent for one of its addresses. Pure."""

from collections.abc import Iterable

from rdnbr.core.model.address import family
from rdnbr.core.model.binding_state import State
from rdnbr.operator.control.bound_addresses import BoundAddress

ALIVE = 60.0
"""Seconds in which a guest was heard that counts as alive."""
_SILENT_FOR = 10.0
"""Seconds after which an address that was claimed and not answered for counts as silent."""


def alive_address(silent: BoundAddress, others: Iterable[BoundAddress], now: float) -> BoundAddress | None:
    """Return an address of the other IP version that the same guest is heard with while `silent` gets no answer.

    Args:
        silent: a binding.
        others: all bindings, or those with the same MAC.
        now: seconds since 1970.
    """
    if silent.state is State.TENTATIVE:
        if now < silent.since + _SILENT_FOR:
            return None
    elif silent.state is not State.DEPARTED:
        return None
    return next(
        (
            one
            for one in others
            if one.installed
            and (one.mac, one.port) == (silent.mac, silent.port)
            and family(one.address) != family(silent.address)
            and now < one.last_seen + ALIVE
        ),
        None,
    )


PROBE_OF = {4: "ARP requests from 169.254.0.1", 6: "neighbour solicitations from fe80::1"}
"""What a guest must answer, by IP version."""
