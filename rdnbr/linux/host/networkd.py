"""Whether systemd-networkd removes foreign routes (networkd.conf(5): ManageForeignRoutes)."""

import re
from collections.abc import Iterator
from pathlib import Path

_FOLDERS = ("etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd")
"""In the order of precedence, the first has the highest (systemd.unit(5))."""
_SETTING = re.compile(r"^\s*ManageForeignRoutes\s*=\s*(\S*)\s*$", re.MULTILINE)
_NO = frozenset({"no", "false", "0", "off", "n", "f"})


def cleans(root: Path = Path("/")) -> frozenset[int]:
    """Return the ifindexes of the devices from which networkd removes foreign routes; none if it does not run.

    Args:
        root: the root of the file system to read.
    """
    if not (root / "run/systemd/units/invocation:systemd-networkd.service").is_symlink():
        return frozenset()
    settings = [setting for path in _files(root) for setting in _SETTING.findall(_text(path))]
    if settings and settings[-1].lower() in _NO:
        return frozenset()
    states = root / "run/systemd/netif/links"
    return frozenset(int(path.name) for path in _listed(states) if path.name.isdecimal() and _managed(path))


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
