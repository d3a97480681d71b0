"""`rdnbr explain`: each layer's answer, the verdict, and what to do about it."""

from dataclasses import replace

import pytest
from dialogue import World
from explaining import (
    ALLOW,
    BOB,
    EMPTY,
    HELD,
    NEIGHBOUR,
    NO_DAEMON,
    OURS,
    SELECTED,
    UNKNOWN_TO_FRR,
    UPLINK,
    V4,
    bound,
    explained,
    facts,
    quiet,
)

from rdnbr.core.bindings.explanation_builder import events_about
from rdnbr.core.model.address import parse_ip, parse_mac, show_ip
from rdnbr.core.model.engine_outputs import Decision, Verb
from rdnbr.core.model.explanation import DesiredEntry, RuleText
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import PortPolicy, Settings
from rdnbr.linux.frr.host_routes import Advertisement, ZebraRoute
from rdnbr.linux.netlink.route_lookup import HostRoute
from rdnbr.operator.explain import command
from rdnbr.operator.explain.facts import Facts
from rdnbr.operator.explain.layers import layers
from rdnbr.operator.explain.verdict import AddressVerdict
from rdnbr.operator.explain.verdict import verdict as verdict_of
from rdnbr.operator.findings.bound_guests import ANSWER


def said(made: Facts) -> dict[str, tuple[str, str]]:
    return {layer.name: (layer.answer, layer.text) for layer in layers(made)}


def verdict(made: Facts) -> AddressVerdict:
    return verdict_of(made, layers(made))


def test_a_routed_address_in_a_connected_prefix():
    """The built-in layer says why a prefix of the node does not refuse the address: it is live, or its rule says so."""
    explanation = replace(explained(bound()), connected_prefix="2.57.57.0/24")
    answer, text = said(facts(explanation))["built-in"]
    assert (answer, text.rpartition("; ")[2]) == (
        "ok",
        "it keeps its route, and a new claim would be refused",
    )
    assert "2.57.57.0/24" in text
    rules = (RuleText("allowlist:1", f"{V4} connected"),)
    answer, text = said(facts(replace(explanation, rules=rules)))["built-in"]
    assert (answer, text.rpartition("; ")[2]) == ("ok", "its rule says `connected`")


def test_the_card_behind_a_virtual_router_mac():
    """A binding at a virtual-router MAC names the MAC of the card that sends."""
    explanation = explained(bound())
    (detail,) = explanation.bindings
    shown = detail.shown._replace(mac=parse_mac("00:00:5e:00:01:0a"), physical_mac=detail.shown.mac)
    made = facts(replace(explanation, bindings=(replace(detail, shown=shown),)))
    _, text = said(made)["binding"]
    assert text.startswith("valid: 00:00:5e:00:01:0a (from the card 52:02:45:00:00:01) on tap1i0 since 10s")


def test_a_routed_address():
    """Of an address that is routed every layer says so, and the verdict names guest and peers."""
    made = facts(explained(bound()))
    assert said(made) == {
        "daemon": ("ok", "runs, by the allowlist"),
        "built-in": ("ok", "not special, not the node's own, no next hop, in no network of the node's"),
        "allowlist": ("ok", "permitted by allowlist:1 (2.57.57.30 port=tap1i0)"),
        "limits": ("ok", "tap1i0 has 1 of 16 addresses"),
        "quarantine": ("ok", "everybody is heard"),
        "binding": (
            "ok",
            "valid: 52:02:45:00:00:01 on tap1i0 since 10s, last seen 9s ago (arp-request)",
        ),
        "wanted": ("ok", "route over vmbr1 with metric 0, neighbour 52:02:45:00:00:01"),
        "route": ("ok", "proto 171 (rdnbr) dev vmbr1 metric 0"),
        "neighbour": ("ok", "52:02:45:00:00:01 dev vmbr1, permanent, proto 171 (rdnbr)"),
        "zebra": ("ok", "kernel dev vmbr1, selected"),
        "bgp": ("ok", "advertised to 198.51.100.0"),
    }
    assert verdict(made) == AddressVerdict(
        routed=True,
        reachable=True,
        code="reachable",
        sentence="2.57.57.30 is routed to tap1i0 (52:02:45:00:00:01) over vmbr1, and advertised to 198.51.100.0",
        cure=None,
    )


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1", "127.0.0.1 is not routed: special-address: no host can be routed there"),
        ("169.254.0.1", "169.254.0.1 is not routed: own-address: it is the node's own"),
    ],
)
def test_what_nobody_may_have(address, sentence):
    """A built-in refusal is the verdict, whatever the other layers say, and there is nothing to do."""
    made = facts(explained(quiet(None), address), kernel=EMPTY, frr=UNKNOWN_TO_FRR)
    assert (said(made)["built-in"][0], said(made)["allowlist"][0]) == ("no", "unknown")
    code = sentence.split(": ")[1]
    assert verdict(made) == AddressVerdict(
        routed=False, reachable=False, code=code, sentence=sentence, cure=None
    )


