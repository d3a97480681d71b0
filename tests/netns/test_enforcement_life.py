"""Enforcement: permitted traffic continues, and the table is written and removed when it should be."""

import shutil
import signal

import pytest

from rdnbr.lab import Lab, wait_for
from tests.netns.filtered import (
    ENFORCE,
    Pings,
    cast,
    enforce,
    identity,
    reaches,
    senders,
    settle,
    wait_for_table,
)
from tests.netns.spoofs import HONEST, SPOOFS

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def guarded():
    with Lab(guests=3, frr=False) as lab:
        enforce(lab.node, on=True)
        lab.node.start_daemon()
        settle(lab)
        wait_for_table(lab)
        yield lab


@pytest.fixture
def lab():
    with Lab(guests=3, frr=False) as lab:
        yield lab


def test_nothing_is_filtered_by_default(lab):
    """Without `enforce` the daemon makes no table."""
    lab.node.start_daemon()
    settle(lab)
    assert lab.node.run("nft", "list", "tables") == ""


def test_permitted_traffic_continues_while_bindings_change(guarded):
    """A ping loses nothing while other guests take addresses, give them up and leave."""
    pings = Pings(guarded, guarded.guest(0))
    other = guarded.guest(1)
    extra = [f"2.57.57.{last}" for last in range(150, 160)]
    for address in extra:
        other.ip(f"addr add {address}/32 dev eth0")
        other.send(
            bytes(HONEST["arp announcement"](identity(other)._replace(four=address), *cast(guarded)[1:]))
        )
    wait_for(
        lambda: set(extra) <= {one[2] for one in senders(guarded.node)}, 10, "the other guest's addresses"
    )
    for address in extra:
        other.ip(f"addr del {address}/32 dev eth0")
        guarded.node.rdnbr("flush", address)
    wait_for(lambda: not set(extra) & {one[2] for one in senders(guarded.node)}, 10, "their end")
    assert pings.lost() == {4: 0, 6: 0}


def test_restart_loses_no_packet(lab):
    """Over a stop and a start a ping loses nothing, forged frames are dropped, and the table stays as it was."""
    enforce(lab.node, on=True)
    lab.node.start_daemon()
    settle(lab)
    wait_for_table(lab)
    before = senders(lab.node)
    pings = Pings(lab, lab.guest(0))
    lab.node.stop_daemon()
    assert senders(lab.node) == before
    assert not reaches(lab, SPOOFS["arp announcement"](*cast(lab)))
    lab.node.start_daemon()
    assert senders(lab.node) == before
    assert not reaches(lab, SPOOFS["arp announcement"](*cast(lab)))
    assert pings.lost() == {4: 0, 6: 0}


def test_first_enforcement_interrupts_no_guest(lab):
    """With adopted routes and no table yet, the table is written when all ports of these routes are known."""
    lab.node.start_daemon()
    settle(lab)
    lab.node.stop_daemon()
    enforce(lab.node, on=True)
    lab.node.write("/etc/rdnbr/rdnbr.toml", ENFORCE + "[timers]\nadopt_grace = 15.0\n")
    pings = Pings(lab, lab.guest(0))
    lab.node.start_daemon()
    first = wait_for(lambda: senders(lab.node), 20, "the table")
    assert first == {(guest.port, guest.mac, address) for guest in lab.guests for address in guest.addresses}
    assert pings.lost() == {4: 0, 6: 0}


def test_port_that_loses_carrier_stays_filtered(guarded):
    """A guest that takes its link down loses its bindings, and is filtered from its first frame after that."""
    other = guarded.guest(1)
    other.ip("link set eth0 down")
    wait_for(lambda: other.mac not in {one[1] for one in senders(guarded.node)}, 5, "the end of its bindings")
    assert other.port in guarded.node.run("nft", "list", "set", "bridge", "rdnbr", "ports")
    other.ip("link set eth0 up", "addr flush dev eth0 scope global")
    assert not reaches(guarded, SPOOFS["arp announcement"](*cast(guarded)))
    other.configure()
    other.wait_for_dad()
    other.ping_gateways()
    wait_for_table(guarded)


def test_challenged_address_stays_with_its_incumbent(guarded):
    """While another guest claims its address, the incumbent may still send from it."""
    pings = Pings(guarded, guarded.guest(0))
    b, a, _ = cast(guarded)
    guarded.guest(1).send(bytes(HONEST["arp announcement"](b._replace(four=a.four), a, a)))
    guarded.guest(1).send(bytes(HONEST["na"](b._replace(six=a.six), a, a)))
    assert pings.lost() == {4: 0, 6: 0}
    wait_for_table(guarded)


