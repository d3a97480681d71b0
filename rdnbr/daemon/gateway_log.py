"""Logs gateway addresses that the node does not use, since their duplicate address detection has failed."""

from collections.abc import Iterable

from structlog.typing import FilteringBoundLogger

from rdnbr.core.model.address import IP, show_ip
from rdnbr.core.model.interfaces import Segment

REASON = "gateway-dadfailed"
"""The field `reason` of the log, and the name of the finding of `rdnbr doctor`."""


class GatewayLog:
    """Logs each failure once, and its end."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._failed: dict[tuple[str, IP], None] = {}
        """Names of bridges and addresses."""

    def segments_changed(self, segments: Iterable[Segment]) -> None:
        """Log what has changed since the last call."""
        failed = dict.fromkeys(
            (segment.name, address) for segment in segments for address in segment.dad_failed
        )
        for bridge, address in [one for one in failed if one not in self._failed]:
            self._log.error(
                "a gateway address failed duplicate address detection: a guest has it, and the node does not use it",
                reason=REASON,
                address=show_ip(address),
                bridge=bridge,
                cure="rdnbr doctor names the guest, if it was heard, and the commands",
            )
        for bridge, address in [one for one in self._failed if one not in failed]:
            self._log.info(
                "a gateway address no longer fails duplicate address detection",
                reason=REASON,
                address=show_ip(address),
                bridge=bridge,
            )
        self._failed = failed
