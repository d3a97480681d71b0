"""A root of a Debian release, with the packages of this checkout beside it."""

import shutil
import subprocess
from pathlib import Path

from rdnbr.lab.host import Host

CONTRIB_DEBIAN = Path(__file__).parents[2] / "contrib" / "debian"
CODENAMES = {"12": "bookworm", "13": "trixie"}
DEPENDENCIES = (
    "iproute2",
    "nftables",
    "python3",
    "python3-cachetools",
    "python3-rich",
    "python3-scapy",
    "python3-structlog",
    "systemd",
    "util-linux",
)

_SYSTEMCTL = """\
#!/bin/sh
# In place of systemctl, since there is no systemd in this root: logs how it is called. /run/enabled says whether the
# daemon is enabled and runs.
echo "$*" >>/run/systemctl.log
case " $* " in
*" is-enabled "*) [ -e /run/enabled ] && echo enabled || { echo disabled; exit 1; } ;;
*" is-active "*) [ -e /run/enabled ] ;;
esac
"""

_VOLATILE = ("proc", "dev", "sys", "tmp", "var/cache", "var/lib/dpkg", "var/lib/systemd", "var/log")
"""Directories in which dpkg and systemd keep what they remember."""


class DebianRoot:
    """A minimal root with the dependencies of the packages, from the mirror that apt uses on this machine."""

    def __init__(self, path: Path, release: str, roots: Path) -> None:
        """Unpack the root, which is made first if it is not in `roots`, and install the dependencies."""
        self.path = path
        tarball = roots / f"{CODENAMES[release]}.tar"
        if not tarball.exists():
            run(str(CONTRIB_DEBIAN / "root"), CODENAMES[release], str(tarball))
        path.mkdir()
        run("tar", "-C", str(path), "-xf", str(tarball))
        shutil.copy("/etc/resolv.conf", path / "etc")
        self._apt("update")
        self._apt("install", *DEPENDENCIES)
        systemctl = path / "usr/bin/systemctl"
        systemctl.unlink()
        systemctl.write_text(_SYSTEMCTL)
        systemctl.chmod(0o755)

    def remove(self) -> None:
        """Delete all of its files."""
        run("rm", "-rf", "--one-file-system", str(self.path))

    def boot(self, node: Host) -> None:
        """Pretend to the packages that systemd runs in this root, on a node of the lab."""
        for directory in ("proc", "sys"):
            node.run("mount", "--rbind", f"/{directory}", str(self.path / directory))
        (self.path / "run/systemd/system").mkdir(parents=True, exist_ok=True)

    def files(self) -> set[str]:
        """Return all files and directories, without volatile ones and byte code."""
        found = run("find", str(self.path), "-xdev", "-printf", "%P\n").splitlines()
        return {one for one in found if not one.startswith((*_VOLATILE, "run/")) and "__pycache__" not in one}

    def systemctl_calls(self) -> list[str]:
        """Return how systemctl was called for units of rdnbr since the last call of this method, without questions.

        A trigger of systemd in Debian 13 also restarts systemd-sysctl after the file in sysctl.d was installed.
        """
        log = self.path / "run/systemctl.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line for line in lines if "rdnbr" in line and " is-" not in f" {line}"]

    def _apt(self, *arguments: str) -> None:
        options = ("-qq", "-o", "APT::Install-Recommends=false", "-o", "Dpkg::Use-Pty=false")
        run(
            "chroot", str(self.path), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *options, *arguments
        )


def run(*argv: str) -> str:
    """Run a command, at most for ten minutes, and return its output; fail with all that it wrote."""
    done = subprocess.run(
        argv, check=False, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return done.stdout


def build(release: str, into: Path) -> list[Path]:
    """Build the packages, have lintian examine them, and return their files."""
    run(str(CONTRIB_DEBIAN / "build"), release, "--lintian", "--into", str(into))
    return sorted(into.glob("*.deb"))


def as_next_version(package: Path, into: Path) -> Path:
    """Return the same package with a later version, as a later commit would have it."""
    tree = into / f"{package.name}.tree"
    run("dpkg-deb", "-R", str(package), str(tree))
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace("~deb", ".1~deb"))
    later = into / package.name.replace("~deb", ".1~deb")
    run("dpkg-deb", "-b", str(tree), str(later))
    return later
