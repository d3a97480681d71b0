"""Parses a guest's configuration: /etc/pve/nodes/NODE/qemu-server/VMID.conf and …/lxc/VMID.conf.

Only the lines before the first `[section]` count. Sections hold snapshots, changes for the next start of the guest
(`[PENDING]`, `[pve:pending]`), and the values of an older cloud-init image (`[special:cloudinit]`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_interface, ip_network
from itertools import takewhile
from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC, parse_mac
from rdnbr.core.model.problem import Problem
from rdnbr.core.model.rule import Prefix
from rdnbr_proxmox.cluster import Kind, Text

MODELS = frozenset(
    {
        *("e1000", "e1000-82540em", "e1000-82544gc", "e1000-82545em", "e1000e"),
        *("i82551", "i82557b", "i82559er", "ne2k_isa", "ne2k_pci", "pcnet", "rtl8139", "virtio", "vmxnet3"),
    }
)
"""Models of a QEMU guest's network card. The MAC may be the value of the model: `virtio=52:02:45:76:d2:35`
(qemu-server, src/PVE/QemuServer/Network.pm)."""

WITHOUT_ADDRESS = frozenset({"dhcp", "auto", "manual"})
"""Values of `ip` and `ip6` that name no address."""

_LINE = re.compile(r"([a-z][a-z_-]*)(\d{0,4}):\s*(.+?)\s*")
_RAW_LXC = re.compile(r"lxc\.[a-z0-9_.-]+(:|\s*=).*")
"""Lines of a container's configuration that are for LXC itself (pve-container, src/PVE/LXC/Config.pm)."""


class Named(NamedTuple):
    """A prefix that a setting gives to a network card."""

    prefix: Prefix
    by: str
    """The setting: `net0`, `ipconfig0` or `ipfilter-net0`."""
    file: str
    line: int
    deny: bool = False
    """Whether the prefix is an exception from a shorter prefix."""


@dataclass(frozen=True, slots=True)
class Card:
    """A network card of a guest."""

    number: int
    mac: MAC | None
    """None: the guest gets a new MAC at each start."""
    addresses: tuple[Named, ...] = ()

    @property
    def name(self) -> str:
        """The setting's name."""
        return f"net{self.number}"


class Tagged(NamedTuple):
    """A network card with a VLAN tag. Proxmox plugs it into another bridge than the configured one."""

    name: str
    """The setting's name."""
    bridge: str
    """The name of the other bridge (pve-common, src/PVE/Network.pm: activate_bridge_vlan)."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest, as its configuration describes it."""

    name: str
    template: bool
    cards: tuple[Card, ...]
    """The cards on the given bridges, in the order of their numbers."""
    tagged: tuple[Tagged, ...]
    """The cards that are configured for these bridges, but have a VLAN tag."""


_Key = tuple[str, int | None]
"""`net0` is ("net", 0), and `name` is ("name", None)."""


class _Setting(NamedTuple):
    line: int
    value: str


def read_guest(kind: Kind, config: Text, bridges: Sequence[str]) -> tuple[Guest, list[Problem]]:
    """Parse a configuration. Return the guest, and every mistake that concerns these bridges (names or globs)."""
    settings = dict(_settings(config.text))
    name = settings.get(("name" if kind == "qemu" else "hostname", None), _Setting(0, "")).value
    template = settings.get(("template", None), _Setting(0, "0")).value == "1"
    problems: list[Problem] = []
    cards, tagged = [], []
    for (key, number), setting in sorted(settings.items(), key=lambda item: item[0][1] or 0):
        if key != "net" or number is None:
            continue
        words = _words(setting.value)
        bridge = words.get("bridge", "")
        if not any(fnmatchcase(bridge, glob) for glob in bridges):
            continue
        if tag := words.get("tag"):
            tagged.append(Tagged(f"net{number}", f"{bridge}v{tag}"))
        else:
            addressed = ("net" if kind == "lxc" else "ipconfig", number)
            cards.append(_card(number, setting, addressed, settings.get(addressed), config.file, problems))
    # If the guest has no card on these bridges, only a line that may be a misspelled card matters.
    begins = "" if cards else "net"
    problems += [
        Problem(config.file, line, f"{text!r} is no setting; write it as 'name: value'")
        for line, text in _unread(config.text)
        if text.startswith(begins)
    ]
    return Guest(name, template, tuple(cards), tuple(tagged)), problems


def whole_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line that is neither blank nor a comment."""
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def read_prefix(text: str) -> Prefix:
    """Read an address or a range.

    Raises:
        ValueError: it is neither. The message says what to write.
    """
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no address; write for example 2.57.57.30 or 2001:db8:1::/64") from None
    if ip_interface(text).ip != network.network_address:
        raise ValueError(
            f"{text} has bits set beyond its /{network.prefixlen}; write {network} for the range"
        )
    return Prefix(IP(network.network_address.packed), network.prefixlen)


def _settings(text: str) -> Iterator[tuple[_Key, _Setting]]:
    """Yield the key, line and value of each setting. If a key is repeated, its last value counts."""
    for number, line in _head(text):
        if match := _LINE.fullmatch(line):
            yield (match[1], int(match[2]) if match[2] else None), _Setting(number, match[3])


def _unread(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line that is no setting."""
    for number, line in _head(text):
        if not _LINE.fullmatch(line) and not _RAW_LXC.fullmatch(line):
            yield number, line


def _head(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines before the first section."""
    return takewhile(lambda line: not line[1].startswith("["), whole_lines(text))


def _card(
    number: int, setting: _Setting, by: _Key, addressed: _Setting | None, file: str, problems: list[Problem]
) -> Card:
    words = _words(setting.value)
    mac = None
    given = next((words[key] for key in ("macaddr", "hwaddr", *MODELS) if words.get(key)), None)
    if given is not None:
        try:
            mac = parse_mac(given)
        except ValueError as error:
            problems.append(Problem(file, setting.line, f"net{number}: {error}"))
    addresses = []
    if addressed is not None:
        words, name = _words(addressed.value), f"{by[0]}{by[1]}"
        for key in ("ip", "ip6"):
            value = words.get(key, "manual")
            if value in WITHOUT_ADDRESS:
                continue
            try:
                addresses.append(Named(_host(value), name, file, addressed.line))
            except ValueError as error:
                problems.append(Problem(file, addressed.line, f"{name}: {key}={error}"))
    return Card(number, mac, tuple(addresses))


def _words(value: str) -> Mapping[str, str]:
    return {key: word for key, _, word in (part.strip().partition("=") for part in value.split(","))}


def _host(text: str) -> Prefix:
    """Read the address of a host. The prefix length belongs to its link, and is ignored."""
    try:
        host = ip_interface(text).ip
    except ValueError:
        raise ValueError(f"{text} is no address; write for example 2.57.57.30/32") from None
    return Prefix(IP(host.packed), host.max_prefixlen)
