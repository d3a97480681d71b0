"""With an allowlist, guests get only the addresses that it permits."""

import signal

import pytest
from guest_frames import announcement

from rdnbr.lab import wait_for
from tests.e2e.node_view import stays

pytestmark = pytest.mark.root

ALLOWLIST = "/etc/rdnbr/allowlist"
BOTH = "2.57.57.30\n2001:678:3a4:100::80\n"


@pytest.fixture
def with_allowlist(lab):
    """A daemon with an allowlist for the first guest, which is routed."""
    lab.node.write(ALLOWLIST, BOTH)
    daemon = lab.node.start_daemon()
    guest = lab.guest(0)
    guest.configure()
    guest.wait_for_dad()
    guest.ping_gateways()
    wait_for(lambda: lab.node.hosts() == set(guest.addresses), 10, "the permitted guest's routes")
    lab.daemon = daemon
    return lab


def reload_by_command(lab):
    lab.node.rdnbr("reload")


def reload_by_signal(lab):
    lab.daemon.signal(signal.SIGHUP)


def reload_by_watching(lab):
    """Write the file, without any reload command."""


def test_permitted_guest_is_installed_before_its_next_frame(lab):
    """With an allowlist, a guest's first announcement installs its address at once, before the first probe."""
    lab.node.write(ALLOWLIST, "2.57.57.0/24\n")
    lab.node.start_daemon()
    guest = lab.guest(0)
    guest.send(announcement(guest.mac, "2.57.57.30"))
    wait_for(lambda: lab.node.hosts() == {"2.57.57.30"}, 0.5, "the route")


def test_address_outside_is_never_routed(with_allowlist):
    """No guest gets a route for an address outside the allowlist; a counter and one log line for each port say why."""
    for guest in with_allowlist.guests:
        for _ in range(50):
            guest.send(announcement(guest.mac, "8.8.8.8"))
    for port in ("tap100i0", "tap101i0"):
        wait_for(
            lambda: with_allowlist.node.show("counters")["counters"].get(port, {}).get("not-permitted") == 50,  # noqa: B023
            5,
            f"50 refusals on {port}",
        )
    assert with_allowlist.node.hosts() == {"2.57.57.30", "2001:678:3a4:100::80"}
    lines = [line for line in with_allowlist.daemon.log.splitlines() if "8.8.8.8" in line]
    assert len(lines) == 2
    for port, line in zip(("tap100i0", "tap101i0"), lines, strict=True):
        assert port in line
        assert "not-permitted" in line


def test_guest_cannot_take_another_guests_address(with_allowlist):
    """A permitted address that another guest announces stays where it is while its guest answers."""
    with_allowlist.node.write(ALLOWLIST, "2.57.57.0/24\n2001:678:3a4:100::/64\n")
    thief = with_allowlist.guest(1)
    for _ in range(5):
        thief.send(announcement(thief.mac, "2.57.57.30"))
    stays(
        lambda: (
            "52:02:45:76:d2:35"
            in with_allowlist.node.run("ip", "neigh", "show", "2.57.57.30", "dev", "vmbr1")
        ),
        3,
        "the neighbour of the guest that was first",
    )


@pytest.mark.parametrize("act", [reload_by_command, reload_by_signal, reload_by_watching])
def test_reload_that_no_longer_permits_withdraws(with_allowlist, act):
    """A reload withdraws an address that is no longer in the allowlist, whatever caused the reload."""
    with_allowlist.node.write(ALLOWLIST, "2001:678:3a4:100::80\n")
    act(with_allowlist)
    wait_for(
        lambda: with_allowlist.node.hosts() == {"2001:678:3a4:100::80"}, 3, "the withdrawal of IPv4 alone"
    )


@pytest.mark.parametrize("act", [reload_by_command, reload_by_signal, reload_by_watching])
def test_reload_with_a_mistake_changes_nothing_and_is_logged(with_allowlist, act):
    """An allowlist with a mistake is refused whole, the log names the mistake, and the old allowlist stays in force."""
    with_allowlist.node.write(ALLOWLIST, "# nobody\n2.57.57.300\n")
    act(with_allowlist)
    wait_for(lambda: "/etc/rdnbr/allowlist:2:" in with_allowlist.daemon.log, 3, "the log to name the mistake")
    guest = with_allowlist.guest(1)
    guest.send(announcement(guest.mac, "2.57.57.31"))
    stays(
        lambda: with_allowlist.node.hosts() == {"2.57.57.30", "2001:678:3a4:100::80"},
        1,
        "the permitted guest's routes",
    )


def test_reload_command_names_the_mistake(with_allowlist):
    """`rdnbr reload` prints what is wrong with the new allowlist and exits with 1."""
    with_allowlist.node.write(ALLOWLIST, "# nobody\n2.57.57.300\n")
    done = with_allowlist.node.rdnbr("reload")
    assert done.returncode == 1
    assert "/etc/rdnbr/allowlist:2:" in done.stdout + done.stderr


def test_check_prints_a_line_per_mistake(lab):
    """`rdnbr check` on a file with five different mistakes prints five lines and exits with 1."""
    lab.node.write(
        ALLOWLIST,
        "2.57.57.300\n2.57.57.1/24\n0.0.0.0/0\n2.57.57.30 prot=tap100i0\n2.57.57.31 mac=52:02:45\n2.57.57.32\n",
    )
    done = lab.node.rdnbr("check")
    assert done.returncode == 1
    lines = (done.stdout + done.stderr).splitlines()
    assert [line.split(" ")[0] for line in lines] == [
        f"/etc/rdnbr/allowlist:{number}:" for number in range(1, 6)
    ]
