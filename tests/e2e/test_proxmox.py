"""A Proxmox node's allowlist, from the guest's configuration to its route."""

from pathlib import Path

import pytest
from guest_frames import announcement
from proxmox_tree import Tree

from rdnbr.lab import wait_for
from tests.e2e.node_view import stays

pytestmark = pytest.mark.root


@pytest.fixture
def cluster(lab, tmp_path: Path) -> Tree:
    """A cluster whose node has the lab's first guest, as VM 100 with one address, and serves it."""
    cluster = Tree(tmp_path)
    configure(lab, cluster, "2.57.57.30/32")
    lab.node.start_daemon()
    return cluster


def configure(lab, cluster: Tree, address: str) -> None:
    """Give VM 100 an address, as Proxmox does, and run the generator on the node."""
    mac = lab.guest(0).mac.upper()
    cluster.guest(100, f"name: web1\nnet0: virtio={mac},bridge=vmbr1\nipconfig0: ip={address}\n")
    assert cluster.run() == 0
    lab.node.write("/etc/rdnbr/allowlist.d/50-proxmox.conf", cluster.allowlist.read_text())


def test_a_guest_has_what_its_configuration_gives_it(lab, cluster: Tree) -> None:
    """VM 100 is routed with its first frame, by the rule made for it; its neighbour cannot have that address."""
    other = lab.guest(1)
    other.send(announcement(other.mac, "2.57.57.30"))
    stays(lambda: lab.node.hosts() == set(), 0.5, "nobody's route")
    guest = lab.guest(0)
    guest.send(announcement(guest.mac, "2.57.57.30"))
    wait_for(lambda: lab.node.hosts() == {"2.57.57.30"}, 1, "the route")
    (binding,) = lab.node.show("bindings")["bindings"]
    assert (binding["vm"], binding["rule"]) == (100, "/etc/rdnbr/allowlist.d/50-proxmox.conf:5")


def test_a_changed_configuration_is_noticed(lab, cluster: Tree) -> None:
    """When the address in the configuration changes, the old route is withdrawn, and the new address is permitted."""
    guest = lab.guest(0)
    guest.send(announcement(guest.mac, "2.57.57.30"))
    wait_for(lambda: lab.node.hosts() == {"2.57.57.30"}, 1, "the route")
    configure(lab, cluster, "2.57.57.40/32")
    wait_for(lambda: lab.node.hosts() == set(), 5, "the old route to go")
    guest.send(announcement(guest.mac, "2.57.57.40"))
    wait_for(lambda: lab.node.hosts() == {"2.57.57.40"}, 1, "the new route")
