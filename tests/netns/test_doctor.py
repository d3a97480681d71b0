"""`rdnbr doctor` on nodes of the lab: correct nodes, and nodes with each kind of fault."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterator

import pytest

from rdnbr.core.model.address import show_mac
from rdnbr.lab.network import Lab
from rdnbr.lab.node import BRIDGE_MAC, Node
from rdnbr.lab.wait import wait_for
from rdnbr.linux.host.machine_mac import machine_mac


@pytest.fixture(scope="module")
def shared() -> Iterator[Node]:
    """A node without FRR and without a daemon; each test repairs what it breaks."""
    with Lab(guests=1, frr=False) as lab:
        yield lab.node


@pytest.fixture
def fabric() -> Iterator[Lab]:
    with Lab(guests=1, frr=True) as lab:
        lab.node.write("/etc/iproute2/rt_protos.d/rdnbr.conf", "171 rdnbr\n")
        lab.node.write(ALLOWLIST, "2.57.56.0/21\n2001:678:3a4:100::/64\n")
        lab.node.start_daemon()
        wait_for(
            lambda: not any(name.startswith("bgp-") for *_, name in found(lab.node)), 15.0, "BGP's sessions"
        )
        yield lab


def found(node: Node, *arguments: str) -> set[tuple[str, str, str]]:
    done = node.rdnbr("doctor", "--json", *arguments)
    assert done.returncode in (0, 1), done.stderr
    return {(one["severity"], one["about"], one["name"]) for one in json.loads(done.stdout)["findings"]}


ALLOWLIST = "/etc/rdnbr/allowlist"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

WITHOUT_DAEMON = {
    ("warning", "daemon", "daemon-not-running"),
    ("warning", "daemon", "open-mode"),
    ("warning", "frr", "frr-not-running"),
    ("note", "frr", "frr-missing"),
    ("note", "node", "protocol-without-name"),
}


@pytest.mark.root
def test_the_labs_node_has_no_problem(shared: Node) -> None:
    """A node with the addresses and settings of the design has no finding about its bridge and settings."""
    assert found(shared) <= WITHOUT_DAEMON


@pytest.mark.root
def test_a_warning_gives_exit_code_1(shared: Node) -> None:
    """Warnings without a problem give exit code 1."""
    done = shared.rdnbr("doctor")
    assert "problem" not in done.stdout
    assert done.returncode == 1


def setting(path: str, wrong: int, right: int) -> tuple[str, str]:
    return f"sysctl -qw net/{path}={wrong}", f"sysctl -qw net/{path}={right}"


@pytest.mark.root
@pytest.mark.parametrize(
    ("severity", "name", "wrong", "right"),
    [
        ("problem", "ipv4-forwarding-off", *setting("ipv4/conf/vmbr1/forwarding", 0, 1)),
        ("problem", "ipv6-forwarding-off", *setting("ipv6/conf/vmbr1/forwarding", 0, 1)),
        ("warning", "rp-filter-strict", *setting("ipv4/conf/vmbr1/rp_filter", 1, 2)),
        ("warning", "proxy-arp-on", *setting("ipv4/conf/all/proxy_arp", 1, 0)),
        ("note", "arp-ignore-off", *setting("ipv4/conf/vmbr1/arp_ignore", 0, 1)),
        ("problem", "arp-ignore-too-strict", *setting("ipv4/conf/vmbr1/arp_ignore", 2, 1)),
        ("warning", "send-redirects-on", *setting("ipv4/conf/vmbr1/send_redirects", 1, 0)),
        ("warning", "arp-accept-on", *setting("ipv4/conf/vmbr1/arp_accept", 1, 0)),
        ("warning", "untracked-na-accepted", *setting("ipv6/conf/vmbr1/accept_untracked_na", 1, 0)),
        ("problem", "router-advertisements-accepted", *setting("ipv6/conf/vmbr1/accept_ra", 2, 0)),
        (
            "warning", "snooping-without-querier",
            "ip link set vmbr1 type bridge mcast_snooping 1", "ip link set vmbr1 type bridge mcast_snooping 0",
        ),
        (
            "warning", "no-ipv4-gateway",
            "ip addr del 169.254.0.1/32 dev vmbr1", "ip addr add 169.254.0.1/32 dev vmbr1",
        ),
        ("warning", "no-ipv6-gateway", "ip addr del fe80::1/64 dev vmbr1", "ip addr add fe80::1/64 dev vmbr1"),
        (
            "warning", "bridge-mac-universal",
            "ip link set vmbr1 address 00:16:3e:00:00:01", f"ip link set vmbr1 address {BRIDGE_MAC}",
        ),
        ("note", "port-not-running", "ip link set tap100i0 down", "ip link set tap100i0 up"),
        ("note", "port-leads-elsewhere", "ip link add x0 master vmbr1 type vxlan id 5 dstport 4789", "ip link del x0"),
    ],
)  # fmt: skip
def test_a_wrong_node(shared: Node, severity: str, name: str, wrong: str, right: str) -> None:
    """The doctor finds what was broken on a correct node."""
    shared.run(*wrong.split())
    try:
        assert (severity, "vmbr1", name) in found(shared)
    finally:
        shared.run(*right.split())


@pytest.mark.root
def test_a_mac_that_systemd_derived(shared: Node) -> None:
    """A MAC that systemd derived from the bridge's name and the machine differs on other nodes."""
    mac = machine_mac("vmbr1")
    if mac is None:
        pytest.skip("this machine has no /etc/machine-id")
    shared.ip(f"link set vmbr1 address {show_mac(mac)}")
    try:
        assert ("warning", "vmbr1", "bridge-mac-of-this-node") in found(shared)
    finally:
        shared.ip(f"link set vmbr1 address {BRIDGE_MAC}")


