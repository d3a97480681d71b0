"""The policy cases of an explanation agree with the allowlist, and its JSON is decoded to the same explanation."""

import json
from typing import TypeVar

from dialogue import World
from hypothesis import given
from hypothesis import strategies as st

from rdnbr.core.model.address import IP, MAC, parse_ip, parse_mac
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.engine_outputs import Challenger, Decision, Verb
from rdnbr.core.model.explanation import (
    BindingDetail,
    DesiredEntry,
    Explanation,
    HoldDown,
    PolicyCase,
    RuleText,
)
from rdnbr.core.model.interfaces import vm_of
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.snapshot import BindingSnapshot
from rdnbr.core.policy.allowlist import Claimant
from rdnbr.operator.control.json_views import epoch
from rdnbr.operator.explain.explanation_json import decode, encode

T = TypeVar("T")

PORTS = ["tap1i0", "tap1i1", "tap2i0", "veth1i0"]
MACS = [f"52:02:45:00:00:0{number}" for number in range(3)] + ["02:00:00:00:00:00"]
PREFIXES = ["10.0.0.0/8", "10.0.0.0/24", "10.0.0.1", "10.0.0.2"]
QUALIFIERS = ["", "port=tap1i?", "port=tap2i0", "bridge=vmbr1", "bridge=other", "vm=1", "vm=2"]

lines = st.builds(
    lambda deny, prefix, *words: " ".join([*(["deny"] if deny else []), prefix, *filter(None, words)]),
    st.booleans(),
    st.sampled_from(PREFIXES),
    st.sampled_from(QUALIFIERS),
    st.just("") | st.sampled_from(MACS).map("mac={}".format),
)


@given(st.lists(lines, max_size=8, unique=True), st.sampled_from(["10.0.0.1", "10.0.0.77", "11.0.0.1"]))
def test_every_claimant_has_a_policy_case(allow: list[str], address: str) -> None:
    """For every port and every MAC, the explanation has the case that the allowlist then decides."""
    world = World("\n".join(allow))
    for port in PORTS:
        world.plugs(port)
    packed = parse_ip(address)
    cases = {
        (port, case.mac): case
        for case in world.engine.explain(world.now, packed).cases
        for port in case.ports
    }
    allowlist = world.engine.allowlist
    assert allowlist is not None
    for port in PORTS:
        for mac in map(parse_mac, MACS):
            verdict = allowlist.authorize(packed, Claimant(mac, port, "vmbr1", vm_of(port), None))
            case = cases.get((port, mac)) or cases[port, None]
            assert (case.reason, case.rule) == (verdict.reason, verdict.rule and verdict.rule.where)


def several(items: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(items, max_size=3).map(tuple)


addresses = (st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)).map(IP)
macs = st.binary(min_size=6, max_size=6).map(MAC)
names = st.text(max_size=8)
counts = st.integers(0, 2**32 - 1)
times = st.integers(0, 2**42).map(lambda milliseconds: milliseconds / 1000)
reasons = st.none() | st.sampled_from(Reason)
challengers = st.none() | st.builds(Challenger, macs, names) | st.builds(Challenger, st.none(), names)

snapshots = st.builds(
    BindingSnapshot,
    address=addresses,
    mac=macs,
    port=st.none() | names,
    segment=names,
    vlan=st.none() | counts,
    state=st.sampled_from(State),
    installed=st.booleans(),
    source=st.sampled_from(Source),
    since=times,
    last_seen=times,
    rule=st.none() | names,
    physical_mac=st.none(),  # no document has this one, nor the two ifindexes
    port_index=st.none(),
    segment_index=st.just(0),
    rule_names_mac=st.just(False),
)


details = st.builds(
    BindingDetail,
    shown=snapshots,
    table=counts,
    state_since=times,
    deadline=st.none() | times,
    probes_sent=counts,
    answered=st.booleans(),
    challenger=challengers,
    moves=counts,
    frozen_until=st.none() | times,
    refused=reasons,
    port_addresses=st.none() | counts,
    port_limit=st.none() | counts,
    damped_until=st.none() | times,
)
desired_entries = st.builds(
    DesiredEntry,
    table=counts,
    bridge=names,
    mac=st.none() | macs,
    metric=counts,
    arrived=st.none() | times,
    retry_at=st.none() | times,
    kernel_error=st.none() | names,
)
events = st.builds(
    Decision,
    at=times,
    verb=st.sampled_from(Verb),
    reason=st.sampled_from(Reason),
    address=st.none() | addresses,
    mac=st.none() | macs,
    port=st.none() | names,
    state=st.none() | st.sampled_from(State),
    rule=st.none() | names,
    challenger=challengers,
)
explanations = st.builds(
    Explanation,
    address=addresses,
    open_mode=st.booleans(),
    refused=reasons,
    connected_prefix=st.none() | names,
    rules=several(st.builds(RuleText, names, names)),
    cases=several(st.builds(PolicyCase, several(names), st.none() | macs, reasons, st.none() | names)),
    full_ports=several(names),
    limited_ports=several(names),
    hold_downs=several(st.builds(HoldDown, st.none() | names, st.none() | macs, times)),
    bindings=several(details),
    desired=several(desired_entries),
    events=several(events),
    refused_frame=st.none() | st.binary(max_size=256),
)


@given(explanations)
def test_decoding_undoes_encoding(explanation: Explanation) -> None:
    """Every explanation is the same again after it went through JSON as text."""
    assert decode(json.loads(json.dumps(encode(explanation, epoch)))) == explanation
