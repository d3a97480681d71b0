"""The settings of real bridge ports."""

import pytest

from rdnbr.linux.netlink.bridge_ports import PortSettings, read_port_settings
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.root


def test_settings_of_all_ports_of_all_bridges(namespace: Namespace) -> None:
    """Learning and flooding are read of each port; what is no bridge port is not listed."""
    for bridge, port in (("vmbr1", "tap1i0"), ("vmbr1", "tap1i1"), ("vmbr2", "tap2i0")):
        if not port.endswith("i1"):
            namespace(f"ip link add {bridge} type bridge")
        namespace(f"ip link add {port} type veth peer name guest-{port}")
        namespace(f"ip link set {port} master {bridge}")
    namespace("bridge link set dev tap1i1 learning off")
    namespace("bridge link set dev tap2i0 flood off")
    with namespace.entered():
        found = read_port_settings()
    assert found == {
        namespace.index("tap1i0"): PortSettings(learning=True, unicast_flood=True),
        namespace.index("tap1i1"): PortSettings(learning=False, unicast_flood=True),
        namespace.index("tap2i0"): PortSettings(learning=True, unicast_flood=False),
    }
