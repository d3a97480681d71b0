"""A program that runs in the background on a host of the lab."""

import os
import signal
import subprocess
from pathlib import Path


class Program:
    """A running program, its output, and its use of processor and memory."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """The process ID. The lab has no PID namespaces, so it is valid everywhere."""
        return self._process.pid

    @property
    def log(self) -> str:
        """The output so far."""
        return self._log.read_text(errors="replace")

    @property
    def ended(self) -> int | None:
        """The exit code, negative for a signal. None while the program runs."""
        return self._process.poll()

    def cpu_seconds(self) -> float:
        """Processor time used so far, user and system (proc(5): fields 14 and 15 of stat)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Resident memory (proc(5): statm)."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        self._process.send_signal(number)

    def wait(self, within: float = 10.0) -> int:
        """Wait until the program ends, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: the program still runs after `within` seconds.
        """
        return self._process.wait(within)

    def stop(self, within: float = 10.0) -> int:
        """Send SIGTERM, and SIGKILL after `within` seconds. Return the exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
