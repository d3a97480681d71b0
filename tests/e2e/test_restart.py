"""A restart nobody notices: whatever ends the daemon, the fabric hears nothing of the guests that stay."""

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


class Scene:
    """Two hundred guests that are advertised, and everything that is heard of them upstream and in the kernel."""

    def __init__(self, lab, folder):
        self.lab, self.node = lab, lab.node
        # Those of a live fabric: a lab's of 3 s would tell of a busy machine.
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
        """Start a build of the daemon, by default the one that is tested."""
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
        """Let thirty guests claim four addresses more each, which the allowlist vouches for: 120 routes, at once.

        Nobody answers for these, so they go again.
        """
        network = (56, 58, 59, 60, 61, 62)[number % 6]
        claimed = [
            (guest, frames.arp_request(guest.mac, address, address))
            for guest in self.lab.guests[30 * (number % 6) :][:30]
            for address in (f"2.57.{network}.{4 * (guest.number % 30) + last}" for last in range(4))
        ]
        for guest, frame in claimed:
            guest.send(frame)

    def noise(self):
        """What the fabric, and then what the kernel has heard since the last time of those that stay."""
        heard = self.updates.heard()
        lines = self.kernel.log.splitlines()
        noise = [one for one in heard[self.heard :] if one[1] in self.staying]
        noise += [line for line in lines[self.seen :] if self.staying & set(line.split()[:2])]
        self.heard, self.seen = len(heard), len(lines)
        return noise

    def nobody_noticed(self):
        assert self.noise() == []
        assert self.node.hosts() >= self.staying

    def all_proved(self):
        states = {one["address"]: one["state"] for one in self.node.show()["bindings"]}
        return all(states.get(address) in {"valid", "probing"} for address in self.staying)


def addresses(guests):
    return {address for guest in guests for address in guest.addresses}


def other_build(folder):
    """The same code under another version, in a place of its own."""
    package = folder / "rdnbr"
    shutil.copytree(Path(rdnbr.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    text = (package / "__init__.py").read_text()
    (package / "__init__.py").write_text(text.replace(rdnbr.__version__, "0.0.7"))
    return folder


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with Lab(guests=GUESTS, frr=True) as lab:
        scene = Scene(lab, tmp_path_factory.mktemp("build"))
        scene.learn(lab.guests[:-10])
        # What the upstream's dump says is what is in its table.
        assert {one for _, one in scene.updates.heard()} >= lab.upstream.hosts() >= scene.staying
        scene.heard, scene.seen = len(scene.updates.heard()), len(scene.kernel.log.splitlines())
        yield scene


def test_kills_at_any_moment_are_not_noticed(scene, request):
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
                scene.kill()
                scene.start(ready=False)
                time.sleep(0.9 * moment)
            case "learning" | "installing":
                scene.burst(number)
                time.sleep((0.3 if way == "learning" else 0.006) * moment)
        scene.kill()
        print(
            f"{way} {moment:.2f}: killed, with {len(scene.node.hosts() - scene.staying)} more routes than stay"
        )
        scene.start()
        scene.nobody_noticed()
    began = time.monotonic()
    wait_for(scene.all_proved, GRACE + 10, "all to prove themselves")
    print(f"all proved {time.monotonic() - began:.1f} s after the last start")
    wait_for(lambda: scene.node.hosts() == scene.staying, GRACE + 25, "what was claimed in bursts to go")
    scene.nobody_noticed()


def test_stop_and_upgrade_are_not_noticed(scene):
    """A restart by SIGTERM, to another build and back: no update, and no change in the kernel either."""
    for build in (None, scene.older, None):
        assert scene.node.stop_daemon() == 0
        scene.start(build)
        wait_for(scene.all_proved, GRACE + 10, "all to prove themselves")
    scene.nobody_noticed()


def test_guests_that_left_and_came_meanwhile(scene):
    """Who left while the daemon was down is withdrawn within the grace, who came is learned, and the rest unnoticed."""
    guests = scene.lab.guests
    silent, unplugged, came = guests[:5], guests[5:10], guests[-10:]
    left = addresses(silent) | addresses(unplugged)
    scene.staying -= left
    scene.kill()
    for guest in silent:
        guest.forget_addresses()
    for guest in unplugged:
        scene.lab.unplug(guest)
    for guest in came:
        guest.configure()
        guest.announce()
    began = time.monotonic()
    scene.start()
    for guest in came:
        guest.announce()
    wait_for(lambda: scene.node.hosts() >= addresses(came), 5, "those that came")
    wait_for(lambda: not scene.node.hosts() & left, GRACE + 5, "those that left to go")
    print(f"withdrawn {time.monotonic() - began:.1f} s after the start")
    scene.staying |= addresses(came)
    wait_for(lambda: scene.lab.upstream.hosts() == scene.staying, 10, "the upstream to agree")
    scene.staying -= addresses(came)  # these it did hear of
    scene.nobody_noticed()
    heard = scene.updates.heard()
    assert {one for one in heard if one[0] == "withdrawn" and one[1] in left} == {
        ("withdrawn", address) for address in left
    }


def test_one_withdrawal_would_be_noticed(scene):
    """The proof of the proof: a route that goes for a moment is seen upstream, once each way, and in the kernel."""
    scene.nobody_noticed()
    guest = scene.lab.guests[50]
    assert scene.node.rdnbr("flush", guest.address4).returncode == 0
    wait_for(lambda: guest.address4 not in scene.lab.upstream.hosts(), 5, "the withdrawal")
    guest.announce()
    wait_for(lambda: guest.address4 in scene.lab.upstream.hosts(), 5, "the announcement")
    assert scene.noise() == [
        ("withdrawn", guest.address4),
        ("announced", guest.address4),
        f"Deleted {guest.address4} dev vmbr1 proto 171 scope link ",
        f"{guest.address4} dev vmbr1 proto 171 scope link ",
    ]
