"""Faults of rdnbr itself: an exception costs one frame, one event or one command, never the daemon.

1. A fault is counted as `internal-error`: by port if a frame caused it, else in the kernel part of the counters.
2. The log has one line for each place in the code that raises, with the traceback, and the frame in hex. Further faults
   of the same place are only counted.
3. A port whose frame caused a fault is paused for a second, and longer with each further fault. Its frames are dropped
   meanwhile, and counted as `internal-error` too. So a guest that knows a frame with a fault loses its own port only.
4. A step of the loop that fails as a whole is paused likewise: a fault that repeats must not keep the node busy.

What the engine had put out before the exception is still applied, before any other event (`Daemon`). So the desired
routes are those of the bindings as far as the engine came.
"""

from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from rdnbr.core.primitives.back_off import BackOff

FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0
"""Seconds that a port or a step is paused after a fault; each further fault doubles the pause."""

FORGET_AFTER = 600.0
"""Seconds after the end of a pause until the faults of its port are forgotten."""


class Faults:
    """Logs faults, and keeps the ports that are paused."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._logged: set[tuple[str, int]] = set()
        """File and line of what raised. Bounded by the lines of the program."""
        self._ports: dict[int, BackOff] = {}

    def is_paused(self, now: float, port: int) -> bool:
        """Return whether the frames of a port, given by its ifindex, are dropped now."""
        back_off = self._ports.get(port)
        return back_off is not None and not back_off.is_due(now)

    def pause_port(self, now: float, port: int) -> None:
        """Drop the frames of a port for a while, for one of them has caused a fault."""
        for index, back_off in list(self._ports.items()):
            if back_off.is_due(now - FORGET_AFTER):
                del self._ports[index]
        self._ports.setdefault(port, BackOff(FIRST_PAUSE, LAST_PAUSE)).record_failure(now)

    def log(self, step: str, error: Exception, data: bytes | None = None, **facts: str) -> None:
        """Log a fault, unless one of the same place in the code was logged before.

        Args:
            step: of the loop.
            error: with its traceback.
            data: the frame or the message that caused it.
            facts: further fields of the log line.
        """
        place = _place(error)
        if place in self._logged:
            return
        self._logged.add(place)
        if data is not None:
            facts["hex"] = data.hex()
        self._log.error(
            "internal error; routing goes on, and further errors of this place are only counted",
            step=step,
            place=f"{place[0]}:{place[1]}",
            **facts,
            exc_info=error,
            cure="report this line to the authors of rdnbr",
        )


class Step:
    """One step of a turn. While it fails as a whole, it is run ever more seldom."""

    def __init__(
        self,
        name: str,
        run: Callable[[float], None],
        deadline: Callable[[], float | None],
        on_fault: Callable[[float, str, Exception], None],
    ) -> None:
        """Make a step.

        Args:
            name: in the log.
            run: does the work of the step; its argument is the time of the turn.
            deadline: returns when there is work although nothing arrives; None for never.
            on_fault: is called with the time, the name and the exception when one of the two has raised.
        """
        self.name = name
        self._run = run
        self._deadline = deadline
        self._on_fault = on_fault
        self._back_off = BackOff(FIRST_PAUSE, LAST_PAUSE)

    @property
    def failing(self) -> bool:
        """Whether the last run failed, so that the step is paused or about to be tried again."""
        return self._back_off.failing

    def run(self, now: float) -> None:
        """Do the work of the step unless the step is paused."""
        if not self._back_off.is_due(now):
            return
        try:
            self._run(now)
        except Exception as error:  # noqa: BLE001 (a fault of one step must not end the daemon)
            self._back_off.record_failure(now)
            self._on_fault(now, self.name, error)
        else:
            self._back_off.record_success()

    def next_deadline(self, now: float) -> float | None:
        """Return when the step has work although nothing arrives; None for never."""
        try:
            at = self._deadline()
        except Exception as error:  # noqa: BLE001 (likewise)
            self._on_fault(now, self.name, error)
            at = now + FIRST_PAUSE
        retry_at = self._back_off.retry_at
        return at if retry_at is None else max(retry_at, at or retry_at)


def _place(error: Exception) -> tuple[str, int]:
    """Return the file and the line that raised."""
    trace = error.__traceback__
    if trace is None:
        return "?", 0
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno
