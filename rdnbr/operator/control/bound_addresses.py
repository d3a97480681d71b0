"""Reads what the daemon sends of guests: which address is where, when it was last heard, and what a guest asks for."""

from typing import NamedTuple

from rdnbr.core.model.address import IP, MAC
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.question import Question
from rdnbr.operator.control.client import Client
from rdnbr.operator.control.json_fields import Fields, flag, integer, ip, mac, moment, text


class BoundAddress(NamedTuple):
    """One binding, as far as other commands than `show` need it."""

    address: IP
    mac: MAC
    port: str | None
    bridge: str
    state: State
    installed: bool
    since: float
    """Seconds since 1970."""
    last_seen: float
    """Seconds since 1970."""
    rule: str | None = None
    """The allowlist rule that permits it, as `file:line`; None in open mode."""
    physical_mac: MAC | None = None
    """The MAC of the card behind a virtual-router MAC; None where there is no other, or an older daemon answers."""


def read_bound_addresses(client: Client) -> tuple[BoundAddress, ...]:
    """Return all bindings.

    Raises:
        CommandFailed: the daemon does not answer, or is of another version.
    """
    return tuple(
        BoundAddress(
            one.get("address", ip),
            one.get("mac", mac),
            one.optional("port", text),
            one.get("bridge", text),
            one.get("state", lambda value: State(text(value))),
            one.get("installed", flag),
            one.get("since", moment),
            one.get("last_seen", moment),
            one.optional("rule", text),
            one.optional("physical_mac", mac) if "physical_mac" in one else None,
        )
        for one in Fields(client.request("bindings")).objects("bindings")
    )


def read_question(one: Fields) -> Question:
    """Return one question that nobody answers; the daemon does not send when it was asked.

    Raises:
        OtherVersion: the daemon is of another version.
    """
    return Question(
        one.get("mac", mac), one.get("address", ip), one.get("target", ip), one.get("times", integer), 0.0
    )