@pytest.mark.parametrize(
    ("allow", "answer", "text", "cure"),
    [
        (
            None,
            "ok",
            "none: whoever answers for it may have it, first come, first served",
            f"rdnbr probe {V4}",
        ),
        (
            "2.57.58.0/24",
            "no",
            "not-permitted: no rule covers it",
            f"echo {V4} >> /etc/rdnbr/allowlist; rdnbr reload",
        ),
        (
            f"deny {V4}",
            "no",
            f"refused to tap1i0, tap2i0: denied by allowlist:1 (deny {V4})",
            f"sed -i '1s|.*|{V4}|' allowlist; rdnbr reload",
        ),
        (
            f"{V4} port=tap9i0",
            "no",
            f"refused to tap1i0, tap2i0: pinned by allowlist:1 ({V4} port=tap9i0)",
            f"sed -i '1s|.*|{V4}|' allowlist; rdnbr reload",
        ),
        (
            "2.57.57.0/24",
            "ok",
            "permitted to tap1i0, tap2i0 by allowlist:1 (2.57.57.0/24)",
            f"rdnbr probe {V4}",
        ),
        (
            f"{V4} mac=52:02:45:00:00:01",
            "ok",
            "permitted to 52:02:45:00:00:01 on tap1i0, tap2i0 by allowlist:1 (2.57.57.30 mac=52:02:45:00:00:01)",
            f"rdnbr probe {V4}",
        ),
    ],
)
def test_what_the_law_says_of_an_unbound_address(allow, answer, text, cure):
    """Of an address nobody has, the allowlist tells who might have it, and by which rule."""
    made = facts(explained(quiet(allow)), kernel=EMPTY, frr=UNKNOWN_TO_FRR)
    assert said(made)["allowlist"] == (answer, text)
    assert (f": {text}" in verdict(made).sentence) == (answer == "no")
    assert str(verdict(made).cure) == cure


def test_many_ports_are_counted():
    """With hundreds of ports three are named."""
    made = facts(explained(quiet("2.57.57.0/24", *(f"tap{n}i0" for n in range(100, 120)))))
    assert said(made)["allowlist"][1].startswith("permitted to tap100i0, tap101i0, tap102i0 and 17 more by")


def test_nobody_claims_it():
    """For a permitted address that nobody claims, the cure is that its guest sends something."""
    made = facts(explained(quiet()), kernel=EMPTY, frr=UNKNOWN_TO_FRR)
    assert said(made)["binding"] == ("no", "none: nobody has claimed it, or it was forgotten")
    assert verdict(made).sentence == f"{V4} is not routed: nobody claims it"
    assert str(verdict(made).cure) == f"rdnbr probe {V4}"


def test_no_port_at_all():
    """Without any port the verdict says just that."""
    made = facts(explained(World(ALLOW)), kernel=EMPTY, frr=UNKNOWN_TO_FRR)
    assert said(made)["allowlist"] == (
        "unknown",
        f"no port is there; the narrowest rule is allowlist:1 ({V4} port=tap1i0)",
    )
    assert verdict(made).sentence == f"{V4} is not routed: no guest port is there"