@pytest.mark.root
def test_a_bridge_as_made_by_default(shared: Node) -> None:
    """A bridge that was only made and addressed: its MAC and its carrier depend on its guests."""
    shared.ip(
        "link add br9 type bridge",
        "addr add fe80::1/64 dev br9",
        "link add veth9 type veth peer name eth9",
        "link set veth9 master br9 up",
        "link set br9 up",
    )
    try:
        assert {
            ("problem", "br9", "bridge-mac-not-fixed"),
            ("warning", "br9", "no-ipv4-gateway"),
            ("warning", "br9", "snooping-without-querier"),
            ("note", "br9", "port-not-running"),
        } <= found(shared)
        wait_for(
            lambda: ("br9", "bridge-without-carrier") in {one[1:] for one in found(shared)},
            5.0,
            "the bridge to lose carrier",
        )
        shared.ip("link set eth9 up")
        wait_for(
            lambda: ("br9", "carrier-hangs-on-guests") in {one[1:] for one in found(shared)},
            5.0,
            "the carrier to be seen",
        )
        shared.ip("addr add 169.254.9.1/32 dev br9", "link set br9 down")  # which removes fe80::1 from it
        assert ("problem", "br9", "bridge-down") in found(shared)
    finally:
        shared.ip("link del br9", "link del veth9")


@pytest.mark.root
def test_no_segment(shared: Node) -> None:
    """The doctor says that it finds no bridge to serve."""
    assert ("problem", "node", "no-segment") in found(shared, "--bridge", "nope*")


@pytest.mark.root
def test_without_root_it_inspects_what_it_can(shared: Node) -> None:
    """Without root and capabilities doctor still inspects the bridge and its settings."""
    if shared.attempt(*NOBODY, sys.executable, "-c", "import rdnbr.cli").returncode:
        pytest.skip("nobody may not read this checkout")
    shared.sysctl(ipv4__conf__vmbr1__proxy_arp=1)
    try:
        done = shared.attempt(*NOBODY, sys.executable, "-m", "rdnbr", "doctor", "--json")
    finally:
        shared.sysctl(ipv4__conf__vmbr1__proxy_arp=0)
    assert done.returncode == 1, done.stderr
    names = {(one["about"], one["name"]) for one in json.loads(done.stdout)["findings"]}
    assert ("vmbr1", "proxy-arp-on") in names
    assert ("frr", "frr-missing") in names or ("frr", "not-seen") in names


@pytest.mark.root
def test_doctor_changes_nothing(shared: Node) -> None:
    """Devices, addresses, routes, neighbours and settings are the same before and after."""

    def state() -> list[str]:
        return [
            shared.run("ip", "addr"),
            shared.run("ip", "route", "show", "table", "all"),
            shared.run("ip", "-6", "route", "show", "table", "all"),
            shared.run("bridge", "-d", "link"),
            shared.run("sh", "-c", "cat /proc/sys/net/ipv4/conf/*/* /proc/sys/net/ipv6/conf/*/forwarding"),
        ]

    before = state()
    found(shared)
    assert state() == before


