"""The names that iproute2 has for routing protocols."""

import re
from pathlib import Path

_FOLDERS = ("etc/iproute2", "usr/share/iproute2", "usr/lib/iproute2")
"""The administrator's first, then the distribution's."""


def name_of(number: int, root: Path = Path("/")) -> str | None:
    """Return the name of a protocol, or None.

    Args:
        number: of the protocol, as in `ip route show proto 171`.
        root: of the file system whose files are read.
    """
    for folder in _FOLDERS:
        drop_ins = sorted((root / folder / "rt_protos.d").glob("*.conf"))
        for path in [*drop_ins, root / folder / "rt_protos"]:
            try:
                text = path.read_text(errors="replace")
            except OSError:
                continue
            for value, name in re.findall(r"^\s*(0x[\da-fA-F]+|\d+)\s+([^\s#]+)", text, re.MULTILINE):
                if int(value, 0) == number:
                    return str(name)
    return None