def test_who_was_refused_lately_is_named():
    """If the latest claim was refused, the verdict names the claimant, the reason and the rule."""
    world = quiet()
    world.guest("mallory", "tap2i0", V4).asks_gateway()
    made = facts(explained(world), kernel=EMPTY, frr=UNKNOWN_TO_FRR)
    assert verdict(made).sentence == (
        f"{V4} is not routed: 52:02:45:00:00:01 on tap2i0 claimed it 10s ago and was refused: pinned (allowlist:1)"
    )
    assert str(verdict(made).cure) == f"sed -i '1s|.*|{V4} port=tap2i0|' allowlist; rdnbr reload"


def test_a_claim_that_was_not_answered_for():
    """While nobody answers, the claimant is named, with the number of questions."""
    world = World(None)
    alice = world.guest("alice", "tap1i0", V4)
    alice.awake = False
    alice.asks_gateway()
    world.runs(0.6)
    made = facts(explained(world), kernel=EMPTY, frr=UNKNOWN_TO_FRR)
    assert verdict(made).sentence == (
        f"{V4} is not routed: 52:02:45:00:00:01 on tap1i0 claims it, and has not answered for it yet (2 questions)"
    )


def test_when_a_guest_arrived():
    """Where the metric is the time of an arrival, the wanted route shows how long ago that was."""
    assert said(facts(explained(bound(), arrived=4.0)))["wanted"] == (
        "ok",
        "route over vmbr1 with metric 0 (arrived 6s ago), neighbour 52:02:45:00:00:01",
    )


def test_a_full_port():
    """When all ports that may have it are full, that is why."""
    settings = Settings(port=PortPolicy(addresses_ipv4=1))
    allow = "2.57.57.0/24"
    world = World(allow, settings)
    world.guest("alice", "tap1i0", "2.57.57.99").asks_gateway()
    made = facts(explained(world), kernel=EMPTY, frr=UNKNOWN_TO_FRR)
    assert said(made)["limits"] == ("no", "tap1i0 is full")
    assert verdict(made).sentence == f"{V4} is not routed: tap1i0 is full"
    assert str(verdict(made).cure) == (
        """printf '\\n[ports."tap1i0"]\\naddresses_ipv4 = 64\\n' >> /etc/rdnbr/rdnbr.toml; rdnbr reload"""
    )


def test_one_full_port_of_two():
    """A full port is named, and does not keep others from having the address."""
    settings = Settings(port=PortPolicy(addresses_ipv4=1))
    allow = "2.57.57.0/24"
    world = World(allow, settings)
    world.guest("alice", "tap1i0", "2.57.57.99").asks_gateway()
    world.plugs("tap2i0")
    made = facts(explained(world), kernel=EMPTY, frr=UNKNOWN_TO_FRR)
    assert said(made)["limits"] == ("ok", "tap1i0 is full")
    assert verdict(made).sentence == f"{V4} is not routed: nobody claims it"


def test_a_quarantined_claimant():
    """A claimant that was silent is in quarantine, and the verdict says until when."""
    world = World(None)
    alice = world.guest("alice", "tap1i0", V4)
    alice.awake = False
    alice.asks_gateway()
    world.runs(4)
    alice.asks_gateway()
    made = facts(explained(world), kernel=EMPTY, frr=UNKNOWN_TO_FRR)
    answer, text = said(made)["quarantine"]
    assert (answer, text[:33]) == ("no", "tap1i0 is not heard for it until ")
    assert verdict(made) == AddressVerdict(
        routed=False,
        reachable=False,
        code="silent",
        sentence=f"{V4} is not routed: {text}, for it did not answer when it claimed it",
        cure=ANSWER[4],
    )
    forgotten = verdict(replace(made, explanation=replace(made.explanation, events=())))
    assert forgotten.sentence == f"{V4} is not routed: {text}"
    assert (
        str(forgotten.cure) == "wait until then; who claimed it did not answer for it, or its guest answered"
    )


