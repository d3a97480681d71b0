"""The command line: commands, options, and the text of `--help`."""

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from ipaddress import ip_network
from pathlib import Path
from typing import Any, get_args

from rdnbr import __version__
from rdnbr.config.config import Format, Level
from rdnbr.config.textfile import path_exists
from rdnbr.core.model.address import parse_ip, parse_mac, show_ip, show_mac
from rdnbr.core.model.binding_state import State
from rdnbr.operator.commands.help_text import ABOUT, EPILOGS, GROUPS, REST
from rdnbr.operator.commands.show_filters import ALL_SORTABLE


class _TopParser(ArgumentParser):
    """The parser of the command's name. Its help lists the commands in groups."""

    def format_help(self) -> str:
        """Return the text of `rdnbr --help`."""
        groups = [
            "\n".join([f"{title}:", *(f"  {name:10}{about}" for name, about in commands.items())])
            for title, commands in GROUPS.items()
        ]
        usage = "usage: rdnbr COMMAND …\n       rdnbr --version | --help"
        return "\n\n".join([usage, ABOUT, *groups, REST]) + "\n"


class _CommandParser(ArgumentParser):
    """The parser of one command. For an argument too many it prints the usage of that command."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse all arguments; exit with code 2 if one is left over."""
        parsed, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return parsed, rest


def parser() -> ArgumentParser:
    """Return the parser. Its result has the name of the command in `command`."""
    top = _TopParser(prog="rdnbr", usage="rdnbr COMMAND …", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"rdnbr {__version__}")
    commands = top.add_subparsers(
        prog="rdnbr", dest="command", metavar="COMMAND", required=True, parser_class=_CommandParser
    )
    made = {
        name: _command(commands, name, about) for group in GROUPS.values() for name, about in group.items()
    }
    _run(made["run"])
    _replay(made["replay"])
    _files(made["check"])
    made["check"].add_argument("--json", action="store_true", help="one JSON document")
    made["check"].add_argument(
        "--against", action="store_true", help="name the daemon's guests that this allowlist would withdraw"
    )
    made["check"].add_argument(
        "--show", action="store_true", help="print the configuration, and where each value comes from"
    )
    made["check"].add_argument(
        "--socket", metavar="PATH", help="the daemon's control socket (as configured), for --against"
    )
    made["allowlist"].add_argument(
        "--from-bindings", action="store_true", required=True, help="from what the daemon has learned"
    )
    where = made["metrics"].add_mutually_exclusive_group()
    where.add_argument("--serve", action="store_true", help="as the configuration says, until it is stopped")
    where.add_argument("--textfile", type=Path, metavar="F", help="write a file for node_exporter, once")
    _files(made["doctor"])
    _bridges(made["doctor"])
    made["doctor"].add_argument("--json", action="store_true", help="one JSON document")
    made["show"].add_argument(
        "what",
        nargs="?",
        choices=["bindings", "ports", "counters", "events"],
        default="bindings",
        help="what to show (bindings)",
    )
    _show(made["show"])
    made["watch"].add_argument("--json", action="store_true", help="one JSON object a line")
    _frames(made["watch"])
    made["flush"].add_argument(
        "address", nargs="?", type=_flush_target, metavar="ADDRESS|PORT", help="this one only"
    )
    made["flush"].add_argument("--all", action="store_true", help="all guests, without asking")
    for name in ("reload", "flush", "probe", "version"):
        made[name].add_argument("--json", action="store_true", help="one JSON document")
    made["explain"].add_argument("address", type=_address, metavar="ADDRESS", help="a guest's address")
    made["explain"].add_argument("--json", action="store_true", help="one JSON document")
    made["resync"].add_argument(
        "--frr", action="store_true", required=True, help="compare with what FRR's zebra knows"
    )
    made["resync"].add_argument("--json", action="store_true", help="one JSON document")
    made["probe"].add_argument("address", type=_address, metavar="ADDRESS", help="the address to probe")
    for name in (
        "show",
        "explain",
        "watch",
        "reload",
        "flush",
        "probe",
        "resync",
        "allowlist",
        "metrics",
        "version",
    ):
        made[name].add_argument(
            "--socket", metavar="PATH", help="the daemon's control socket (as configured)"
        )
        made[name].add_argument(
            "--config",
            type=_existing_path,
            metavar="F",
            help="configuration that names the socket (/etc/rdnbr/rdnbr.toml)",
        )
    made["lab"].add_argument("--guests", type=_guests, default=3, metavar="N", help="how many guests (3)")
    made["lab"].add_argument(
        "--migrate",
        action="store_true",
        help="with a second node, to which the first guest migrates under ping",
    )
    made["lab"].add_argument("--keep", action="store_true", help="leave it up until Ctrl-C, to look around")
    return top


