"""Pins in the forwarding databases of real bridges. pyroute2 reads what the code here has written."""

from collections.abc import Iterator

import pytest
from pyroute2 import IPRoute

from rdnbr.core.model.address import parse_mac
from rdnbr.core.model.pin import DropPin, Pin, PinKey, PutPin
from rdnbr.linux.netlink.kernel_pins import KernelPins, can_pin, remove_all_pins
from rdnbr.linux.netlink.monitor import Monitor, PinGone
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.root

MAC = "52:02:45:76:d2:35"
NOARP, STICKY = 0x40, 0x40


@pytest.fixture
def node(namespace: Namespace) -> Namespace:
    namespace("ip link add vmbr1 type bridge")
    namespace("ip link set vmbr1 up")
    for port in ("tap1i0", "tap2i0"):
        namespace(f"ip link add {port} type veth peer name guest-{port}")
        namespace(f"ip link set {port} master vmbr1 up")
        namespace(f"ip link set guest-{port} up")
    return namespace


@pytest.fixture
def kernel(node: Namespace) -> Iterator[KernelPins]:
    with node.entered():
        kernel = KernelPins()
    yield kernel
    kernel.close()


def pin(node: Namespace, port: str, mac: str = MAC) -> Pin:
    return Pin(PinKey(node.index("vmbr1"), parse_mac(mac)), node.index(port))


def entries(node: Namespace, mac: str = MAC) -> list[tuple[int, int, int]]:
    """Return port, state and flags of the entries of a MAC on the bridge."""
    with node.entered(), IPRoute() as oracle:
        return [
            (one["ifindex"], one["state"], one["flags"])
            for one in oracle.fdb("dump")
            if one.get_attr("NDA_LLADDR") == mac and one.get_attr("NDA_MASTER")
        ]


def test_pin_is_static_and_sticky(node: Namespace, kernel: KernelPins) -> None:
    """A pin that was put is read back, and put again without a change; in the oracle it is static and sticky."""
    wanted = pin(node, "tap1i0")
    assert can_pin()
    assert kernel.apply([PutPin(wanted), PutPin(wanted)]) == []
    assert kernel.read() == {wanted.key: wanted.port}
    assert entries(node) == [(wanted.port, NOARP, STICKY)]


def test_pin_moves_and_goes(node: Namespace, kernel: KernelPins) -> None:
    """A pin to another port replaces the first; a removal that names the old port removes nothing."""
    first, second = pin(node, "tap1i0"), pin(node, "tap2i0")
    kernel.apply([PutPin(first)])
    kernel.apply([PutPin(second)])
    assert kernel.read() == {second.key: second.port}
    assert kernel.apply([DropPin(first)]) == []
    assert kernel.read() == {second.key: second.port}
    assert kernel.apply([DropPin(second), DropPin(second)]) == []
    assert kernel.read() == {}


def test_learned_entry_is_replaced(node: Namespace, kernel: KernelPins) -> None:
    """What the bridge has learned, from whatever port, gives way."""
    node(f"bridge fdb add {MAC} dev tap2i0 master dynamic")
    assert kernel.apply([PutPin(pin(node, "tap1i0"))]) == []
    assert entries(node) == [(node.index("tap1i0"), NOARP, STICKY)]


@pytest.mark.parametrize("kind", ["static", "static sticky", "permanent"])
def test_foreign_entry_stays(node: Namespace, kernel: KernelPins, kind: str) -> None:
    """An entry that somebody else configured is refused its place, is not read as a pin, and is not removed."""
    node(f"bridge fdb add {MAC} dev tap2i0 master {kind}")
    before = entries(node)
    put = PutPin(pin(node, "tap1i0"))
    assert [one.operation for one in kernel.apply([put, DropPin(pin(node, "tap2i0"))])] == [put]
    assert kernel.read() == {}
    with node.entered():
        assert remove_all_pins() == 0
    assert entries(node) == before


def test_pin_that_somebody_replaces_is_theirs(node: Namespace, kernel: KernelPins) -> None:
    """The mark of a pin goes when somebody makes it an entry of theirs."""
    kernel.apply([PutPin(pin(node, "tap1i0"))])
    node(f"bridge fdb del {MAC} dev tap1i0 master")
    node(f"bridge fdb add {MAC} dev tap1i0 master static sticky")
    assert kernel.read() == {}


def test_port_that_is_gone_is_refused(node: Namespace, kernel: KernelPins) -> None:
    """A pin to a port that is gone, or that has left its bridge, fails alone; its removal is done already."""
    gone, left, good = pin(node, "tap1i0"), pin(node, "tap2i0", "52:02:45:00:00:02"), pin(node, "tap2i0")
    kernel.apply([PutPin(gone), PutPin(left)])
    node("ip link del tap1i0")
    assert kernel.apply([DropPin(gone)]) == []
    assert [one.operation for one in kernel.apply([PutPin(gone), PutPin(good)])] == [PutPin(gone)]
    node("ip link set tap2i0 nomaster")
    assert [one.operation for one in kernel.apply([PutPin(left), DropPin(good)])] == [PutPin(left)]


def test_more_pins_than_one_send_has(node: Namespace, kernel: KernelPins) -> None:
    """Batches of netlink do not limit the number of pins."""
    many = [pin(node, "tap1i0", f"52:02:45:00:{n // 256:02x}:{n % 256:02x}") for n in range(450)]
    assert kernel.apply([PutPin(one) for one in many]) == []
    assert kernel.read() == {one.key: one.port for one in many}
    with node.entered():
        assert remove_all_pins() == 450
    assert kernel.read() == {}


def test_removal_is_announced(node: Namespace, kernel: KernelPins) -> None:
    """The monitor reports a pin that goes, and no other entry of a bridge."""
    with node.entered():
        monitor = Monitor()
    try:
        kernel.apply([PutPin(pin(node, "tap1i0"))])
        node("bridge fdb add 52:02:45:00:00:09 dev tap1i0 master static sticky")
        node("bridge fdb del 52:02:45:00:00:09 dev tap1i0 master")
        node(f"bridge fdb del {MAC} dev tap1i0 master")
        assert [one for one in monitor.receive() if isinstance(one, PinGone)] == [
            PinGone(pin(node, "tap1i0"))
        ]
    finally:
        monitor.close()
