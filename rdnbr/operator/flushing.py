"""Removing everything of ours from the kernel where no daemon runs to do it."""

from rdnbr.core.address import parse_ip
from rdnbr.core.plan import DropRoute, plan
from rdnbr.linux import nft, nft_table, sole
from rdnbr.linux.fib import Fib
from rdnbr.linux.permission import missing
from rdnbr.operator.client import CannotAsk
from rdnbr.operator.counted import counted


def flush_kernel(address: str | None) -> str:
    """Remove our routes and neighbours, of one address or all, with all our table too, and return a sentence on it.

    Raises:
        CannotAsk: that is not permitted, or there is nothing of that address, or the kernel refuses.
    """
    if "CAP_NET_ADMIN" in missing():
        raise CannotAsk("removing routes needs CAP_NET_ADMIN; run it as root")
    place = sole.claim()
    if place is None:
        raise CannotAsk(
            "a daemon runs in this network namespace, but answers on another socket; name that with --socket"
        )
    wanted = None if address is None else parse_ip(address)
    fib = Fib()
    try:
        routes, neighbours = fib.found()
        operations = plan(
            [],
            [route for route in routes if wanted in (None, route.address)],
            [entry for entry in neighbours if wanted in (None, entry.address)],
        )
        refusals = fib.apply(operations)
    finally:
        fib.close()
        place.close()
    if refusals:
        raise CannotAsk("; ".join(f"{refusal.operation}: {refusal.text}" for refusal in refusals))
    if address is not None and not operations:
        raise CannotAsk(f"nothing of rdnbr's is in the kernel for {address}")
    removed = sum(isinstance(operation, DropRoute) for operation in operations)
    sentence = f"removed {counted(removed, 'route')} and {counted(len(operations) - removed, 'neighbour')}"
    if address is None and _filter_removed():
        sentence += f", and the nftables table {nft_table.TABLE}"
    return sentence


def _filter_removed() -> bool:
    try:
        return nft.removed()
    except nft.NftError as error:
        raise CannotAsk(f"cannot remove the nftables table {nft_table.TABLE}: {error}") from error
