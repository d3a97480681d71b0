"""FRR on a host of the lab: zebra and bgpd, configured by file and read by vtysh."""

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
    """Tell whether this machine has FRR."""
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
        """Stop zebra or bgpd; when the other one finds out is its own affair."""
        self._programs.pop(name).stop()
        for left in self._sockets(name):
            left.unlink(missing_ok=True)

    def start(self, name: str) -> None:
        """Start zebra or bgpd, and wait until it can be spoken to.

        Raises:
            LabError: it ended, or says nothing.
        """
        # -P 0: no telnet port. zebra is ready when its clients' socket is there, either of them with its vty socket.
        program = self._host.launch(
            name, str(_DAEMONS / name), "-f", "/etc/frr/frr.conf", "-P", "0", "--log", "stdout"
        )
        self._programs[name] = program
        sockets = self._sockets(name)
        try:
            wait_for(
                lambda: _stopped(name, program) or all(s.exists() for s in sockets), 15.0, f"{name} to start"
            )
        except TooLate as late:
            raise LabError(f"{late}; it says: {program.log.strip()[-500:]}") from None

    def _sockets(self, name: str) -> list[Path]:
        names = [f"{name}.vty", *(["zserv.api"] if name == "zebra" else [])]
        return [self._host.path(f"/run/frr/{each}") for each in names]

    def show(self, command: str) -> dict[str, Any]:
        """Return what vtysh answers to `command`, which must end with `json`."""
        answer = json.loads(self._host.run("vtysh", "-c", command))
        assert isinstance(answer, dict)
        return answer

    def sessions(self) -> list[str]:
        """Return the state of each BGP session and address family, such as `Established`."""
        return [
            peer["state"]
            for family in self.show("show bgp summary json").values()
            for peer in family.get("peers", {}).values()
        ]


def _stopped(name: str, program: Program) -> bool:
    if program.ended is not None:
        raise LabError(f"{name} ended with {program.ended}; it says: {program.log.strip()[-500:]}")
    return False
