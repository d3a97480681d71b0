"""What real bridges know of MACs."""

from collections.abc import Iterator

import pytest

from rdnbr.core.model.address import parse_mac
from rdnbr.linux.netlink.bridge_fdb import read_fdb
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.root

GUEST = "52:02:45:76:d2:35"


@pytest.fixture
def node() -> Iterator[Namespace]:
    namespace = Namespace()
    for bridge, port in (("vmbr1", "tap1i0"), ("vmbr2", "tap2i0")):
        namespace(f"ip link add {bridge} type bridge")
        namespace(f"ip link set {bridge} up")
        namespace(f"ip link add {port} type veth peer name guest-{port}")
        namespace(f"ip link set {port} master {bridge} up")
        namespace(f"ip link set guest-{port} up")
    yield namespace
    namespace.close()


def heard(node: Namespace) -> dict[tuple[int, str], int]:
    """What is known of the guest's MAC."""
    with node.entered():
        return {key: port for key, port in read_fdb().items() if key[1] == parse_mac(GUEST)}


def test_a_mac_is_known_by_bridge_and_port(node: Namespace) -> None:
    """A MAC that a bridge has learned is found under that bridge, with its port, and under no other."""
    assert heard(node) == {}
    node(f"bridge fdb add {GUEST} dev tap2i0 master dynamic")
    assert heard(node) == {(node.index("vmbr2"), parse_mac(GUEST)): node.index("tap2i0")}


def test_a_port_is_not_where_its_own_mac_was_heard(node: Namespace) -> None:
    """The MACs of the ports themselves, and what a device keeps for itself, tell of no guest."""
    node(f"bridge fdb add {GUEST} dev tap1i0 master local permanent")
    assert heard(node) == {}
    node(f"bridge fdb add {GUEST} dev tap1i0 self")
    assert heard(node) == {}
