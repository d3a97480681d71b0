"""What `explain` says of who may have an address, compared with what the law says to each who claims it."""

from dialogue import World
from hypothesis import given
from hypothesis import strategies as st

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.interfaces import vm_of
from rdnbr.core.policy.allowlist import Claimant

PORTS = ["tap1i0", "tap1i1", "tap2i0", "veth1i0"]
MACS = [f"52:02:45:00:00:0{number}" for number in range(3)] + ["02:00:00:00:00:00"]
PREFIXES = ["10.0.0.0/8", "10.0.0.0/24", "10.0.0.1", "10.0.0.2"]
QUALIFIERS = ["", "port=tap1i?", "port=tap2i0", "bridge=vmbr1", "bridge=other", "vm=1", "vlan=7"]

lines = st.builds(
    lambda deny, prefix, *words: " ".join([*(["deny"] if deny else []), prefix, *filter(None, words)]),
    st.booleans(),
    st.sampled_from(PREFIXES),
    st.sampled_from(QUALIFIERS),
    st.just("") | st.sampled_from(MACS).map("mac={}".format),
)


@given(st.lists(lines, max_size=8, unique=True), st.sampled_from(["10.0.0.1", "10.0.0.77", "11.0.0.1"]))
def test_every_claimant_finds_its_chance(allow: list[str], address: str) -> None:
    """Whoever claims the address, from any port and with any MAC, hears the law say what explain has foretold."""
    world = World("\n".join(allow))
    for port in PORTS:
        world.plugs(port)
    packed = parse_ip(address)
    chances = {
        (port, chance.mac): chance
        for chance in world.engine.explain(world.now, packed).chances
        for port in chance.ports
    }
    law = world.engine.allowlist
    assert law is not None
    for port in PORTS:
        for mac in map(parse_mac, MACS):
            verdict = law.authorize(packed, Claimant(mac, port, "vmbr1", vm_of(port), None))
            chance = chances.get((port, mac)) or chances[port, None]
            assert (chance.reason, chance.rule) == (verdict.reason, verdict.rule)
