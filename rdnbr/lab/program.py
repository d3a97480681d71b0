"""A program that runs on a host of the lab until it ends or is stopped."""

import os
import signal
import subprocess
from pathlib import Path


class Program:
    """A running program, what it said so far, and what it used."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Its process, as seen from anywhere."""
        return self._process.pid

    @property
    def log(self) -> str:
        """All it has printed."""
        return self._log.read_text(errors="replace")

    @property
    def ended(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def cpu_seconds(self) -> float:
        """Processor time used so far, user and system (proc(5): fields 14 and 15 of stat)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Memory in use (proc(5): statm)."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self, within: float = 10.0) -> int:
        """Return its exit code when it ends by itself.

        Raises:
            subprocess.TimeoutExpired: it still runs after so many seconds.
        """
        return self._process.wait(within)

    def stop(self, within: float = 10.0) -> int:
        """Ask it to end (SIGTERM), insist after so many seconds (SIGKILL), and return its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
