"""The grammar of one allowlist line: `[deny] prefix [qualifier | flag]…`.

The parser reports every mistake in a line, and each message ends with what to write instead.
"""

from collections.abc import Callable
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from typing import Any

from rdnbr.core.model.address import IP, MAC, ZERO_MAC, parse_mac
from rdnbr.core.model.rule import Prefix, Qualifiers, Rule
from rdnbr.core.model.special_purpose import special_purpose_name
from rdnbr.core.policy.unmatchable import unmatchable

EXAMPLES = "2.57.57.30, 2.57.57.0/24 or 2001:db8:100::/64"
NARROWEST_WITHOUT_WIDE = {4: 8, 6: 16}
FLAGS = ("anycast", "vip", "static", "connected", "wide")

_V4_MAPPED = IPv6Network("::ffff:0:0/96")


def parse_rule(line: str, where: str) -> Rule | list[str]:
    """Parse a line that is neither blank nor only a comment.

    Args:
        line: the line.
        where: its place, as `file:line`.

    Returns:
        The rule, or one message for each mistake.
    """
    words = line.partition("#")[0].split()
    mistakes: list[str] = []
    remark = next((at for at, word in enumerate(words) if word.startswith((";", "//"))), None)
    if remark is not None:
        mistakes.append(f"{words[remark]!r} is not known; a comment begins with '#'")
        words = words[:remark]
        if not words:
            return mistakes
    deny = words[0] == "deny"
    if deny:
        words = words[1:]
    elif mistake_in_verb := _wrong_verb(words[0]):
        mistakes.append(mistake_in_verb)
        words = words[1:]
    prefix = None
    try:
        prefix = _parse_prefix(words[0] if words else "")
    except ValueError as mistake:
        mistakes.append(str(mistake))
    given: dict[str, Any] = {}
    for word in words[1:]:
        if prefix is None and "=" not in word:
            continue  # without a prefix, the word may be a misspelled prefix rather than a flag
        try:
            _parse_qualifier(word, given)
        except ValueError as mistake:
            mistakes.append(str(mistake))
    flags = {flag: given.pop(flag, False) for flag in FLAGS}
    if prefix is not None:
        mistakes += _contradictions(prefix, deny=deny, **flags)
    qualifiers = Qualifiers(**given)
    mistakes += unmatchable(qualifiers)
    if prefix is None or mistakes:
        return mistakes
    return Rule(prefix=prefix, deny=deny, qualifiers=qualifiers, where=where, **flags)


def _wrong_verb(word: str) -> str | None:
    if word in ("permit", "allow", "accept"):
        return f"{word!r} is not needed: a rule permits unless it begins with 'deny'; leave the word out"
    if word.lower() in ("deny", "drop", "block", "reject", "refuse"):
        return f"{word!r} is not known; write 'deny'"
    return None


