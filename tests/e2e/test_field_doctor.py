"""Field cases: what `doctor`, `explain`, `show` and the log name, on a node that is not as it should be."""

import json
from typing import Any

import pytest

from rdnbr.lab import Lab
from rdnbr.lab.fabric import Fabric, Peering
from rdnbr.lab.guest import GATEWAY6, Guest
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


def paste(node: Node, cured: dict[str, Any]) -> None:
    """Paste the commands of a cure, and those that make it last, into a shell of root, as they are printed."""
    assert cured["commands"]
    for command in (*cured["commands"], *cured["lasting"]):
        node.run("sh", "-ec", command)


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
    paste(node, found)
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
    paste(node, found)
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
        paste(node, found)
    else:
        pytest.fail(f"still found: {found}")
    assert node.run("nft", "list", "ruleset")


def explained(node: Node, address: str) -> dict[str, Any]:
    """Return the document of `explain --json`."""
    document: dict[str, Any] = json.loads(node.rdnbr("explain", address, "--json").stdout)
    return document


def obstacle(node: Node, address: str, layer: str) -> str | None:
    """Return what explain says of a layer that is in the way; None if it is not."""
    found = [one for one in explained(node, address)["layers"] if one["layer"] == layer]
    return next((one["text"] for one in found if one["answer"] == "no"), None)


def routed(lab: Lab, guest: Guest) -> None:
    """Give a guest its addresses, and wait until both are routed."""
    guest.configure()
    guest.wait_for_dad()
    guest.ping_gateways()
    guest.announce()
    wait_for(lambda: set(guest.addresses) <= lab.node.hosts(), 15.0, "the guest's routes")


@field_case(
    FOUND,
    "`fe80::1` of the bridge failed duplicate address detection, or a FORWARD policy drops guests: "
    "somebody asks why a routed address is not reached",
    "`explain` names it for each address of that IP version, in its verdict, with the cure",
)
def test_explain_names_what_is_in_the_way(lab: Lab) -> None:
    """A gateway that failed DAD and a FORWARD policy are in explain's verdict for the addresses they concern."""
    node, rogue, guest = lab.node, *lab.guests
    node.start_daemon()
    routed(lab, guest)
    assert [obstacle(node, address, "gateway") for address in guest.addresses] == [None, None]
    rogue.ip(f"addr add {GATEWAY6}/64 dev eth0 nodad")
    node.sysctl(**{f"ipv6__conf__{BRIDGE}__accept_dad": 1})
    node.ip(f"addr del {GATEWAY6}/64 dev {BRIDGE}", f"addr add {GATEWAY6}/64 dev {BRIDGE}")
    wait_for(lambda: obstacle(node, guest.address6, "gateway"), 10.0, "the gateway to be named")
    assert obstacle(node, guest.address4, "gateway") is None
    load(node, FILTERS["policy"][1])  # of IPv4
    document = explained(node, guest.address4)
    assert (
        ", but the policy of chain FORWARD of table ip filter (nftables) drops its packets"
        in document["verdict"]
    )
    paste(node, document)
    paste(node, explained(node, guest.address4))
    assert obstacle(node, guest.address4, "filter") is None


@pytest.mark.parametrize("flood", ["off", "on"])
@field_case(
    FOUND,
    "learning is off on a port (Proxmox: `bridge-disable-mac-learning`), and the bridge has no entry for a guest's MAC",
    "`doctor` and `explain` name port and MAC, and the command that adds the entry",
)
def test_learning_is_off(lab: Lab, flood: str) -> None:
    """A routed guest whose MAC the bridge cannot learn is named; the cure, pasted, lets packets reach it."""
    node, guest = lab.node, lab.guests[0]
    node.start_daemon()
    routed(lab, guest)
    assert finding(node, "fdb-entry-missing") is None
    node.run("bridge", "link", "set", "dev", guest.port, "learning", "off", "flood", flood)
    node.run("bridge", "fdb", "del", guest.mac, "dev", guest.port, "master")
    found = finding(node, "fdb-entry-missing")
    assert found is not None
    assert found["severity"] == ("warning" if flood == "on" else "problem")
    assert node.ping(guest.address4) is (flood == "on")
    assert guest.mac in (obstacle(node, guest.address4, "fdb") or "")
    paste(node, found)
    assert finding(node, "fdb-entry-missing") is None
    assert node.ping(guest.address4)
    assert obstacle(node, guest.address4, "fdb") is None


SHORT = "[timers]\nreprobe = 1.0\nprobe_retrans = 0.2\n"


@pytest.mark.parametrize("family", [4, 6])
@field_case(
    FOUND,
    "a guest's own filter drops the probes of one IP version (`arp_ignore`, a rule against NDP)",
    "`explain` says that the guest is alive and does not answer, what it must answer, and the cure; `doctor` notes it",
    within=30,
)
def test_guest_drops_probes(lab: Lab, family: int, within: float) -> None:
    """A guest that is silent in one IP version and alive in the other is named by explain and doctor."""
    node, guest = lab.node, lab.guests[0]
    node.write("/etc/rdnbr/rdnbr.toml", SHORT)
    node.write("/etc/rdnbr/allowlist", "2.57.56.0/21\n2001:678:3a4:100::/64\n")
    node.start_daemon()
    routed(lab, guest)
    assert finding(node, "guest-half-silent") is None
    if family == 4:
        guest.sysctl(ipv4__conf__all__arp_ignore=8)
    else:
        guest.run(
            "nft",
            "table inet f { chain i { type filter hook input priority 0; icmpv6 type nd-neighbor-solicit drop\n}\n}",
        )
    node.rdnbr("probe", guest.address(family))
    address = guest.address(family)
    wait_for(lambda: obstacle(node, address, "guest"), within, "the silent guest to be named")
    document = explained(node, address)
    assert f"{guest.mac} on {guest.port} is alive" in document["verdict"]
    assert (document["code"], document["in_guest"]) == ("guest-half-silent", True)
    found = finding(node, "guest-half-silent")
    assert found is not None
    assert address in found["message"]


@pytest.mark.frr
@field_case(
    FOUND,
    "another node announces the address of a guest of this node too",
    "`doctor` and `explain` name the address and the other node's next hop",
    within=15,
)
def test_two_nodes_announce_one_address(within: float) -> None:
    """A path of another node for a guest of this one is found in FRR's own table."""
    with Lab(guests=1, nodes=2, frr=True, fabric=Fabric(Peering.AS_PER_NODE)) as lab:
        guest, other = lab.guests[0], lab.nodes[1]
        other.ip(f"route add {guest.address4} dev {BRIDGE} proto 171")
        frr = lab.upstream.frr
        assert frr is not None
        path = f"show bgp ipv4 unicast {guest.address4}/32 json"
        wait_for(lambda: frr.show(path).get("paths"), within, "the upstream to hear of it")
        lab.node.start_daemon()
        routed(lab, guest)
        wait_for(lambda: finding(lab.node, "announced-twice"), within, "the other node's path to be found")
        found = finding(lab.node, "announced-twice")
        assert found is not None
        assert guest.address4 in found["message"]
        assert "another node announces it too" in (obstacle(lab.node, guest.address4, "node") or "")
        assert obstacle(lab.node, guest.address6, "node") is None
        other.ip(f"route del {guest.address4} dev {BRIDGE}")
        wait_for(lambda: finding(lab.node, "announced-twice") is None, within, "the path to go")
