"""The package's later life: an upgrade, a removal and a purge. The file runs last, since nothing is left then."""

from pathlib import Path

import pytest

from tests.debian.debian_root import as_next_version
from tests.node_vm.machine import Machine
from tests.node_vm.serving_node import ServingNode

pytestmark = [
    pytest.mark.node_vm,
    pytest.mark.node_vm_long,
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(1200),
]


def test_an_upgrade_is_not_seen_upstream_a_removal_leaves_routes_and_a_purge_does_not(
    node: ServingNode, machine: tuple[Machine, Path], tmp_path: Path
) -> None:
    run, before, pid = node.machine.run, node.updates(), node.main_pid()
    later = as_next_version(machine[1], tmp_path)
    (tmp_path / "later").mkdir()
    later.rename(tmp_path / "later" / later.name)
    node.machine.send(tmp_path / "later", "/root/later")
    run("export DEBIAN_FRONTEND=noninteractive; dpkg -i /root/later/*.deb", within=300)
    node.wait_until_active()
    assert node.main_pid() != pid
    assert (node.updates(), node.routes()) == (before, 4)

    assert "stay in the kernel" in run("dpkg --remove rdnbr 2>&1", within=300)
    assert (node.updates(), node.routes()) == (before, 4)
    assert "removed its routes" in run("dpkg --purge rdnbr 2>&1", within=300)
    assert node.routes() == 0
    run("[ ! -e /etc/rdnbr ] && ! getent passwd rdnbr && [ ! -e /var/lib/rdnbr ]")
    node.wait_for_paths(0)
