"""The configurations of contrib/frr together: a node's, and that of each kind of upstream."""

import platform
from pathlib import Path

import pytest

from rdnbr.lab import Lab, wait_for
from rdnbr.lab.frr import Frr

pytestmark = [pytest.mark.frr, pytest.mark.slow]

FRR = Path(__file__).parents[2] / "contrib" / "frr"
UPSTREAMS = sorted(FRR.glob("upstream-*.conf"))
RELOAD = Path("/usr/lib/frr/frr-reload.py")
"""It compares a file with the running configuration (package frr-pythontools; `systemctl reload frr` runs it)."""


@pytest.fixture
def lab():
    """A node and an upstream, each with the address that the configurations have for it."""
    with Lab(guests=0, frr=False) as lab:
        for host, device, number in ((lab.node, "uplink", "1"), (lab.upstream, "node0", "254")):
            host.ip(
                f"addr flush dev {device} scope global",
                f"addr add 198.51.100.{number}/24 dev {device}",
                f"addr add 2001:db8:ffff::{number}/64 dev {device}",
            )
        yield lab


@pytest.mark.parametrize("path", UPSTREAMS, ids=lambda path: path.stem)
def test_the_upstream_receives_the_node_s_metrics(lab: Lab, path: Path) -> None:
    """Each upstream receives the guests of both families with the metric as MED, and announces nothing it must not."""
    node = (FRR / "frr.conf").read_text()
    if "route-reflector-client" in path.read_text():
        node = node.replace("remote-as 65000", "remote-as internal")
    lab.node.ip(
        "route add 192.0.2.30 dev vmbr1 proto 171 metric 8056314",
        "route add 2001:db8:100::80 dev vmbr1 proto 171 metric 8056314",
    )
    Frr(lab.node, node)
    upstream = Frr(lab.upstream, path.read_text())

    def received(family: str, prefix: str) -> object:
        paths = upstream.show(f"show bgp {family} unicast {prefix} json").get("paths", [{}])
        return [path.get("metric") for path in paths]

    wait_for(lambda: received("ipv4", "192.0.2.30/32") == [8_056_314], 20.0, "the IPv4 route and its MED")
    wait_for(
        lambda: received("ipv6", "2001:db8:100::80/128") == [8_056_314], 20.0, "the IPv6 route and its MED"
    )


@pytest.mark.skipif(not RELOAD.exists(), reason="needs frr-pythontools")
def test_a_reload_of_frr_changes_nothing(lab: Lab) -> None:
    """The node's file has the form in which FRR shows it, so a reload finds only what an operator has changed."""
    text = (FRR / "frr.conf").read_text().replace("hostname node1", f"hostname {platform.node()}")
    Frr(lab.node, text)

    def found() -> str:
        return lab.node.run(str(RELOAD), "--test", "--stdout", "/etc/frr/frr.conf")

    assert found().strip() == ""
    more = "ip prefix-list RDNBR4 seq 10 permit 198.51.100.0/24 ge 32 le 32"
    lab.node.write("/etc/frr/frr.conf", f"{text}{more}\n")
    assert found().split("============")[-1].strip() == more
