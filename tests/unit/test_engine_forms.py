"""In which form probes are sent, so that no guest is silent that answers only one of them."""

import guest_frames
import pytest
from dialogue import GATEWAY4, World, from_zero

from rdnbr.core.model.engine_outputs import Probe
from rdnbr.core.model.settings import Settings, Timers

V4, V6 = "2.57.57.30", "2001:678::80"
ALLOW = "2.57.57.0/24\n2001:678::/64"


class Choosy(World):
    """A node whose guests answer some forms of probes only."""

    def chooses(self, *, broadcast: bool | None = None, zero: bool | None = None) -> None:
        """Let guests answer only broadcast (multicast) probes, or only those from 0.0.0.0; None: either."""
        for guest in self.guests:
            would = type(guest).would_answer

            def answers(probe: Probe, guest=guest, would=would) -> bool:
                return (
                    would(guest, probe)
                    and broadcast in (None, bool(probe.frame[0] & 1))
                    and zero in (None, from_zero(probe.frame))
                )

            guest.would_answer = answers


def zero_probes(world: World) -> list[Probe]:
    return [probe for probe in world.questions if from_zero(probe.frame)]


@pytest.mark.parametrize("allow", [ALLOW, None])
@pytest.mark.parametrize("address", [V4, V6])
def test_address_that_answers_multicast_only_is_learned_and_kept(address: str, allow: str | None):
    """A responder that answers multicast only is learned within 2 s, also in open mode, and is never withdrawn."""
    world = Choosy(allow)
    alice = world.guest("alice", "tap1i0", address)
    world.chooses(broadcast=True)
    alice.asks_gateway()
    world.runs(2)
    assert world.routes() == [f"{address} alice"]
    world.runs(600)
    assert world.state(address) in ("valid alice@tap1i0", "probing alice@tap1i0")
    assert not [made for made in world.decisions if made.verb == "withdrawn"]


@pytest.mark.parametrize("allow", [ALLOW, None])
@pytest.mark.parametrize("address", [V4, V6])
def test_address_that_answers_multicast_only_is_not_lost_to_a_challenger(address: str, allow: str | None):
    """The incumbent of a conflict is asked by multicast as well, before its challenger is."""
    world = Choosy(allow)
    alice = world.guest("alice", "tap1i0", address)
    world.chooses(broadcast=True)
    alice.asks_gateway()
    world.runs(20)
    bob = world.guest("bob", "tap2i0", address)
    bob.asks_gateway()
    said = world.runs(10)
    assert any("kept" in line and "incumbent-answered" in line for line in said)
    assert world.routes() == [f"{address} alice"]


@pytest.mark.parametrize("allow", [ALLOW, None])
def test_guest_that_answers_0_0_0_0_only_is_learned_and_kept(allow: str | None):
    """A guest that answers probes from 0.0.0.0 only is learned once its port was up for 10 s, and never withdrawn."""
    world = Choosy(allow)
    alice = world.guest("alice", "tap1i0", V4)
    world.chooses(zero=True)
    world.runs(10)
    alice.asks_gateway()
    world.runs(3)
    assert world.routes() == [f"{V4} alice"]
    world.runs(600)
    assert world.routes() == [f"{V4} alice"]
    assert not [made for made in world.decisions if made.verb == "withdrawn"]
    bob = world.guest("bob", "tap2i0", V4)
    bob.asks_gateway()
    assert any("kept" in line and "incumbent-answered" in line for line in world.runs(10))


def test_zero_sender_is_only_used_in_the_last_probe():
    """Of the five probes of a quiet guest, the last one alone comes from 0.0.0.0."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(20)
    alice.awake = False
    world.questions.clear()
    world.runs(60)
    assert [from_zero(probe.frame) for probe in world.questions] == [False, False, False, False, True]


def test_no_probe_from_zero_while_the_port_has_just_come_up():
    """In the first 10 s of a port nobody knows whether its guest does DAD."""
    world = World(None)
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    alice.asks_gateway()
    world.runs(9.9)
    assert world.questions
    assert not zero_probes(world)


def test_no_probe_from_zero_to_a_guest_in_dad():
    """For 10 s after an ARP probe for the address on the port, whatever MAC it has, no probe comes from 0.0.0.0."""
    world = World(ALLOW, Settings(Timers(reprobe=5.0)))
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    world.runs(20)
    alice.asks_gateway()
    world.runs(4)
    alice.says(guest_frames.intent("52:02:45:00:00:99", V4))
    world.runs(9)
    assert len(world.questions) >= 5
    assert not zero_probes(world)


def test_dad_on_another_port_or_for_another_address_delays_nothing():
    """Only an ARP probe for this address on this port counts."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    bob = world.guest("bob", "tap2i0", "2.57.57.31", awake=False)
    world.runs(20)
    alice.asks_gateway()
    world.runs(4)
    bob.does_dad()
    alice.does_dad("2.57.57.32")
    world.runs(9)
    assert [probe.port for probe in zero_probes(world)] == [world.indexes["tap1i0"]]


def test_challenger_in_dad_is_not_probed_from_zero():
    """A guest that does DAD for a bound address may become its challenger, and must be able to end its DAD."""
    world = World(ALLOW)
    alice = world.guest("alice", "tap1i0", V4)
    alice.asks_gateway()
    world.runs(20)
    alice.awake = False
    bob = world.guest("bob", "tap2i0", V4, awake=False)
    world.runs(11)
    bob.does_dad()
    world.runs(4)
    assert [probe.port for probe in zero_probes(world)] == [world.indexes["tap1i0"]]


@pytest.mark.slow
def test_flood_of_arp_probes_on_one_port_forgets_no_dad_on_another():
    """A guest that probes for a thousand addresses hides no DAD but its own."""
    world = World(None)
    alice = world.guest("alice", "tap1i0", V4, awake=False)
    world.plugs("tap2i0")
    world.runs(20)
    alice.does_dad()
    for number in range(1000):
        world.hears("tap2i0", guest_frames.intent("52:02:45:00:00:99", f"2.57.{number >> 8}.{number & 255}"))
    alice.says(guest_frames.request(alice.mac, V4, GATEWAY4))
    world.runs(8)
    assert not [probe for probe in zero_probes(world) if probe.port == world.indexes["tap1i0"]]
