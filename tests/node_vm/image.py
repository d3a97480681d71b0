"""The image of the node: kernel, initramfs and disk, which are built once and kept."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.debian.debian_root import DEPENDENCIES

_HERE = Path(__file__).parent
_NEEDED = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "depmod": "kmod",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
    "zstd": "zstd",
}
"""Programs, by their Debian package."""
_PACKAGES = ("frr", "frr-pythontools", "ifupdown2", "iputils-arping", "iputils-ping")
"""What a hypervisor has beside the dependencies of the package, which an installation without a network needs too."""


class NoNodeError(Exception):
    """No node can run here; the message says why."""


def missing() -> str:
    """Return the Debian packages that are missing on this machine, or nothing."""
    search = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return " ".join(package for name, package in _NEEDED.items() if not shutil.which(name, path=search))


def image() -> Path:
    """Return the directory with `kernel`, `initramfs`, `disk` and `key`; build it if it is missing.

    Raises:
        NoNodeError: the mirror of apt cannot be reached, or a package is not there.
    """
    packages = sorted({*_PACKAGES, *DEPENDENCIES})
    recipe = hashlib.sha256(" ".join(packages).encode())
    for path in sorted([_HERE / "build", _HERE / "init", *(_HERE / "etc").rglob("*")]):
        if path.is_file():
            recipe.update(path.read_bytes())
    kept = Path(os.environ.get("RDNBR_ROOTS", "/var/cache/rdnbr/roots")).parent
    directory = kept / f"node-{recipe.hexdigest()[:16]}"
    if not (directory / "initramfs").exists():
        for old in kept.glob("node-*"):
            shutil.rmtree(old)
        done = subprocess.run(
            [_HERE / "build", directory, *packages], check=False, capture_output=True, text=True, timeout=900
        )
        if done.returncode:
            raise NoNodeError(f"cannot build the node: {done.stderr.strip().splitlines()[-1:]}")
    return directory
