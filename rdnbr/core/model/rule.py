"""One rule of the allowlist, and the claimants that it matches."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC, show_ip, show_mac


class Claimant(NamedTuple):
    """The guest that claims an address."""

    mac: MAC
    port: str
    bridge: str
    vm: int | None
    """The guest number in a Proxmox port name. None if the port name has none."""
    vlan: int | None
    """None when untagged."""
    physical_mac: MAC | None = None
    """The MAC of the card behind a virtual-router MAC, which a rule may name as well; None: `mac` is that of the card.
    All zero: behind `mac` is a card whose MAC is not known yet."""


class Prefix(NamedTuple):
    """An address range. The bits after `length` are zero."""

    address: IP
    length: int
    """bits"""

    def __str__(self) -> str:
        """Write the prefix as text, a host without its length."""
        text = show_ip(self.address)
        return text if self.length == len(self.address) * 8 else f"{text}/{self.length}"


@dataclass(frozen=True, slots=True)
class Qualifiers:
    """Conditions on a claimant. A condition that is not given matches every claimant."""

    ports: tuple[str, ...] = ()
    """Sorted globs. The port's name must match one of them."""
    bridges: tuple[str, ...] = ()
    """Sorted globs. The bridge's name must match one of them."""
    mac: MAC | None = None
    vm: int | None = None
    vlan: int | None = None

    def __bool__(self) -> bool:
        """Return whether any condition was given."""
        return self != ANY_CLAIMANT

    def match(self, claimant: Claimant) -> bool:
        """Return whether `claimant` meets all conditions."""
        return (
            (self.mac is None or self.mac in (claimant.mac, claimant.physical_mac))
            and self.vm in (None, claimant.vm)
            and self.vlan in (None, claimant.vlan)
            and (not self.ports or matches_any(self.ports, claimant.port))
            and (not self.bridges or matches_any(self.bridges, claimant.bridge))
        )

    def __str__(self) -> str:
        """Write them in the syntax of the allowlist."""
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


ANY_CLAIMANT = Qualifiers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Permits or denies a prefix to the claimants that its qualifiers match."""

    prefix: Prefix
    deny: bool = False
    qualifiers: Qualifiers = ANY_CLAIMANT
    anycast: bool = False
    """Several nodes may announce the address. Newest-wins never applies to it."""
    vip: bool = False
    """The address fails over: an announcement moves it without a probe to the incumbent."""
    static: bool = False
    """The address is routed without probes while its port and MAC are there."""
    connected: bool = False
    """The address is a guest's although a prefix of another interface of the node contains it."""
    wide: bool = False
    """The author confirms that so short a prefix is intended."""
    where: str = ""
    """`file:line`"""

    def flags(self) -> tuple[str, ...]:
        """Return the flags that change what the rule means; `wide` does not."""
        return tuple(name for name in ("anycast", "vip", "static", "connected") if getattr(self, name))

    def __str__(self) -> str:
        """Write it in the syntax of the allowlist. Parsing the text gives an equal rule, except for `where`."""
        words = ["deny" if self.deny else "", str(self.prefix), str(self.qualifiers), *self.flags()]
        if self.wide:
            words.append("wide")
        return " ".join(word for word in words if word)


def is_static(rule: Rule | None) -> bool:
    """Tell whether a rule, which is None in open mode, says `static`."""
    return rule is not None and rule.static


def matches_any(globs: tuple[str, ...], name: str) -> bool:
    """Return whether a device's name matches one of the globs."""
    return any(_compile_glob(glob)(name) for glob in globs)


# fnmatch caches only 256 patterns. With thousands of rules, one pattern each, every claim would compile patterns.
@lru_cache(maxsize=1 << 14)
def _compile_glob(glob: str) -> Callable[[str], object]:
    return glob.__eq__ if frozenset("*?[").isdisjoint(glob) else re.compile(translate(glob)).match
