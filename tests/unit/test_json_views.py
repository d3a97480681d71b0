"""The JSON promised to scripts: names, their order, and values."""

import json

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.claim import Source
from rdnbr.core.model.engine_outputs import Challenger, Decision, Verb
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.snapshot import BindingSnapshot
from rdnbr.operator.control import json_views
from rdnbr.operator.text.wall_clock import SinceBoot

MAC = parse_mac("52:02:45:76:d2:35")


def view(address="2001:678:3a4:100::80", port="tap100i0", **changes):
    made = BindingSnapshot(
        address=parse_ip(address),
        mac=MAC,
        port=port,
        segment="vmbr1",
        vlan=None,
        state=State.VALID,
        installed=True,
        source=Source.NS_DAD,
        since=1.5,
        last_seen=62.0,
        rule="/etc/rdnbr/allowlist:3",
    )
    return made._replace(**changes)


def test_binding():
    """A binding has these keys in this order."""
    assert json.dumps(json_views.binding(view(), json_views.epoch)) == (
        '{"address": "2001:678:3a4:100::80", "family": 6, "mac": "52:02:45:76:d2:35", "port": "tap100i0", '
        '"bridge": "vmbr1", "vlan": null, "vm": 100, "state": "valid", "installed": true, "source": "ns-dad", '
        '"since": "1970-01-01T00:00:01.500+00:00", "last_seen": "1970-01-01T00:01:02.000+00:00", '
        '"rule": "/etc/rdnbr/allowlist:3", "unsent": null, "physical_mac": null}'
    )


def test_binding_without_a_port():
    """What is not known is null."""
    document = json_views.binding(view(port=None, rule=None), json_views.epoch)
    assert (document["port"], document["vm"], document["rule"]) == (None, None, None)


def test_decision():
    """A decision has these keys in this order."""
    decision = Decision(
        1.0,
        Verb.REFUSED,
        Reason.DENIED,
        parse_ip("2.57.57.30"),
        MAC,
        "tap100i0",
        State.TENTATIVE,
        "a:1",
        Challenger(MAC, "tap101i0"),
    )
    assert json.dumps(json_views.decision(decision, json_views.epoch)) == (
        '{"at": "1970-01-01T00:00:01.000+00:00", "address": "2.57.57.30", "mac": "52:02:45:76:d2:35", '
        '"port": "tap100i0", "decision": "refused", "reason": "denied", "state": "tentative", "rule": "a:1", '
        '"rival_mac": "52:02:45:76:d2:35", "rival_port": "tap101i0"}'
    )


def test_decision_about_nothing_known():
    """A decision has all its keys also when there is nothing to put there."""
    decision = Decision(1.0, Verb.REFUSED, Reason.CHECKSUM)
    document = json_views.decision(decision, json_views.epoch)
    assert [key for key, value in document.items() if value is None] == [
        "address",
        "mac",
        "port",
        "state",
        "rule",
        "rival_mac",
        "rival_port",
    ]


def test_bindings_in_order():
    """IPv4 comes first, and each family in the order of its addresses, not of their text."""
    document = json_views.bindings(
        [view("2001:db8::1"), view("10.0.0.10"), view("10.0.0.9")], "allowlist", json_views.epoch
    )
    assert document["mode"] == "allowlist"
    assert [row["address"] for row in document["bindings"]] == ["10.0.0.9", "10.0.0.10", "2001:db8::1"]


def test_wall_shows_a_moment_alike_each_time():
    """As long as nobody sets the clock, a moment has one time of day."""
    wall = SinceBoot()
    assert len({wall(5.0) for _ in range(1000)}) == 1


def test_wall_follows_a_clock_that_is_set(monkeypatch):
    """When the clock of the node is set, all times move with it."""
    monkeypatch.setattr("time.time", lambda: 1000.0)
    monkeypatch.setattr("time.monotonic", lambda: 10.0)
    wall = SinceBoot()
    assert wall(10.0).timestamp() == 1000.0
    monkeypatch.setattr("time.time", lambda: 5000.0)
    assert wall(10.0).timestamp() == 5000.0
