"""A QEMU guest on a node of the lab, with a tap in the node's bridge as its only port."""

import json
import socket
from pathlib import Path
from typing import Any, Self

from rdnbr.lab import Guest, Node, wait_for
from rdnbr.lab.guest import GATEWAY4, GATEWAY6
from tests.real_guest.image import UP, accelerator, command

_PLUG = Path(__file__).parent / "plug"


class Machine:
    """QEMU on `node` with addresses, MAC and port name of `model`, a guest of the lab that is not plugged in.

    With `announces` the NIC makes the guest announce itself after a migration, as virtio's does and other NICs do not.
    QEMU sends RARPs for the guest in either case. With `incoming`, the path of a socket, the machine waits for a guest
    that another machine sends; its port is up meanwhile, as on any target of a migration. The machine and its port
    exist no longer than the node.
    """

    def __init__(
        self,
        node: Node,
        image: Path,
        model: Guest,
        directory: Path,
        *,
        incoming: Path | None = None,
        announces: bool = True,
    ) -> None:
        announce = "on" if announces else "off"
        control = directory / f"qmp{node.number}"
        words = f"guest4={model.address4} guest6={model.address6} gateway4={GATEWAY4} gateway6={GATEWAY6}"
        self._program = node.launch(
            "qemu",
            *command(
                image,
                accelerator(image),
                words,
                *("-netdev", f"tap,id=net0,ifname={model.port},script={_PLUG},downscript=no"),
                *(
                    "-device",
                    f"virtio-net-pci,netdev=net0,mac={model.mac},romfile=,guest_announce={announce}",
                ),
                *("-qmp", f"unix:{control},server=on,wait=off"),
                *(("-incoming", f"unix:{incoming}") if incoming else ()),
            ),
        )
        self._control = wait_for(lambda: self._connect(control), 10, "QEMU to take commands")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.end()

    def _connect(self, path: Path) -> "_Control | None":
        assert self._program.ended is None, self._program.log
        try:
            return _Control(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None

    def wait_until_up(self, within: float = 60.0) -> None:
        """Wait until the guest has its addresses."""
        wait_for(lambda: UP in self._program.log, within, f"the guest to boot; it says {self._program.log}")

    def migrate(self, path: Path, within: float = 60.0) -> int:
        """Send the guest to the machine that waits at `path`; return the downtime in milliseconds."""
        self._control.ask("migrate", uri=f"unix:{path}")
        told = wait_for(self._migrated, within, "the migration")
        assert told["status"] == "completed", told
        return int(told["downtime"])

    def _migrated(self) -> dict[str, Any] | None:
        told = self._control.ask("query-migrate")
        return told if told.get("status") in {"completed", "failed", "cancelled"} else None

    def end(self) -> None:
        """Stop QEMU; the guest's port disappears with it."""
        self._control.close()
        self._program.stop()


class _Control:
    """QEMU's monitor (QMP)."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(10)
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._lines = self._socket.makefile("r")
        self._lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Execute a command and return its answer; events before the answer are skipped."""
        self._socket.sendall(json.dumps({"execute": what, "arguments": arguments}).encode())
        while True:
            told = json.loads(self._lines.readline())
            assert "error" not in told, told
            if "return" in told:
                return told["return"]

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
