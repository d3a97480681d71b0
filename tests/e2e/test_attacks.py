"""Each attack of the table, sent from inside a guest.

After each attack the node's kernel and the upstream are as before, the upstream reaches the attacked guest, every frame
is counted once and under a reason of the table, and the log has a few new lines at most.
"""

import itertools
from collections import Counter

import pytest
from scapy.layers.l2 import ARP, Ether

from rdnbr.core.probing.gateway_defence import DEFEND_INTERVAL
from rdnbr.lab import Lab, wait_for
from rdnbr.lab.capture import Capture
from rdnbr.lab.frr import installed
from rdnbr.lab.node import SOCKET
from rdnbr.operator.control.client import Client
from tests.e2e.attack_frames import GATEWAY4, GATEWAY6, NODE_MAC, arp, ns, rarp, sllao
from tests.e2e.attacks import ALLOWLIST, ATTACKER, ATTACKS, SPEAKER

pytestmark = [pytest.mark.root, pytest.mark.slow]

TIMES = 50
"""How often each frame is sent."""
LINES = 8
"""The most log lines that one attack may cause."""
HONEST = {"answered", "evidence", "incumbent-answered", "awaiting-dad", "link-local", "not-ndp"}
"""Reasons under which a guest's own frames are counted."""

CONFIG = """\
[port]
new_addresses_per_second = 1000
addresses_ipv6 = 64
[timers]
data_window = 0
"""
"""High limits, so that one attack does not use up the limits of the next, and no data snooping. Other tests try the
limits and data snooping."""

_numbers = itertools.count(1)


class AttackedLab:
    """A lab whose guests are as the table says, and its state."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.node = lab.node
        self.node.write("/etc/rdnbr/allowlist", ALLOWLIST)
        self.node.write("/etc/rdnbr/rdnbr.toml", CONFIG)
        # Another network of the node, which a guest must not get into.
        self.node.ip(
            "link add mgmt type veth peer name mgmt-peer",
            "addr add 192.0.2.1/24 dev mgmt",
            "addr add 2001:db8:eeee::1/64 dev mgmt nodad",
            "link set mgmt up",
            "link set mgmt-peer up",
        )
        for guest in lab.guests:
            guest.sysctl(ipv6__conf__eth0__router_solicitations=0)
        lab.guest(ATTACKER).sysctl(ipv6__conf__eth0__disable_ipv6=1)  # it sends only the frames of the test
        self.daemon = self.node.start_daemon()
        honest = [guest for guest in lab.guests if guest.number != ATTACKER]
        for guest in honest:
            guest.configure()
        for guest in honest:
            guest.wait_for_dad()
            guest.send_gateway_request()
        bound = {address for guest in honest for address in guest.addresses}
        wait_for(lambda: self.node.hosts() == bound, 10, "the guests' routes")
        if lab.bgp:
            wait_for(lambda: lab.upstream.hosts() == bound, 10, "the upstream's routes")
        self._client = Client(self.node.path(SOCKET))

    def close(self) -> None:
        self._client.__exit__()

    def replug(self) -> None:
        """Give the attacker a new port."""
        guest = self.lab.guest(ATTACKER)
        before = self._index(guest.port)
        self.lab.unplug(guest)
        self.lab.plug(guest)
        guest.sysctl(ipv6__conf__eth0__disable_ipv6=1)
        wait_for(lambda: self._index(guest.port) not in (None, before), 5, "the new port")

    def _index(self, port: str) -> int | None:
        ports = self._client.request("ports")["ports"]
        return next((one["ifindex"] for one in ports if one["port"] == port), None)

    def request_gateways(self) -> None:
        """Let the active guest request its gateways' MACs."""
        guest = self.lab.guest(SPEAKER)
        guest.send(bytes(arp(guest.mac, guest.address4)))
        guest.send(bytes(ns(guest.mac, guest.address6, GATEWAY6, sllao(guest.mac))))

    def counted(self, port: str) -> Counter[str]:
        """Return the counters of a port, without the reasons of the guests' own frames."""
        counts = Counter(self._client.request("counters")["counters"].get(port, {}))
        own = set() if port == self.lab.guest(ATTACKER).port else HONEST
        return Counter({reason: count for reason, count in counts.items() if reason not in own})

    def kernel_state(self) -> list[str]:
        """Return all routes of the node and the upstream, and the node's permanent neighbours."""
        commands = ("-4 route show table all", "-6 route show table all", "neigh show nud permanent")
        kept = [line for command in commands for line in self.node.run("ip", *command.split()).splitlines()]
        # The states of neighbours on the uplink change with time; their MACs do not.
        fabric = self.node.run("ip", "neigh", "show", "dev", "uplink").split()
        macs = {word for before, word in itertools.pairwise(fabric) if before == "lladdr"}
        return kept + sorted(macs) + sorted(self.lab.upstream.hosts())

    def is_reached(self, address: str) -> bool:
        """Return whether the upstream reaches an address."""
        return self.lab.upstream.ping(address)


