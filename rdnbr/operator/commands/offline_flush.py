"""`rdnbr flush` without a daemon: removes everything of rdnbr's from the kernel."""

from rdnbr.core.fib.diff import plan
from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.fib_entries import DropRoute
from rdnbr.linux.netlink.kernel_fib import KernelFib
from rdnbr.linux.netlink.kernel_pins import remove_all_pins
from rdnbr.linux.nft import command, ruleset
from rdnbr.linux.process.capabilities import missing
from rdnbr.operator.control.client import CommandFailed
from rdnbr.operator.control.offline import lock_offline
from rdnbr.operator.text.phrases import counted


def flush_kernel(address: str | None) -> str:
    """Remove rdnbr's routes and neighbours, and return a sentence that says what was removed.

    Args:
        address: the address whose entries are removed; None removes all entries, all pinned MACs and the
            nftables table.

    Raises:
        CommandFailed: the permission is lacking, the address has no entries, or the kernel refuses.
    """
    if "CAP_NET_ADMIN" in missing():
        raise CommandFailed("removing routes needs CAP_NET_ADMIN; run it as root")
    lock = lock_offline()
    wanted = None if address is None else parse_ip(address)
    fib = KernelFib()
    try:
        routes, neighbours = fib.read_entries()
        operations = plan(
            [],
            [route for route in routes if wanted in (None, route.address)],
            [entry for entry in neighbours if wanted in (None, entry.address)],
        )
        refusals = fib.apply(operations)
    finally:
        fib.close()
        lock.close()
    if refusals:
        raise CommandFailed("; ".join(f"{refusal.operation}: {refusal.text}" for refusal in refusals))
    if address is not None and not operations:
        raise CommandFailed(f"nothing of rdnbr's is in the kernel for {address}")
    removed = sum(isinstance(operation, DropRoute) for operation in operations)
    sentence = f"removed {counted(removed, 'route')} and {counted(len(operations) - removed, 'neighbour')}"
    if address is not None:
        return sentence
    try:
        pins = remove_all_pins()
    except OSError as error:
        raise CommandFailed(f"cannot remove the pinned MACs: {error}") from error
    if pins:
        sentence += f", and {counted(pins, 'pinned MAC')}"
    if _filter_removed():
        sentence += f", and the nftables table {ruleset.TABLE}"
    return sentence


def _filter_removed() -> bool:
    try:
        return command.remove_table()
    except command.NftError as error:
        raise CommandFailed(f"cannot remove the nftables table {ruleset.TABLE}: {error}") from error
