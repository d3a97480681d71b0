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
        owner = pwd.getpwnam("frr")
        for directory in ("/run/frr", "/etc/frr"):
            path = host.path(directory)
            path.mkdir(exist_ok=True)
            shutil.chown(path, owner.pw_uid, owner.pw_gid)
        host.write("/etc/frr/vtysh.conf", "")
        host.write("/etc/frr/frr.conf", config)
        shutil.chown(host.path("/etc/frr/frr.conf"), owner.pw_uid, owner.pw_gid)
        self._start("zebra")
        self._start("bgpd")

    def _start(self, name: str) -> None:
        # -P 0: no telnet port. zebra is ready when its clients' socket is there, either of them with its vty socket.
        program = self._host.launch(
            name, str(_DAEMONS / name), "-f", "/etc/frr/frr.conf", "-P", "0", "--log", "stdout"
        )
        sockets = [self._host.path(f"/run/frr/{name}.vty")]
        if name == "zebra":
            sockets.append(self._host.path("/run/frr/zserv.api"))
        try:
            wait_for(
                lambda: _stopped(name, program) or all(s.exists() for s in sockets), 15.0, f"{name} to start"
            )
        except TooLate as late:
            raise LabError(f"{late}; it says: {program.log.strip()[-500:]}") from None

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