def test_a_guest_whose_port_went():
    """Of a guest that was here, port and binding are said to be gone, and the cure begins with the port."""
    world = bound()
    world.unplugs("tap1i0")
    made = facts(explained(world), kernel=EMPTY, frr=UNKNOWN_TO_FRR)
    assert said(made)["binding"][1].startswith("departed: 52:02:45:00:00:01 on a port that is gone since ")
    assert verdict(made).sentence == (
        f"{V4} is not routed: it was at 52:02:45:00:00:01 on a port that is gone, and is withdrawn"
    )
    assert str(verdict(made).cure).startswith("rdnbr show ports")


def test_a_guest_that_fell_silent():
    """Of a guest that was withdrawn while its port is there, the port is named, and the cure begins with the guest."""
    world = World(f"{V4}/32")
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    alice.awake = False
    world.runs(60)
    made = verdict(facts(explained(world), kernel=EMPTY, frr=UNKNOWN_TO_FRR))
    assert made.sentence == f"{V4} is not routed: it was at 52:02:45:00:00:01 on tap1i0, and is withdrawn"
    assert (made.code, str(made.cure)) == ("silent", f"rdnbr probe {V4}")


def test_a_rival_is_named():
    """During a conflict, the binding and the verdict name the challenger."""
    world = World(f"{V4}/32")
    alice, bob = world.guest("alice", "tap1i0", V4), world.guest("bob", "tap2i0", V4)
    alice.asks_gateway()
    world.runs(5)
    alice.awake = False
    bob.asks_gateway()
    made = facts(explained(world))
    text = said(made)["binding"][1]
    assert text.startswith("challenged: 52:02:45:00:00:01 on tap1i0")
    assert text.endswith("— rival 52:02:45:00:00:02 on tap2i0")


def test_a_foreign_route():
    """Somebody else's route in our place is named with its protocol, and is the verdict."""
    foreign = HostRoute(254, UPLINK, 0, 4, "unicast", None)
    kernel = replace(EMPTY, routes=(foreign,))
    why = "another program's route holds this prefix and metric"
    made = facts(explained(bound(), kernel_error=why, retry_at=20.0), kernel=kernel, frr=UNKNOWN_TO_FRR)
    assert said(made)["route"] == (
        "no",
        "proto 4 (static) dev uplink metric 0, which rdnbr never replaces",
    )
    answer, text = said(made)["wanted"]
    assert (answer, f"the kernel refuses: {why} — tried again at " in text) == ("no", True)
    assert said(replace(made, kernel=replace(kernel, neighbours=(NEIGHBOUR,))))["neighbour"][0] == "ok"
    assert verdict(made).sentence == (
        f"{V4} is not routed: somebody else's entry holds its place, and is never replaced: "
        "a route, proto 4 (static) dev uplink metric 0"
    )


def test_a_route_that_somebody_keeps_removing():
    """A route that the kernel did not refuse, and that is tried again later, was removed too often."""
    made = facts(explained(bound(), retry_at=20.0), kernel=EMPTY, frr=UNKNOWN_TO_FRR)
    assert " — somebody keeps removing it — tried again at " in said(made)["wanted"][1]
    assert "somebody keeps removing it" in verdict(made).sentence
    assert str(verdict(made).cure).startswith("ip -ts monitor route neigh")


def test_a_foreign_route_that_wins_over_ours():
    """Ours behind somebody else's of a lower metric is not what the kernel takes."""
    world = bound()
    mine = OURS._replace(metric=10)
    foreign = HostRoute(254, UPLINK, 5, 4, "unicast", None)
    made = facts(explained(world), kernel=replace(HELD, routes=(foreign, mine)))
    assert said(made)["route"][0] == "no"
    assert not verdict(made).routed


