"""Reads the files of the cluster's guests from /etc/pve.

/etc/pve is pmxcfs, the same on all nodes. Its .vmlist says which guest is on which node. Listing the directories of
the nodes is not enough: a guest that migrates meanwhile could be missed on both nodes, and lose its rules.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

Kind = Literal["qemu", "lxc"]

ATTEMPTS = 5
"""How often all guests are read again if the list of guests changed meanwhile."""

_NODE = re.compile(r"[A-Za-z0-9-]+")
_FOLDER: Mapping[Kind, str] = {"qemu": "qemu-server", "lxc": "lxc"}


class ClusterError(Exception):
    """The list of the cluster's guests cannot be read."""


class Text(NamedTuple):
    """A file and its content."""

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Texts:
    """The files of one guest."""

    vm: int
    kind: Kind
    config: Text
    firewall: Text


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A guest whose files cannot be read."""

    vm: int
    file: str
    message: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """All guests, in the order of their numbers."""

    guests: tuple[Texts | Unreadable, ...]
    firewall: Text
    """The firewall file of the datacenter."""


class _Home(NamedTuple):
    node: str
    kind: Kind


def read_cluster(pve: Path) -> Cluster:
    """Read the files of all guests.

    Raises:
        ClusterError: /etc/pve is not mounted, or not readable.
    """
    homes = _homes(pve)
    for _ in range(ATTEMPTS):
        guests = tuple(_guest(pve, vm, home) for vm, home in sorted(homes.items()))
        path = pve / "firewall" / "cluster.fw"
        try:
            firewall = _optional(path)
        except OSError as error:
            raise ClusterError(f"{path}: cannot be read: {error.strerror}") from None
        before, homes = homes, _homes(pve)
        if homes == before:
            break
    # If the list never stays the same, a guest that could not be read keeps its rules until the next run.
    return Cluster(guests, firewall)


def _homes(pve: Path) -> dict[int, _Home]:
    """Return the node and the kind of each guest. pmxcfs generates this list atomically for each read."""
    path = pve / ".vmlist"
    try:
        listed = json.loads(path.read_bytes())
        return {
            int(vm): _home(entry) for vm, entry in listed.get("ids", {}).items() if entry["type"] in _FOLDER
        }
    except OSError as error:
        cure = (
            "run this as root"
            if isinstance(error, PermissionError)
            else "see that pve-cluster.service is running"
        )
        raise ClusterError(f"{path}: cannot be read: {error.strerror}; {cure}") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ClusterError(f"{path}: not a list of guests as pmxcfs writes it: {error!r}") from None


def _home(entry: Mapping[str, Any]) -> _Home:
    if not _NODE.fullmatch(entry["node"]):
        raise ValueError(f"{entry['node']!r} is no node's name")
    return _Home(entry["node"], entry["type"])


def _guest(pve: Path, vm: int, home: _Home) -> Texts | Unreadable:
    path = pve / "nodes" / home.node / _FOLDER[home.kind] / f"{vm}.conf"
    try:
        config = _read(path)
        path = pve / "firewall" / f"{vm}.fw"
        return Texts(vm, home.kind, config, _optional(path))
    except OSError as error:
        return Unreadable(vm, str(path), f"cannot be read: {error.strerror}")


def _optional(path: Path) -> Text:
    try:
        return _read(path)
    except FileNotFoundError:
        return Text(str(path), "")


def _read(path: Path) -> Text:
    return Text(str(path), path.read_bytes().decode("utf-8", errors="replace"))
