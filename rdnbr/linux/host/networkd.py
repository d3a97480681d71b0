"""What systemd-networkd does to a bridge: removing foreign routes, and giving up addresses that a guest claims.

Sources: networkd.conf(5), ManageForeignRoutes; systemd.network(5), DuplicateAddressDetection.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_interface, ip_network
from pathlib import Path

from rdnbr.core.model.address import IP

_FOLDERS = ("etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd")
"""In the order of precedence, the first has the highest (systemd.unit(5))."""
_SETTING = re.compile(r"^\s*ManageForeignRoutes\s*=\s*(\S*)\s*$", re.MULTILINE)
_SECTION = re.compile(r"^\[(\w+)\]$")
_LINK_LOCAL = (ip_network("169.254.0.0/16"), ip_network("fe80::/10"))
_NO = frozenset({"no", "false", "0", "off", "n", "f"})


def cleans(root: Path = Path("/")) -> frozenset[int]:
    """Return the ifindexes of the devices from which networkd removes foreign routes; none if it does not run.

    Args:
        root: the root of the file system to read.
    """
    if not _runs(root):
        return frozenset()
    settings = [setting for path in _files(root) for setting in _SETTING.findall(_text(path))]
    if settings and settings[-1].lower() in _NO:
        return frozenset()
    states = root / "run/systemd/netif/links"
    return frozenset(int(path.name) for path in _listed(states) if path.name.isdecimal() and _managed(path))


def conflict_detection(index: int, root: Path = Path("/")) -> tuple[IP, ...]:
    """Return the link-local addresses of a device (ifindex) that networkd drops when another host claims them.

    For IPv4 that is Address Conflict Detection (RFC 5227), for IPv6 duplicate address detection. networkd does both by
    default for link-local addresses. The result is empty if networkd does not run, or does not manage the device.

    Args:
        index: ifindex of the device.
        root: the root of the file system to read.
    """
    state = root / "run/systemd/netif/links" / str(index)
    if not _runs(root) or not _managed(state):
        return ()
    text = _text(state)
    names = re.findall(r"^NETWORK_FILE=(.+)$", text, re.MULTILINE)
    for dropped_in in re.findall(r'^NETWORK_FILE_DROPINS="?([^"\n]*)"?$', text, re.MULTILINE):
        names += [name for name in dropped_in.split(":") if name]
    found = []
    for name in names:
        for section in _sections(_text(root / name.lstrip("/"))):
            wanted = section.get("DuplicateAddressDetection", ["both"])[-1]
            for address in section.get("Address", ()):
                own = _link_local(address)
                if own is not None and wanted in ("both", f"ipv{4 if len(own) == 4 else 6}"):
                    found.append(own)
    return tuple(found)


def _sections(text: str) -> Iterator[dict[str, list[str]]]:
    """Yield the [Network] and [Address] sections of a .network file: the values of each setting, in their order."""
    settings: dict[str, list[str]] = {}
    name = ""
    for line in (*text.splitlines(), "[End]"):
        section = _SECTION.match(line.strip())
        if section is not None:
            if name in ("Network", "Address"):
                yield settings
            name, settings = section[1], {}
        elif "=" in line and not line.lstrip().startswith(("#", ";")):
            key, _, value = line.partition("=")
            settings.setdefault(key.strip(), []).append(value.strip())


def _link_local(text: str) -> IP | None:
    try:
        own = ip_interface(text).ip
    except ValueError:
        return None
    return IP(own.packed) if any(own in network for network in _LINK_LOCAL) else None


def _runs(root: Path) -> bool:
    return (root / "run/systemd/units/invocation:systemd-networkd.service").is_symlink()


def _files(root: Path) -> Iterator[Path]:
    """Yield the configuration files of networkd; a later file takes precedence."""
    folders = [root / folder for folder in _FOLDERS]
    mains = (folder / "networkd.conf" for folder in folders)
    yield from [path for path in mains if path.is_file()][:1]
    drop_ins = {
        path.name: path for folder in reversed(folders) for path in _listed(folder / "networkd.conf.d")
    }
    yield from (drop_ins[name] for name in sorted(drop_ins) if name.endswith(".conf"))


def _managed(state: Path) -> bool:
    admin = re.search(r"^ADMIN_STATE=(\w+)$", _text(state), re.MULTILINE)
    return admin is not None and admin[1] != "unmanaged"


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
