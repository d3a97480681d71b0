"""The command line: commands, options, and the text of `--help`."""

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any, get_args

from rdnbr import __version__
from rdnbr.config.config import Format, Level
from rdnbr.config.textfile import path_exists
from rdnbr.core.model.address import parse_ip, show_ip

_ABOUT = (
    "Routes virtual machines without layer 2: learns guests from ARP and NDP on bridge ports, installs a host\n\
route and a permanent neighbour for each, and lets FRR (redistribute kernel) advertise them."
)

_GROUPS = {
    "the daemon": {
        "run": "learn guests and route them, in the foreground",
        "reload": "read configuration and allowlist again",
        "flush": "withdraw what was installed; also works with no daemon",
        "probe": "send a probe to a guest now",
        "resync": "announce routes to FRR again that it missed",
    },
    "what it sees": {
        "show": "bindings, ports, counters or events",
        "explain": "why an address is routed, or is not",
        "watch": "follow decisions as they happen",
    },
    "before you trust it": {
        "check": "name every mistake in configuration and allowlist",
        "allowlist": "write an allowlist for the guests that are there",
        "doctor": "say what will not work on this node, and how to mend it",
        "replay": "show what the daemon would decide for a capture",
        "lab": "build a disposable network and see it work",
    },
}

_REST = """\
examples:
  rdnbr run                            serve every bridge that owns 169.254.0.1/32 or fe80::1
  rdnbr run --dry-run                  say what it would do, and touch nothing
  rdnbr show                           who is where
  rdnbr explain 2.57.57.30             why that address is routed, or is not
  rdnbr show --json | jq '.bindings[] | select(.vm == 100)'
  tcpdump -Q in -i tap100i0 -w x.pcap arp or icmp6 or ether proto 0x8035; rdnbr replay x.pcap

files:
  /etc/rdnbr/rdnbr.toml                configuration, all of it optional
  /etc/rdnbr/allowlist, allowlist.d/   who may claim which address; without them rdnbr runs open
  /run/rdnbr/rdnbr.sock                control socket of the daemon

exit codes:
  0  done
  1  findings, bad input, or no answer
  2  the command line is wrong
  3  cannot start: no permission, no bridge, socket in use

rdnbr COMMAND --help has more on each."""

_EPILOGS = {
    "run": """\
It stops on SIGTERM or Ctrl-C and leaves its routes in place: the next start takes them over, so that no
restart is seen in BGP. SIGHUP reads configuration and allowlist again, as does changing them.

With --wait, as under systemd, the daemon starts without a bridge, and serves the first one as soon as it has its
address. Until then it leaves the routes of an earlier run as they are, and `rdnbr show` says what it waits for.

A dry run makes no control socket, so that it can run beside the daemon: what it would do is in its log alone,
and show, watch and the other commands ask the daemon, if there is one.

examples:
  rdnbr run
  rdnbr run --bridge 'vmbr*' --log-format json
  rdnbr run --allowlist ./allowlist --dry-run --log-level debug""",
    "show": """\
examples:
  rdnbr show
  rdnbr show counters
  rdnbr show events --json | jq '.events[] | select(.decision == "refused")'""",
    "explain": """\
First the verdict, and what to do; then what each layer says: built-in refusals, allowlist, limits, quarantine,
binding, what the daemon wants, what the kernel holds (whoever put it there), zebra and BGP; then what happened
lately. With no daemon it says what files, kernel and FRR tell. Exit code 0 when the address is routed, else 1.

examples:
  rdnbr explain 2.57.57.30
  rdnbr explain 2001:678:3a4:100::80 --json | jq -r '.layers[] | select(.answer == "no") | .text'""",
    "watch": """\
Ctrl-C ends it. What comes faster than it can be read is left out and counted.

examples:
  rdnbr watch --frames
  rdnbr watch --json | jq -r 'select(.decision == "moved") | .address'""",
    "reload": """\
The daemon reads the files that it was started with. A mistake in any of them changes nothing; every mistake is
printed, and the exit code is 1.""",
    "flush": """\
A guest is learned again from its next ARP or neighbour discovery, which may take it a while. With no daemon,
routes and neighbours of protocol 171 are removed, and nothing else. Without an address or a port it asks first, and
where there is no terminal to ask on, it wants --all.

examples:
  rdnbr flush 2.57.57.30
  rdnbr flush tap100i0    (all on this port; if it flapped, its routes are held back no more)
  systemctl stop rdnbr && rdnbr flush --all""",
    "probe": """\
An address that a guest has, or had and fell silent, is probed where it is. Any other address is probed on every port
that may have it, five times in 3 s; a guest that answers has claimed it. Silence has no consequence.
The command waits up to 5 s for the answer, and says who answered. Exit code 1 if nobody did.

examples:
  rdnbr probe 2001:678:3a4:100::80
  rdnbr probe 2.57.57.30 --json | jq -r .mac""",
    "resync": """\
zebra learns kernel routes from netlink messages. If its receive buffer is full, it misses some, and it does not read
them again. This command compares zebra's routes with the kernel's, and makes the kernel send the message of each route
that differs once more, 20 a second: a route that zebra lacks is removed and added again at once; a route that only
zebra has is added and removed. No other route is touched. If a daemon runs, the daemon does it. The exit code is 1 if
zebra still differs in the end. The daemon itself compares its own routes with the kernel's, once a minute.

examples:
  rdnbr doctor; rdnbr resync --frr""",
    "check": """\
Prints each mistake as file:line: message. Exit code 1 if there is any.
Then rules that permit what stays refused, such as this node's own addresses, and rules that hardly mean what they
say, such as a vip that any guest may take, as file:line: warning: message, or note: where that is a small part of
the rule. These leave the exit code at 0.

With --against it asks the running daemon for its guests, and names those whose routes this allowlist would withdraw,
and the departed ones that could not come back. Exit code 1 if a route would be withdrawn.

examples:
  rdnbr check
  rdnbr check --allowlist ./allowlist.new --against && cp allowlist.new /etc/rdnbr/allowlist""",
    "allowlist": """\
Prints a rule for each address that has a route now: for its guest by number where the name of the port has one, else by
MAC. It is the way from open mode to an allowlist: read the file, delete what should not be permitted, and check it.
Do not write it to /etc/rdnbr/allowlist at once: the file is empty until the command ends.

examples:
  rdnbr allowlist --from-bindings > allowlist.new
  rdnbr check --allowlist ./allowlist.new --against && cp allowlist.new /etc/rdnbr/allowlist""",
    "doctor": """\
Looks at bridges, ports, kernel settings, allowlist, FRR and the daemon, and changes nothing. Needs no root, but
sees more with it, and says what it could not see. Give it the files and bridges that `rdnbr run` is given.
Exit code 1 if there is a problem or a warning; notes leave it at 0, and so do findings whose name is under
[doctor] accept in the configuration.

examples:
  rdnbr doctor
  rdnbr doctor --json | jq -r '.findings[] | select(.severity == "problem") | .cure'""",
    "replay": """\
Runs the engine of the daemon on the frames of the capture, with the capture's clock and a simulated kernel.
Several captures are several ports of one bridge. Reads pcap and pcapng, also compressed with gzip.
Capture with -Q in, which leaves out what the node and, through the bridge, other guests send to the port.

examples:
  tcpdump -Q in -i tap100i0 -w tap100i0.pcap arp or icmp6 or ether proto 0x8035
  rdnbr replay tap100i0.pcap
  rdnbr replay tap100i0.pcap --frames
  rdnbr replay boot.pcapng.gz --port tap100i0 --allowlist /etc/rdnbr/allowlist
  rdnbr replay x.pcap --json | jq -c 'select(.decision == "refused")'""",
    "lab": """\
Needs root. Everything is in network namespaces of its own, and removed again whatever happens.

examples:
  rdnbr lab
  rdnbr lab --migrate
  rdnbr lab --guests 20 --keep""",
}


