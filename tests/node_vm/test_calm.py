"""What BGP sees of restarts, crashes and a reboot, with twenty guests."""

import pytest

from tests.node_vm.serving_node import ServingNode

pytestmark = [
    pytest.mark.node_vm,
    pytest.mark.node_vm_long,
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.alone,
]

_GUESTS = range(102, 120)


@pytest.mark.timeout(3600)
def test_no_restart_and_no_crash_is_seen_upstream_and_a_reboot_brings_all_back(
    node: ServingNode, figures: dict[str, str], pytestconfig: pytest.Config
) -> None:
    restarts = pytestconfig.getoption("--node-vm-restarts")
    node.add_guests(*_GUESTS, already=2)
    node.wait_for_paths(40)
    before, took = node.updates(), []
    for _ in range(restarts):
        node.machine.run("systemctl restart rdnbr")
        took.append(node.seconds_to_ready())
        assert node.routes() == 40
    for _ in range(max(restarts // 2, 1)):
        pid = node.main_pid()
        node.machine.run(f"kill -9 {pid}")
        node.machine.until(f"[ $(systemctl show -p MainPID --value rdnbr) != {pid} ]", 60, "a new process")
        node.wait_until_active()
        assert node.routes() == 40
    figures["restart to ready, median"] = f"{sorted(took)[len(took) // 2]:.1f} s"
    figures["updates upstream"] = f"{node.updates() - before} in {restarts} restarts"
    assert node.updates() == before

    node.machine.run("systemctl enable frr")
    figures["reboot to ssh"] = f"{node.machine.reboot():.0f} s"
    node.wait_until_active()
    assert node.machine.run("systemctl is-active networking frr").split() == ["active"] * 2
    assert node.machine.run("systemctl show -p NRestarts --value rdnbr").strip() == "0"
    node.machine.run("upstream start")
    node.add_guests(100, 101)
    node.wait_for_paths(4)
