"""Whatever ends the daemon, BGP sees no change of the guests that stay."""

import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

import rdnbr
from rdnbr.lab import Lab, frames, wait_for
from tests.e2e.updates import Updates

pytestmark = [pytest.mark.frr, pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(900)]

GRACE = 6.0
CONFIG = f"[timers]\nadopt_grace = {GRACE}\nprobe_retrans = 0.3\n"
ALLOWED = "2.57.56.0/21\n2001:678:3a4:100::/64\n"
GUESTS = 200


class Restarts:
    """Two hundred guests that are advertised, and all updates of the upstream and the kernel about them."""

    def __init__(self, lab, folder):
        self.lab, self.node = lab, lab.node
        # Timers of a real fabric: the lab's 3 s would report a busy machine.
        for host, number in ((lab.node, 65001), (lab.upstream, 65000)):
            commands = "configure terminal", f"router bgp {number}", "timers bgp 60 180", "end", "clear bgp *"
            host.run("vtysh", *(word for command in commands for word in ("-c", command)))
        lab.upstream.wait_for_sessions()
        lab.node.write("/etc/rdnbr/rdnbr.toml", CONFIG)
        lab.node.write("/etc/rdnbr/allowlist", ALLOWED)
        self.kernel = lab.node.launch("kernel", "ip", "-o", "monitor", "route")
        self.updates = Updates(lab.upstream)
        self.staying = set()
        self.heard = self.seen = 0
        self.older = other_build(folder)
        self.start()

    def start(self, build=None, *, ready=True):
        """Start a build of the daemon, by default the one under test."""
        if build is None:
            return self.node.start_daemon(ready=ready)
        command = "env", "-C", str(build), sys.executable, "-m", "rdnbr"
        assert self.node.run(*command, "--version") == "rdnbr 0.0.7\n"
        self.node.daemon = self.node.launch("rdnbr", *command, "run")
        wait_for(self.answers, 20, "the other build to answer")
        return self.node.daemon

    def answers(self):
        return self.node.rdnbr("show", "ports").returncode == 0

    def kill(self):
        self.node.daemon.signal(signal.SIGKILL)
        self.node.daemon.wait()

    def learn(self, guests):
        """Let guests come up, and wait until the upstream has their routes."""
        for guest in guests:
            guest.configure()
            guest.announce()
        self.staying |= addresses(guests)
        wait_for(lambda: self.lab.upstream.hosts() >= addresses(guests), 40, "the upstream's routes")

    def burst(self, number):
        """Let thirty guests claim four addresses more each, which the allowlist permits: 120 routes, at once.

        No guest answers probes of these, so they are withdrawn again.
        """
        network = (56, 58, 59, 60, 61, 62)[number % 6]
        claimed = [
            (guest, frames.arp_request(guest.mac, address, address))
            for guest in self.lab.guests[30 * (number % 6) :][:30]
            for address in (f"2.57.{network}.{4 * (guest.number % 30) + last}" for last in range(4))
        ]
        for guest, frame in claimed:
            guest.send(frame)

    def updates_of_those_that_stay(self):
        """Return the updates of the fabric, then of the kernel, since the last call, about the guests that stay."""
        heard = self.updates.heard()
        lines = self.kernel.log.splitlines()
        updates_of_those_that_stay = [one for one in heard[self.heard :] if one[1] in self.staying]
        updates_of_those_that_stay += [
            line for line in lines[self.seen :] if self.staying & set(line.split()[:2])
        ]
        self.heard, self.seen = len(heard), len(lines)
        return updates_of_those_that_stay

    def no_update_was_sent(self):
        assert self.updates_of_those_that_stay() == []
        assert self.node.hosts() >= self.staying

    def all_verified(self):
        states = {one["address"]: one["state"] for one in self.node.show()["bindings"]}
        return all(states.get(address) in {"valid", "probing"} for address in self.staying)


def addresses(guests):
    return {address for guest in guests for address in guest.addresses}


