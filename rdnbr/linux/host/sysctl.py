"""The kernel's network settings (sysctls) in the network namespace of the caller."""

from collections.abc import Iterable
from pathlib import Path

_NET = Path("/proc/sys/net")


def read(paths: Iterable[str]) -> dict[str, int]:
    """Return the values of sysctls by their path under net/; a sysctl that the kernel does not have is left out."""
    values = {}
    for path in paths:
        try:
            values[path] = int((_NET / path).read_text())
        except (OSError, ValueError):
            continue  # a sysctl of a newer kernel, or of a device that was deleted meanwhile
    return values
