"""Writes the manual pages from the text that the code and the examples have: `python -m tests.man_pages`."""

import re
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

from rdnbr import __version__
from rdnbr.core.policy import allowlist, rule_parser
from rdnbr.operator.commands.help_text import ABOUT, EPILOGS, GROUPS, REST
from rdnbr.operator.commands.parser import parser
from rdnbr.operator.commands.reason_help import REASON_HELP
from rdnbr.operator.metrics.catalogue import METRICS, PROCESS

CONTRIB = Path(__file__).parents[1] / "contrib"
MAN = CONTRIB / "man"
DATE = "2026-11-28"

FLAGS = {
    "anycast": "Several nodes may announce the address, and newest-wins never applies to it.",
    "vip": "The address fails over, as those of keepalived do: an announcement moves it, within the rate limit.",
    "static": "The address is routed without probes while its port and MAC are there. It goes with its port.",
    "connected": "The address is a guest's although a network of the node contains it.",
    "wide": "So short a prefix is meant. Without it, prefixes shorter than /8, or /16 for IPv6, are mistakes.",
}
QUALIFIERS = {
    "port": "The name of the guest's port: names or patterns, separated by commas.",
    "bridge": "The name of the bridge: names or patterns, separated by commas.",
    "mac": "The MAC of the guest; for a virtual router that MAC, or the MAC of the card behind it.",
    "vm": "The number in the name of a Proxmox port.",
    "vlan": "The VLAN of the served segment.",
}


