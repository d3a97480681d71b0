"""Guests that arrive and send little or nothing: they are routed, and the gateway's MAC is announced to them.

The tests compare the time with an `ip route add` by hand on the same machine, at the same time.
"""

import json
import re
import socket
import sys
import time
from contextlib import closing
from datetime import datetime

import pytest
from guest_frames import packet

from rdnbr.lab import Lab, wait_for
from rdnbr.lab.node import BRIDGE
from tests.e2e import flood
from tests.e2e.learning import configure_silently
from tests.e2e.node_view import binding, stays, wait_until_quiet
from tests.e2e.timed_move import Routes

pytestmark = [pytest.mark.root, pytest.mark.slow]

GATEWAYS = ("169.254.0.1", "fe80::1")
OLD = "52:02:45:ff:00:01"
"""The MAC of the gateway on the node from which a guest came."""
NEW = "02:00:00:00:00:77"
SHORT = "[timers]\ndata_window = 0.3\n"
"""A short data window, so that tests need not wait for its end."""
INQUIRED = 4.0
"""Seconds in which all probes of discovery are sent on an empty port."""
FLOODED = 1.5
"""Seconds."""
FRAMES, RATE = 1_000_000, 50_000
"""Frames of a flood, and frames per second."""


@pytest.fixture
def lab():
    """A node without its daemon, and two guests that have addresses and have sent nothing."""
    with Lab(guests=2, frr=False) as lab:
        yield lab


def send_no_listener_reports(guest):
    """Have the guest answer no listener query, so that its first frame after the daemon's start is the test's."""
    guest.run("nft", "add table ip6 quiet")
    guest.run("nft", "add chain ip6 quiet output { type filter hook output priority 0 ; }")
    guest.run("nft", "add rule ip6 quiet output icmpv6 type mld2-listener-report drop")


def set_gateway_macs(guest, mac, state):
    """Give the guest permanent-looking neighbour entries of its gateways at `mac`."""
    guest.ip(*(f"neigh replace {gateway} lladdr {mac} dev eth0 nud {state}" for gateway in GATEWAYS))


def gateway_macs(guest):
    """Return the MACs at which the guest has its gateways."""
    lines = [guest.run("ip", "neigh", "show", gateway, "dev", "eth0") for gateway in GATEWAYS]
    return [line.split()[line.split().index("lladdr") + 1] for line in lines]


def is_from_the_node(lab, seen):
    """Return whether the node sent a probe or an announcement, not an MLD report or a flooded frame."""
    from_node = seen.outgoing and seen.frame[6:12] == bytes.fromhex(lab.node.mac.replace(":", ""))
    return from_node and (seen.frame[12:14] == b"\x08\x06" or seen.frame[54] in (135, 136))


def permit(lab, *lines):
    lab.node.write("/etc/rdnbr/allowlist", "\n".join(lines) + "\n")


def monitors_are_ready(node, *monitors):
    """Add and remove a route, and return whether all monitors have reported one."""
    node.ip("route add 192.0.2.1/32 dev lo", "route del 192.0.2.1/32 dev lo")
    return all("192.0.2.1" in monitor.log for monitor in monitors)


def packet_sockets(node, port):
    """Return how many packet sockets each packet of a port has to pass."""
    index = json.loads(node.run("ip", "-j", "link", "show", port))[0]["ifindex"]
    lines = node.run("cat", "/proc/net/packet").splitlines()[1:]
    return sum(int(line.split()[4]) == index for line in lines)


def since(lab, guest, happen):
    """Seconds from the start to each route of the guest, less the time of an `ip route add` on this machine."""
    by_hand, learned = Routes(lab.node, "static"), Routes(lab.node, "171")
    wait_for(lambda: monitors_are_ready(lab.node, by_hand, learned), 5, "both monitors to listen")
    begun = time.time()
    lab.node.ip("route add 192.0.2.9/32 dev lo proto static")
    wait_for(lambda: by_hand.routed_at("192.0.2.9", device="lo", after=begun), 5, "the route made by hand")
    least = by_hand.routed_at("192.0.2.9", device="lo", after=begun) - begun
    begun = time.time()
    happen()

    def took():
        came = [learned.routed_at(one, device=BRIDGE, after=begun) for one in guest.addresses]
        return None not in came and [at - begun - least for at in came]

    return wait_for(took, 5, "the guest's routes")


@pytest.mark.alone
@pytest.mark.parametrize("rule", ["mac={mac}", "vm={vm}", "port={port}"])
def test_rarp_of_a_guest_that_the_allowlist_names(lab, rule, record_property):
    """A silent guest whose hypervisor sends a RARP is routed less than 50 ms after it, in both families."""
    guest = lab.guest(0)
    words = rule.format(mac=guest.mac, vm=guest.vm, port=guest.port)
    permit(lab, *(f"{address} {words}" for address in guest.addresses))
    lab.node.start_daemon()
    stays(lambda: lab.node.hosts() == set(), INQUIRED, "nobody there to answer the questions to the port")
    configure_silently(guest)
    stays(lambda: lab.node.hosts() == set(), 0.5, "no route to a guest that was not heard of")
    took = since(lab, guest, guest.announce_mac)
    record_property("seconds", took)
    assert max(took) < 0.05


