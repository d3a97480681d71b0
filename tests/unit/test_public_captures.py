"""The captures of `pcaps/public/`: real hosts and fuzzers, whose frames nobody made for rdnbr."""

from pathlib import Path

import pytest
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from rdnbr.core.model.engine_outputs import Verb
from rdnbr.replay.replay import Replay
from rdnbr.replay.tape import Tape, node_mac
from tests.unit.test_pcaps import PCAPS, replay

PUBLIC = PCAPS / "public"
CAPTURES = sorted(path for path in PUBLIC.iterdir() if ".pcap" in path.name)
EXPECTATIONS = sorted(PUBLIC.glob("*.expected"))
DROPPED = {Verb.REFUSED, Verb.IGNORED}

VIRTUAL_ROUTERS = ("00:00:5e:00:01:", "00:00:5e:00:02:", "00:00:0c:07:ac:", "00:00:0c:9f:f")
"""The MACs of VRRP (RFC 9568) and CARP, and of HSRP's two versions, as text."""


def sender(frame: Packet) -> str | None:
    """Return the MAC that an ARP or NDP message names for its sender; None if it names none, or is cut short."""
    if ARP in frame and frame[ARP].hwlen == 6:
        return str(frame[ARP].hwsrc)
    for message, option in ((ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr), (ICMPv6ND_NA, ICMPv6NDOptDstLLAddr)):
        if message in frame and option in frame:
            return str(frame[option].lladdr)
    return None


@pytest.mark.slow
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
@pytest.mark.parametrize("silent", [False, True], ids=["answered", "silent"])
def test_each_frame_has_one_reason_and_no_forged_one_binds(capture: Path, silent: bool) -> None:
    """Each frame is counted under one reason; a sender that is not the Ethernet source is refused, or virtual."""
    tape = Tape([capture], None)
    start = tape.start()
    replay = Replay(node_mac(tape), silent=silent)
    counters = replay.engine.counters
    for at, port, frame in tape:
        for _ in replay.run_until(at - start):
            pass
        before = sum(counters.values())
        made = [decision for decision, _ in replay.feed(at - start, port, frame)]
        outgoing = [one for one in made if one.reason == "outgoing"]
        assert sum(counters.values()) - before + len(outgoing) == 1
        if outgoing or len(frame.data) < 14:
            continue
        packet = Ether(frame.data)
        named = sender(packet)
        if named not in (None, packet.src) and not named.startswith(VIRTUAL_ROUTERS):
            assert made
            assert {decision.verb for decision in made} <= DROPPED
    for _ in replay.run_until(at - start + 5):
        pass
    assert not tape.errors


def test_ten_captures_are_pinned() -> None:
    """What a person reads is pinned for ten captures, and each of them is there."""
    assert len(EXPECTATIONS) >= 10
    assert {path.stem for path in EXPECTATIONS} <= {path.name.partition(".pcap")[0] for path in CAPTURES}


@pytest.mark.parametrize("expectation", EXPECTATIONS, ids=lambda path: path.stem)
def test_a_person_reads(expectation: Path, capsys, monkeypatch) -> None:
    """Replay prints, to the letter, what is expected of the capture and of the frame behind each decision."""
    monkeypatch.chdir(PUBLIC)
    lines = expectation.read_text().splitlines(keepends=True)
    command = next(line for line in lines if line.startswith("$ rdnbr replay ")).split()[3:]
    assert replay(command) == 0
    printed = capsys.readouterr()
    assert printed.out + printed.err == "".join(line for line in lines if line[0] not in "#$")


def test_the_readme_names_every_capture() -> None:
    """Each file is in the README, which has its origin and its licence."""
    text = (PUBLIC / "README.md").read_text()
    assert not [path.name for path in CAPTURES if f"`{path.name}`" not in text]