def escaped(text: str) -> str:
    """Write text so that roff prints it as it is."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").split("\n")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines)


def head(name: str, section: int, about: str) -> list[str]:
    return [
        '.\\" Written by python -m tests.man_pages.',
        f'.TH {name.upper()} {section} {DATE} "rdnbr {__version__}" "rdnbr"',
        ".SH NAME",
        f"{escaped(name)} \\- {escaped(about)}",
    ]


def joined(lines: list[str]) -> str:
    """Return the text of a page; a paragraph that begins a section needs no mark."""
    return re.sub(r"^(\.S[HS] .*\n)\.PP\n", r"\1", "\n".join(lines) + "\n", flags=re.MULTILINE)


def term(title: str, text: str) -> list[str]:
    return [".TP", f"\\fB{escaped(title)}\\fR", escaped(text)]


def literal(text: str) -> list[str]:
    return [".PP", ".nf", escaped(text.strip("\n")), ".fi"]


def prose(text: str) -> Iterator[str]:
    """Yield paragraphs; those that are indented, and what follows `examples:`, stay as they are."""
    for paragraph in text.strip("\n").split("\n\n"):
        if paragraph.startswith("examples:\n"):
            yield from (".PP", "Examples:", *literal(paragraph.partition("\n")[2]))
        else:
            yield from (".PP", escaped(paragraph))


def page_of_commands() -> str:
    """Return rdnbr(8)."""
    commands = next(action.choices for action in parser()._actions if isinstance(action, _SubParsersAction))
    lines = head("rdnbr", 8, "routes virtual machines without layer 2")
    lines += [".SH SYNOPSIS", ".B rdnbr", ".I COMMAND", "\\&[\\fIOPTIONS\\fR]"]
    lines += [".SH DESCRIPTION", escaped(ABOUT.replace("\\\n", "\n"))]
    for group, names in GROUPS.items():
        lines.append(f'.SH "{escaped(group.upper())}"')
        for name, about in names.items():
            lines += [f'.SS "rdnbr {name}"', escaped(f"{about[0].upper()}{about[1:]}.")]
            lines += [*options(commands[name]), *prose(EPILOGS[name])]
    sections = re.split(r"^(\w[\w ]+):\n", REST, flags=re.MULTILINE)
    for title, body in zip(sections[1::2], sections[2::2], strict=True):
        lines += [f'.SH "{escaped(title.upper())}"', *literal(body)]
    lines += [".SH REASONS", "Every frame and every event ends in one reason, under which it is counted."]
    for reason, meaning in REASON_HELP.items():
        lines += term(str(reason), f"{meaning[0].upper()}{meaning[1:]}.")
    lines += [".SH METRICS", "What", ".B rdnbr metrics", "has. No label is an address."]
    for metric in METRICS:
        labels = f" {{{', '.join(metric.labels)}}}" if metric.labels else ""
        lines += term(f"{metric.name}{labels}", f"{metric.help} ({metric.kind}).")
    lines += [".PP", escaped(f"Of the daemon's process: {', '.join(PROCESS)}.")]
    lines += [".SH SEE ALSO", ".BR rdnbr.toml (5),", ".BR rdnbr\\-allowlist (5),", ".BR ip\\-route (8),"]
    return joined([*lines, ".BR bridge (8)"])


def options(command: ArgumentParser) -> Iterator[str]:
    """Yield the options of one command."""
    for action in command._actions:
        if action.dest == "help":
            continue
        value = "" if action.nargs == 0 else action.metavar or action.dest.upper()
        if action.option_strings and value and not action.metavar and action.choices:
            value = "|".join(map(str, action.choices))
        title = f"{', '.join(action.option_strings)} {value}".strip()
        if not action.option_strings and action.choices:
            title = "|".join(map(str, action.choices))
        yield from term(title, action.help or "")


def page_of_configuration() -> str:
    """Return rdnbr.toml(5): the commented example, key by key."""
    lines = head("rdnbr.toml", 5, "configuration of rdnbr")
    lines += [".SH SYNOPSIS", "/etc/rdnbr/rdnbr.toml", ".SH DESCRIPTION"]
    intro, rest = (CONTRIB / "rdnbr.toml").read_text().partition("\n#\n")[2].split("\n\n", 1)
    lines += [escaped(re.sub("^# ?", "", intro, flags=re.MULTILINE)), '.SH "KEYS OUTSIDE OF TABLES"']
    comment: list[str] = []
    for line in rest.split("\n"):
        table, key = re.match(r"#?\[(.*)\]$", line), re.match(r"#?(\w+ = .*)$", line)
        if table:
            lines += [f'.SH "[{escaped(table[1].replace(chr(34), ""))}]"', escaped("\n".join(comment))]
        elif key:
            lines += term(key[1], "\n".join(comment)) if comment else [".PP", f"\\fB{escaped(key[1])}\\fR"]
        if table or key:
            comment = []
        elif line.startswith("# "):
            comment.append(line.removeprefix("# "))
    lines += [".SH SEE ALSO", ".BR rdnbr (8),", ".BR rdnbr\\-allowlist (5)"]
    return joined([line for line in lines if line])


def page_of_allowlist() -> str:
    """Return rdnbr-allowlist(5): the grammar, the rules of evaluation, and the example."""
    lines = head("rdnbr-allowlist", 5, "who may have which address")
    lines += [".SH SYNOPSIS", "/etc/rdnbr/allowlist, /etc/rdnbr/allowlist.d/*.conf", ".SH DESCRIPTION"]
    example = (CONTRIB / "allowlist.example").read_text()
    comment, rules = example.split("\n\n", 1)
    paragraphs = re.sub("^# ?", "", comment, flags=re.MULTILINE).split("\n\n")
    grammar = paragraphs[1]
    lines += ["One rule a line; a comment begins with #.", *literal(grammar)]
    for paragraph in paragraphs[2:]:
        lines += [".PP", escaped(paragraph)]
    lines += [".SH QUALIFIERS", "All that a rule has must match the guest that claims the address."]
    for name, (_, value, _) in rule_parser.QUALIFIERS.items():
        lines += term(f"{name}={value}", QUALIFIERS[name])
    lines.append(".SH FLAGS")
    for name in rule_parser.FLAGS:
        lines += term(name, FLAGS[name])
    lines.append(".SH EVALUATION")
    doc = (allowlist.__doc__ or "").partition("\n\n")[2]
    for number, rule in re.findall(r"^(\d)\. (.*(?:\n   .*)*)", doc, re.MULTILINE):
        lines += [f".IP {number}. 4", escaped(re.sub(r"\n +", "\n", rule))]
    lines += [".SH EXAMPLE", *literal(rules), ".SH SEE ALSO", ".BR rdnbr (8),", ".BR rdnbr.toml (5)"]
    return joined(lines)


PAGES = {
    "rdnbr.8": page_of_commands,
    "rdnbr.toml.5": page_of_configuration,
    "rdnbr-allowlist.5": page_of_allowlist,
}

if __name__ == "__main__":
    for file, page in PAGES.items():
        (MAN / file).write_text(page())
