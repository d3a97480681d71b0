"""Lives of bindings that a reload falls into."""

from dialogue import World

from rdnbr.core.settings import Settings, Timers


def test_fewer_questions_than_were_put_already():
    """A reload that allows fewer questions than a binding was asked ends its asking, not the daemon."""
    world = World(allow="2.57.57.0/24")
    alice = world.guest("alice", "tap1i0", "2.57.57.30")
    alice.asks_gateway()
    world.runs(1)
    alice.awake = False
    world.runs(40)
    assert world.state("2.57.57.30") == "probing alice@tap1i0"
    world.engine.configure(world.now, Settings(Timers(probe_count=1)))
    assert world.runs(10)[0].endswith("withdrawn 2.57.57.30 alice@tap1i0 departed: silent")
