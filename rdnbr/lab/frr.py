"""FRR on a host of the lab: zebra and bgpd, configured by a file and queried by vtysh."""

import json
import pwd
import shutil
from pathlib import Path
from typing import Any

from rdnbr.lab.host import Host
from rdnbr.lab.namespace import LabError
from rdnbr.lab.program import Program
from rdnbr.lab.wait import TooLate, wait_for

_DAEMONS = Path("/usr/lib/frr")


def installed() -> bool:
    """Return whether FRR is installed on this machine."""
    return shutil.which("vtysh") is not None and all((_DAEMONS / name).exists() for name in ("zebra", "bgpd"))


class Frr:
    """zebra and bgpd, running on `host` with `config`."""

    def __init__(self, host: Host, config: str) -> None:
        self._host = host
        self._programs: dict[str, Program] = {}
        owner = pwd.getpwnam("frr")
        for directory in ("/run/frr", "/etc/frr"):
            path = host.path(directory)
            path.mkdir(exist_ok=True)
            shutil.chown(path, owner.pw_uid, owner.pw_gid)
        host.write("/etc/frr/vtysh.conf", "")
        host.write("/etc/frr/frr.conf", config)
        shutil.chown(host.path("/etc/frr/frr.conf"), owner.pw_uid, owner.pw_gid)
        self.start("zebra")
        self.start("bgpd")

    def stop(self, name: str) -> None:
        """Stop zebra or bgpd. It does not wait until the other daemon notices."""
        self._programs.pop(name).stop()
        for path in self._sockets(name):
            path.unlink(missing_ok=True)

    def start(self, name: str) -> None:
        """Start zebra or bgpd, and wait until its sockets exist.

        Raises:
            LabError: the daemon ended, or its sockets did not appear in 15 s.
        """
        # -P 0: no telnet port. Both daemons are ready with their vty socket, zebra also needs its clients' socket.
        program = self._host.launch(
            name, str(_DAEMONS / name), "-f", "/etc/frr/frr.conf", "-P", "0", "--log", "stdout"
        )
        self._programs[name] = program
        sockets = self._sockets(name)
        try:
            wait_for(
                lambda: _check_running(name, program) and all(s.exists() for s in sockets),
                15.0,
                f"{name} to start",
            )
        except TooLate as late:
            raise LabError(f"{late}; its log: {program.log.strip()[-500:]}") from None

    def _sockets(self, name: str) -> list[Path]:
        names = [f"{name}.vty", *(["zserv.api"] if name == "zebra" else [])]
        return [self._host.path(f"/run/frr/{each}") for each in names]

    def show(self, command: str) -> dict[str, Any]:
        """Return the JSON output of a vtysh command. `command` must end with `json`."""
        output = json.loads(self._host.run("vtysh", "-c", command))
        assert isinstance(output, dict)
        return output

    def sessions(self) -> list[str]:
        """Return the state of each BGP session in each address family, for example `Established`."""
        return [
            peer["state"]
            for family in self.show("show bgp summary json").values()
            for peer in family.get("peers", {}).values()
        ]


def _check_running(name: str, program: Program) -> bool:
    if program.ended is not None:
        raise LabError(f"{name} ended with {program.ended}; its log: {program.log.strip()[-500:]}")
    return True