def test_a_foreign_neighbour():
    """Somebody else's permanent neighbour is named as well."""
    entry = NEIGHBOUR._replace(protocol=4, mac=BOB)
    made = facts(
        explained(bound(), kernel_error="x"), kernel=replace(EMPTY, neighbours=(entry,)), frr=UNKNOWN_TO_FRR
    )
    assert said(made)["neighbour"][1] == (
        "52:02:45:00:00:02 dev vmbr1: somebody else's, which rdnbr never replaces"
    )
    assert verdict(made).sentence.endswith("never replaced: a permanent neighbour on vmbr1")


def test_an_address_that_the_fabric_has_elsewhere():
    """A route of BGP's tells where the guest is, when it is not here."""
    there = HostRoute(254, UPLINK, 20, 186, "unicast", parse_ip("198.51.100.0"))
    made = facts(explained(quiet()), kernel=replace(EMPTY, routes=(there,)), frr=UNKNOWN_TO_FRR)
    assert verdict(made).sentence == (
        f"{V4} is not routed: the fabric has it elsewhere: proto 186 via 198.51.100.0 dev uplink"
    )


def test_an_address_that_is_here_and_that_the_fabric_has_elsewhere():
    """Where a guest of ours has it, it is our kernel's refusal that is to be mended."""
    there = HostRoute(254, UPLINK, 20, 186, "unicast", parse_ip("198.51.100.0"))
    made = facts(
        explained(bound(), kernel_error="no memory"),
        kernel=replace(EMPTY, routes=(there,)),
        frr=UNKNOWN_TO_FRR,
    )
    assert "the kernel refuses: no memory" in verdict(made).sentence


def test_zebra_that_missed_the_route():
    """A route that zebra has not heard of is mended by a resync; the address is routed all the same."""
    made = verdict(facts(explained(bound()), frr=UNKNOWN_TO_FRR))
    assert (made.routed, made.reachable, str(made.cure)) == (True, False, "rdnbr resync --frr")
    assert made.sentence.endswith("over vmbr1, but zebra has not heard of it")


def test_zebra_that_prefers_another():
    """Where zebra has selected another route, no resync helps."""
    known = (ZebraRoute("static", "uplink", selected=True), SELECTED._replace(selected=False))
    made = verdict(facts(explained(bound()), frr=Advertisement(known, in_bgp=False, peers=())))
    assert made.sentence.endswith("but zebra prefers another: static dev uplink, selected; kernel dev vmbr1")
    assert str(made.cure).startswith(f"vtysh -c 'show ip route {V4}' shows the other")


@pytest.mark.parametrize(
    ("in_bgp", "text", "cure"),
    [
        (True, "in bgpd's table, and advertised to nobody", "vtysh -c 'show bgp summary' tells"),
        (False, "not redistributed into bgpd's table", "see the route-map and the prefix list"),
    ],
)
def test_bgp_that_tells_nobody(in_bgp, text, cure):
    """What zebra has and BGP does not tell is a matter of FRR's configuration."""
    made = verdict(facts(explained(bound()), frr=Advertisement((SELECTED,), in_bgp=in_bgp, peers=())))
    assert made.routed
    assert made.sentence.endswith(f"but BGP does not tell anybody: {text}")
    assert str(made.cure).startswith(cure)


def test_frr_that_cannot_be_asked():
    """Without FRR's answer its layers are unknown, and the verdict is that of the others."""
    made = facts(explained(bound()), frr="FRR is not installed")
    assert said(made)["zebra"] == said(made)["bgp"] == ("unknown", "FRR is not installed")
    assert verdict(made).sentence.endswith("(52:02:45:00:00:01) over vmbr1")
    stopped = verdict(
        replace(made, frr="FRR was not asked, for vtysh says: failed to connect to any daemons.")
    )
    assert verdict(made).reachable
    assert (stopped.routed, stopped.reachable, stopped.code) == (True, False, "advertisement-unknown")
    assert "over vmbr1; whether BGP advertises it is not known: FRR was not asked" in stopped.sentence


