"""What a command does instead of asking the daemon, when none answers: it holds the daemon's lock meanwhile."""

from rdnbr.linux.process.instance_lock import CannotLock, Held, InstanceLock
from rdnbr.operator.control.client import CommandFailed


def lock_offline() -> InstanceLock:
    """Return the instance lock, held, so that no daemon starts while a command changes the kernel.

    Raises:
        CommandFailed: a daemon holds it, or it cannot be trusted.
    """
    try:
        return InstanceLock()
    except Held:
        raise CommandFailed(
            "a daemon runs in this network namespace, but answers on another socket; name that with --socket"
        ) from None
    except CannotLock as error:
        raise CommandFailed(str(error)) from None
