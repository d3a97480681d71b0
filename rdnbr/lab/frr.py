"""FRR on a host of the lab: its daemons, configured by files and queried by vtysh.

In FRR 10 mgmtd reads zebra's configuration, and zebra complains of each change of an interface while no mgmtd runs. So
mgmtd runs where FRR has it.
"""

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
    """mgmtd if there is one, zebra and bgpd, running on `host` with `config`."""

    def __init__(self, host: Host, config: str) -> None:
        self._host = host
        self._programs: dict[str, Program] = {}
        owner = pwd.getpwnam("frr")
        for directory in ("/run/frr", "/etc/frr"):
            path = host.path(directory)
            path.mkdir(exist_ok=True)
            shutil.chown(path, owner.pw_uid, owner.pw_gid)
        host.write("/etc/frr/vtysh.conf", "")
        lines = config.splitlines(keepends=True)
        for_zebra = [line for line in lines if line.startswith(("ip nht ", "ipv6 nht "))]
        host.write("/etc/frr/zebra.conf", "".join(for_zebra))
        host.write("/etc/frr/frr.conf", "".join(line for line in lines if line not in for_zebra))
        for file in ("/etc/frr/zebra.conf", "/etc/frr/frr.conf"):
            shutil.chown(host.path(file), owner.pw_uid, owner.pw_gid)
        self._has_mgmtd = (_DAEMONS / "mgmtd").exists()
        if self._has_mgmtd:
            self.start("mgmtd")
        self.start("zebra")
        self.start("bgpd")

    def stop(self, name: str) -> None:
        """Stop a daemon. It does not wait until the other daemons notice."""
        self._programs.pop(name).stop()
        for path in self._sockets(name):
            path.unlink(missing_ok=True)

    def start(self, name: str) -> None:
        """Start a daemon, and wait until its sockets exist.

        Raises:
            LabError: the daemon ended, or its sockets did not appear in 15 s.
        """
        file = {"bgpd": "/etc/frr/frr.conf"}
        if not self._has_mgmtd:
            file["zebra"] = "/etc/frr/zebra.conf"
        # -P 0: no telnet port. A daemon is ready with its vty socket, zebra also needs its clients' socket.
        program = self._host.launch(
            name,
            str(_DAEMONS / name),
            *(("-f", file[name]) if name in file else ()),
            *("-P", "0", "--log", "stdout"),
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