class _TopParser(ArgumentParser):
    """The parser of the command's name. Its help lists the commands in groups."""

    def format_help(self) -> str:
        """Return the text of `rdnbr --help`."""
        groups = [
            "\n".join([f"{title}:", *(f"  {name:10}{about}" for name, about in commands.items())])
            for title, commands in _GROUPS.items()
        ]
        usage = "usage: rdnbr COMMAND …\n       rdnbr --version | --help"
        return "\n\n".join([usage, _ABOUT, *groups, _REST]) + "\n"


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
        name: _command(commands, name, about) for group in _GROUPS.values() for name, about in group.items()
    }
    _run(made["run"])
    _replay(made["replay"])
    _files(made["check"])
    made["check"].add_argument("--json", action="store_true", help="one JSON document")
    made["check"].add_argument(
        "--against", action="store_true", help="name the daemon's guests that this allowlist would withdraw"
    )
    made["check"].add_argument(
        "--socket", metavar="PATH", help="the daemon's control socket (as configured), for --against"
    )
    made["allowlist"].add_argument(
        "--from-bindings", action="store_true", required=True, help="from what the daemon has learned"
    )
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
    made["show"].add_argument("--json", action="store_true", help="one JSON document")
    made["watch"].add_argument("--json", action="store_true", help="one JSON object a line")
    _frames(made["watch"])
    made["flush"].add_argument(
        "address", nargs="?", type=_flush_target, metavar="ADDRESS|PORT", help="this one only"
    )
    made["flush"].add_argument("--all", action="store_true", help="all guests, without asking")
    for name in ("reload", "flush", "probe"):
        made[name].add_argument("--json", action="store_true", help="one JSON document")
    made["explain"].add_argument("address", type=_address, metavar="ADDRESS", help="a guest's address")
    made["explain"].add_argument("--json", action="store_true", help="one JSON document")
    made["resync"].add_argument(
        "--frr", action="store_true", required=True, help="compare with what FRR's zebra knows"
    )
    made["resync"].add_argument("--json", action="store_true", help="one JSON document")
    made["probe"].add_argument("address", type=_address, metavar="ADDRESS", help="the address to probe")
    for name in ("show", "explain", "watch", "reload", "flush", "probe", "resync", "allowlist"):
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


def _command(commands: Any, name: str, about: str) -> ArgumentParser:
    command: ArgumentParser = commands.add_parser(
        name,
        help=SUPPRESS,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=_EPILOGS[name],
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
