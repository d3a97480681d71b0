"""The kernel's network settings, of the network namespace of whoever reads them."""

from collections.abc import Iterable
from pathlib import Path

_NET = Path("/proc/sys/net")


def read(paths: Iterable[str]) -> dict[str, int]:
    """Return the values of settings by their path under net/; those that the kernel does not have are left out."""
    values = {}
    for path in paths:
        try:
            values[path] = int((_NET / path).read_text())
        except (OSError, ValueError):
            continue  # a knob of a newer kernel, or a device that went meanwhile
    return values
