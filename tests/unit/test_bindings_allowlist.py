"""From open mode to an allowlist: rules for what is there, and whom a file would withdraw."""

from dataclasses import dataclass

import pytest

from rdnbr.core.model.address import ZERO_MAC, parse_ip, parse_mac
from rdnbr.core.model.binding_state import State
from rdnbr.core.policy.allowlist import parse
from rdnbr.operator.commands.bindings_allowlist import allowlist_text
from rdnbr.operator.commands.withdrawals import PortName, refusals, summary
from rdnbr.operator.control.bound_addresses import BoundAddress

PORTS = [PortName("tap100i0", "vmbr1"), PortName("vnet3", "vmbr1")]


@dataclass
class Guest:
    port: str | None = "tap100i0"
    mac: str = "52:02:45:76:d2:35"

    def has(self, address, state=State.VALID, **changes):
        routed = state not in (State.DEPARTED, State.TENTATIVE)
        mac = parse_mac(self.mac)
        made = BoundAddress(parse_ip(address), mac, self.port, "vmbr1", state, routed, 0.0, 0.0)
        return made._replace(**changes)


PROXMOX, LIBVIRT = Guest(), Guest("vnet3", "52:54:00:00:00:01")
ROUTER = Guest("tap110i0", "00:00:5e:00:01:07")


def rules(*bound):
    """Return the lines that are rules, without their comments."""
    lines = [line.partition("#")[0].split() for line in allowlist_text(bound).splitlines()]
    return [" ".join(words) for words in lines if words]


def test_guests_by_number_or_mac():
    """A guest is named by its number where the port's name has it, else by its MAC; both families, by guest."""
    bound = [LIBVIRT.has("2.57.57.31"), PROXMOX.has("2001:db8::80"), PROXMOX.has("2.57.57.30")]
    assert rules(*bound) == [
        "2.57.57.30 vm=100",
        "2001:db8::80 vm=100",
        "2.57.57.31 mac=52:54:00:00:00:01",
    ]


def test_virtual_router():
    """A virtual router's MAC may be active in another guest tomorrow: the rule names no guest."""
    assert rules(ROUTER.has("203.0.113.9")) == ["203.0.113.9 mac=00:00:5e:00:01:07"]


def test_who_is_not_there():
    """Departed guests and those that nobody has seen are in comments; claims in vain are left out."""
    bound = [
        PROXMOX.has("2.57.57.30", State.DEPARTED),
        PROXMOX.has("2.57.57.31", State.TENTATIVE),
        PROXMOX.has("2.57.57.32", State.ADOPTED, mac=ZERO_MAC, port=None),
    ]
    assert rules(*bound) == []
    text = allowlist_text(bound)
    assert "\n# 2.57.57.30 vm=100 " in text
    assert "2.57.57.31" not in text
    assert "\n# 2.57.57.32: no frame" in text


@pytest.mark.parametrize(
    "state", [state for state in State if state not in (State.DEPARTED, State.TENTATIVE)]
)
def test_written_rules_withdraw_nobody(state):
    """Whatever has a route is permitted by the file that is written for it, as a virtual router's card is."""
    bound = [
        PROXMOX.has("2.57.57.30", state),
        LIBVIRT.has("2001:db8::80", state),
        LIBVIRT.has("2.57.57.31", state, port=None),
        ROUTER.has("203.0.113.9", state, physical_mac=parse_mac("52:02:45:76:d2:36")),
    ]
    allowlist = parse([("a", allowlist_text(bound))])
    assert len(allowlist.rules) == 4
    assert refusals(allowlist, bound, PORTS) == []


def test_whom_a_file_withdraws():
    """Who is withdrawn comes first, each with the rule; then who could not come back. Special addresses too."""
    bound = [
        PROXMOX.has("2.57.57.33", State.DEPARTED),
        PROXMOX.has("2.57.57.30"),
        PROXMOX.has("2.57.57.31"),
        PROXMOX.has("2001:db8::80"),
        LIBVIRT.has("2.57.57.32"),
    ]
    text = "2.57.57.30 vm=101\n2.57.57.31 vm=100\ndeny 2001:db8::/64\n2.57.57.32 port=vnet*\n"
    found = refusals(parse([("new", text)]), bound, PORTS)
    assert list(map(str, found)) == [
        "2.57.57.30: would be withdrawn: 52:02:45:76:d2:35 on tap100i0: pinned (new:1)",
        "2001:db8::80: would be withdrawn: 52:02:45:76:d2:35 on tap100i0: denied (new:3)",
        "2.57.57.33: would not come back: 52:02:45:76:d2:35 on tap100i0: not-permitted",
    ]
    assert summary(found, 4) == "2 bindings of 4 would be withdrawn"
    assert refusals(None, bound, PORTS) == []


def test_adopted_without_a_port():
    """A binding whose port is not known yet may be on each port of its bridge, as for the daemon."""
    unknown = LIBVIRT.has("2.57.57.31", State.ADOPTED, port=None)
    assert refusals(parse([("new", "2.57.57.31 port=vnet3")]), [unknown], PORTS) == []
    assert len(refusals(parse([("new", "2.57.57.31 port=tap101i0")]), [unknown], PORTS)) == 1


def test_virtual_router_behind_a_card():
    """A rule may name the card behind a virtual router's MAC."""
    card = parse_mac("52:02:45:76:d2:36")
    bound = [ROUTER.has("203.0.113.9", physical_mac=card)]
    assert refusals(parse([("new", "203.0.113.9 mac=52:02:45:76:d2:36")]), bound, PORTS) == []
    assert len(refusals(parse([("new", "203.0.113.9 mac=52:02:45:76:d2:37")]), bound, PORTS)) == 1
