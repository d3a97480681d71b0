"""When the daemon refuses to start, and what a dry run does."""

import signal
import sys

import pytest

from rdnbr.lab import wait_for
from tests.e2e.node_view import stays, tables

pytestmark = pytest.mark.root

RUN = (sys.executable, "-m", "rdnbr", "run")


def assert_one_sentence(done, *words):
    """Check that the command ended with 3 and one line that has these words."""
    assert done.returncode == 3, done.stderr
    assert done.stderr.strip().count("\n") == 0, done.stderr
    for word in words:
        assert word in done.stderr


def test_dry_run_touches_nothing(lab):
    """`run --dry-run` logs the guests that it would route, and changes neither kernel nor files."""
    guest = lab.guest(0)
    guest.wait_for_dad()
    before = tables(lab.node)
    daemon = lab.node.start_daemon("--dry-run", ready=False)
    wait_for(lambda: daemon.log, 10, "its first words")
    guest.configure()
    guest.wait_for_dad()
    guest.ping_gateways()
    wait_for(
        lambda: all(
            any(address in line and "installed" in line for line in daemon.log.splitlines())
            for address in guest.addresses
        ),
        10,
        "both installations in the log",
    )
    stays(lambda: lab.node.hosts() == set(), 1, "no route")
    assert tables(lab.node) == before
    assert not lab.node.path("/run/rdnbr").exists()
    assert daemon.stop() == 0


def test_dry_run_serves_a_bridge_that_is_made_later(lab):
    """A dry run serves a bridge that appears later, without an error that the kernel does not know it."""
    daemon = lab.node.start_daemon("--dry-run", ready=False)
    wait_for(lambda: "serving" in daemon.log, 10, "its first words")
    lab.node.ip("link add vmbr2 type bridge", "link set vmbr2 up", "addr add 169.254.0.1/32 dev vmbr2")
    guest = lab.guest(0)
    lab.node.ip(f"link set {guest.port} master vmbr2")
    guest.configure()

    def installed():
        guest.send_gateway_request()  # once is not enough: nothing shows when a dry run listens
        return any("installed" in line and guest.address4 in line for line in daemon.log.splitlines())

    wait_for(installed, 10, "the installation")
    assert "refuses" not in daemon.log
    assert daemon.stop() == 0


def test_no_bridge_gives_one_sentence(lab):
    """Without such a bridge the daemon ends with 3 and says what it looks for."""
    assert_one_sentence(lab.upstream.attempt(*RUN), "bridge", "169.254.0.1/32", "fe80::1")


def test_no_permission_gives_one_sentence(lab):
    """Without the capabilities it needs, the daemon ends with 3 and names them."""
    powerless = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    assert_one_sentence(lab.node.attempt(*powerless, *RUN), "CAP_NET_ADMIN", "CAP_NET_RAW", "root")


def test_second_daemon_is_refused_in_one_sentence(lab):
    """A second daemon on one node ends with 3, whatever its socket is, and the first one continues."""
    first = lab.node.start_daemon()
    which = f"it is process {first.pid}"
    assert_one_sentence(lab.node.attempt(*RUN), "another rdnbr runs", "systemctl stop rdnbr", which)
    lab.node.write("/etc/rdnbr/other.toml", 'socket = "/run/other.sock"\n')
    other = lab.node.attempt(*RUN, "--config", "/etc/rdnbr/other.toml")
    assert_one_sentence(other, "another rdnbr runs in this network namespace")
    assert not lab.node.path("/run/other.sock").exists()
    assert lab.node.show()["bindings"] == []


def test_failed_start_leaves_no_socket(lab):
    """A daemon without file descriptors left at its start ends with 3, and removes its socket."""
    done = lab.node.attempt("prlimit", "--nofile=11:11", *RUN)
    assert done.returncode == 3
    assert "cannot listen" in done.stderr  # the start came this far, so the socket existed by then
    assert done.stderr.splitlines()[-1].startswith("rdnbr: the kernel refuses what rdnbr needs to start: ")
    assert not lab.node.path("/run/rdnbr/rdnbr.sock").exists()


def test_socket_of_a_killed_daemon_is_replaced(lab):
    """A killed daemon leaves its socket file; the next one starts all the same."""
    daemon = lab.node.start_daemon()
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    assert lab.node.path("/run/rdnbr/rdnbr.sock").exists()
    lab.node.start_daemon()
    assert lab.node.show()["bindings"] == []


def test_lack_of_descriptors_does_not_end_the_daemon(lab):
    """Without a free descriptor the daemon continues, logs that once, and serves new guests after it has some again."""
    daemon = lab.node.start_daemon()
    # The limit is of numbers: open descriptors stay, and 0, 1 and 2 are in use, so none is left.
    lab.node.run("prlimit", "--pid", str(daemon.pid), "--nofile=3:")
    lab.node.ip("link add tap900i0 type veth peer name g900", "link set g900 up")
    lab.node.ip(
        "link set tap900i0 master vmbr1 up", "route add 203.0.113.0/24 via 192.0.2.1 dev vmbr1 onlink"
    )
    wait_for(lambda: "does not answer" in daemon.log and "cannot listen" in daemon.log, 10, "both complaints")
    for number in range(10):
        lab.node.ip(f"link set tap900i0 mtu {1400 + number}")
    lab.node.run("prlimit", "--pid", str(daemon.pid), "--nofile=500:")
    wait_for(lambda: "tap900i0" in {port["port"] for port in lab.node.show("ports")["ports"]}, 20, "the port")
    wait_for(lambda: "answers again" in daemon.log, 20, "its end")
    assert daemon.log.count("does not answer") == 1
    assert daemon.log.count("cannot listen") == 1


def test_commands_report_that_no_daemon_runs(lab):
    """`rdnbr show` without a daemon ends with 1 and says that none answers, and where."""
    done = lab.node.rdnbr("show")
    assert done.returncode == 1
    assert "/run/rdnbr/rdnbr.sock" in done.stderr
    assert "Traceback" not in done.stderr