@pytest.mark.frr
def test_a_right_node_with_everything(fabric: Lab) -> None:
    """With FRR, an allowlist and the daemon as they should be, doctor finds nothing, and names what it inspected."""
    done = fabric.node.rdnbr("doctor")
    assert done.returncode == 0, done.stdout
    ports = len(fabric.node.show("ports")["ports"])
    assert re.fullmatch(
        rf"nothing to mend; looked at vmbr1 \(ports: {ports}\), the allowlist \(rules: 2\), the daemon, FRR \d+\.\d+\n",
        done.stdout,
    )


@pytest.mark.frr
def test_a_note_gives_exit_code_0(fabric: Lab) -> None:
    """A note alone gives exit code 0."""
    fabric.node.sysctl(ipv4__conf__vmbr1__arp_ignore=0)
    done = fabric.node.rdnbr("doctor")
    assert done.returncode == 0
    assert done.stdout.startswith("note: vmbr1: ")
    assert "\n1 note; looked at " in done.stdout


@pytest.mark.frr
def test_a_wrong_frr(fabric: Lab) -> None:
    """The doctor finds what is missing in bgpd: redistribution, and neighbours."""
    node = fabric.node
    node.run(
        *("vtysh", "-c", "configure terminal", "-c", "router bgp 65001"),
        *("-c", "address-family ipv6 unicast", "-c", "no redistribute kernel"),
        *("-c", "address-family ipv4 unicast", "-c", "no redistribute kernel", "-c", "redistribute kernel"),
    )
    assert found(node) == {
        ("problem", "frr", "no-redistribute-kernel"),
        ("warning", "frr", "redistribute-without-route-map"),
    }
    node.run(
        *(
            "vtysh",
            "-c",
            "configure terminal",
            "-c",
            "router bgp 65001",
            "-c",
            "neighbor 198.51.100.0 shutdown",
        ),
    )
    assert ("problem", "frr", "bgp-no-session") in found(node)


@pytest.mark.frr
def test_routes_that_zebra_does_not_select(fabric: Lab) -> None:
    """The doctor finds a host route that zebra has not selected, and does not report one that zebra has selected."""
    node = fabric.node
    node.stop_daemon()  # else the daemon would remove these
    node.ip("route add 2.57.57.30 dev vmbr1 proto 171", "route add 2001:678:3a4:100::80 dev vmbr1 proto 171")
    assert node.frr is not None
    wait_for(
        lambda: "2.57.57.30/32" in node.frr.show("show ip route kernel json"), 5.0, "zebra to hear of it"
    )
    assert found(node) == {("warning", "daemon", "daemon-not-running")}
    node.ip("route add 2001:678:3a4:100::80 dev uplink metric 5")
    done = json.loads(node.rdnbr("doctor", "--json").stdout)
    (missed,) = (one for one in done["findings"] if one["name"] == "zebra-prefers-others")
    assert missed["about"] == "vmbr1"
    assert missed["message"].endswith(": 2001:678:3a4:100::80")


@pytest.mark.frr
def test_bgpd_that_does_not_run(fabric: Lab) -> None:
    """FRR without bgpd is a problem; without any daemon it is a warning."""
    node = fabric.node
    for names, finding in (
        (("bgpd",), ("problem", "frr", "bgpd-not-running")),
        (("mgmtd", "zebra"), ("warning", "frr", "frr-not-running")),
    ):
        for pid in (node.path(f"/run/frr/{name}.pid") for name in names):
            if pid.exists():  # FRR 8 has no mgmtd
                os.kill(int(pid.read_text()), signal.SIGTERM)
        wait_for(lambda wanted=finding: wanted in found(node), 10.0, f"{names} to be missed")


@pytest.mark.root
def test_check_points_out_overlaps(shared: Node) -> None:
    """`check` prints overlaps with this node as remarks, which leave its exit code at 0."""
    shared.write(ALLOWLIST, "2.57.56.0/21\n198.51.100.1 vm=100\n")
    try:
        done = shared.rdnbr("check")
        names = {(one[0], one[2]) for one in found(shared)}
    finally:
        shared.path(ALLOWLIST).unlink()
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        (
            f"{ALLOWLIST}:2: warning: 198.51.100.1 is an address of this node, and stays refused (own-address); "
            "remove the rule, or correct its address"
        ),
        "no mistakes; 2 rules in the allowlist",
    ]
    assert ("warning", "allowlist-overlap") in names
