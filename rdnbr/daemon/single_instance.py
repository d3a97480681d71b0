"""The daemon's use of the instance lock."""

from contextlib import ExitStack

from structlog.typing import FilteringBoundLogger

from rdnbr.daemon.startup_errors import CannotStart, another_runs
from rdnbr.linux.process.instance_lock import CannotLock, Held, InstanceLock, NoRoom


def hold_instance_lock(stack: ExitStack, log: FilteringBoundLogger) -> None:
    """Hold the lock of this network namespace until `stack` is closed.

    If the file system is full, the daemon runs without the lock and logs an error, since its guests need their routes.

    Raises:
        CannotStart: another daemon runs here, or the lock cannot be trusted.
    """
    try:
        stack.enter_context(InstanceLock())
    except Held as held:
        raise another_runs(held.holder) from None
    except NoRoom as error:
        log.error("no instance lock; a second daemon would not be refused", why=str(error))
    except CannotLock as error:
        raise CannotStart(str(error)) from None
