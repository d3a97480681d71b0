"""`rdnbr explain --json` as it is promised, and answers of a daemon whose version is another one."""

import json
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dialogue import World
from explaining import (
    ADVERTISED,
    BOB,
    EMPTY,
    HELD,
    NEIGHBOUR,
    NO_DAEMON,
    UNKNOWN_TO_FRR,
    UPLINK,
    V4,
    bound,
    explained,
    facts,
    quiet,
)

from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.settings import PortPolicy, Settings
from rdnbr.linux.netlink.route_lookup import HostRoute
from rdnbr.operator.control import json_views
from rdnbr.operator.control.json_fields import OtherVersion
from rdnbr.operator.explain.command import lines
from rdnbr.operator.explain.document import document
from rdnbr.operator.explain.explanation_json import decode, encode
from rdnbr.operator.explain.facts import Facts
from rdnbr.operator.explain.layers import layers
from rdnbr.operator.explain.verdict import verdict

PROMISED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "explain_documents.json").read_text())


def challenged() -> Facts:
    world = World(f"{V4}/32\n2.57.57.0/24\ndeny 2.57.0.0/16")
    alice, bob = world.guest("alice", "tap1i0", V4), world.guest("bob", "tap2i0", V4)
    alice.asks_gateway()
    world.runs(5)
    alice.awake = False
    bob.asks_gateway()
    return facts(explained(world))


def quarantined() -> Facts:
    world = World(None)
    alice = world.guest("alice", "tap1i0", V4)
    alice.awake = False
    alice.asks_gateway()
    world.runs(4)
    alice.asks_gateway()
    return facts(explained(world), kernel=EMPTY, frr=UNKNOWN_TO_FRR)


def refused() -> Facts:
    world = quiet()
    world.guest("mallory", "tap2i0", V4).asks_gateway()
    return facts(explained(world), kernel=EMPTY, frr=UNKNOWN_TO_FRR)


def special() -> Facts:
    return facts(explained(quiet(None), "127.0.0.1"), kernel=EMPTY, frr=UNKNOWN_TO_FRR)


def foreign() -> Facts:
    route = HostRoute(254, UPLINK, 0, 4, "unicast", parse_ip("198.51.100.0"))
    neighbour = NEIGHBOUR._replace(protocol=4, mac=BOB)
    error = "another program's route holds this prefix and metric"
    return facts(
        explained(bound(), kernel_error=error, retry_at=20.0),
        kernel=replace(EMPTY, routes=(route,), neighbours=(neighbour,)),
        frr="FRR is not installed",
    )


def without_a_daemon() -> Facts:
    return facts(
        explained(quiet()),
        no_answer=NO_DAEMON,
        kernel="the kernel was not looked at: no permission",
        frr="FRR is not installed",
    )


def full() -> Facts:
    world = World("2.57.57.0/24", Settings(port=PortPolicy(addresses_ipv4=1)))
    world.guest("alice", "tap1i0", "2.57.57.99").asks_gateway()
    return facts(explained(world), kernel=EMPTY, frr=UNKNOWN_TO_FRR)


def departed() -> Facts:
    world = World("2001:678::/64 mac=52:02:45:00:00:01\n2001:678::/64")
    world.guest("alice", "tap1i0", "2001:678::80").asks_gateway()
    world.runs(10)
    world.unplugs("tap1i0")
    return facts(explained(world, "2001:678::80"), kernel=EMPTY, frr=UNKNOWN_TO_FRR)


SCENES: dict[str, Callable[[], Facts]] = {
    "routed": lambda: facts(explained(bound(), arrived=4.0), kernel=HELD, frr=ADVERTISED),
    "challenged": challenged,
    "quarantined": quarantined,
    "refused": refused,
    "special": special,
    "foreign": foreign,
    "without a daemon": without_a_daemon,
    "full": full,
    "departed, IPv6": departed,
}


def test_every_promised_document_has_its_scene():
    """The file of promised documents and the scenes here are the same."""
    assert list(SCENES) == list(PROMISED)


