"""The lab builds the network of the design, and removes all of it."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from rdnbr.lab import Lab, LabError, TooLate, main, wait_for
from rdnbr.lab.namespace import existing, leftovers, own_prefix

pytestmark = pytest.mark.root

ARP = bytes.fromhex("0806 0001 0800 06 04 0001")


@pytest.fixture(scope="module")
def lab():
    with Lab(guests=2, frr=False) as lab:
        yield lab


def route_by_hand(lab, guest):
    lab.node.ip(
        f"neigh replace {guest.address4} lladdr {guest.mac} dev vmbr1 nud permanent",
        f"route replace {guest.address4}/32 dev vmbr1",
        f"neigh replace {guest.address6} lladdr {guest.mac} dev vmbr1 nud permanent",
        f"route replace {guest.address6}/128 dev vmbr1",
    )


def test_first_guest_is_the_one_of_the_design(lab):
    """The first guest has the addresses, the MAC and the port name that the documentation uses."""
    guest = lab.guest(0)
    assert (guest.address4, guest.address6) == ("2.57.57.30", "2001:678:3a4:100::80")
    assert (guest.mac, guest.port, guest.vm) == ("52:02:45:76:d2:35", "tap100i0", 100)


def test_bridge_has_exactly_the_gateway_addresses(lab):
    """The bridge owns 169.254.0.1/32 and fe80::1/64, and its MAC is the fixed one."""
    shown = lab.node.run("ip", "-br", "addr", "show", "vmbr1").split()
    assert shown[0] == "vmbr1"
    assert {"169.254.0.1/32", "fe80::1/64"} < set(shown)
    assert "02:52:44:4e:42:52" in lab.node.run("ip", "-br", "link", "show", "vmbr1")


def test_guest_and_upstream_reach_each_other_by_hand_made_routes(lab):
    """With the four commands run by hand, the upstream reaches the guest in both families."""
    guest = lab.guest(0)
    guest.configure()
    guest.wait_for_dad()
    route_by_hand(lab, guest)
    # The first echo may be lost to neighbour discovery.
    wait_for(lambda: lab.upstream.ping(guest.address4), 10, "an echo over IPv4")
    wait_for(lambda: lab.upstream.ping(guest.address6), 10, "an echo over IPv6")


def test_frames_from_a_guest_enter_by_its_own_port(lab):
    """A raw frame from inside a guest enters by the guest's port, and leaves by the other guest's port."""
    frame = b"\xff" * 6 + bytes.fromhex(lab.guest(1).mac.replace(":", "")) + ARP + bytes(18)
    with lab.node.capture("tap101i0") as own, lab.node.capture("tap100i0") as other:
        lab.guest(1).send(frame)
        wait_for(lambda: [seen.frame for seen in own.seen() if not seen.outgoing] == [frame], 5, "the frame")
        wait_for(lambda: frame in [seen.frame for seen in other.seen() if seen.outgoing], 5, "the flood")


def test_unplugged_guest_can_be_plugged_again(lab):
    """A guest whose port was removed gets one of the same name, without addresses."""
    guest = lab.guest(1)
    lab.unplug(guest)
    assert "tap101i0" not in lab.node.run("ip", "-br", "link")
    lab.plug(guest)
    assert "tap101i0" in lab.node.run("ip", "-br", "link", "show", "master", "vmbr1")
    assert guest.address4 not in guest.run("ip", "-br", "addr")


def test_bridge_keeps_carrier_without_guests():
    """The bridge has carrier without a guest (FRR 10.3 reads the carrier)."""
    with Lab(guests=0, frr=False) as lab:
        wait_for(lambda: "LOWER_UP" in lab.node.run("ip", "-br", "link", "show", "vmbr1"), 5, "carrier")


def test_hosts_have_files_of_their_own(lab):
    """Files that a host writes to /run and /etc/rdnbr are visible to no other host and not to the machine."""
    lab.node.write("/etc/rdnbr/rdnbr.toml", "# of the node alone\n")
    assert lab.node.run("cat", "/etc/rdnbr/rdnbr.toml") == "# of the node alone\n"
    assert lab.upstream.attempt("cat", "/etc/rdnbr/rdnbr.toml").returncode == 1
    lab.node.run("touch", "/run/of-the-node-alone")
    assert not os.path.lexists("/run/of-the-node-alone")
    lab.node.path("/etc/rdnbr/rdnbr.toml").unlink()


def test_two_labs_run_side_by_side(lab):
    """A second lab of the same process has the same addresses, and is separate from the first."""
    with Lab(guests=1, frr=False) as second:
        assert second.node.name != lab.node.name
        assert "tap101i0" not in second.node.run("ip", "-br", "link")


def test_failure_inside_removes_everything():
    """A lab whose block raises is removed, with all its processes."""
    before = existing(own_prefix())
    with pytest.raises(RuntimeError, match="on purpose"), Lab(guests=1, frr=False) as lab:  # noqa: PT012
        sleeper = lab.node.launch("sleeper", "sleep", "1000")
        raise RuntimeError("on purpose")
    assert existing(own_prefix()) == before
    assert sleeper.ended == -signal.SIGTERM


def test_failure_to_build_removes_everything(monkeypatch, tmp_path):
    """A lab that cannot be built, here without unshare(1), leaves nothing and says why."""
    before = existing(own_prefix())
    for program in ("ip", "nsenter", "sh"):
        (tmp_path / program).symlink_to(shutil.which(program))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="unshare"), Lab(guests=1, frr=False):
        pass
    assert existing(own_prefix()) == before


def test_lab_command_needs_root(capsys):
    """A user that is not root gets an error at once, and no report of a network that is being built."""
    os.seteuid(65534)  # drops the capabilities until the user id is 0 again
    try:
        code = main()
    finally:
        os.seteuid(0)
    said = capsys.readouterr()
    assert (code, said.out) == (3, "")
    assert said.err == "rdnbr lab: the lab makes network namespaces and needs root: run it with sudo\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_lab_command_cleans_up_after_a_signal(number):
    """`rdnbr lab --keep` that gets SIGINT, SIGTERM or SIGHUP removes everything."""
    program = "import sys; from rdnbr.lab import main; sys.exit(main(guests=1, keep=True))"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as lab:
        prefix = wait_for(lambda: own_prefix(lab.pid), 5, "the process")
        wait_for(lambda: len(existing(prefix)) == 3, 10, "its namespaces")
        lab.send_signal(number)
        lab.wait(20)
    assert existing(prefix) == []


def test_leftovers_of_a_killed_lab_are_removed_at_the_next_start():
    """The next lab recognises namespaces whose process was killed, and removes them."""
    program = "import time; from rdnbr.lab import Lab; lab = Lab(0, frr=False).__enter__(); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program]) as killed:
        prefix = own_prefix(killed.pid)
        wait_for(lambda: len(existing(prefix)) == 2, 10, "its namespaces")
        assert not set(existing(prefix)) & set(leftovers())
        killed.kill()
    assert set(existing(prefix)) <= set(leftovers())
    with Lab(guests=0, frr=False):
        assert existing(prefix) == []


def test_failed_line_is_named(lab):
    """The error quotes the line of `ip` that failed."""
    with pytest.raises(LabError, match="link del nosuch0: Cannot find device"):
        lab.node.ip("link set lo up", "link del nosuch0", "link set lo up")


def test_waiting_ends_at_its_deadline():
    """The error names what did not happen in time, with the last result."""
    with pytest.raises(TooLate, match=r"waited 0\.1 s for a miracle; the last answer was \[\]"):
        wait_for(list, 0.1, "a miracle")


@pytest.mark.frr
def test_hand_made_routes_reach_the_upstream_by_bgp():
    """FRR announces hand-made kernel routes of both families, and withdraws them."""
    with Lab(guests=1, frr=True) as lab:
        guest = lab.guest(0)
        route_by_hand(lab, guest)
        wait_for(lambda: lab.upstream.hosts() == {"2.57.57.30", "2001:678:3a4:100::80"}, 5, "both routes")
        lab.node.ip(f"route del {guest.address4}/32 dev vmbr1", f"route del {guest.address6}/128 dev vmbr1")
        wait_for(lambda: lab.upstream.hosts() == set(), 5, "both withdrawals")