@pytest.mark.alone
@pytest.mark.parametrize("law", ["open", "allowlist"])
def test_guest_that_only_sends_packets(lab, law, record_property):
    """A guest that sends only IP packets is routed less than 300 ms after the first one."""
    guest = lab.guest(0)
    if law == "allowlist":
        permit(lab, "2.57.57.0/24", "2001:678:3a4:100::/64")
    lab.node.start_daemon()
    lab.unplug(guest)
    lab.plug(guest)
    configure_silently(guest)
    set_gateway_macs(guest, lab.node.mac, "permanent")

    def speak():
        for target in ("198.51.100.0", "2001:db8:ffff::"):
            guest.attempt("ping", "-n", "-q", "-c", "1", "-W", "0.01", target)

    took = since(lab, guest, speak)
    record_property("seconds", took)
    assert max(took) < 0.3
    assert [binding(lab.node, one)["source"] for one in guest.addresses] == ["data", "data"]


def test_packets_have_no_effect_where_both_families_are_routed(lab):
    """A guest with routes of both families has no window after a while; a RARP opens it again."""
    guest = lab.guest(0)
    lab.node.write("/etc/rdnbr/rdnbr.toml", SHORT)
    configure_silently(guest)
    set_gateway_macs(guest, lab.node.mac, "permanent")
    lab.node.start_daemon()
    guest.announce()
    wait_for(lambda: set(guest.addresses) <= lab.node.hosts(), 5, "its routes")
    wait_for(lambda: packet_sockets(lab.node, guest.port) == 1, 5, "its window to close")
    guest.ip("addr add 2.57.57.98/32 dev eth0")
    other = ("ping", "-n", "-q", "-c", "3", "-i", "0.01", "-W", "0.1", "-I", "2.57.57.98", "198.51.100.0")
    guest.attempt(*other)
    stays(lambda: "2.57.57.98" not in lab.node.hosts(), 0.5, "no route to it")
    guest.announce_mac()
    guest.attempt(*other)
    wait_for(lambda: "2.57.57.98" in lab.node.hosts(), 5, "the route, after a RARP")


def test_forged_packets_take_nothing(lab):
    """A guest that forges another guest's source address in its window gets no route, and the other keeps its own."""
    victim, thief = lab.guests
    lab.node.start_daemon()
    for guest in lab.guests:
        configure_silently(guest)
        guest.announce()
    wait_for(lambda: set(victim.addresses) <= lab.node.hosts(), 5, "the victim's routes")
    lab.unplug(thief)
    lab.plug(thief)
    thief.ip(
        "addr add 2.57.57.99/32 dev eth0",
        f"addr add {victim.address4}/32 dev eth0",
        "route add default dev eth0",
    )
    thief.ip(f"neigh replace 198.51.100.0 lladdr {lab.node.mac} dev eth0 nud permanent")
    thief.sysctl(ipv4__conf__eth0__arp_ignore=8)  # answers no probe
    for source in ("2.57.57.99", victim.address4):
        thief.attempt("ping", "-n", "-q", "-c", "3", "-i", "0.1", "-W", "0.1", "-I", source, "198.51.100.0")
    wait_for(lambda: lab.node.show("counters")["counters"][thief.port].get("no-hint"), 5, "it to be counted")
    stays(lambda: "2.57.57.99" not in lab.node.hosts(), 1, "no route to who does not answer")
    assert binding(lab.node, victim.address4)["port"] == victim.port


@pytest.mark.alone
@pytest.mark.parametrize("sources", [1, 256])
def test_flood_of_packets_in_the_window(lab, sources, record_property):
    """Of all packets of a guest, from one source or from many, few are read, and ARP and NDP as always."""
    guest = lab.guest(0)
    daemon = lab.node.start_daemon()
    lab.unplug(guest)
    lab.plug(guest)
    configure_silently(guest)
    payload = bytes(1200)
    burst = flood.Burst([packet(guest.mac, f"2.57.56.{number % sources}") + payload for number in range(256)])
    with guest.inside():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with closing(wire):
        wire.bind(("eth0", 0))
        used, end, sent = daemon.cpu_seconds(), time.monotonic() + FLOODED, 0
        while time.monotonic() < end:
            burst.send(wire)
            sent += 256
        guest.announce()
        wait_for(lambda: set(guest.addresses) <= lab.node.hosts(), 5, "the routes of what it announced")
        used = daemon.cpu_seconds() - used
    read = sum(lab.node.show("counters")["counters"][guest.port].values())
    record_property("packets a second, read of all, share of a core", (sent / FLOODED, read, used / FLOODED))
    assert sent > 20_000
    assert read < 500
    assert used < 0.2 * FLOODED


