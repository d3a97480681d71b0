"""Enforcement: a guest cannot send with the address of another guest on its bridge."""

import json

import pytest

from rdnbr.lab import Lab, wait_for
from rdnbr.lab.node import BRIDGE_MAC
from tests.netns.filtered import cast, enforce, link_local, reaches, senders, settle, wait_for_table
from tests.netns.spoofs import HONEST, SPOOFS

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def guarded():
    with Lab(guests=3, frr=False) as lab:
        enforce(lab.node, on=True)
        lab.node.start_daemon()
        settle(lab)
        wait_for_table(lab)
        yield lab


@pytest.fixture(scope="module")
def open_bridge():
    with Lab(guests=3, frr=False) as lab:
        lab.node.start_daemon()
        settle(lab)
        lab.node.stop_daemon()  # which would correct the forged MAC of the gateway
        yield lab


@pytest.mark.parametrize("name", SPOOFS)
def test_forged_frame_does_not_leave_the_port(guarded, name):
    """A frame with another guest's address, or of a forbidden kind, reaches no neighbour."""
    assert not reaches(guarded, SPOOFS[name](*cast(guarded)))


@pytest.mark.parametrize("name", SPOOFS)
def test_forged_frame_reaches_its_victim_without_enforcement(open_bridge, name):
    """Without enforcement each of these frames is delivered: the tests above can fail."""
    assert reaches(open_bridge, SPOOFS[name](*cast(open_bridge)))


@pytest.mark.parametrize("name", HONEST)
def test_permitted_frame_passes(guarded, name):
    """A frame with the guest's own address, or one sent before it has an address, reaches its neighbours."""
    assert reaches(guarded, HONEST[name](*cast(guarded)))


MISLEADING = {
    4: ("arp request, unicast", "arp reply", "arp announcement", "arp announcement as a reply"),
    6: ("ns", "na", "na, unicast", "na from its own address", "na from its link-local address"),
}
MISLEADING_AS_GATEWAY = {
    4: ("arp request as the gateway", "arp reply as the gateway", "arp announcement of the gateway"),
    6: ("ns as the gateway", "na as the gateway", "na of the gateway"),
}


def remember(lab, address, mac):
    """Give guest 0 a neighbour entry `address` at `mac` that it may replace at once."""
    lab.guest(0).sysctl(ipv4__neigh__eth0__locktime=0)
    lab.guest(0).ip(f"neigh replace {address} lladdr {mac} dev eth0 nud stale")


def has_accepted_forgery(lab, name, address):
    """Return whether guest 0 has accepted the forged `address` of guest 1."""
    with lab.node.capture(lab.guest(0).port) as capture:
        lab.guest(1).send(bytes(SPOOFS[name](*cast(lab))))
        lab.guest(1).send(bytes(HONEST["arp request"](*cast(lab))))
        wait_for(lambda: any(is_reply(one) for one in capture.seen()), 5, "the answer to what came after it")
    return lab.guest(1).mac in lab.guest(0).run("ip", "neigh", "show", address, "dev", "eth0")


def is_reply(seen):
    """A guest that has answered an ARP request has handled all frames before it."""
    return not seen.outgoing and seen.frame[12:14] == b"\x08\x06" and seen.frame[21] == 2


def victims(lab, family, name):
    if name in MISLEADING[family]:
        return lab.guest(2).address(family), lab.guest(2).mac
    return ("169.254.0.1" if family == 4 else "fe80::1"), BRIDGE_MAC


CACHES = [
    (family, name)
    for lies in (MISLEADING, MISLEADING_AS_GATEWAY)
    for family, names in lies.items()
    for name in names
]


@pytest.mark.parametrize(("family", "name"), CACHES)
def test_neighbour_cache_stays_correct(guarded, family, name):
    """A guest cannot change another guest's neighbour entry of a third guest, or of the gateway."""
    address, mac = victims(guarded, family, name)
    remember(guarded, address, mac)
    assert not any(has_accepted_forgery(guarded, name, address) for _ in range(5))


@pytest.mark.parametrize(("family", "name"), CACHES)
def test_neighbour_cache_is_poisoned_without_enforcement(open_bridge, family, name):
    """Without enforcement the same frame replaces the entry of a third guest, or of the gateway."""
    address, mac = victims(open_bridge, family, name)
    remember(open_bridge, address, mac)
    # Linux accepts an ARP reply only a tick after the last change of that neighbour entry.
    wait_for(lambda: has_accepted_forgery(open_bridge, name, address), 5, "the spoof to be believed")


def test_link_local_ping_and_duplicate_detection_work(guarded):
    """Guests reach each other by link-local addresses, and detect an address that is in use."""
    one, two = guarded.guest(0), guarded.guest(1)
    assert one.ping(f"{link_local(two.mac)}%eth0", within=2)
    two.ip(f"addr add {one.address6}/128 dev eth0")
    wait_for(lambda: "dadfailed" in two.run("ip", "-6", "addr", "show", "dev", "eth0"), 5, "DAD to fail")
    two.ip(f"addr del {one.address6}/128 dev eth0")


def test_dropped_frames_are_counted_by_kind(guarded):
    """Each kind of dropped frame has a counter in the table."""
    kinds = {
        "bad_arp": "arp announcement",
        "bad_ip4": "ipv4 packet",
        "bad_ip6": "ipv6 packet",
        "bad_ndp": "na",
        "bad_mac": "arp probe in another's ethernet name",
        "bad_tag": "tagged frame",
        "bad_type": "frame of another type",
    }
    for counter, name in kinds.items():
        before = packets(guarded.node, counter)
        assert not reaches(guarded, SPOOFS[name](*cast(guarded)))
        assert packets(guarded.node, counter) == before + 1


def packets(node, counter):
    listed = node.run("nft", "--json", "list", "counter", "bridge", "rdnbr", counter)
    return next(one["counter"]["packets"] for one in json.loads(listed)["nftables"] if "counter" in one)


def test_bound_mac_of_a_neighbour_does_not_redirect_its_frames(guarded):
    """A guest that binds its own address with a neighbour's MAC does not receive the neighbour's frames."""
    b, _, c = cast(guarded)
    lie = b._replace(mac=c.mac, four="2.57.57.77")
    guarded.guest(1).ip("addr add 2.57.57.77/32 dev eth0")
    guarded.node.write("/etc/rdnbr/allowlist", "2.57.56.0/21\n2001:678:3a4:100::/64\n")
    guarded.node.rdnbr("reload")
    guarded.guest(1).send(bytes(HONEST["arp announcement"](lie, lie, lie)))
    wait_for(lambda: "2.57.57.77" in guarded.node.hosts(), 5, "the route of the lie")
    guarded.guest(1).send(bytes(HONEST["arp announcement"](lie, lie, lie)))
    try:
        assert guarded.upstream.ping(c.four, within=2)
        assert not {one for one in senders(guarded.node) if one[2] == "2.57.57.77"}
        fdb = guarded.node.run("bridge", "fdb", "show", "br", "vmbr1")
        assert f"{c.mac} dev {guarded.guest(2).port}" in fdb
        assert f"{c.mac} dev {guarded.guest(1).port}" not in fdb
    finally:
        guarded.guest(1).ip("addr del 2.57.57.77/32 dev eth0")
        guarded.node.path("/etc/rdnbr/allowlist").unlink()
        guarded.node.rdnbr("flush", "2.57.57.77")
