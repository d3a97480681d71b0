"""Parses the firewall files: IP sets `ipfilter-netN` of /etc/pve/firewall/VMID.fw, and aliases.

Such a set lists the source addresses that the firewall permits to a network card, and therefore the addresses of the
card. Names are case-insensitive, as in Proxmox (pve-firewall, src/PVE/Firewall.pm, generic_fw_config_parser).
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rdnbr.core.model.problem import Problem
from rdnbr_proxmox.cluster import Text
from rdnbr_proxmox.guest import Named, read_prefix, whole_lines

_HEADER = re.compile(r"\[\s*(\w+)(?:\s+(\S+))?\s*\]\s*(?:#.*)?")
_FILTER = re.compile(r"ipfilter-net(\d{1,4})")
_ALIAS = re.compile(r"(dc/|guest/)?([a-z][a-z0-9_-]+)")

Aliases = Mapping[str, str]
"""Name, in lower case → address or range, as in the file."""


class _Line(NamedTuple):
    number: int
    section: str
    """In lower case: `aliases`, `ipset`, `options`, `rules`, `group`."""
    name: str
    """The name of the set, in lower case."""
    text: str
    """The line without its comment."""


def read_aliases(firewall: Text) -> Aliases:
    """Read the aliases that a file defines. An invalid definition is ignored; a set that uses it has a mistake."""
    aliases = {}
    for line in _lines(firewall.text):
        words = line.text.split()
        if line.section == "aliases" and len(words) == 2:
            aliases[words[0].lower()] = words[1]
    return aliases


def read_filters(
    firewall: Text, datacenter: Aliases
) -> tuple[dict[int, tuple[Named, ...]], list[tuple[int, Problem]]]:
    """Read a guest's IP sets.

    Returns:
        The prefixes in the sets, by number of the network card, and the mistakes, each with the number of the card.
    """
    own = read_aliases(firewall)
    prefixes: dict[int, tuple[Named, ...]] = {}
    problems = []
    for line in _lines(firewall.text):
        match = _FILTER.fullmatch(line.name)
        if line.section != "ipset" or match is None:
            continue
        card = int(match[1])
        deny = line.text.startswith("!")
        try:
            prefix = read_prefix(_resolve(line.text.removeprefix("!").strip(), own, datacenter))
        except ValueError as error:
            problems.append((card, Problem(firewall.file, line.number, f"{line.name}: {error}")))
        else:
            named = Named(prefix, line.name, firewall.file, line.number, deny)
            prefixes[card] = (*prefixes.get(card, ()), named)
    return prefixes, problems


def _lines(text: str) -> Iterator[_Line]:
    section = name = ""
    for number, line in whole_lines(text):
        if line.startswith("["):
            header = _HEADER.fullmatch(line)
            section, name = (header[1].lower(), (header[2] or "").lower()) if header else ("", "")
        elif content := line.partition("#")[0].strip():
            yield _Line(number, section, name, content)


def _resolve(text: str, own: Aliases, datacenter: Aliases) -> str:
    match = _ALIAS.fullmatch(text.lower())
    if match is None:
        return text
    address = None
    if match[1] != "dc/":
        address = own.get(match[2])
    if match[1] != "guest/":
        address = address or datacenter.get(match[2])
    if address is None:
        raise ValueError(f"there is no alias {text!r}; define it under [ALIASES], or write the address")
    return address
