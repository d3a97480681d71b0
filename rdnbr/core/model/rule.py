"""One rule of the allowlist, and whom it is about."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC, show_ip, show_mac


class Claimant(NamedTuple):
    """Who claims an address."""

    mac: MAC
    port: str
    bridge: str
    vm: int | None
    """The guest number in a Proxmox port name; None where there is none."""
    vlan: int | None
    """None when untagged."""


class Prefix(NamedTuple):
    """An address range; the bits after `length` are zero."""

    address: IP
    length: int
    """bits"""

    def __str__(self) -> str:
        """Write a host without its length, as people do."""
        text = show_ip(self.address)
        return text if self.length == len(self.address) * 8 else f"{text}/{self.length}"


@dataclass(frozen=True, slots=True)
class Qualifiers:
    """What must be true of a claimant. Those not given are true of everybody."""

    ports: tuple[str, ...] = ()
    """Globs in order, one of which the port's name must match."""
    bridges: tuple[str, ...] = ()
    """Globs in order, one of which the bridge's name must match."""
    mac: MAC | None = None
    vm: int | None = None
    vlan: int | None = None

    def __bool__(self) -> bool:
        """Tell whether any was given."""
        return self != EVERYBODY

    def match(self, claimant: Claimant) -> bool:
        """Tell whether all of them are true of `claimant`."""
        return (
            self.mac in (None, claimant.mac)
            and self.vm in (None, claimant.vm)
            and self.vlan in (None, claimant.vlan)
            and (not self.ports or _any(self.ports, claimant.port))
            and (not self.bridges or _any(self.bridges, claimant.bridge))
        )

    def __str__(self) -> str:
        """Write them as an allowlist has them."""
        words = []
        if self.ports:
            words.append(f"port={','.join(self.ports)}")
        if self.bridges:
            words.append(f"bridge={','.join(self.bridges)}")
        if self.mac is not None:
            words.append(f"mac={show_mac(self.mac)}")
        if self.vm is not None:
            words.append(f"vm={self.vm}")
        if self.vlan is not None:
            words.append(f"vlan={self.vlan}")
        return " ".join(words)


EVERYBODY = Qualifiers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Permits, or denies, a prefix to the claimants its qualifiers match."""

    prefix: Prefix
    deny: bool = False
    qualifiers: Qualifiers = EVERYBODY
    anycast: bool = False
    """Several nodes may announce it: never subject to newest-wins."""
    vip: bool = False
    """It fails over: an announcement moves it without the incumbent being asked first."""
    wide: bool = False
    """Its author means a prefix this wide."""
    where: str = ""
    """`file:line`"""

    def __str__(self) -> str:
        """Write it as an allowlist has it; reading that gives an equal rule again, but for `where`."""
        flags = [name for name in ("anycast", "vip", "wide") if getattr(self, name)]
        words = ["deny" if self.deny else "", str(self.prefix), str(self.qualifiers), *flags]
        return " ".join(word for word in words if word)


def _any(globs: tuple[str, ...], name: str) -> bool:
    return any(_test(glob)(name) for glob in globs)


# fnmatch remembers 256 patterns only; thousands of rules may bring one each, and every claim would compile.
@lru_cache(maxsize=1 << 14)
def _test(glob: str) -> Callable[[str], object]:
    return glob.__eq__ if frozenset("*?[").isdisjoint(glob) else re.compile(translate(glob)).match
