"""A cure: how to correct a finding, as data, so that a person can paste it and a program can run it."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from rdnbr.operator.control.protocol import Document

LOCAL_SYSCTLS = "/etc/sysctl.d/95-rdnbr-local.conf"
"""The file into which a cure writes sysctls, so that they last."""


@dataclass(frozen=True, slots=True)
class Cure:
    """What to do. A finding that is meant to be, or that only time heals, has advice alone."""

    commands: tuple[str, ...] = ()
    """Shell commands for root, in their order. Each is complete: it names this port, this prefix, this AS."""
    lasting: tuple[str, ...] = ()
    """Commands that make it last over a reboot or a restart of FRR; empty if `commands` last by themselves."""
    advice: str = ""
    """Prose: when the commands are right, or what to do where no command can help."""
    in_guest: bool = False
    """Whether the commands are for the guest, and not for the node."""

    def __str__(self) -> str:
        """Return the cure in one line: the commands, or the advice where there are none."""
        commands = "; ".join(self.commands)
        return f"in the guest: {commands}" if self.in_guest and commands else commands or self.advice

    def lines(self) -> Iterator[str]:
        """Yield the lines that a person reads, each command on a line of its own."""
        where = "in the guest:" if self.in_guest else ""
        yield " ".join(filter(None, ("    cure:", self.advice, where)))
        yield from (f"        {command}" for command in self.commands)
        if self.lasting:
            yield "    to make it last:"
            yield from (f"        {command}" for command in self.lasting)

    def document(self) -> Document:
        """Return the JSON form, whose keys are promised to scripts."""
        return {
            "cure": str(self),
            "commands": list(self.commands),
            "lasting": list(self.lasting),
            "advice": self.advice or None,
            "in_guest": self.in_guest,
        }

    @classmethod
    def advise(cls, advice: str) -> Self:
        """Return a cure without commands."""
        return cls(advice=advice)

    @classmethod
    def run(cls, *commands: str, advice: str = "", in_guest: bool = False) -> Self:
        """Return a cure whose commands last by themselves, or cannot be made to last by a command."""
        return cls(commands, advice=advice, in_guest=in_guest)


def set_sysctls(*settings: str, advice: str = "") -> Cure:
    """Return the cure that sets sysctls (`net.ipv4.ip_forward=1`) now and for good."""
    return Cure(
        (f"sysctl -w {' '.join(settings)}",),
        tuple(f"echo {setting} >> {LOCAL_SYSCTLS}" for setting in settings),
        advice,
    )


def sysctl_setting(path: str, device: str, value: int) -> str:
    """Write a setting in the syntax of sysctl(8), in which a dot in a device's name becomes a slash.

    Args:
        path: under net/, with `{}` for the device.
        device: `all`, or its name.
        value: of the setting.
    """
    return f"net.{path.replace('/', '.').format(device.replace('.', '/'))}={value}"


def configure_frr(*lines: str) -> str:
    """Return the command that enters lines into the configuration of FRR."""
    return " ".join(("vtysh", *(f"-c {shlex.quote(line)}" for line in ("configure terminal", *lines))))


SAVE_FRR = ("vtysh -c 'write memory'",)
"""Makes what was entered into the configuration of FRR last."""
