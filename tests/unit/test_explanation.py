"""The engine's explanation of one address: its policy cases, hold-downs, limits and bindings."""

import pytest
from dialogue import World, rules

from rdnbr.core.model.address import parse_ip, parse_mac, show_mac
from rdnbr.core.model.explanation import Explanation
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import PortPolicy, Settings

V4, V6 = "2.57.57.30", "2001:678::80"
ALICE, BOB = "52:02:45:00:00:01", "52:02:45:00:00:02"


def explain(world: World, address: str = V4) -> Explanation:
    return world.engine.explain(world.now, parse_ip(address))


def cases(world: World, address: str = V4) -> set[str]:
    """Return who may have an address and who may not, one line a policy case."""
    return {
        f"{','.join(case.ports)} {show_mac(case.mac) if case.mac else '*'}: {case.reason or 'permitted'}"
        f"{f' by {case.rule}' if case.rule else ''}"
        for case in explain(world, address).cases
    }


def world(allow: str | None, *ports: str, settings: Settings | None = None) -> World:
    made = World(allow, settings or Settings())
    for port in ports:
        made.plugs(port)
    return made


def test_in_open_mode_anybody_may_have_it():
    """Without an allowlist all ports are alike, whatever the MAC."""
    assert cases(world(None, "tap2i0", "tap1i0")) == {"tap1i0,tap2i0 *: permitted"}


def test_ports_are_told_apart_by_the_rule_that_decides():
    """A pinned address is permitted on one port, and refused on the others by the same rule."""
    found = cases(world("2.57.57.0/24\n2.57.57.30 port=tap1i0", "tap1i0", "tap2i0", "tap3i0"))
    assert found == {"tap1i0 *: permitted by allowlist:2", "tap2i0,tap3i0 *: pinned by allowlist:2"}


def test_a_mac_that_a_rule_names_is_a_chance_of_its_own():
    """Where the MAC matters, the one that may is told from all others."""
    found = cases(world(f"2.57.57.0/24\n2.57.57.30 mac={ALICE}", "tap1i0"))
    assert found == {f"tap1i0 {ALICE}: permitted by allowlist:2", "tap1i0 *: pinned by allowlist:2"}


def test_what_no_rule_is_about_is_permitted_to_nobody():
    """Outside of all prefixes no rule decides."""
    assert cases(world("2.57.58.0/24", "tap1i0")) == {"tap1i0 *: not-permitted"}


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", Reason.SPECIAL_ADDRESS),
        ("169.254.0.1", Reason.OWN_ADDRESS),
        ("fe80::2", Reason.LINK_LOCAL),
    ],
)
def test_what_nobody_may_have(address: str, reason: Reason):
    """Built-in refusals come first: there are no policy cases."""
    found = explain(world(None, "tap1i0"), address)
    assert (found.refused, found.cases) == (reason, ())


def test_a_binding_shows_its_questions_and_its_rival():
    """During a conflict the binding has its challenger, and the number of unanswered probes."""
    made = World(f"{V4}/32")
    alice, bob = made.guest("alice", "tap1i0", V4), made.guest("bob", "tap2i0", V4)
    alice.asks_gateway()
    made.runs(5)
    alice.awake = False
    bob.asks_gateway()
    made.runs(0.7)
    (binding,) = explain(made).bindings
    assert (binding.probes_sent, binding.answered) == (2, True)
    assert binding.challenger == (parse_mac(BOB), "tap2i0")
    assert binding.deadline == pytest.approx(6.0)
    assert (binding.port_addresses, binding.port_limit) == (1, PortPolicy().addresses_ipv4)


def test_who_is_not_heard_is_named_until_the_end_of_the_term():
    """A quarantined port is named with its end, and no longer when that has come."""
    made = World(f"{V4}/32")
    alice, bob = made.guest("alice", "tap1i0", V4), made.guest("bob", "tap2i0", V4)
    alice.asks_gateway()
    made.runs(5)
    bob.asks_gateway()
    made.runs(1)
    (held,) = explain(made).hold_downs
    assert (held.port, held.mac, held.until) == ("tap2i0", None, pytest.approx(15.0, abs=0.1))
    made.runs(10)
    assert explain(made).hold_downs == ()


def test_a_full_port_is_named():
    """A port with as many addresses as it may have is among the full ones."""
    settings = Settings(port=PortPolicy(addresses_ipv4=1, new_addresses_per_second=0.001))
    made = World("2.57.57.0/24\n2001:678::/64", settings)
    alice = made.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    made.plugs("tap2i0")
    assert explain(made, "2.57.57.31").full_ports == ("tap1i0",)
    assert explain(made, V6).full_ports == ()


def test_explaining_changes_nothing():
    """A second explanation is equal to the first, and neither has outputs."""
    made = World(f"{V4}/32")
    made.guest("alice", "tap1i0", V4).asks_gateway()
    before = made.engine.next_deadline()
    assert explain(made) == explain(made)
    assert made.engine.next_deadline() == before
    assert made.engine.expire_timers(made.now) == []


def test_rules_about_an_address_come_longest_first():
    """All rules whose prefix has the address in it, whatever their qualifiers, and no others."""
    law = rules(f"2.0.0.0/8\n2.57.57.0/24\ndeny {V4}\n2.57.58.0/24\n{V6}\n{V4} port=tap1i0")
    found = [rule.where for rule in law.rules_about(parse_ip(V4))]
    assert found == ["allowlist:3", "allowlist:6", "allowlist:2", "allowlist:1"]
