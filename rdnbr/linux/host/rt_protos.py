"""The names of routing protocols in the files of iproute2."""

import re
from pathlib import Path

_FOLDERS = ("etc/iproute2", "usr/share/iproute2", "usr/lib/iproute2")
"""The administrator's directory first, then those of distributions."""


def name_of(number: int, root: Path = Path("/")) -> str | None:
    """Return the name of a protocol; None if it has none.

    Args:
        number: the number of the protocol, as in `ip route show proto 171`.
        root: the root of the file system to read.
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