def _show(command: ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="one JSON document")
    command.add_argument("--watch", action="store_true", help="again every 2 s, until Ctrl-C")
    command.add_argument(
        "--sort", choices=ALL_SORTABLE, metavar="COLUMN", help=f"by one of {', '.join(ALL_SORTABLE)}"
    )
    only = command.add_argument_group("only rows with")
    only.add_argument("--address", type=_prefix, metavar="ADDRESS|PREFIX")
    only.add_argument("--port", metavar="GLOB")
    only.add_argument("--bridge", metavar="GLOB")
    only.add_argument("--vm", type=_vm, metavar="N", help="the number in a Proxmox port name")
    only.add_argument("--mac", type=_mac)
    only.add_argument("--state", choices=[state.value for state in State], metavar="STATE")


def _command(commands: Any, name: str, about: str) -> ArgumentParser:
    command: ArgumentParser = commands.add_parser(
        name,
        help=about,  # which is for the completion; the help of the command's name has groups
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=EPILOGS[name],
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return command


def _files(command: ArgumentParser) -> None:
    command.add_argument(
        "--config", type=Path, metavar="F", help="configuration (/etc/rdnbr/rdnbr.toml, if there is one)"
    )
    command.add_argument(
        "--allowlist",
        type=Path,
        metavar="F",
        help="allowlist, and F.d/*.conf (/etc/rdnbr/allowlist, if there is one)",
    )


def _bridges(command: ArgumentParser) -> None:
    command.add_argument(
        "--bridge",
        action="append",
        default=[],
        metavar="GLOB",
        help="serve bridges of this name; may be given again (all that own a gateway address)",
    )


def _run(command: ArgumentParser) -> None:
    _files(command)
    _bridges(command)
    command.add_argument("--dry-run", action="store_true", help="say what would be done, and touch nothing")
    command.add_argument(
        "--wait", action="store_true", help="with no bridge to serve, wait for one (else exit code 3)"
    )
    command.add_argument(
        "--log-format",
        choices=get_args(Format),
        help="(auto: console on a terminal and for the journal, else json)",
    )
    command.add_argument("--log-level", choices=get_args(Level), help="(info)")


def _replay(command: ArgumentParser) -> None:
    command.add_argument("pcaps", type=Path, nargs="+", metavar="PCAP", help="a capture")
    # The files in /etc are not read: the same command gives the same output on every machine.
    command.add_argument("--config", type=Path, metavar="F", help="configuration (all defaults)")
    command.add_argument(
        "--allowlist",
        type=Path,
        metavar="F",
        help="allowlist, and F.d/*.conf (none: every address is permitted)",
    )
    command.add_argument(
        "--port", metavar="NAME", help="port of all frames (the interface, or the file's name)"
    )
    command.add_argument("--bridge", metavar="NAME", default="vmbr1", help="name of the bridge (vmbr1)")
    command.add_argument(
        "--silent", action="store_true", help="probes get no answers but those in the capture"
    )
    command.add_argument(
        "--tail",
        type=_seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long to go on after the last frame (5)",
    )
    command.add_argument("--json", action="store_true", help="one JSON object a line, the last a summary")
    _frames(command)


def _frames(command: ArgumentParser) -> None:
    command.add_argument(
        "--frames", action="store_true", help="with each decision the frame that caused it, in words"
    )


def _flush_target(text: str) -> str:
    """Take an address, or whatever else may be the name of a network device (net/core/dev.c, dev_valid_name)."""
    if len(text) < 16 and "/" not in text and ":" not in text and not text[:1].isdigit():
        return text
    return _address(text)


def _address(text: str) -> str:
    try:
        return show_ip(parse_ip(text))
    except ValueError:
        if "/" in text:
            raise ArgumentTypeError(f"{text!r} has a length; name one address") from None
        raise ArgumentTypeError(f"{text!r} is not an IPv4 or IPv6 address") from None


def _prefix(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no address and no prefix: {error}") from None


def _vm(text: str) -> str:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is no number of a guest")
    return str(int(text))


def _mac(text: str) -> str:
    try:
        return show_mac(parse_mac(text))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no MAC such as 52:02:45:76:d2:35") from None


def _existing_path(text: str) -> Path:
    path = Path(text)
    if not path_exists(path):
        raise ArgumentTypeError(
            f"there is no {text}; name the configuration that the daemon was started with"
        )
    return path


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 86400")
    return seconds


MOST_GUESTS = 200
"""Guests of a lab: more take long to build, and show nothing more."""


def _guests(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_GUESTS:
        raise ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_GUESTS}")
    return int(text)