def other_build(folder):
    """The same code under another version, in a directory of its own."""
    package = folder / "rdnbr"
    shutil.copytree(Path(rdnbr.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    text = (package / "__init__.py").read_text()
    (package / "__init__.py").write_text(text.replace(rdnbr.__version__, "0.0.7"))
    return folder


@pytest.fixture(scope="module")
def restarts(tmp_path_factory):
    with Lab(guests=GUESTS, frr=True) as lab:
        restarts = Restarts(lab, tmp_path_factory.mktemp("build"))
        restarts.learn(lab.guests[:-10])
        # The upstream's dump agrees with its table.
        assert {one for _, one in restarts.updates.heard()} >= lab.upstream.hosts() >= restarts.staying
        restarts.heard, restarts.seen = len(restarts.updates.heard()), len(restarts.kernel.log.splitlines())
        yield restarts


def test_kills_at_any_moment_cause_no_update(restarts, request):
    """Killed while it runs, while it starts and while it learns: no update, and no change in the kernel either."""
    seed = request.config.getoption("--restart-seed") or random.randrange(10**6)
    print(f"--restart-seed {seed}")
    dice = random.Random(seed)
    ways = ["running", "starting", "learning", "installing"]
    for number in range(request.config.getoption("--restarts")):
        way = ways[number] if number < len(ways) else dice.choice(ways)
        moment = dice.random()
        match way:
            case "running":
                time.sleep(1.5 * moment)
            case "starting":
                restarts.kill()
                restarts.start(ready=False)
                time.sleep(0.9 * moment)
            case "learning" | "installing":
                restarts.burst(number)
                time.sleep((0.3 if way == "learning" else 0.006) * moment)
        restarts.kill()
        print(
            f"{way} {moment:.2f}: killed, with {len(restarts.node.hosts() - restarts.staying)} more routes than stay"
        )
        restarts.start()
        restarts.no_update_was_sent()
    began = time.monotonic()
    wait_for(restarts.all_verified, GRACE + 10, "all to prove themselves")
    print(f"all proved {time.monotonic() - began:.1f} s after the last start")
    wait_for(
        lambda: restarts.node.hosts() == restarts.staying, GRACE + 25, "what was claimed in bursts to go"
    )
    restarts.no_update_was_sent()


def test_stop_and_upgrade_cause_no_update(restarts):
    """A restart by SIGTERM, to another build and back: no update, and no change in the kernel either."""
    for build in (None, restarts.older, None):
        assert restarts.node.stop_daemon() == 0
        restarts.start(build)
        wait_for(restarts.all_verified, GRACE + 10, "all to prove themselves")
    restarts.no_update_was_sent()


def test_guests_that_left_and_came_meanwhile(restarts):
    """A guest that left meanwhile is withdrawn within the grace, a guest that came is learned, and the others stay."""
    guests = restarts.lab.guests
    silent, unplugged, came = guests[:5], guests[5:10], guests[-10:]
    left = addresses(silent) | addresses(unplugged)
    restarts.staying -= left
    restarts.kill()
    for guest in silent:
        guest.forget_addresses()
    for guest in unplugged:
        restarts.lab.unplug(guest)
    for guest in came:
        guest.configure()
        guest.announce()
    began = time.monotonic()
    restarts.start()
    for guest in came:
        guest.announce()
    wait_for(lambda: restarts.node.hosts() >= addresses(came), 5, "those that came")
    wait_for(lambda: not restarts.node.hosts() & left, GRACE + 5, "those that left to go")
    print(f"withdrawn {time.monotonic() - began:.1f} s after the start")
    restarts.staying |= addresses(came)
    wait_for(lambda: restarts.lab.upstream.hosts() == restarts.staying, 10, "the upstream to agree")
    restarts.staying -= addresses(came)  # it received updates of these
    restarts.no_update_was_sent()
    heard = restarts.updates.heard()
    assert {one for one in heard if one[0] == "withdrawn" and one[1] in left} == {
        ("withdrawn", address) for address in left
    }


def test_one_withdrawal_would_be_seen(restarts):
    """The test can fail: a route that is gone for a moment is seen upstream, once each way, and in the kernel."""
    restarts.no_update_was_sent()
    guest = restarts.lab.guests[50]
    assert restarts.node.rdnbr("flush", guest.address4).returncode == 0
    wait_for(lambda: guest.address4 not in restarts.lab.upstream.hosts(), 5, "the withdrawal")
    guest.announce()
    wait_for(lambda: guest.address4 in restarts.lab.upstream.hosts(), 5, "the announcement")
    assert restarts.updates_of_those_that_stay() == [
        ("withdrawn", guest.address4),
        ("announced", guest.address4),
        f"Deleted {guest.address4} dev vmbr1 proto 171 scope link ",
        f"{guest.address4} dev vmbr1 proto 171 scope link ",
    ]
