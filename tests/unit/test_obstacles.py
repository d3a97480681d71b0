"""What is in the way of one guest, as `explain` and `doctor` name it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from explaining import ADVERTISED, ALICE, V4, bound, explained, facts

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.binding_state import State
from rdnbr.linux.nft.iptables_save import read_save
from rdnbr.operator.control.bound_addresses import BoundAddress
from rdnbr.operator.explain.layers import _LAYER_OF, layers
from rdnbr.operator.explain.obstacles import Surroundings, obstacles
from rdnbr.operator.explain.verdict import verdict
from rdnbr.operator.findings.bound_guests import BoundGuests, check_bound_guests
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.finding import Reach, on, problem, warning

V6 = "2001:678:3a4:100::80"
NOW = datetime.fromtimestamp(100, UTC)
FOUR = BoundAddress(
    parse_ip(V4), ALICE, "tap1i0", "vmbr1", State.VALID, installed=True, since=0, last_seen=95
)
SIX = FOUR._replace(address=parse_ip(V6))
FAILED = problem("gateway-dadfailed", "vmbr1", "fe80::1 failed DAD", Cure.run("mend"), on("vmbr1", 6))
DROPPING = tuple(read_save("*filter\n:FORWARD DROP\nCOMMIT\n", "ip", "iptables"))


def named(address: str = V4, frr=ADVERTISED, **around) -> list[tuple[str, str]]:
    found = obstacles(explained(bound(), address), Surroundings(**around), frr, NOW)
    return [(_LAYER_OF.get(one.name, "node"), str(one.cure)) for one in found]


def test_nothing_is_in_the_way():
    """A guest with all that it needs has no obstacle."""
    assert named(findings=[warning("open-mode", "daemon", "x", Cure())], bound=[FOUR, SIX]) == []


def test_gateway_that_failed_dad_is_in_the_way_of_its_family():
    """A gateway that failed DAD is named for each address of its IP version, and for no other."""
    assert named("2001:db8::7", findings=[FAILED]) == [("gateway", "mend")]
    assert named(findings=[FAILED]) == []
    elsewhere = replace(FAILED, reach=on("vmbr2", 4))
    assert named(findings=[elsewhere]) == []
    assert [layer for layer, _ in named(findings=[replace(elsewhere, reach=Reach())])] == ["gateway"]


def test_filter_is_in_the_way_in_both_directions():
    """A FORWARD policy is named for each direction, with the command that lets the packets pass."""
    assert named(filters=DROPPING) == [
        ("filter", "iptables -I FORWARD -i vmbr1 -j ACCEPT"),
        ("filter", "iptables -I FORWARD -o vmbr1 -j ACCEPT"),
    ]


@pytest.mark.parametrize(
    ("fdb", "found"),
    [(frozenset(), ["fdb"]), (frozenset({("vmbr1", ALICE)}), []), (frozenset({("vmbr2", ALICE)}), ["fdb"])],
)
def test_mac_that_the_bridge_cannot_learn(fdb, found):
    """With learning off a MAC needs an entry in the database of its own bridge."""
    assert [layer for layer, _ in named(unlearned={"tap1i0": False}, fdb=fdb)] == found


def test_other_node_that_announces():
    """A path of another node is an obstacle, unless the rule says that several nodes may have the address."""
    twice = ADVERTISED._replace(elsewhere=("198.51.100.3",))
    assert [layer for layer, _ in named(frr=twice)] == ["node"]
    anycast = explained(bound(f"{V4} port=tap1i0 anycast"))
    assert list(obstacles(anycast, Surroundings(), twice, NOW)) == []


@pytest.mark.parametrize(
    ("silent", "other", "found"),
    [
        (FOUR._replace(state=State.DEPARTED, installed=False), SIX, True),
        (FOUR._replace(state=State.TENTATIVE, installed=False), SIX, True),
        (
            FOUR._replace(state=State.TENTATIVE, installed=False, since=95),
            SIX,
            False,
        ),  # it has time to answer
        (FOUR._replace(state=State.DEPARTED, installed=False), SIX._replace(last_seen=30), False),
        (FOUR._replace(state=State.DEPARTED, installed=False), SIX._replace(port="tap2i0"), False),
        (FOUR._replace(state=State.DEPARTED, installed=False), SIX._replace(installed=False), False),
        (
            FOUR._replace(state=State.DEPARTED, installed=False),
            SIX._replace(address=parse_ip("2.57.57.31")),
            False,
        ),
        (FOUR, SIX, False),
    ],
)
def test_guest_that_is_silent_in_one_family(silent, other, found):
    """A guest that is heard in one IP version and silent in the other is named; one that is gone is not."""
    assert (
        [one.name for one in check_bound_guests(BoundGuests((silent, other), now=100))]
        == ["guest-half-silent"]
    ) is found
    assert ([layer for layer, _ in named(bound=[silent, other])] == ["guest"]) is found


def test_verdict_names_the_obstacle():
    """The verdict of a routed address has the first obstacle and its cure; every obstacle is a layer that says no."""
    found = tuple(obstacles(explained(bound()), Surroundings(filters=DROPPING), ADVERTISED, NOW))
    made = facts(explained(bound()), findings=found)
    reached = verdict(made, layers(made))
    assert (reached.routed, reached.reachable, reached.code) == (True, False, "forward-drops")
    assert reached.sentence.endswith(
        "over vmbr1, but the policy of chain FORWARD (iptables) drops its packets from the guest"
    )
    assert str(reached.cure) == "iptables -I FORWARD -i vmbr1 -j ACCEPT"
    assert [(one.name, one.answer) for one in layers(made)][-2:] == [("filter", "no")] * 2


def test_binding_that_ended_in_silence_while_the_guest_lives():
    """After an address was forgotten, the last decision still says who was silent for it."""
    explanation = explained(bound())
    last = explanation.events[-1]
    ended = replace(
        explanation, bindings=(), desired=(), events=(last._replace(reason=type(last.reason)("silent")),)
    )
    (obstacle,) = obstacles(ended, Surroundings(bound=[SIX]), ADVERTISED, NOW)
    assert obstacle.name == "guest-half-silent"
    made = facts(
        ended, kernel=replace(facts(explanation).kernel, routes=(), neighbours=()), findings=(obstacle,)
    )
    assert verdict(made, layers(made)).sentence == f"{V4} is not routed: {obstacle.message}"


def test_findings_about_guests():
    """Doctor names the port and the MAC, how bad it is, and which addresses other nodes announce."""
    lost = BoundGuests((FOUR, SIX), unlearned={"tap1i0": False})
    (finding,) = check_bound_guests(lost)
    assert (finding.severity.value, finding.about, finding.name) == ("problem", "vmbr1", "fdb-entry-missing")
    assert str(finding.cure) == "bridge fdb replace 52:02:45:00:00:01 dev tap1i0 master static"
    (finding,) = check_bound_guests(replace(lost, unlearned={"tap1i0": True}))
    assert finding.severity.value == "warning"
    assert list(check_bound_guests(replace(lost, fdb=frozenset({("vmbr1", ALICE)})))) == []
    (finding,) = check_bound_guests(BoundGuests((FOUR,), elsewhere={parse_ip(V4): ("198.51.100.3",)}))
    assert (finding.about, finding.name) == ("frr", "announced-twice")
    assert f"{V4} by 198.51.100.3" in finding.message


@pytest.mark.parametrize("mac", ["00:00:5e:00:01:0a", "00:00:5e:00:02:0a", "00:00:0c:07:ac:05"])
@pytest.mark.parametrize("address", [V4, V6])
def test_two_tenants_with_one_vrid(mac, address):
    """A virtual-router MAC on two ports of one bridge is named, and one on two bridges is not."""
    one = FOUR._replace(address=parse_ip(address), mac=parse_mac(mac))
    other = one._replace(address=parse_ip("2.57.57.77"), port="tap2i0")
    (finding,) = check_bound_guests(BoundGuests((one, other)))
    assert (finding.name, finding.about) == ("virtual-router-mac-shared", "vmbr1")
    assert f"use the virtual-router MAC {mac} at a time ({address} on tap1i0, 2.57.57.77 on tap2i0)" in (
        finding.message
    )
    for harmless in (
        other._replace(bridge="vmbr2"),
        other._replace(port="tap1i0"),
        other._replace(installed=False),
        other._replace(mac=ALICE),
    ):
        assert list(check_bound_guests(BoundGuests((one, harmless)))) == []
