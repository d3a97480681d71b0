"""Other programs that configure the node's network, while guests are up: ifupdown2, systemd-networkd, FRR."""

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


def test_ifreload_with_nothing_to_change_is_not_seen_upstream(node: ServingNode) -> None:
    before = node.updates()
    node.machine.run("ifreload -a")
    assert node.machine.run("bridge link show dev tap100i0 | grep -c 'master vmbr1'").strip() == "1"
    assert (node.updates(), node.routes()) == (before, 4)


def test_guests_are_routed_again_after_ifdown_and_ifup_of_the_bridge(
    node: ServingNode, figures: dict[str, str]
) -> None:
    """`ifdown` deletes the bridge. The guests' ports are outside then, until somebody plugs them in again."""
    node.machine.run("ifdown vmbr1")
    assert node.machine.run("systemctl is-active rdnbr").strip() == "active"
    node.machine.until("[ $(node-routes) = 0 ]", 20, "the routes of the deleted bridge")
    node.machine.run("ifup vmbr1; guest plug 100; guest plug 101")
    figures["routes after the ports are plugged in"] = f"{node.wait_for_routes(4):.1f} s"
    node.wait_for_paths(4)
    for guest in (100, 101):
        node.machine.run(f"upstream ping {guest}")


def test_networkd_keeps_the_bridges_address_when_a_guest_claims_it(node: ServingNode) -> None:
    """contrib/network/networkd: no conflict detection, so a guest's gratuitous ARP takes no address away."""
    run = node.machine.run
    run(
        """
        cp /root/rdnbr/contrib/network/networkd/* /etc/systemd/network/
        mkdir -p /etc/systemd/networkd.conf.d
        printf '[Network]\\nManageForeignRoutes=no\\n' >/etc/systemd/networkd.conf.d/rdnbr.conf
        systemctl start systemd-networkd
        """
    )
    try:
        node.machine.until("networkctl status vmbr1 | grep -q configured", 60, "networkd to configure vmbr1")
        claim = "ip netns exec g100 arping -U -c 1 -w 2 -I eth0 -s 169.254.0.1 169.254.0.1 || true"
        run(f"ip -n g100 address add 169.254.0.1/32 dev eth0; for n in 1 2 3; do {claim}; done")
        run("ip -n g100 address delete 169.254.0.1/32 dev eth0")
        for _ in range(2):
            assert "169.254.0.1" in run("ip -4 -o address show dev vmbr1")
            assert node.routes() == 4
            run("systemctl restart systemd-networkd")
            node.machine.until(
                "networkctl status vmbr1 | grep -q configured", 60, "networkd after its restart"
            )
        run("upstream ping 101")
    finally:
        run(
            "systemctl stop systemd-networkd.socket systemd-networkd\n"
            "rm -r /etc/systemd/network/vmbr1* /etc/systemd/networkd.conf.d"
        )


def test_frr_finds_nothing_to_change_in_contribs_file(node: ServingNode) -> None:
    told = node.machine.run("/usr/lib/frr/frr-reload.py --test --stdout /etc/frr/frr.conf 2>&1", within=180)
    changes = told.partition("Lines To Delete")[1] + told.partition("Lines To Add")[1]
    assert changes == "", told


def test_a_restart_of_frr_brings_all_routes_back(node: ServingNode, figures: dict[str, str]) -> None:
    before = node.updates()
    node.machine.run("systemctl reload frr", within=300)
    assert node.updates() == before
    node.machine.run("systemctl restart frr", within=300)
    figures["paths after FRR's restart"] = f"{node.wait_for_paths(4):.1f} s"
    assert node.routes() == 4
