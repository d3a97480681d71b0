"""The display of a lab on the terminal."""

import sys
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rdnbr.lab.host import Host
from rdnbr.lab.migration import Outage
from rdnbr.lab.network import Lab
from rdnbr.lab.node import Node
from rdnbr.lab.progress import AddressProgress, Progress

_ROWS = 20
"""Rows that are shown; further rows are only counted."""


def progress_table(progress: Progress) -> RenderableType:
    """Return the table of all addresses and their progress."""
    table = Table(title="guests, as the node and the upstream see them", title_justify="left")
    for column in ("port", "address", "binding", "route on the node", "route upstream", "ping from upstream"):
        table.add_column(column, no_wrap=column in {"port", "address"})
    for row in progress.rows[:_ROWS]:
        table.add_row(*_cells(row, bgp=progress.lab.bgp))
    done = sum(row.answered for row in progress.rows)
    summary = f"{done} of {len(progress.rows)} addresses answer from the upstream"
    if len(progress.rows) > _ROWS:
        summary += f" ({len(progress.rows) - _ROWS} more are not drawn)"
    return Group(table, summary)


def kernel_routes(lab: Lab) -> RenderableType:
    """Return the routes in the kernels of nodes and upstream, as `ip route` prints them."""
    text = Text()
    tables: list[tuple[str, Host, str]] = [(_name(lab, node), node, "171") for node in lab.nodes]
    if lab.bgp:
        tables.append(("the upstream", lab.upstream, "bgp"))
    for title, host, protocol in tables:
        lines = [line for family in (4, 6) for line in host.routes(family, "proto", protocol)]
        text.append(f"\nroutes of protocol {protocol} on {title}:\n", style="bold")
        text.append("".join(f"  {line}\n" for line in lines[:_ROWS]))
        if len(lines) > _ROWS:
            text.append(f"  … and {len(lines) - _ROWS} more\n")
    return text


def _name(lab: Lab, node: Node) -> str:
    return "the node" if len(lab.nodes) == 1 else f"node {node.number}"


def outage_lines(outages: list[Outage]) -> str:
    """Return the outages of a migrated guest as text."""
    return "\n".join(
        f"{outage.address}: no echo for {outage.seconds:.2f} s, {outage.lost} of {outage.sent} requests lost"
        for outage in outages
    )


def shell_commands(lab: Lab) -> RenderableType:
    """Return the shell commands for inspecting the lab."""
    node = f"nsenter --target {lab.node.pid} --mount --net"
    others = [
        (f"a shell on {_name(lab, one)}", f"nsenter --target {one.pid} --mount --net bash")
        for one in lab.nodes[1:]
    ]
    upstream = f"nsenter --target {lab.upstream.pid} --mount --net"
    lines = [
        (f"a shell on {_name(lab, lab.node)}", f"{node} bash"),
        *others,
        ("who is where", f"{node} {sys.executable} -m rdnbr show"),
    ]
    if lab.bgp:
        lines += [
            ("what FRR advertises", f"{node} vtysh -c 'show bgp ipv4 unicast'"),
            ("what the upstream receives", f"{upstream} vtysh -c 'show bgp ipv6 unicast'"),
        ]
    lines.append(("routes of the upstream", f"{upstream} ip route"))
    lines += [
        (f"a shell in the guest on {guest.port}", f"ip netns exec {guest.name} bash")
        for guest in lab.guests[:2]
    ]
    if lab.guests:
        lines.append(("unplug a guest", f"{node} ip link del {lab.guests[0].port}"))
    text = Text("\nThe lab stays up. To look around, as root:\n", style="bold")
    for what, how in lines:
        text.append(f"  # {what}\n", style="dim")
        text.append(f"  {how}\n", style="default")
    return text


class LiveTable:
    """The progress table, updated in place. Without a terminal only its last state is printed."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._live = Live(progress_table(progress), console=console, auto_refresh=False)
        self._progress = progress

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.__exit__(None, None, None)

    def refresh(self) -> None:
        """Draw the current progress."""
        self._live.update(progress_table(self._progress), refresh=True)


def _cells(row: AddressProgress, *, bgp: bool) -> tuple[RenderableType, ...]:
    return (
        row.guest.port,
        Text(row.address),
        Text(row.state or "not learned yet", style="green" if row.state == "valid" else "yellow"),
        _yes_no(row.routed),
        _yes_no(row.upstream) if bgp else Text("no FRR", style="dim"),
        _yes_no(row.answered),
    )


def _yes_no(value: bool) -> Text:  # noqa: FBT001 (its only argument)
    return Text("yes", style="green") if value else Text("no", style="dim")
