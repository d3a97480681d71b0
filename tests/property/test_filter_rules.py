"""Packet filters: what counts as certainly dropped is dropped whatever the unknown conditions are."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from rdnbr.linux.nft.filter_rules import Chain, Condition, Packet, Rule, find_drop

PACKET = {"iif": "vmbr1", "l4": "tcp"}

conditions = st.builds(
    Condition,
    st.sampled_from(["iif", "l4", "oif"]),  # nothing is known of oif
    st.sampled_from([("vmbr1",), ("vm*",), ("eth0",), ("tcp", "udp"), None]),
    st.booleans(),
)
verdicts = st.sampled_from(["accept", "drop", "return", "continue", "any", "jump", "goto"])


def chains(targets: list[str]) -> st.SearchStrategy[tuple[Rule, ...]]:
    target = st.sampled_from(targets) if targets else st.just("missing")
    rule = st.builds(Rule, st.lists(conditions, max_size=2).map(tuple), verdicts, target, st.just(""))
    return st.lists(rule, max_size=3).map(tuple)


def walk(
    rules: tuple[Rule, ...], others: dict[str, tuple[Rule, ...]], held: dict[int, bool], packet: Packet
) -> str | None:
    """Return the verdict of some rules as the kernel comes to it; None at their end. `held`: of what is not known."""
    for rule in rules:
        known = rule.holds(packet)
        if not (held[id(rule)] if known is None else known):
            continue
        if rule.verdict == "any":
            if held[-id(rule)]:
                return "accept"
        elif rule.verdict in ("jump", "goto"):
            if rule.target not in others:
                return "accept"  # nobody knows
            verdict = walk(others[rule.target], others, held, packet)
            if verdict is not None or rule.verdict == "goto":
                return verdict
        elif rule.verdict == "return":
            return None
        elif rule.verdict != "continue":
            return rule.verdict
    return None


@settings(deadline=None)
@given(chains(["a", "b"]), chains(["b"]), chains([]), st.sampled_from(["accept", "drop"]))
def test_certain_drop_is_certain(
    rules: tuple[Rule, ...], a: tuple[Rule, ...], b: tuple[Rule, ...], policy: str
) -> None:
    """Where a drop is found, the packet is dropped for each value of each unknown condition."""
    others = {"a": a, "b": b}
    every = (*rules, *a, *b)
    unknown = [id(rule) for rule in every if rule.holds(PACKET) is None]
    unknown += [-id(rule) for rule in every if rule.verdict == "any"]
    chain = Chain("ip", "filter", "FORWARD", "forward", policy, rules, others)
    found = find_drop(chain, PACKET)
    verdicts_seen = set()
    for values in product((False, True), repeat=len(unknown)):
        held = dict(zip(unknown, values, strict=True))
        verdicts_seen.add(walk(rules, others, held, PACKET) or policy)
        if "accept" in verdicts_seen:
            break
    if found is not None:
        assert verdicts_seen == {"drop"}


@given(
    chains([]).map(lambda rules: tuple(one for one in rules if one.verdict not in ("jump", "goto", "any")))
)
def test_without_jumps_every_certain_drop_is_found(rules: tuple[Rule, ...]) -> None:
    """In one chain without jumps a packet that no values let pass is found to be dropped."""
    chain = Chain("ip", "filter", "FORWARD", "forward", "drop", rules, {})
    outcomes = {
        walk(rules, {}, dict(zip(map(id, rules), values, strict=True)), PACKET) or "drop"
        for values in product((False, True), repeat=len(rules))
    }
    assert (find_drop(chain, PACKET) is not None) == (outcomes == {"drop"})
