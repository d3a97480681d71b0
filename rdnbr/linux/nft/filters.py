"""Reads the packet filters of this network namespace: nftables, and iptables of both kinds. Nothing is changed."""

import shutil
import subprocess
from pathlib import Path

from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.linux.nft import command
from rdnbr.linux.nft.filter_rules import Chain
from rdnbr.linux.nft.iptables_save import read_save
from rdnbr.linux.nft.nft_listing import has_xtables_rules, read_ruleset

_TIMEOUT = 10.0
"""Seconds that a program may take."""
_PROGRAMS = {"ip": "iptables", "ip6": "ip6tables"}
_NAMES = {"ip": Path("/proc/net/ip_tables_names"), "ip6": Path("/proc/net/ip6_tables_names")}
"""The tables of the legacy iptables that are in use. Its program would create the others, so this is read first."""


def read_filters() -> tuple[Chain, ...] | UnreadFact:
    """Return all chains that filter packets or frames."""
    try:
        return _filters()
    except command.NftError as error:
        return UnreadFact(f"packet filters were not looked at, for nft says: {error}", "be root")
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return UnreadFact(
            f"packet filters were not looked at: what nft or iptables lists is in an unknown form ({error!r})",
            "nft list ruleset shows them; report the rule",
        )


def _filters() -> tuple[Chain, ...]:
    """Return all chains that filter packets or frames.

    Raises:
        NftError: nft is not permitted.
        LookupError, TypeError, ValueError, AttributeError: a listing is not in the form that its program documents.
    """
    chains: list[Chain] = []
    if command.is_installed():
        listing = command.list_ruleset()
        chains += read_ruleset(listing)
        for family, program in _PROGRAMS.items():
            saved = _saved(family, f"{program}-nft", program) if has_xtables_rules(listing, family) else []
            if saved:  # nft has not understood all rules of this table
                chains = [one for one in chains if (one.family, one.table) != (family, "filter")] + saved
    for family, program in _PROGRAMS.items():
        try:
            tables = _NAMES[family].read_text().split()
        except OSError:
            continue
        if "filter" in tables:
            chains += _saved(family, f"{program}-legacy", program)
    return tuple(chains)


def _saved(family: str, *programs: str) -> list[Chain]:
    """Return the chains of the first of these programs that is installed."""
    for program in programs:
        path = shutil.which(f"{program}-save", path=command.search_path())
        if path is not None:
            return read_save(_run(path), family, program)
    return []


def _run(path: str) -> str:
    """Return what a program prints; nothing if it fails."""
    try:
        done = subprocess.run(  # noqa: S603
            [path, "-t", "filter"],
            check=False,
            text=True,
            capture_output=True,
            timeout=_TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
