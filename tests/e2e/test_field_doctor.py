"""Field cases: what `doctor`, `explain`, `show` and the log name, on a node that is not as it should be."""

import json
import shlex
from typing import Any

import pytest

from rdnbr.lab import Lab
from rdnbr.lab.guest import GATEWAY6
from rdnbr.lab.node import BRIDGE, Node
from rdnbr.lab.wait import wait_for
from tests.field_case import FOUND, field_case

pytestmark = pytest.mark.root


def finding(node: Node, name: str) -> dict[str, Any] | None:
    """Return the finding of this name; None if doctor has none."""
    done = node.rdnbr("doctor", "--json")
    assert done.returncode in (0, 1), done.stderr
    found: list[dict[str, Any]] = [one for one in json.loads(done.stdout)["findings"] if one["name"] == name]
    assert len(found) <= 1
    return found[0] if found else None


def logged(node: Node, reason: str) -> list[dict[str, Any]]:
    """Return the lines of the daemon's log with this reason."""
    assert node.daemon is not None
    lines = [json.loads(line) for line in node.daemon.log.splitlines()]
    return [line for line in lines if line.get("reason") == reason]


def take_gateway(lab: Lab) -> None:
    """Give the first guest fe80::1, and have the node add fe80::1 once more, with duplicate address detection."""
    lab.guests[0].ip(f"addr add {GATEWAY6}/64 dev eth0 nodad")
    lab.node.sysctl(**{f"ipv6__conf__{BRIDGE}__accept_dad": 1})
    lab.node.ip(f"addr del {GATEWAY6}/64 dev {BRIDGE}", f"addr add {GATEWAY6}/64 dev {BRIDGE}")


@field_case(
    FOUND,
    "a guest has `fe80::1`, so that the bridge fails duplicate address detection for it",
    "logged once as `gateway-dadfailed`, said by `show`, and found by `doctor` with the guest and the cure",
    within=5,
)
def test_guest_has_the_gateways_address(lab: Lab, within: float) -> None:
    """The log, `show`, and doctor name the address; the cure, pasted, ends it."""
    node, guest = lab.node, lab.guests[0]
    node.start_daemon()
    node.wait_until_port_served(guest)
    take_gateway(lab)
    wait_for(lambda: logged(node, "gateway-dadfailed"), within, "the line in the log")
    shown = node.show()["gateway_dadfailed"]
    assert shown == [{"bridge": BRIDGE, "address": GATEWAY6}]
    assert f"GATEWAY FAILED: {GATEWAY6} of {BRIDGE} " in node.rdnbr("show").stdout
    found = finding(node, "gateway-dadfailed")
    assert found is not None
    assert (found["severity"], found["about"]) == ("problem", BRIDGE)
    assert f"since {guest.mac} on {guest.port} has it" in found["message"]
    guest.ip(f"addr del {GATEWAY6}/64 dev eth0")
    for command in found["cure"].partition("then ")[2].split("; "):
        node.run(*command.split())
    wait_for(lambda: not node.show()["gateway_dadfailed"], within, "the end of it to be seen")
    assert finding(node, "gateway-dadfailed") is None
    assert [line["level"] for line in logged(node, "gateway-dadfailed")] == ["error", "info"]


def test_guest_has_the_gateways_address_before_the_daemon_starts(lab: Lab) -> None:
    """A failure that is there already when the daemon starts is logged and shown; its bridge is served."""
    node, guest = lab.node, lab.guests[0]
    take_gateway(lab)
    wait_for(
        lambda: GATEWAY6 in node.run("ip", "-6", "addr", "show", "dev", BRIDGE, "dadfailed"),
        5.0,
        "DAD to fail",
    )
    found = finding(node, "gateway-dadfailed")
    assert found is not None
    assert "since another host on the bridge has it" in found["message"]
    node.start_daemon()
    assert [line["address"] for line in logged(node, "gateway-dadfailed")] == [GATEWAY6]
    assert node.show()["gateway_dadfailed"] == [{"bridge": BRIDGE, "address": GATEWAY6}]
    assert {port["port"] for port in node.show("ports")["ports"]} >= {guest.port}


