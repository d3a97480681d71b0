"""Packet filters: what certainly drops the packets of guests, and what may let them pass."""

import pytest

from rdnbr.core.model.unread_fact import UnreadFact
from rdnbr.linux.nft import filters
from rdnbr.linux.nft.filter_rules import Chain, Condition, find_drop
from rdnbr.linux.nft.guest_filters import cure, forward_drops, port_drops
from rdnbr.linux.nft.iptables_save import read_save
from rdnbr.linux.nft.nft_listing import has_xtables_rules, read_ruleset

DOCKER = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [12:720]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
*nat
:PREROUTING DROP [0:0]
-A PREROUTING -j ACCEPT
COMMIT
"""
UFW = """\
*filter
:FORWARD DROP [0:0]
:ufw-before-forward - [0:0]
-A FORWARD -j ufw-before-forward
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-forward -m limit --limit 3/min -j LOG --log-prefix "[UFW BLOCK] "
COMMIT
"""


def drops(save: str, *more: str, address: str | None = None) -> dict[str, str]:
    """Return the cure for each direction that the table drops, with lines put at the head of FORWARD."""
    head, mark, tail = save.partition("-A FORWARD")
    text = head + "".join(f"{line}\n" for line in more) + mark + tail
    found = forward_drops(read_save(text, "ip", "iptables"), "vmbr1", 4, "eth0", address)
    return {way: cure(drop, "vmbr1", "iif" if way == "from" else "oif") for way, drop in found.items()}


@pytest.mark.parametrize("save", [DOCKER, UFW])
def test_policy_that_drops_guests(save: str) -> None:
    """The policies of Docker and ufw drop guests, whatever they let pass of their own, of replies and of pings."""
    assert drops(save) == {
        "from": "iptables -I FORWARD -i vmbr1 -j ACCEPT",
        "to": "iptables -I FORWARD -o vmbr1 -j ACCEPT",
    }


@pytest.mark.parametrize(
    ("lines", "dropped"),
    [
        (["-A FORWARD -i vmbr1 -j ACCEPT"], {"to"}),
        (["-A FORWARD -i vmbr+ -j ACCEPT", "-A FORWARD -o vmbr1 -j ACCEPT"], set()),
        (["-A DOCKER-USER -i vmbr1 -j ACCEPT", "-A DOCKER-USER -o vmbr1 -j ACCEPT"], set()),
        (["-A FORWARD -i vmbr1 -j DROP", "-A FORWARD -j ACCEPT"], {"from"}),
        (["-A FORWARD -s 2.57.57.0/24 -j ACCEPT", "-A FORWARD -d 2.57.57.0/24 -j ACCEPT"], set()),
        (["-A FORWARD -i vmbr1 -m physdev --physdev-in tap9 -j ACCEPT"], {"to"}),
        (["-A FORWARD -p udp -j ACCEPT"], {"from", "to"}),
        (["-A FORWARD -j NFQUEUE --queue-num 1"], set()),
    ],
)
def test_rules_of_forward(lines: list[str], dropped: set[str]) -> None:
    """A rule that may let some packets of guests pass is believed; one for others, or after a drop, is not."""
    assert set(drops(DOCKER, *lines)) == dropped


def test_addresses_are_judged_where_they_are_known() -> None:
    """For one guest's address a rule about another address lets nothing pass."""
    lines = ["-A FORWARD -i vmbr1 -s 2.57.57.0/24 -j ACCEPT", "-A FORWARD -o vmbr1 -d 2.57.57.0/24 -j ACCEPT"]
    assert drops(DOCKER, *lines, address="2.57.57.30") == {}
    assert set(drops(DOCKER, *lines, address="2.57.58.30")) == {"from", "to"}


def test_rule_that_drops_is_removed_by_the_cure() -> None:
    """Where a rule drops, the cure takes it out in the words of its program."""
    found = drops(DOCKER, '-A FORWARD -i vmbr1 -m comment --comment "no guests" -j DROP')
    assert found["from"] == 'iptables -D FORWARD -i vmbr1 -m comment --comment "no guests" -j DROP'


def listing(family: str, chain: dict[str, object], *expressions: list[object]) -> object:
    """Return a listing of nft of one chain `c` in table `t`, and a set of names."""
    place = {"family": family, "table": "t"}
    rules = [
        {"rule": {**place, "chain": "c", "handle": 7 + number, "expr": expression}}
        for number, expression in enumerate(expressions)
    ]
    return {
        "nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"table": {"family": family, "name": "t"}},
            {"set": {**place, "name": "bridges", "type": "ifname", "elem": ["vmbr0", "vmbr1"]}},
            {"chain": {**place, "name": "c", "type": "filter", "prio": 0, **chain}},
            *rules,
        ]
    }


def match(left: object, right: object, op: str = "==") -> object:
    return {"match": {"op": op, "left": left, "right": right}}


IIF, STATE = {"meta": {"key": "iifname"}}, {"ct": {"key": "state"}}
ETHER = {"payload": {"protocol": "ether", "field": "type"}}
ND = {"payload": {"protocol": "icmpv6", "field": "type"}}
FORWARD = {"hook": "forward", "policy": "drop"}


