"""Long results in slices: put together, they are the document that is promised."""

import json

import pytest

from rdnbr import __version__
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.model.engine_outputs import Decision, Verb
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.interfaces import InterfaceAddress, Segment
from rdnbr.core.model.reason import Reason
from rdnbr.operator.control import json_slices, json_views
from rdnbr.operator.control.json_slices import ROWS, RUN, Head
from tests.unit.test_json_views import view

SEGMENT = Segment(
    1,
    "vmbr1",
    parse_mac("02:00:00:00:00:01"),
    254,
    None,
    None,
    addresses=(
        InterfaceAddress(1, parse_ip("fe80::77"), 64),
        InterfaceAddress(1, parse_ip("fe80::1"), 64, dad_failed=True),
    ),
)
REST = f'"reload_failed": null, "since": null, "version": "{__version__}", '
OPEN, ALLOWLIST = Head("open"), Head("allowlist")


def keys(*addresses):
    return [Key(254, parse_ip(address)) for address in addresses]


def snapshot(key):
    return view()._replace(address=key.address)


def test_bindings_are_those_of_the_whole_document():
    """The text is that of the document in one piece, IPv4 first, each family in the order of its addresses."""
    some = keys("2001:db8::1", "10.0.0.10", "10.0.0.9", "2001:db8::")
    text = "".join(json_slices.bindings(some, snapshot, ALLOWLIST, json_views.epoch))
    whole = json_views.bindings(map(snapshot, some), "allowlist", json_views.epoch)
    document = json.loads(text)
    head = [
        document.pop(key) for key in ("waiting", "gateway_dadfailed", "reload_failed", "since", "version")
    ]
    assert head == [None, [], None, None, __version__]
    assert list(document.items()) == list(whole.items())
    assert [row["address"] for row in json.loads(text)["bindings"]] == [
        "10.0.0.9",
        "10.0.0.10",
        "2001:db8::",
        "2001:db8::1",
    ]


def test_no_bindings():
    """Without bindings the list is empty."""
    assert (
        "".join(json_slices.bindings([], snapshot, OPEN, json_views.epoch))
        == '{"mode": "open", "waiting": null, "gateway_dadfailed": [], ' + REST + '"bindings": []}'
    )


def test_one_address_in_two_tables_is_in_the_order_of_bridges():
    """Bindings of one address stay together also where slices are cut, in the order of their bridges' names."""
    names = {1: "vmbr9", 2: "vmbr1"}
    some = [
        Key(table, bytes([10, 0, number >> 8, number & 255]))
        for number in range(ROWS + 5)
        for table in (1, 2)
    ]
    document = json.loads(
        "".join(
            json_slices.bindings(
                some, lambda key: snapshot(key)._replace(segment=names[key.table]), OPEN, json_views.epoch
            )
        )
    )
    assert [row["bridge"] for row in document["bindings"]] == ["vmbr1", "vmbr9"] * (ROWS + 5)


@pytest.mark.slow
def test_many_bindings_are_sorted_and_written_in_bounded_slices():
    """No slice makes more than `ROWS` rows or sorts more than `RUN` keys; a binding that has gone is left out."""
    count = 2 * RUN + 10
    some = [Key(254, number.to_bytes(4, "big")) for number in reversed(range(count))]
    made = []

    def gone_or_here(key):
        made.append(key)
        return None if key.address == b"\0\0\0\7" else snapshot(key)

    texts, most = [], 0
    for text in json_slices.bindings(some, gone_or_here, OPEN, json_views.epoch):
        texts.append(text)
        most, made = max(most, len(made)), []
    assert texts[:3] == ["", "", ""]
    assert most <= ROWS + 1
    rows = json.loads("".join(texts))["bindings"]
    assert len(rows) == count - 1
    assert [row["address"] for row in rows[5:9]] == ["0.0.0.5", "0.0.0.6", "0.0.0.8", "0.0.0.9"]


def test_ports():
    """A port has these keys in this order."""
    made = json_views.PortView("fwpr102p0", 7, "vmbr1", 2, 99, 1)
    assert "".join(json_slices.ports([made], Head("open", None, [SEGMENT]))) == (
        '{"mode": "open", "waiting": null, "gateway_dadfailed": [{"bridge": "vmbr1", "address": "fe80::1"}], '
        + REST
        + '"ports": [{"port": "fwpr102p0", "ifindex": 7, "bridge": "vmbr1", "vm": 102, '
        '"bindings": 2, "frames": 99, "drops": 1, "damped_until": null, "unanswered": []}]}'
    )


def test_counters():
    """Counters are by port, then by reason."""
    counts = {("tap101i0", Reason.DENIED): 3, ("tap100i0", Reason.EVIDENCE): 1, ("tap101i0", Reason.CODE): 2}
    assert "".join(json_slices.counters(counts.items(), {"comparisons": 7}, ALLOWLIST)) == (
        '{"mode": "allowlist", "waiting": null, "gateway_dadfailed": [], '
        + REST
        + '"counters": {"tap100i0": {"evidence": 1}, "tap101i0": {"code": 2, "denied": 3}}, '
        '"kernel": {"comparisons": 7}}'
    )


def test_events():
    """Events stay in the order they come in."""
    decisions = [Decision(at, Verb.LEARNED, Reason.FIRST_CLAIM) for at in (2.0, 1.0)]
    document = json.loads("".join(json_slices.events(decisions, Head("open", "no bridge"), json_views.epoch)))
    assert (document["mode"], document["waiting"]) == ("open", "no bridge")
    assert [row["at"][17:19] for row in document["events"]] == ["02", "01"]
