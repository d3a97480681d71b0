"""A machine of the lab: a network namespace with its own files.

Each host has its own `/run`, `/etc/rdnbr`, `/etc/frr` and `/etc/iproute2`, which are empty at first. Programs can
therefore use their default paths, and see neither the real machine's files nor those of another lab. `ip` prints
routing protocols as numbers, whatever names the real machine has for them.
"""

import subprocess
from pathlib import Path

from rdnbr.lab.namespace import LabError, Namespace
from rdnbr.lab.program import Program

# /run is a new tmpfs. /etc is a new tmpfs as well, filled with links to the entries of the real /etc. sysfs shows the
# devices of the network namespace in which it was mounted.
_SETUP_FILES = r"""
set -e
mount -t sysfs none /sys
mkdir -p /run
mount -t tmpfs -o mode=0755 none /run
mkdir -p /run/real-etc /run/lock
mount --bind /etc /run/real-etc
mount -t tmpfs -o mode=0755 none /etc
for entry in $(ls -A /run/real-etc); do
    case $entry in rdnbr|frr|iproute2|sysctl.d) ;; *) ln -s "/run/real-etc/$entry" "/etc/$entry" ;; esac
done
mkdir /etc/rdnbr /etc/frr /etc/iproute2 /etc/sysctl.d
echo ready
exec sleep infinity
"""


class Host(Namespace):
    """A namespace with its own files. They exist as long as its holder process runs."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._programs: list[Program] = []
        self._holder = subprocess.Popen(  # noqa: S603
            [
                *super()._enter_command,
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                _SETUP_FILES,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        output = self._holder.stdout.readline()
        if output != "ready\n":
            output += self._holder.stdout.read()
            self.close()
            raise LabError(f"cannot mount the files of {name}: {output.strip()}")

    @property
    def _enter_command(self) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self.pid), "--mount", "--net")

    @property
    def pid(self) -> int:
        """Process that holds the host's files. `nsenter --target PID --mount --net` enters the host."""
        return self._holder.pid

    def path(self, absolute: str) -> Path:
        """Return the path, outside the lab, of a file of the host."""
        return Path(f"/proc/{self.pid}/root") / absolute.lstrip("/")

    def write(self, absolute: str, text: str) -> None:
        """Write a file of the host. An existing file is replaced atomically."""
        path = self.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        new.replace(path)

    def launch(self, title: str, *argv: str) -> Program:
        """Start a program in the background. `close` stops it."""
        log = self.path(f"/run/{title}.{len(self._programs)}.log")
        program = Program(self.start(*argv, log=log), log)
        self._programs.append(program)
        return program

    def close(self) -> None:
        """Stop the host's programs, and then the holder of its files."""
        for program in reversed(self._programs):
            program.stop(within=2.0)
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdout is not None:
            self._holder.stdout.close()
