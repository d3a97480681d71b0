"""A machine of the lab: a network namespace with files of its own.

`/run`, `/etc/rdnbr`, `/etc/frr` and `/etc/iproute2` are empty to begin with and seen by nobody else, so programs
run with their default paths, meet neither the real machine's files nor another lab's, and `ip` prints protocol
numbers that only the real machine may have names for.
"""

import subprocess
from pathlib import Path

from rdnbr.lab.namespace import LabError, Namespace
from rdnbr.lab.program import Program

# /run is a fresh tmpfs, and so is /etc, filled with links to the real one's entries. sysfs shows the devices of the
# namespace it was mounted in.
_FURNISH = r"""
set -e
mount -t sysfs none /sys
mkdir -p /run
mount -t tmpfs -o mode=0755 none /run
mkdir -p /run/real-etc /run/lock
mount --bind /etc /run/real-etc
mount -t tmpfs -o mode=0755 none /etc
for entry in $(ls -A /run/real-etc); do
    case $entry in rdnbr|frr|iproute2) ;; *) ln -s "/run/real-etc/$entry" "/etc/$entry" ;; esac
done
mkdir /etc/rdnbr /etc/frr /etc/iproute2
echo furnished
exec sleep infinity
"""


class Host(Namespace):
    """A namespace whose programs see files of their own, as long as its holder process lives."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._programs: list[Program] = []
        self._holder = subprocess.Popen(  # noqa: S603
            [*super()._entrance, "unshare", "--mount", "--propagation", "private", "sh", "-c", _FURNISH],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        said = self._holder.stdout.readline()
        if said != "furnished\n":
            said += self._holder.stdout.read()
            self.close()
            raise LabError(f"cannot give {name} files of its own: {said.strip()}")

    @property
    def _entrance(self) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self.pid), "--mount", "--net")

    @property
    def pid(self) -> int:
        """Process that holds the host's files; `nsenter --target PID --mount --net` leads there."""
        return self._holder.pid

    def path(self, absolute: str) -> Path:
        """Return where a file of the host is seen from outside."""
        return Path(f"/proc/{self.pid}/root") / absolute.lstrip("/")

    def write(self, absolute: str, text: str) -> None:
        """Write a file of the host's, in place of the one that is there, at once."""
        path = self.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        new.replace(path)

    def launch(self, title: str, *argv: str) -> Program:
        """Start a program that runs until it ends or is stopped, or the host is closed."""
        log = self.path(f"/run/{title}.{len(self._programs)}.log")
        program = Program(self.start(*argv, log=log), log)
        self._programs.append(program)
        return program

    def close(self) -> None:
        """Stop what runs here, and let go of the files."""
        for program in reversed(self._programs):
            program.stop(within=2.0)
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdout is not None:
            self._holder.stdout.close()
