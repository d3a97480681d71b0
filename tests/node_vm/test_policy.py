"""Who may do what on the node: guests by `enforce`, and people by the group."""

import pytest

from tests.node_vm.serving_node import ServingNode

pytestmark = [
    pytest.mark.node_vm,
    pytest.mark.node_vm_long,
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(1200),
]


_FILTER = "nft list tables | grep -q 'bridge rdnbr'"
_PINS = "[ $(bridge fdb show br vmbr1 | grep -c 'sticky.*static\\|static.*sticky') -ge 2 ]"


@pytest.mark.parametrize(("enforce", "in_force"), [("true", _FILTER), ('"macs"', _PINS)])
def test_enforce_is_in_force_over_a_restart_and_guests_stay_reachable(
    node: ServingNode, enforce: str, in_force: str
) -> None:
    """The unit's hardening lets `nft` run. What enforces goes when the file no longer asks for it."""
    run, before = node.machine.run, node.updates()
    run(f"echo 'enforce = {enforce}' >/etc/rdnbr/rdnbr.toml; systemctl restart rdnbr")
    node.machine.until(in_force, 60, "what enforces")
    for guest in (100, 101):
        run(f"guest speak {guest}; upstream ping {guest}")
    if in_force == _FILTER:
        dropped = "nft list counters table bridge rdnbr | awk '/packets/ { sum += $2 } END { print sum + 0 }'"
        until_now = int(run(dropped))
        run(
            "ip -n g100 address add 2.57.57.101/32 dev eth0\n"
            "ip netns exec g100 ping -c 2 -W 1 -I 2.57.57.101 198.51.100.254 || true\n"
            "ip -n g100 address delete 2.57.57.101/32 dev eth0"
        )
        assert int(run(dropped)) >= until_now + 2
    run(f"systemctl restart rdnbr; {in_force}; rm /etc/rdnbr/rdnbr.toml; systemctl restart rdnbr")
    node.machine.until(f"! {in_force}", 60, "the end of what enforces")
    assert node.updates() == before


def test_members_of_the_group_may_look_and_not_withdraw(node: ServingNode) -> None:
    run = node.machine.run
    run("id op 2>/dev/null || useradd --no-create-home op; usermod -aG rdnbr op")
    assert "2.57.57.100" in run("setpriv --reuid=op --regid=op --init-groups rdnbr show")
    flush = node.machine.attempt("setpriv --reuid=op --regid=op --init-groups rdnbr flush 2.57.57.100")
    assert flush.returncode != 0, flush.stdout
    assert node.routes() == 4
    assert node.machine.attempt("setpriv --reuid=nobody --clear-groups rdnbr show").returncode != 0