@pytest.fixture(scope="module")
def field():
    with Lab(guests=4, frr=installed()) as lab:
        field = AttackedLab(lab)
        yield field
        field.close()


def each():
    for attack in ATTACKS:
        for kind, build in attack.frames.items():
            yield pytest.param(attack, build, id=f"{attack.title}, {kind}")


@pytest.mark.parametrize(("attack", "build"), list(each()))
def test_attack_changes_nothing(field, attack, build):
    """No route or neighbour changes, the victim is reached, each frame counts once as in the table, few log lines."""
    guest = field.lab.guest(attack.guest)
    if "quarantined" in attack.reasons and guest.number == ATTACKER:
        field.replug()  # else a hold-down from the attack before would apply
    mac = attack.mac or f"52:66:00:00:00:{next(_numbers):02x}"
    before_attack, lines = field.kernel_state(), len(field.daemon.log.splitlines())
    before = field.counted(guest.port)
    frame = bytes(build(mac))
    for _ in range(TIMES):
        guest.send(frame)
    field.request_gateways()
    expected = TIMES
    if not attack.reasons:
        # One frame that counts, behind those that must not: when it is counted, the others have been handled.
        guest.send(bytes(rarp("52:66:00:00:ff:01")))
        before["unknown-mac"] += 1
        expected = 0
    wait_for(
        lambda: (
            (field.counted(guest.port) - before).total() >= expected and field.counted(guest.port) >= before
        ),
        5,
        "every frame to be counted",
    )
    reached = [wait_for(lambda: field.is_reached(one), 3, f"{one} to be reached") for one in attack.reached]  # noqa: B023
    counted = field.counted(guest.port) - before
    assert counted.total() == expected
    assert set(counted) <= set(attack.reasons)
    assert not attack.reasons or counted[attack.reasons[0]] >= 1
    assert field.kernel_state() == before_attack
    assert all(reached)
    assert len(field.daemon.log.splitlines()) - lines <= LINES


def corrections(capture):
    """Return the times at which the node announced the IPv4 gateway to a guest."""
    told = [(one.at, Ether(one.frame)) for one in capture.seen() if not one.outgoing]
    return [
        at
        for at, frame in told
        if ARP in frame and frame.src == NODE_MAC and frame[ARP].psrc == frame[ARP].pdst == GATEWAY4
    ]


def test_gateway_is_announced_again(field):
    """While a guest keeps claiming the gateway, rdnbr announces the right MAC at most every 10 s, and last of all."""
    attacker, misled = field.lab.guest(ATTACKER), field.lab.guest(SPEAKER)
    with Capture(misled, "eth0") as capture:
        wait_for(
            lambda: (
                attacker.send(bytes(arp("52:66:00:00:aa:01", GATEWAY4))) or len(corrections(capture)) >= 2
            ),
            2 * DEFEND_INTERVAL + 5,
            "two corrections",
        )
        # Claims after the second announcement.
        attacker.send(bytes(arp("52:66:00:00:aa:01", GATEWAY4)))
        wait_for(lambda: len(corrections(capture)) == 3, DEFEND_INTERVAL + 2, "the last word")
        moments = corrections(capture)
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert [DEFEND_INTERVAL - 0.1 <= gap <= DEFEND_INTERVAL + 1 for gap in gaps] == [True, True]
    wait_for(lambda: field.is_reached(misled.address4), 3, "the misled guest to find its gateway")