@pytest.mark.parametrize("name", SCENES)
def test_document_is_as_promised(name: str, monkeypatch: pytest.MonkeyPatch):
    """Keys, their order and all values are those of the file, byte for byte."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    made = SCENES[name]()
    found = layers(made)
    told = document(made, found, verdict(made, found))
    assert json.dumps(told, indent=1) == json.dumps(PROMISED[name], indent=1)


@pytest.mark.parametrize("name", SCENES)
def test_decoding_gives_the_engines_explanation(name: str):
    """What the engine has explained survives its JSON."""
    explanation = SCENES[name]().explanation
    assert decode(encode(explanation, json_views.epoch)) == explanation


def sent() -> dict[str, Any]:
    """Return what a daemon would send of a challenged binding."""
    made = encode(challenged().explanation, json_views.epoch)
    return deepcopy(made)


def test_keys_of_a_newer_daemon_are_ignored():
    """A key that this version does not know changes nothing."""
    newer = sent()
    newer["colour"] = newer["bindings"][0]["colour"] = "green"
    assert decode(newer) == decode(sent())


def test_a_missing_key_is_named_with_the_cure():
    """A key that this version needs, and an older daemon does not send, is named."""
    older = sent()
    del older["bindings"][0]["asked"]
    with pytest.raises(OtherVersion) as raised:
        decode(older)
    assert str(raised.value) == (
        "the daemon is of another version than this command: its answer has no asked; systemctl restart rdnbr"
    )


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("mode", "closed", "'closed' as mode"),
        ("address", "2.57.57", "'2.57.57' as address"),
        ("within", 5, "'5' as within"),
        ("refused", "colour", "'colour' as refused"),
        ("full", "tap1i0", "'tap1i0' as full"),
        ("full", [1], "'[1]' as full"),
        ("chances", None, "'None' as chances"),
        ("events", [5], "no object as events"),
        (
            "quarantine",
            [{"port": None, "mac": None, "until": "2024-05-01T12:00:00"}],
            "'2024-05-01T12:00:00' as",
        ),
    ],
)
def test_a_value_of_another_kind_is_named(key: str, value: object, what: str):
    """A value that this version does not understand is named, and never guessed at."""
    other = sent()
    other[key] = value
    with pytest.raises(OtherVersion, match=r"of another version") as raised:
        decode(other)
    assert f"its answer has {what}" in str(raised.value)


@pytest.mark.parametrize(
    ("key", "value"), [("asked", True), ("asked", 1.5), ("answered", 1), ("state", "new")]
)
def test_a_value_of_another_kind_in_a_binding_is_named(key: str, value: object):
    """Numbers are no truth values, truth values are no numbers, and states are those of this version."""
    other = sent()
    other["bindings"][0][key] = value
    with pytest.raises(OtherVersion, match=f"as {key}; systemctl restart rdnbr"):
        decode(other)


def test_the_refused_frame():
    """The daemon sends the frame in hexadecimal as the last key; the document has it in words, also at the end."""
    made = refused()
    explanation = replace(made.explanation, refused_frame=b"\xff" * 5)
    encoded = encode(explanation, json_views.epoch)
    assert encoded["refused_frame"] == "ff" * 5
    assert decode(encoded) == explanation
    found = layers(made := replace(made, explanation=explanation))
    words = "5 bytes, too short for an Ethernet frame"
    assert document(made, found, verdict(made, found))["refused_frame"] == words
    printed = list(lines(made, found, verdict(made, found)))
    assert printed[-1] == f"    the last frame refused: {words}"
    assert "lately:" in printed


def test_no_refused_frame_from_an_older_daemon():
    """A daemon that does not send the refused frame is understood all the same."""
    older = sent()
    del older["refused_frame"]
    assert decode(older) == decode(sent())


def test_no_arrival_from_an_older_daemon():
    """A daemon that does not send when the guest arrived is understood all the same."""
    older = sent()
    del older["wanted"][0]["arrived"]
    assert decode(older) == decode(sent())