@pytest.mark.parametrize(
    ("expressions", "dropped"),
    [
        ([], {"from", "to"}),
        ([[match(IIF, "vmbr1"), {"counter": {}}, {"accept": None}]], {"to"}),
        ([[match(IIF, {"set": ["a", "vm*"]}), {"accept": None}]], {"to"}),
        ([[match(IIF, "@bridges"), {"accept": None}]], {"to"}),
        ([[match(IIF, "@unknown"), {"accept": None}]], set()),
        ([[match(IIF, "docker0", "!="), {"accept": None}]], set()),
        ([[match(STATE, {"set": ["established", "related"]}), {"accept": None}]], {"from", "to"}),
        ([[match({"ct": {"key": "status"}}, "dnat", "in"), {"accept": None}]], {"from", "to"}),
        ([[{"vmap": {"key": IIF, "data": {"set": []}}}]], set()),
        ([[{"limit": {"rate": 5}}, {"accept": None}]], set()),
        ([[{"jump": {"target": "c2"}}]], set()),  # a chain that is not listed
    ],
)
def test_chains_of_nft(expressions: list[list[object]], dropped: set[str]) -> None:
    """The rules of nft are judged like those of iptables; what cannot be judged may let packets pass."""
    chains = read_ruleset(listing("inet", FORWARD, *expressions))
    assert set(forward_drops(chains, "vmbr1", 6, "eth0")) == dropped


def test_cure_of_nft_is_a_rule_before_the_others() -> None:
    """Where the policy drops, a rule is inserted; where a rule drops, it is deleted by its handle."""
    chains = read_ruleset(listing("inet", FORWARD, [match(IIF, "vmbr1"), {"drop": None}]))
    found = forward_drops(chains, "vmbr1", 4, None)
    assert cure(found["from"], "vmbr1", "iif") == "nft delete rule inet t c handle 7"
    assert cure(found["to"], "vmbr1", "oif") == "nft insert rule inet t c oifname vmbr1 accept"


@pytest.mark.parametrize(
    ("family", "chain", "expression", "dropped"),
    [
        ("bridge", {"hook": "prerouting"}, [match(ETHER, "arp"), {"drop": None}], {("from", "ARP")}),
        ("bridge", {"hook": "postrouting"}, [match(ETHER, "arp"), {"drop": None}], {("to", "ARP")}),
        ("bridge", {"hook": "input"}, [match(IIF, "tap9i0"), {"drop": None}], set()),
        ("bridge", {"hook": "forward"}, [{"drop": None}], set()),  # between ports, which guests do not need
        ("netdev", {"hook": "ingress", "dev": "tap1i0"}, [match(ND, 135), {"drop": None}], set()),
        (
            "netdev", {"hook": "ingress", "dev": "tap1i0"}, [match(ND, "nd-neighbor-solicit"), {"drop": None}],
            {("from", "NDP")},
        ),
        ("netdev", {"hook": "ingress", "dev": "tap9i0"}, [{"drop": None}], set()),
    ],
)  # fmt: skip
def test_filters_of_ports(
    family: str, chain: dict[str, object], expression: list[object], dropped: set[object]
) -> None:
    """A filter of the bridge or of the port is found by the frames that it drops; between ports nothing matters."""
    chains = read_ruleset(listing(family, chain, expression))
    assert set(port_drops(chains, "tap1i0", "vmbr1")) == dropped


def test_own_table_is_none_of_the_filters() -> None:
    """The table of `enforce` drops what it should, and is left out."""
    found = listing("bridge", {"hook": "prerouting"}, [{"drop": None}])
    for entry in found["nftables"]:
        for one in entry.values():
            one["table"] = "rdnbr"
    assert read_ruleset(found) == []


def test_rules_of_iptables_that_nft_cannot_list() -> None:
    """A rule with a part that only iptables understands may let packets pass, and is told to be there."""
    found = listing("ip", FORWARD, [{"xt": None}, {"counter": {}}, {"accept": None}])
    assert forward_drops(read_ruleset(found), "vmbr1", 4, "eth0") == {}
    assert has_xtables_rules(found, "ip")
    assert not has_xtables_rules(found, "ip6")


def test_chains_that_jump_in_a_circle_end() -> None:
    """A circle of jumps, which the kernel refuses, ends here as well."""
    chains = read_save("*filter\n:FORWARD DROP\n:A -\n-A FORWARD -j A\n-A A -j A\n", "ip", "iptables")
    assert isinstance(chains[0], Chain)
    assert find_drop(chains[0], {}) is None


def test_goto_does_not_come_back() -> None:
    """After the end of a chain that was entered by goto, the policy decides; after a jump, the next rule."""
    for option, dropped in (("-g", True), ("-j", False)):
        text = f"*filter\n:FORWARD DROP\n:A -\n-A FORWARD {option} A\n-A FORWARD -j ACCEPT\n"
        (chain,) = read_save(text, "ip", "iptables")
        assert (find_drop(chain, {}) is not None) is dropped


def test_unknown_field_is_neither_true_nor_false() -> None:
    """A condition about what is not known of a packet holds perhaps."""
    assert Condition("iif", ("vmbr1",)).holds({}) is None
    assert Condition("iif", None).holds({"iif": "vmbr1"}) is None
    assert Condition("iif", ("vmbr1",), negated=True).holds({"iif": "vmbr1"}) is False


@pytest.mark.parametrize(
    "listing", [{}, {"nftables": [{"chain": {}}]}, {"nftables": [{"rule": {"expr": ["x"]}}]}, []]
)
def test_listing_in_an_unknown_form_is_said(listing: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing of another nft that is not understood is a fact that was not read, and no fault."""
    monkeypatch.setattr(filters.command, "is_installed", lambda: True)
    monkeypatch.setattr(filters.command, "list_ruleset", lambda: listing)
    found = filters.read_filters()
    assert isinstance(found, UnreadFact)
    assert "unknown form" in found.message