def _parse_prefix(text: str) -> Prefix:
    if not text:
        raise ValueError(f"a rule needs an address; write one after 'deny', such as {EXAMPLES}")
    host, slash, length_text = text.partition("/")
    if "%" in host:
        raise ValueError(
            f"{host!r} names an interface; leave out {host[host.index('%') :]!r}, use bridge= or port="
        )
    try:
        address = IPv6Address(host) if ":" in host else IPv4Address(host)
    except ValueError as error:
        raise ValueError(
            f"{host!r} is not an address ({error}); a rule begins with one, such as {EXAMPLES}"
        ) from None
    length = _parse_length(text, length_text, address.max_prefixlen) if slash else address.max_prefixlen
    network = ip_network((address.packed, length), strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(_V4_MAPPED):
        inner = Prefix(IP(network.network_address.packed[-4:]), length - 96)
        raise ValueError(f"{text} is an IPv4-mapped IPv6 address; write {inner}")
    if network.network_address != address:
        raise ValueError(
            f"{text} has bits set beyond its /{length}; write {network} for the range, {address} for the host"
        )
    return Prefix(IP(network.network_address.packed), length)


def _parse_length(text: str, length: str, longest: int) -> int:
    if _is_number(length) and int(length) <= longest:
        return int(length)
    try:
        cure = f"write {ip_network(text, strict=False)}"  # ip_network() accepts 255.255.255.0
    except ValueError:
        cure = f"write a number from 0 to {longest}, or none for a host"
    raise ValueError(f"/{length} is not a prefix length; {cure}")


def _parse_qualifier(word: str, given: dict[str, Any]) -> None:
    """Parse a qualifier or a flag into `given`, by field name.

    Raises:
        ValueError: with the message for the operator.
    """
    name, equals, value = word.partition("=")
    if name in FLAGS:
        if equals:
            raise ValueError(f"{name!r} takes no value; write {name} alone")
        given[name] = True
        return
    if name not in QUALIFIERS:
        raise ValueError(f"unknown qualifier {name or word!r}; {_suggestion(name or word, value)}")
    key, example, reader = QUALIFIERS[name]
    if not value:
        raise ValueError(f"{name}= needs a value; write for example {name}={example}")
    if key in given:
        cure = (
            f"write {name}=A,B for either" if name in ("port", "bridge") else "leave one, or write two rules"
        )
        raise ValueError(f"{name}= is given twice; {cure}")
    given[key] = reader(value)


def _suggestion(name: str, value: str) -> str:
    if name[0].isdigit():
        return f"a line has one prefix; write a line of its own for {name}"
    close = get_close_matches(name.lower(), (*QUALIFIERS, *FLAGS), n=1)
    if not close:
        return f"known are {', '.join([f'{known}=' for known in QUALIFIERS] + list(FLAGS))}"
    if close[0] in FLAGS:
        return f"did you mean {close[0]}?"
    return f"did you mean {close[0]}={value or QUALIFIERS[close[0]][1]}?"


def _globs(value: str) -> tuple[str, ...]:
    globs = value.split(",")
    if not all(globs):
        raise ValueError(f"{value!r} has an empty name in it; write names with one comma between them")
    return tuple(sorted(set(globs)))


def _mac(value: str) -> MAC:
    mac = parse_mac(value)
    if mac == ZERO_MAC or mac[0] & 1:
        raise ValueError(
            f"{value} cannot be a guest's MAC: it is zero or a group address; write the guest's MAC"
        )
    return mac


def _number(name: str, lowest: int, highest: int) -> Callable[[str], int]:
    def read_number(value: str) -> int:
        if not _is_number(value) or not lowest <= int(value) <= highest:
            raise ValueError(f"{name}={value} is not possible; write a number from {lowest} to {highest}")
        return int(value)

    return read_number


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


QUALIFIERS: dict[str, tuple[str, str, Callable[[str], Any]]] = {
    "port": ("ports", "tap100i0", _globs),
    "bridge": ("bridges", "vmbr1", _globs),
    "mac": ("mac", "52:02:45:76:d2:35", _mac),
    "vm": ("vm", "100", _number("vm", 1, 999_999_999)),
    "vlan": ("vlan", "7", _number("vlan", 1, 4094)),
}
"""Qualifier → field of `Qualifiers`, an example value, and the parser of a value."""


def _contradictions(
    prefix: Prefix, *, deny: bool, anycast: bool, vip: bool, static: bool, connected: bool, wide: bool
) -> list[str]:
    network = ip_network((prefix.address, prefix.length))
    mistakes = []
    narrowest = NARROWEST_WITHOUT_WIDE[network.version]
    if prefix.length < narrowest and not wide:
        mistakes.append(
            f"{prefix} is wider than /{narrowest}; write a longer prefix, or add 'wide' if all of it is meant"
        )
    if deny and (anycast or vip or static or connected):
        mistakes.append(
            "a rule that denies has no use for 'anycast', 'vip', 'static' or 'connected'; leave them out"
        )
    if prefix.length < network.max_prefixlen:
        mistakes += [
            f"'{flag}' is for single addresses; write a rule for each address of a guest"
            for flag, given in (("static", static), ("connected", connected))
            if given
        ]
    name = None if deny else special_purpose_name(prefix)
    if name is not None:
        mistakes.append(f"{prefix} is {name}: nobody may claim it; remove the rule")
    return mistakes
