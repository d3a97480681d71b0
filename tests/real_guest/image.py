"""The kernel and the initramfs of real guests, which are built once and kept, and the fastest way to run them."""

import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from rdnbr.lab import TooLate, wait_for

_HERE = Path(__file__).parent
_NEEDED = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "modprobe": "kmod",
    "dpkg": "dpkg",
    "apt-get": "apt",
}
"""Programs, by their Debian package."""
_KVM_WITHIN = 5.0
"""Seconds to boot with KVM; one is normal. On a host where KVM is broken, the boot never ends."""
UP = "guest is up"
"""The line that the guest writes to its console when it has its addresses."""


class NoGuestError(Exception):
    """No real guest can run here; the message says why."""


def image() -> Path:
    """Return the directory with `kernel` and `initramfs`; build it if it is missing.

    Raises:
        NoGuestError: a program is missing, or the kernel's package cannot be fetched.
    """
    search = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [package for name, package in _NEEDED.items() if not shutil.which(name, path=search)]
    if missing:
        raise NoGuestError(f"needs {' '.join(missing)}")
    recipe = b"".join((_HERE / name).read_bytes() for name in ("build", "init"))
    kept = Path.home() / ".cache" / "rdnbr" / f"guest-{hashlib.sha256(recipe).hexdigest()[:16]}"
    if not (kept / "kernel").exists():
        _build(kept)
    return kept


def _build(directory: Path) -> None:
    try:
        done = subprocess.run(
            [_HERE / "build", directory], check=False, capture_output=True, text=True, timeout=90
        )
    except subprocess.TimeoutExpired:
        raise NoGuestError("the kernel's package was not fetched within 90 s") from None
    if done.returncode:
        raise NoGuestError(f"cannot build its kernel: {done.stderr.strip().splitlines()[-1:]}")


def command(guest: Path, accelerator: str, words: str, *more: str) -> list[str]:
    """Return the command line of QEMU for a guest with 192 MB."""
    return [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", "pc", "-accel", accelerator, "-cpu", "max", "-smp", "1", "-m", "192"),
        *("-kernel", str(guest / "kernel"), "-initrd", str(guest / "initramfs")),
        *("-append", f"console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off {words}"),
        *("-serial", "stdio", *more),
    ]


@cache
def accelerator(guest: Path) -> str:
    """Return `kvm` if a guest boots with it, else `tcg`."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    with subprocess.Popen(
        command(guest, "kvm", ""),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as trial:
        assert trial.stdout is not None
        os.set_blocking(trial.stdout.fileno(), False)
        said = bytearray()

        def up_or_ended() -> bool:
            said.extend(trial.stdout.read() or b"")
            return UP.encode() in said or trial.poll() is not None

        try:
            wait_for(up_or_ended, _KVM_WITHIN, "a guest to boot with KVM")
        except TooLate:
            pass
        finally:
            trial.kill()
    return "kvm" if UP.encode() in said else "tcg"
