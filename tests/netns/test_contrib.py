"""The files under contrib/, used on a node of the lab."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rdnbr.lab.frr import Frr
from rdnbr.lab.network import Lab
from rdnbr.lab.node import Node
from rdnbr.lab.wait import wait_for

CONTRIB = Path(__file__).parents[2] / "contrib"


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(guests=1, frr=False) as lab:
        yield lab


@pytest.fixture
def node(lab: Lab) -> Node:
    return lab.node


@pytest.mark.root
def test_ip_knows_the_protocols_name(node: Node) -> None:
    """With the file in rt_protos.d, `ip` prints the protocol of our routes and neighbours by name."""
    node.write("/etc/iproute2/rt_protos.d/rdnbr.conf", (CONTRIB / "iproute2" / "rdnbr.conf").read_text())
    node.ip("route add 192.0.2.30 dev vmbr1 proto 171")
    (line,) = node.routes(4, "192.0.2.30")
    assert line == "192.0.2.30 dev vmbr1 proto rdnbr scope link"


@pytest.mark.root
def test_every_sysctl_is_known_and_set(node: Node) -> None:
    """The kernel has each sysctl of the file, and accepts the value; a hyphen hides no typing error."""
    node.sysctl(ipv4__ip_forward=0, ipv4__conf__vmbr1__rp_filter=1, ipv6__conf__vmbr1__forwarding=0)
    text = (CONTRIB / "sysctl.d" / "rdnbr.conf").read_text()
    node.write("/etc/sysctl.conf.rdnbr", text)
    node.run("sysctl", "--quiet", "--load", "/etc/sysctl.conf.rdnbr")
    wanted = dict(re.findall(r"^-?([\w.]+) = (\d+)$", text, re.MULTILINE))
    assert len(wanted) == sum(1 for line in text.splitlines() if line and not line.startswith("#"))
    assert {knob: node.run("sysctl", "-n", knob).strip() for knob in wanted} == wanted


@pytest.mark.frr
def test_bgp_gets_the_guests_and_nothing_else(node: Node) -> None:
    """FRR announces host routes towards the bridge and within the prefix lists, with their metrics as MED."""
    node.ip(
        "route add 192.0.2.30 dev vmbr1 proto 171 metric 8056314",
        "route add 2001:db8:100::80 dev vmbr1 proto 171",
        "route add 203.0.113.7 dev vmbr1 proto 171",  # not in the prefix list
        "route add 2001:db8:ffff::7 dev vmbr1 proto 171",
        "route add 192.0.2.128/25 dev vmbr1",  # not a host route
        "route add 2001:db8:100:1::/64 dev vmbr1",
        "route add 192.0.2.40 dev uplink",  # not via the guests' bridge
        "route add 2001:db8:100::40 dev uplink",
    )
    frr = Frr(node, (CONTRIB / "frr" / "frr.conf").read_text())

    def routes(family: str) -> dict[str, object]:
        return frr.show(f"show bgp {family} unicast json")["routes"]

    wait_for(lambda: routes("ipv4") and routes("ipv6"), 15.0, "bgpd to hear of the routes")
    assert list(routes("ipv4")) == ["192.0.2.30/32"]
    assert list(routes("ipv6")) == ["2001:db8:100::80/128"]
    for family, prefix, med in (
        ("ipv4", "192.0.2.30/32", 8_056_314),
        ("ipv6", "2001:db8:100::80/128", 1024),
    ):
        (path,) = frr.show(f"show bgp {family} unicast {prefix} json")["paths"]
        assert (path["metric"], path["community"]["string"]) == (med, "65000:171")


@pytest.mark.root
def test_the_units_capabilities_are_enough(lab: Lab) -> None:
    """With the capabilities of the unit and no others, and no writable code, the daemon routes a guest and reloads."""
    line = re.search(r"^CapabilityBoundingSet=(.*)$", (CONTRIB / "rdnbr.service").read_text(), re.MULTILINE)
    assert line
    bounds = ",".join(["-all", *(name.lower().replace("cap_", "+") for name in line[1].split())])
    forbid = (  # PR_SET_MDWE (linux/prctl.h), as MemoryDenyWriteExecute= sets it
        "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])"
    )
    daemon = lab.node.launch(
        "rdnbr",
        *("setpriv", f"--bounding-set={bounds}", "--inh-caps=-all", "--no-new-privs"),
        *(sys.executable, "-c", forbid, sys.executable, "-m", "rdnbr", "run"),
    )
    # The socket exists a moment before it listens on ports: only an answer shows that it listens.
    wait_for(
        lambda: daemon.ended is not None or lab.node.rdnbr("show", "ports").returncode == 0,
        20.0,
        "the daemon to answer",
    )
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    assert "CapEff:\t0000000000003000\n" in status, daemon.log
    guest = lab.guest(0)
    guest.configure()
    guest.ping_gateways()
    wait_for(lambda: lab.node.hosts() == set(guest.addresses), 10.0, "the guest's routes")
    assert lab.node.rdnbr("reload").returncode == 0
    assert not [line for line in daemon.log.splitlines() if json.loads(line)["level"] == "error"]
