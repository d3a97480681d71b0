"""The protocol of the control socket, and what the daemon has to provide for it.

Each request and each reply is one JSON object on one line. A request is ``{"command": …}``, with an ``"address"`` where
the command takes one. The reply is ``{"ok": true, "result": …}`` or ``{"ok": false, "error": "one sentence"}``.

============  ==========  ==============================================================================
command       address     result
============  ==========  ==============================================================================
bindings      no          `json_slices.bindings`
ports         no          `json_slices.ports`
counters      no          `json_slices.counters`
events        no          `json_slices.events`
metrics       no          `json_slices.metrics`
reload        no          ``{"message": "what was done"}``
explain       yes         `explanation_json.encode`
flush         optional    ``{"message": "what was done"}``; with ``"port": NAME`` instead, that port is flushed
probe         yes         ``{"message": "what was done", "at": "when it was probed, as RFC 3339 has it"}``
reannounce    yes         ``{"message": "what was done"}``
watch         no          ``{"watching": true}``, then one decision a line, until the client disconnects
============  ==========  ==============================================================================

A request to watch with ``"frames": true`` adds a last key ``"frame"`` to each decision: the Ethernet frame that caused
it, in hexadecimal, at most 256 bytes; null if no frame did.

The control server itself serves `watch`. The daemon executes all other commands.
"""

from collections.abc import Iterator
from typing import Literal, Protocol, get_args

from rdnbr.core.model.address import IP

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
Document = dict[str, Json]

Command = Literal[
    "bindings", "ports", "counters", "events", "metrics", "explain", "reload", "flush", "probe", "reannounce"
]
COMMANDS: tuple[Command, ...] = get_args(Command)


class Refused(Exception):
    """The daemon cannot or will not execute the command. The message is one sentence that names the remedy."""


class PendingReply:
    """The reply to a command that takes several turns of the loop."""

    def __init__(self) -> None:
        self.outcome: Document | Refused | None = None
        """The result or the refusal; None until the command has ended."""


Reply = Document | Iterator[str] | PendingReply
"""A result; or the JSON text of a long result in slices, each made in a turn of its own; or a result that follows."""


class CommandTarget(Protocol):
    """The daemon, as the control server sees it."""

    def execute(self, command: Command, address: IP | None) -> Reply:
        """Execute a command.

        Raises:
            Refused: the command cannot be executed.
        """
        ...

    def flush_port(self, name: str) -> Reply:
        """Execute `flush` for one port.

        Raises:
            Refused: there is no such port.
        """
        ...