def test_reload_removes_and_writes_the_table(lab):
    """A reload without `enforce` removes the table, and one with `enforce` writes it again."""
    enforce(lab.node, on=True)
    lab.node.start_daemon()
    settle(lab)
    wait_for_table(lab)
    enforce(lab.node, on=False)
    lab.node.rdnbr("reload")
    wait_for(lambda: senders(lab.node) is None, 5, "the table's end")
    enforce(lab.node, on=True)
    lab.node.rdnbr("reload")
    wait_for_table(lab)
    lab.node.stop_daemon()
    enforce(lab.node, on=False)
    lab.node.start_daemon()
    assert senders(lab.node) is None


def test_dry_run_makes_no_table(lab):
    """A dry run does not filter, with `enforce` at its start and with `enforce` in a reload."""
    enforce(lab.node, on=True)
    daemon = lab.node.start_daemon("--dry-run", ready=False)
    wait_for(lambda: "serving" in daemon.log, 10, "its first words")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: "reloaded" in daemon.log, 5, "the reload")
    assert daemon.stop() == 0
    assert lab.node.run("nft", "list", "tables") == ""


def test_flush_without_a_daemon_removes_the_table(lab):
    """`rdnbr flush` leaves the table to a running daemon, which enforces on; without a daemon it removes the table."""
    # The second daemon adopts what guests announced after the flush, and its table waits for that.
    lab.node.write("/etc/rdnbr/rdnbr.toml", ENFORCE + "[timers]\nadopt_grace = 5.0\n")
    lab.node.start_daemon()
    settle(lab)
    wait_for_table(lab)
    lab.node.rdnbr("flush", lab.guest(0).address4)
    wait_for(lambda: lab.guest(0).address4 not in {one[2] for one in senders(lab.node)}, 5, "its end")
    lab.node.run("ip", "link", "set", lab.guest(2).port, "down")
    lab.node.rdnbr("flush", "--all")
    assert not reaches(lab, SPOOFS["arp announcement"](*cast(lab)))
    wait_for(lambda: lab.guest(2).mac not in {one[1] for one in senders(lab.node)}, 5, "an end in the table")
    lab.node.stop_daemon()
    lab.node.start_daemon()
    wait_for(lambda: senders(lab.node) is not None, 10, "a new table")
    lab.node.stop_daemon()
    assert "bridge rdnbr" in lab.node.rdnbr("flush", "--all").stdout
    assert senders(lab.node) is None


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("", ("nftables", "enforce = false")),
        ("#!/bin/sh\necho Error: Not supported >&2\nexit 1\n", ("Not supported", "CONFIG_NF_TABLES_BRIDGE")),
    ],
    ids=["no nft", "no kernel support"],
)
def test_start_without_nftables_is_refused(lab, program, words):
    """Without the program nft, or nftables in the kernel, the start ends with 3 and one sentence with a cure."""
    enforce(lab.node, on=True)
    lab.node.write("/run/nft", program)
    lab.node.run("chmod", "755" if program else "644", "/run/nft")
    lab.node.run("mount", "--bind", "/run/nft", shutil.which("nft"))
    done = lab.node.rdnbr("run")
    assert done.returncode == 3
    assert done.stderr.strip().count("\n") == 0
    assert all(word in done.stderr for word in words), done.stderr


def test_lost_table_is_written_again(lab):
    """A table that another program removes is written whole with the next change, after the failure is logged."""
    enforce(lab.node, on=True)
    daemon = lab.node.start_daemon()
    settle(lab)
    wait_for_table(lab)
    lab.node.run("nft", "delete", "table", "bridge", "rdnbr")
    lab.node.rdnbr("flush", lab.guest(2).address4)
    wait_for(lambda: senders(lab.node), 5, "the table")
    assert (lab.guest(0).port, lab.guest(0).mac, lab.guest(0).address4) in senders(lab.node)
    assert "asked again in 1 s" in daemon.log


def test_missing_table_is_noticed(lab):
    """The minute's comparison puts back a table that another program removed, although nothing else changed."""
    enforce(lab.node, on=True)
    daemon = lab.node.start_daemon()
    settle(lab)
    wait_for_table(lab)
    lab.node.run("nft", "delete", "table", "bridge", "rdnbr")
    lab.node.rdnbr("reload")
    wait_for_table(lab)
    assert "table bridge rdnbr was gone" in daemon.log


def test_saved_ruleset_can_be_loaded_again(guarded):
    """The listing of the table is input that nft accepts, so a saved ruleset loads at the next boot."""
    guarded.node.write("/run/saved.nft", guarded.node.run("nft", "list", "ruleset"))
    guarded.node.run("nft", "--check", "-f", "/run/saved.nft")
    guarded.node.run("unshare", "--net", "nft", "-f", "/run/saved.nft")
