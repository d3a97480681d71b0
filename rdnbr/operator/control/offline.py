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
    except Held as held:
        raise CommandFailed(
            f"process {held.holder or 'of another namespace'} is a daemon of this network namespace, and has another "
            "socket, or none; name its configuration with --config, or its socket with --socket"
        ) from None
    except CannotLock as error:
        raise CommandFailed(str(error)) from None
