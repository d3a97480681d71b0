"""What the daemon tells those who ask: the contract between the control socket and the daemon.

One JSON object a line goes each way. A request is ``{"command": …}``, with an ``"address"`` where one is
meant; the reply is ``{"ok": true, "result": …}`` or ``{"ok": false, "error": "one sentence"}``. The commands:

============  ==========  ============================================================================
command       address     result
============  ==========  ============================================================================
bindings      no          `views.bindings`
ports         no          `views.ports`
counters      no          `views.counters`
events        no          `views.events`
reload        no          ``{"message": "what was done"}``
explain       yes         `explanation_json.encode`
flush         optional    ``{"message": "what was done"}``
probe         yes         ``{"message": "what was done"}``
reannounce    yes         ``{"message": "what was done"}``
watch         no          ``{"watching": true}``, then a decision a line, until the watcher hangs up
============  ==========  ============================================================================

`watch` is the control socket's own affair; the daemon answers all others.
"""

from typing import Literal, Protocol, get_args

from rdnbr.core.model.address import IP

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
Document = dict[str, Json]

Command = Literal[
    "bindings", "ports", "counters", "events", "explain", "reload", "flush", "probe", "reannounce"
]
COMMANDS: tuple[Command, ...] = get_args(Command)


class Refused(Exception):
    """What was asked cannot be done; the message is one sentence for a person, and names the cure."""


class Answers(Protocol):
    """What the daemon has to have to be asked."""

    def answer(self, command: Command, address: IP | None) -> Document:
        """Do what was asked, and return what is to be told.

        Raises:
            Refused: it cannot be done.
        """
        ...