@field_case(
    FOUND,
    "a guest has `fe80::1`, and the bridge is set up as `contrib/` says (`accept_dad=0`)",
    "the bridge keeps `fe80::1`; guests keep their gateway",
    within=5,
)
def test_gateway_without_dad_stays(lab: Lab, within: float) -> None:
    """Without duplicate address detection no guest can keep the bridge from using its gateway address."""
    node, rogue, guest = lab.node, *lab.guests
    node.start_daemon()
    rogue.ip(f"addr add {GATEWAY6}/64 dev eth0 nodad")
    node.ip(f"addr del {GATEWAY6}/64 dev {BRIDGE}", f"addr add {GATEWAY6}/64 dev {BRIDGE}")
    rogue.ip(f"addr del {GATEWAY6}/64 dev eth0")
    guest.configure()
    wait_for(lambda: guest.ping(f"{GATEWAY6}%eth0"), within, "the gateway to answer the guest")
    assert node.run("ip", "-6", "addr", "show", "dev", BRIDGE, "dadfailed") == ""
    assert finding(node, "gateway-dadfailed") is None


@pytest.mark.frr
@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("bgp-coalesce-time", ["coalesce-time 5000"]),
        ("bgp-advertisement-interval", ["neighbor 198.51.100.0 advertisement-interval 30"]),
        ("bgp-update-delay", ["update-delay 60"]),
        ("bgp-dampening", ["address-family ipv4 unicast", "bgp dampening"]),
    ],
)
@field_case(
    FOUND,
    "FRR's configuration slows BGP: `coalesce-time`, `advertisement-interval`, `update-delay`, `bgp dampening`",
    "`doctor` names the line, and a command that removes it",
)
def test_bgp_is_slowed(fabric: Lab, name: str, lines: list[str]) -> None:
    """What slows BGP is found in the running configuration; the cure, pasted, ends it."""
    node = fabric.node
    assert finding(node, name) is None
    entered = [word for line in ("configure terminal", "router bgp 65001", *lines) for word in ("-c", line)]
    node.run("vtysh", *entered)
    found = finding(node, name)
    assert found is not None
    assert f"`{lines[-1]}" in found["message"]
    node.run(*shlex.split(found["cure"]))
    assert finding(node, name) is None


def load(node: Node, rules: str) -> None:
    """Load rules of nftables on the node, beside what is there."""
    node.write("/run/rules.nft", rules)
    node.run("nft", "-f", "/run/rules.nft")


FILTERS = {
    "policy": (
        "forward-drops",
        """table ip filter {
            chain FORWARD {
                type filter hook forward priority 0; policy drop;
                ct state established,related accept
                oifname docker0 accept
            }
        }""",
    ),
    "rule": (
        "forward-drops",
        """table inet firewall {
            chain forward {
                type filter hook forward priority 0; policy accept;
                iifname vmbr1 reject
                oifname vmbr1 meta l4proto != icmpv6 drop
            }
        }""",
    ),
    "input": (
        "input-drops",
        """table inet firewall {
            chain input {
                type filter hook input priority 0; policy drop;
                ct state established,related accept
                iifname lo accept
                icmpv6 type echo-request accept
            }
        }""",
    ),
    "port-rule": (
        "port-filter-drops",
        """table bridge guests {
            chain in {
                type filter hook prerouting priority 0;
                iifname tap100i0 ether type arp drop
            }
        }""",
    ),
    "port-policy": (
        "port-filter-drops",
        """table bridge guests {
            chain out {
                type filter hook postrouting priority 0; policy drop;
                oifname tap101i0 accept
            }
        }""",
    ),
}


@pytest.mark.parametrize(("name", "rules"), FILTERS.values(), ids=FILTERS)
@field_case(
    FOUND,
    "a packet filter drops guests' packets (FORWARD policy of Docker or ufw), their frames (`bridge`), or their NDP",
    "`doctor` names the chain and the ports, and a command that lets the packets pass",
)
def test_packet_filter_drops_guests(lab: Lab, name: str, rules: str) -> None:
    """What a filter certainly drops is found; the cure, pasted, ends it, and nothing is found without the filter."""
    node = lab.node
    assert finding(node, name) is None
    load(node, rules)
    for _ in range(4):  # one chain may drop in several ways, each with its own cure
        found = finding(node, name)
        if found is None:
            break
        assert (found["severity"], found["about"]) == ("problem", BRIDGE)
        for command in found["cure"].split("; "):
            node.run(*shlex.split(command))
    else:
        pytest.fail(f"still found: {found}")
    assert node.run("nft", "list", "ruleset")
