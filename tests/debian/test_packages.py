"""The Debian packages: built, examined by lintian, and installed, upgraded, removed and purged in a clean root."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rdnbr.lab import Lab, wait_for
from rdnbr.lab.node import Node
from rdnbr.lab.program import Program
from tests.debian.debian_root import DebianRoot, as_next_version, build

pytestmark = [pytest.mark.debian, pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]

UNITS = (
    "rdnbr.service",
    "rdnbr-metrics.service",
    "rdnbr-proxmox-allowlist.service",
    "rdnbr-proxmox-allowlist.timer",
)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(guests=1, frr=False) as lab:
        yield lab


class Machine:
    """A node of the lab whose programs are those of the Debian root."""

    def __init__(self, node: Node, root: DebianRoot) -> None:
        self.node = node
        self.root = root

    def run(self, *argv: str) -> str:
        """Run a command of the root, as root, and return what it wrote."""
        done = self.node.attempt("chroot", str(self.root.path), *argv, within=120)
        assert done.returncode == 0, f"{argv}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def start_daemon(self) -> Program:
        """Start the installed daemon as the unit does, as its user with two capabilities, and wait for its answer."""
        self.run("install", "-d", "-o", "rdnbr", "-g", "rdnbr", "/run/rdnbr")
        capabilities = "--inh-caps=-all,+net_admin,+net_raw", "--ambient-caps=-all,+net_admin,+net_raw"
        daemon = self.node.launch(
            "rdnbr",
            *("chroot", str(self.root.path), "setpriv", "--reuid=rdnbr", "--regid=rdnbr", "--clear-groups"),
            *(*capabilities, "/usr/bin/rdnbr", "run", "--wait"),
        )
        socket = self.root.path / "run/rdnbr/rdnbr.sock"
        wait_for(lambda: daemon.ended is not None or socket.exists(), 30, "the control socket")
        assert daemon.ended is None, daemon.log
        return daemon


def test_life_of_the_packages(
    lab: Lab, debian_release: str, debian_roots: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing starts unasked, an upgrade restarts what runs, a removal leaves routes, and a purge leaves nothing."""
    began = time.monotonic()
    packages = build(debian_release, tmp_path / "packages")
    built = time.monotonic()
    root = DebianRoot(tmp_path / "root", debian_release, debian_roots)
    made = time.monotonic()
    try:
        _tell_life(lab, root, packages, tmp_path)
    finally:
        lab.close()  # its processes and mounts hold the root
        root.remove()
    with capfd.disabled():
        print(
            f"\nDebian {debian_release}: built in {built - began:.0f} s, root made in {made - built:.0f} s, "
            f"lived in {time.monotonic() - made:.0f} s"
        )


def _tell_life(lab: Lab, root: DebianRoot, packages: list[Path], tmp_path: Path) -> None:
    guest, machine = lab.guest(0), Machine(lab.node, root)
    addresses = set(guest.addresses)
    (root.path / "packages").mkdir()
    before = root.files()

    def dpkg(*arguments: str) -> str:
        return machine.run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", *arguments)

    def install(files: list[Path]) -> None:
        for file in files:
            (root.path / "packages" / file.name).write_bytes(file.read_bytes())
        dpkg("-i", *(f"/packages/{file.name}" for file in files))

    root.boot(lab.node)
    install(packages)
    assert root.systemctl_calls() == []
    assert machine.run("id", "-gn", "rdnbr").strip() == "rdnbr"
    assert machine.run("rdnbr", "check").startswith("no mistakes; there is no /etc/rdnbr/allowlist")
    assert "usage: rdnbr-proxmox-allowlist" in machine.run("rdnbr-proxmox-allowlist", "--help")
    assert "171\trdnbr" in (root.path / "etc/iproute2/rt_protos.d/rdnbr.conf").read_text()
    units = [machine.run("dpkg", "-L", "rdnbr", "rdnbr-proxmox").split()]
    assert {Path(one).name for one in units[0]} >= {*UNITS, "90-rdnbr.conf"}
    assert machine.run("systemd-analyze", "verify", "--man=no", *UNITS) == ""
    machine.run(
        "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=15", "rdnbr.service"
    )

    daemon = machine.start_daemon()
    guest.configure()
    guest.wait_for_dad()
    wait_for(lambda: guest.ping_gateways() or lab.node.hosts() == addresses, 20, "the routes")
    assert guest.address4 in machine.run("rdnbr", "show")

    (root.path / "run/enabled").touch()  # systemctl enable --now rdnbr
    install([as_next_version(package, tmp_path) for package in packages])
    assert [call for call in root.systemctl_calls() if call.endswith(" rdnbr.service")] == [
        "--quiet --system restart rdnbr.service"
    ]
    assert daemon.stop() == 0
    assert lab.node.hosts() == addresses
    daemon = machine.start_daemon()
    assert lab.node.hosts() == addresses

    said = dpkg("--remove", "rdnbr-proxmox", "rdnbr")
    assert "protocol 171) stay in the kernel; apt-get purge rdnbr removes them" in said
    assert "stop rdnbr.service" in root.systemctl_calls()
    assert daemon.stop() == 0
    assert lab.node.hosts() == addresses
    assert (root.path / "etc/rdnbr/rdnbr.toml").exists()

    lab.node.ip(
        "route add 192.0.2.9 dev vmbr1 proto 4", "neigh add 192.0.2.9 lladdr 02:00:00:00:00:01 dev vmbr1"
    )
    said = dpkg("--purge", "rdnbr-proxmox", "rdnbr")
    assert "removed its routes and neighbours" in said
    assert lab.node.hosts() == set()
    neighbours = lab.node.run("ip", "-N", "neigh", "show", "nud", "permanent")
    assert "proto 171" not in neighbours
    assert "192.0.2.9" in neighbours
    assert lab.node.routes(4, "192.0.2.9") != []
    left = {path for path in root.files() - before if not path.startswith("packages/")}
    assert {
        path for path in left if not path.startswith(("etc/.pwd.lock", "etc/subuid", "etc/subgid"))
    } == set()