def test_without_a_daemon():
    """What only a daemon knows is unknown; the kernel still tells whether the address is routed."""
    made = facts(explained(quiet()), no_answer=NO_DAEMON)
    names = {name for name, (answer, _) in said(made).items() if answer == "unknown"}
    assert names == {"limits", "quarantine", "binding", "wanted"}
    assert said(made)["daemon"][0] == "no"
    assert verdict(made) == AddressVerdict(
        routed=True,
        reachable=True,
        code="daemon-not-running",
        sentence=f"{V4} is routed to 52:02:45:00:00:01 over vmbr1, and advertised to 198.51.100.0; "
        "no daemon answers on /run/x",
        cure=NO_DAEMON.cure,
    )
    empty = verdict(replace(made, kernel=EMPTY))
    assert (empty.routed, empty.code, empty.cure) == (False, "daemon-not-running", NO_DAEMON.cure)


def test_half_a_pair():
    """With only one of route and neighbour the address is not routed, with a daemon and without one."""
    half = replace(HELD, neighbours=())
    made = facts(explained(bound()), kernel=half, frr=UNKNOWN_TO_FRR)
    assert verdict(made).sentence == (
        f"{V4} is not routed: its guest is known, and the kernel has no neighbour of rdnbr's for it"
    )
    alone = replace(made, explanation=explained(quiet()), no_answer=NO_DAEMON)
    assert verdict(alone).sentence == (
        f"{V4} is not routed: the kernel has no neighbour of rdnbr's for it; no daemon answers on /run/x"
    )
    assert "no route and no neighbour" in verdict(replace(alone, kernel=EMPTY)).sentence
    other = verdict(replace(alone, kernel=replace(HELD, routes=()))).sentence
    assert (
        other == f"{V4} is not routed: the kernel has no route of rdnbr's for it; no daemon answers on /run/x"
    )


def test_a_kernel_that_cannot_be_looked_at():
    """Without the kernel's word nothing is said to be routed."""
    made = facts(explained(bound()), kernel="the kernel was not looked at: no permission")
    assert said(made)["route"] == ("unknown", "the kernel was not looked at: no permission")
    assert verdict(made).sentence == (
        f"whether {V4} is routed is not known: the kernel was not looked at: no permission"
    )
    assert not verdict(made).routed


def test_events_are_those_of_the_address():
    """The latest decisions about the address are told, oldest first, and nobody else's."""
    world = bound("2.57.57.0/24")
    world.guest("carol", "tap3i0", "2.57.57.99").asks_gateway()
    events = explained(world).events
    assert {show_ip(event.address) for event in events if event.address} == {V4}
    assert [event.verb for event in events][:2] == [Verb.LEARNED, Verb.INSTALLED]


def test_the_latest_events_are_kept():
    """Of many decisions about an address the last twenty are kept."""
    address = parse_ip(V4)
    decisions = [Decision(float(at), Verb.REFUSED, Reason.PINNED, address) for at in range(30)]
    assert [made.at for made in events_about(address, decisions)] == [float(at) for at in range(10, 30)]


def test_text_begins_with_the_verdict_and_the_cure():
    """The first line is the verdict, and the second the cure."""
    made = facts(explained(quiet()), kernel=EMPTY, frr=UNKNOWN_TO_FRR)
    text = list(command.lines(made, layers(made), verdict(made)))
    assert text[0] == f"{V4} is not routed: nobody claims it"
    assert text[1].startswith("    cure: its guest must answer, or send a packet")
    assert text[2] == f"        rdnbr probe {V4}"
    assert "NO  binding     none: nobody has claimed it, or it was forgotten" in text
    assert "ok  built-in" in text[5]


def test_a_host_that_waits_for_its_mac():
    """A route adopted without its neighbour says that the neighbour is not known yet."""
    world = quiet()
    entry = DesiredEntry(
        table=254, bridge="vmbr1", mac=None, metric=1024, arrived=None, retry_at=None, kernel_error=None
    )
    made = facts(replace(explained(world), desired=(entry,)))
    assert said(made)["wanted"][1] == "route over vmbr1 with metric 1024, neighbour not known yet"
