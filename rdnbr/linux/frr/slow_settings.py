"""Reads bgpd's running configuration: settings that keep BGP from telling of a guest at once."""

import re
from typing import NamedTuple

COALESCE = 100
"""Milliseconds of `coalesce-time` from which on it is slow: bgpd holds each change for some 50 ms in any case."""

_INSTANCE = re.compile(r"router bgp \d+(?:\.\d+)?(?: (?:vrf|view) \S+)?")
_FAMILY = re.compile(r" address-family .+")
_SLOW = (
    ("bgp-coalesce-time", re.compile(r"coalesce-time (\d+)"), COALESCE),
    ("bgp-advertisement-interval", re.compile(r"neighbor \S+ advertisement-interval (\d+)"), 0),
    ("bgp-update-delay", re.compile(r"(?:bgp )?update-delay (\d+).*"), 0),
    ("bgp-dampening", re.compile(r"(?:bgp|neighbor \S+) dampening.*"), 0),
)
"""The finding, the line, and the number up to which it does no harm."""


class SlowSetting(NamedTuple):
    """A line of the configuration that slows BGP."""

    finding: str
    """Its name in `rdnbr doctor`."""
    line: str
    within: tuple[str, ...]
    """The lines that it stands under: `router bgp …`, and perhaps `address-family …`. Empty: it stands under none."""

    @property
    def cure(self) -> str:
        """The command that removes it."""
        return "vtysh " + " ".join(
            f"-c '{line}'" for line in ("configure terminal", *self.within, f"no {self.line}")
        )


def read_slow_settings(configuration: str) -> list[SlowSetting]:
    """Return the settings of bgpd's running configuration that slow BGP, in their order."""
    found = []
    within: tuple[str, ...] = ()
    for line in configuration.splitlines():
        if not line.startswith((" ", "!")):
            within = (line,) if _INSTANCE.fullmatch(line) else ()
        elif line.startswith(" exit-address-family"):
            within = within[:1]
        elif within and _FAMILY.fullmatch(line):
            within = (within[0], line.strip())
        for name, pattern, harmless in _SLOW:
            match = pattern.fullmatch(line.strip())
            if match is not None and (not match.groups() or int(match[1]) > harmless):
                found.append(SlowSetting(name, line.strip(), within))
    return found
