"""A simulated /etc/pve in a directory."""

import json
from pathlib import Path
from typing import Literal

from rdnbr_proxmox.command import main

Kind = Literal["qemu", "lxc"]
FOLDERS: dict[Kind, str] = {"qemu": "qemu-server", "lxc": "lxc"}


class Tree:
    """The files of a cluster, and the allowlist that a node generates from them."""

    def __init__(self, root: Path) -> None:
        self.pve = root / "pve"
        self.allowlist = root / "rdnbr" / "allowlist.d" / "50-proxmox.conf"
        self._homes: dict[int, dict[str, object]] = {}
        (self.pve / "firewall").mkdir(parents=True)
        self._list()

    def guest(self, vm: int, config: str, *, node: str = "pve1", kind: Kind = "qemu") -> Path:
        """Write or replace the configuration of a guest, and return its file."""
        self.remove(vm)
        path = self.pve / "nodes" / node / FOLDERS[kind] / f"{vm}.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(config.encode("utf-8", "surrogateescape"))
        self._homes[vm] = {"node": node, "type": kind, "version": 1}
        self._list()
        return path

    def remove(self, vm: int) -> None:
        """Destroy a guest."""
        if self._homes.pop(vm, None) is not None:
            for path in self.pve.glob(f"nodes/*/*/{vm}.conf"):
                path.unlink()
            self._list()

    def firewall(self, name: int | Literal["cluster"], text: str) -> Path:
        """Write a firewall file, and return it."""
        path = self.pve / "firewall" / f"{name}.fw"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return path

    def run(self, *more: str) -> int:
        """Run the generator, and return its exit code."""
        return main(["--pve", str(self.pve), "--output", str(self.allowlist), *more])

    def rules(self) -> list[str]:
        """Return the rules in the file in their order, without comments, with single spaces."""
        lines = self.allowlist.read_text().split("\n")
        return [" ".join(line.partition("#")[0].split()) for line in lines if line.partition("#")[0].strip()]

    def _list(self) -> None:
        # pmxcfs leaves out "ids" if there is no guest.
        listed: dict[str, object] = {"version": 1}
        if self._homes:
            listed["ids"] = self._homes
        (self.pve / ".vmlist").write_text(json.dumps(listed))