@pytest.mark.parametrize("state", ["reachable", "stale"])
def test_arriving_guest_is_told_of_its_gateway(lab, state):
    """A Linux guest with a fresh entry of the old node's MAC sends to this node after the announcement."""
    guest = lab.guest(0)
    configure_silently(guest)
    wait_until_quiet(lab, guest)
    send_no_listener_reports(guest)
    lab.node.start_daemon()
    set_gateway_macs(guest, OLD, state)
    assert gateway_macs(guest) == [OLD, OLD]
    guest.announce_mac()
    wait_for(lambda: gateway_macs(guest) == [lab.node.mac] * 2, 5, "both gateways' MAC")


def test_guest_that_probes_its_old_gateway_is_told_the_new_one(lab):
    """Case 21: its unicast request to the old node's MAC, which no host answers, is the first frame on this node."""
    guest = lab.guest(0)
    configure_silently(guest)
    wait_until_quiet(lab, guest)
    send_no_listener_reports(guest)
    lab.node.start_daemon()
    set_gateway_macs(guest, OLD, "delay")
    wait_for(lambda: gateway_macs(guest) == [lab.node.mac] * 2, 5, "both gateways' MAC")


def test_permanent_gateway_entry_in_a_guest_stays(lab):
    """A neighbour entry that is permanent in the guest stays."""
    guest = lab.guest(0)
    configure_silently(guest)
    wait_until_quiet(lab, guest)
    send_no_listener_reports(guest)
    lab.node.start_daemon()
    set_gateway_macs(guest, OLD, "permanent")
    with lab.node.capture(guest.port) as capture:
        guest.announce_mac()
        wait_for(lambda: sum(is_from_the_node(lab, one) for one in capture.seen()) >= 2, 5, "the greeting")
    assert gateway_macs(guest) == [OLD, OLD]


def test_bridge_that_changes_its_mac_tells_its_guests(lab):
    """Case 20: all guests have a dead MAC then, and are told the new one at once; their routes and neighbours stay."""
    lab.node.start_daemon()
    for guest in lab.guests:
        configure_silently(guest)
        guest.announce()
    addresses = {address for guest in lab.guests for address in guest.addresses}
    wait_for(lambda: lab.node.hosts() == addresses, 5, "the guests' routes")
    lab.node.ip(f"link set {BRIDGE} address {NEW}")
    wait_for(lambda: [gateway_macs(guest) for guest in lab.guests] == [[NEW, NEW]] * 2, 5, "the new MAC")
    wait_for(
        lambda: lab.node.run("ip", "neigh", "show", "nud", "permanent", "dev", BRIDGE).count("lladdr") == 4,
        5,
        "neighbours",
    )
    assert lab.node.hosts() == addresses


def test_dry_run_sends_nothing(lab):
    """A dry run sends nothing, and assumes nothing of guests that sent nothing."""
    guest = lab.guest(0)
    permit(lab, f"{guest.address4} mac={guest.mac}")
    configure_silently(guest)
    daemon = lab.node.start_daemon("--dry-run", ready=False)
    wait_for(lambda: "serving" in daemon.log, 10, "the dry run")
    with lab.node.capture(guest.port) as capture:
        guest.announce_mac()
        wait_for(lambda: [one for one in capture.seen() if not one.outgoing], 5, "the RARP")
        stays(lambda: not any(is_from_the_node(lab, one) for one in capture.seen()), 1, "silence")
    assert "learned" not in daemon.log


@pytest.mark.alone
def test_port_that_goes_withdraws_at_once(lab, record_property):
    """`ip link del` withdraws the routes within moments, while another guest sends what it can."""
    guest, noisy = lab.guests
    lab.node.start_daemon()
    configure_silently(guest)
    guest.announce()
    wait_for(lambda: set(guest.addresses) <= lab.node.hosts(), 5, "the guest's routes")
    log = lab.node.path("/run/flood.log")
    flooding = noisy.start(sys.executable, flood.__file__, "arp", noisy.mac, str(FRAMES), str(RATE), log=log)
    try:
        wait_for(lambda: log.read_text().startswith("go"), 10, "the flood")
        watch = lab.node.launch("gone", "ip", "-o", "-ts", "monitor", "link", "route")
        wait_for(lambda: monitors_are_ready(lab.node, watch), 5, "the monitor to listen")
        lab.unplug(guest)
        wait_for(lambda: all(gone(watch, one) for one in guest.addresses), 5, "the withdrawal")
        assert flooding.poll() is None
    finally:
        flooding.kill()
        flooding.wait()
    took = [gone(watch, one) - gone(watch, f"{guest.port}@") for one in guest.addresses]
    record_property("seconds", took)
    assert max(took) < 0.1


def gone(watch, what):
    """When something was deleted, in epoch seconds; None: not yet."""
    for stamp, line in re.findall(r"\[([-0-9T:.]+)\] Deleted (?:\d+: )?(.*)", watch.log):
        if line.startswith(what):
            return datetime.fromisoformat(stamp).timestamp()
    return None
