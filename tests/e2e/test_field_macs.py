"""Field cases: one MAC of several hosts, and a MAC that somebody else sends from."""

import contextlib
import re
import signal
import sys
import threading

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from rdnbr.lab import wait_for
from rdnbr.lab.frames import arp_request
from tests.e2e.virtual_router import SHARED, VIP4, VIP6, VirtualRouter
from tests.field_case import OWNER, field_case
from tests.guest_frames import announcement, request
from tests.netns.filtered import senders, settle, wait_for_table

pytestmark = pytest.mark.root

CARP = pytest.mark.parametrize("carp", [True, False], ids=["carp", "vrrp"])
"""Whether a virtual router sends from the MAC of its card, or from its virtual MAC."""

ANYBODY = f"{VIP4}\n{VIP6}\n"
"""An allowlist that names nobody."""


@pytest.fixture
def routers(lab):
    """Make virtual routers of the guests, backups as yet, which own the addresses `*addresses`."""
    with contextlib.ExitStack() as stack:

        def make(*addresses, carp, mac=SHARED):
            made = [VirtualRouter(guest, *addresses, carp=carp, mac=mac) for guest in lab.guests]
            for router in made:
                stack.callback(router.close)
            return made

        yield make


def serve(lab, allow, config=""):
    if allow is not None:
        lab.node.write("/etc/rdnbr/allowlist", allow)
    lab.node.write("/etc/rdnbr/rdnbr.toml", config)
    return lab.node.start_daemon()


def holder(lab, address):
    """Return the MAC and the port that an address is routed to."""
    found = [one for one in lab.node.show()["bindings"] if one["address"] == address and one["installed"]]
    return (found[0]["mac"], found[0]["port"]) if found else None


def by_card(lab):
    return "".join(f"{address} mac={guest.mac} vip\n" for guest in lab.guests for address in (VIP4, VIP6))


@pytest.mark.parametrize(
    ("carp", "mac", "allow"),
    [
        (True, SHARED, None),
        (False, SHARED, ANYBODY),
        (True, "00:00:0c:07:ac:05", ANYBODY),
        (False, "00:00:0c:9f:f1:23", None),
    ],
    ids=["carp open", "vrrp prefix", "hsrp prefix", "hsrp2 open"],
)
@field_case(
    OWNER,
    "a guest answers for an address with the MAC of a virtual router (CARP, VRRP, HSRP), and may send from its own MAC",
    "the address is routed to the virtual MAC, in both families",
    within=2,
)
def test_virtual_router_is_routed(lab, routers, within, carp, mac, allow):
    serve(lab, allow)
    router, _ = routers(VIP4, VIP6, carp=carp, mac=mac)
    router.announce()
    for address in (VIP4, VIP6):
        wait_for(lambda one=address: holder(lab, one) == (mac, lab.guest(0).port), within, address)
        # The first packet may be lost while node and upstream resolve each other.
        wait_for(lambda one=address: lab.upstream.ping(one), 5, f"echoes of {address}")


@field_case(
    OWNER,
    "the rule of a virtual router's address names the MAC of the card (`mac=`); rdnbr is killed and starts again",
    "the address is routed, and stays routed",
    within=2,
)
def test_rule_names_the_card(lab, routers, within):
    daemon = serve(lab, by_card(lab))
    router, _ = routers(VIP4, VIP6, carp=True)
    router.announce()
    wait_for(lambda: {VIP4, VIP6} <= lab.node.hosts(), within, "the routes")
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    router.active = False
    lab.node.start_daemon()
    assert {VIP4, VIP6} <= lab.node.hosts()
    router.announce()
    for address in (VIP4, VIP6):
        wait_for(lambda one=address: holder(lab, one) == (SHARED, lab.guest(0).port), within, address)


@CARP
@field_case(
    OWNER,
    "a virtual router fails over to a guest on another port, and back, by a rule with `vip`",
    "traffic follows with the announcement, and with it the other addresses of the MAC",
    within=3,
)
def test_virtual_router_fails_over(lab, routers, within, carp):
    serve(lab, f"{VIP4} vip\n{VIP6} vip\n")
    pair = routers(VIP4, VIP6, carp=carp)
    pair[0].announce()
    wait_for(lambda: {VIP4, VIP6} <= lab.node.hosts(), 5, "the routes")
    for active, backup in (pair[::-1], pair):
        backup.active = False
        active.announce(VIP4)  # and VIP6 follows without an announcement
        for address in (VIP4, VIP6):
            wait_for(
                lambda one=address, to=active: holder(lab, one) == (SHARED, to.guest.port), within, address
            )
            assert lab.upstream.ping(address)


@CARP
@field_case(
    OWNER,
    "a virtual router fails over to a guest on another port, without `vip`",
    "the guest that was active is asked, and as it is silent, traffic follows",
    within=5,
)
def test_virtual_router_fails_over_by_challenge(lab, routers, within, carp):
    serve(lab, None if carp else ANYBODY)
    old, new = routers(VIP4, VIP6, carp=carp)
    old.announce()
    wait_for(lambda: {VIP4, VIP6} <= lab.node.hosts(), 5, "the routes")
    old.active = False
    new.announce(VIP4)
    for address in (VIP4, VIP6):
        wait_for(lambda one=address: holder(lab, one) == (SHARED, new.guest.port), within, address)


@field_case(
    OWNER,
    "a guest claims an address for the MAC of a neighbour, and sends from its own MAC",
    "refused, `mac-mismatch`: only a virtual router's MAC may differ from the Ethernet source",
    within=5,
)
def test_other_macs_may_not_differ(lab, routers, within):
    serve(lab, ANYBODY)
    _, liar = routers(VIP4, VIP6, carp=True, mac=lab.guest(0).mac)
    liar.announce()

    def refused():
        return lab.node.show("counters")["counters"].get(liar.guest.port, {}).get("mac-mismatch", 0)

    wait_for(lambda: refused() >= 2, within, "both refusals")
    assert not {VIP4, VIP6} & lab.node.hosts()


@CARP
@field_case(
    OWNER,
    "a virtual router with `enforce = true`: it fails over, and back",
    "its traffic and its VRRP advertisements pass, those of the active router alone",
    within=10,
)
def test_virtual_router_with_enforcement(lab, routers, within, carp):
    serve(lab, f"{VIP4} vip\n{VIP6} vip\n2.57.57.0/24\n", "enforce = true\n")
    pair = routers(VIP4, VIP6, carp=carp)
    for guest in lab.guests:
        guest.configure()
        guest.ping_gateways()
    wait_for(lambda: {guest.address4 for guest in lab.guests} <= lab.node.hosts(), 5, "the guests' routes")
    for active, backup in ((*pair,), (*pair[::-1],), (*pair,)):
        backup.active = False
        active.announce()
        for address in (VIP4, VIP6):
            wait_for(
                lambda one=address, by=active: is_master(lab, by, one),
                within,
                f"{address} by {active.guest.port}",
            )
        wait_for(lambda one=active: advertises(lab, one), within, "its advertisement")
        assert not advertises(lab, backup)


def is_master(lab, router, address):
    """Return whether the router has an address; it announces itself again while it has not, as keepalived does."""
    router.advertise()
    if lab.upstream.ping(address):
        return True
    router.announce()
    return False


def advertises(lab, router):
    """Return whether an advertisement of a virtual router reaches the other guest."""
    other = next(guest for guest in lab.guests if guest is not router.guest)
    with lab.node.capture(other.port) as capture:
        router.advertise()
        router.guest.send(arp_request(router.guest.mac, router.guest.address4, "2.57.57.250"))
        wait_for(
            lambda: any(one.outgoing and one.frame[12:14] == b"\x08\x06" for one in capture.seen()),
            5,
            "an ARP",
        )
        return any(one.outgoing and one.frame[23] == 112 for one in capture.seen())


MACS = 'enforce = "macs"\n'


def fdb(lab, mac):
    """Return the entries of a MAC in the bridge's forwarding database, with the port first."""
    lines = lab.node.run("bridge", "fdb", "show", "br", "vmbr1").splitlines()
    return [line.split(maxsplit=2)[2] for line in lines if line.startswith(mac)]


def pinned(lab):
    """Return the port of each pinned MAC."""
    lines = lab.node.run("bridge", "fdb", "show", "br", "vmbr1").splitlines()
    return {line.split()[0]: line.split()[2] for line in lines if "sticky" in line and "static" in line}


def guests_pinned(lab):
    return {guest.mac: guest.port for guest in lab.guests}


@contextlib.contextmanager
def sending(guest, mac, source, to):
    """Let a guest send valid packets from a MAC, some 2,000 a second."""
    frame = bytes(Ether(src=mac, dst=to) / IP(src=source, dst="192.0.2.1") / UDP())
    ended = threading.Event()

    def send():
        while not ended.wait(0.0004):
            guest.send(frame)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def received(lab, guest, family):
    """Return how many of ten echo requests from the upstream a guest answers."""
    address = guest.address(family)
    done = lab.upstream.attempt("ping", "-n", "-q", "-c", "10", "-i", "0.1", "-W", "1", address)
    return int(re.search(r"(\d+) received", done.stdout)[1])


@pytest.mark.parametrize("enforce", ["false", '"macs"', "true"])
@field_case(
    OWNER,
    "a guest sends 2,000 valid packets a second from the MAC of its neighbour",
    'with `enforce = "macs"` or `true` the neighbour answers 10 of 10 pings, without 0 of 10',
    within=10,
)
def test_stolen_mac(lab, within, enforce):
    serve(lab, None, f"enforce = {enforce}\n")
    settle(lab)
    victim, thief = lab.guests
    if enforce != "false":
        wait_for(lambda: pinned(lab) == guests_pinned(lab), within, "the pins")
    if enforce == "true":
        wait_for_table(lab)
    with sending(thief, victim.mac, thief.address4, lab.node.mac):
        if enforce == "false":
            wait_for(lambda: fdb(lab, victim.mac)[0].startswith(thief.port), 5, "the theft")
        assert [received(lab, victim, family) for family in (4, 6)] == (
            [0, 0] if enforce == "false" else [10, 10]
        )


@pytest.mark.parametrize("enforce", ['"macs"', "true"])
@field_case(
    OWNER,
    "a guest claims an address of its own from the MAC of its neighbour, whose link fails for a moment",
    "with `enforce` the MAC goes back to the neighbour, whose rule has it as `mac=`",
    within=5,
)
def test_mac_goes_back(lab, within, enforce):
    victim, thief = lab.guests
    mine = "".join(f"{address} mac={victim.mac}\n" for address in victim.addresses)
    serve(lab, f"{mine}{thief.address4}\n{thief.address6}\n{VIP4}\n", f"enforce = {enforce}\n")
    settle(lab)
    wait_for(lambda: pinned(lab) == guests_pinned(lab), 5, "the pins")
    thief.send(announcement(victim.mac, VIP4))
    wait_for(lambda: holder(lab, VIP4) == (victim.mac, thief.port), 5, "its claim")
    lab.node.ip(f"link set {victim.port} down")
    wait_for(lambda: pinned(lab).get(victim.mac) == thief.port, 5, "the theft of the MAC")
    lab.node.ip(f"link set {victim.port} up")
    for address in victim.addresses:
        wait_for(lambda one=address: lab.upstream.ping(one), within, address)
    assert pinned(lab)[victim.mac] == victim.port


@pytest.mark.parametrize(("mode", "where"), [("macs", "reload"), ("true", "reload"), ("macs", "rename")])
@field_case(
    OWNER,
    "the rule that names a guest's MAC as `mac=` comes by a reload, after its neighbour has claimed that MAC",
    "with `enforce` the MAC goes to the guest whose rule has it, with the reload",
    within=3,
)
def test_rule_that_names_the_mac_comes_later(lab, within, mode, where):
    """Nothing is decided about an address by such a reload or a new port name, and yet pins and filter follow."""
    victim, thief = lab.guests
    open_rules = f"{victim.address4}\n{victim.address6}\n{VIP4}\n"
    named = "".join(f"{address} mac={victim.mac} port=tap1*\n" for address in victim.addresses)
    serve(lab, open_rules, f"enforce = {mode if mode == 'true' else chr(34) + mode + chr(34)}\n")
    thief.send(announcement(victim.mac, VIP4))
    wait_for(lambda: holder(lab, VIP4) == (victim.mac, thief.port), 5, "the neighbour's claim")
    for address in victim.addresses[:1]:
        victim.send(announcement(victim.mac, address))
        wait_for(lambda one=address: holder(lab, one), 5, "the victim's route")
    wait_for(lambda: pinned(lab).get(victim.mac) == thief.port, 5, "the pin of the older binding")
    if where == "rename":
        lab.node.write("/etc/rdnbr/allowlist", open_rules + named.replace("tap1*", "renamed*"))
        lab.node.rdnbr("reload")
        assert pinned(lab).get(victim.mac) == thief.port
        if lab.node.attempt("ip", "link", "set", victim.port, "name", "renamed0").returncode:
            pytest.skip("before Linux 6.2 a device that is up cannot be renamed")
        wait_for(lambda: pinned(lab).get(victim.mac) == "renamed0", within, "the pin at the renamed port")
        return
    lab.node.write("/etc/rdnbr/allowlist", open_rules + named)
    lab.node.rdnbr("reload")
    wait_for(lambda: pinned(lab).get(victim.mac) == victim.port, within, "the pin at the guest that is named")
    if mode == "true":
        wait_for(
            lambda: (victim.port, victim.mac, victim.address4) in senders(lab.node), within, "its sender"
        )


@field_case(
    OWNER,
    'a port with `learning off`, and a second MAC on it; unknown MACs are not flooded to it; `enforce = "macs"`',
    "the address of the second MAC is reached, by the pin",
    within=3,
)
def test_port_that_learns_nothing(lab, routers, within):
    serve(lab, None, MACS)
    router, _ = routers(VIP4, VIP6, carp=False)
    lab.node.run("bridge", "link", "set", "dev", router.guest.port, "learning", "off", "flood", "off")
    router.announce()
    for address in (VIP4, VIP6):
        wait_for(lambda one=address: lab.upstream.ping(one), within, address)
    assert pinned(lab) == {SHARED: router.guest.port}


@field_case(
    OWNER,
    'rdnbr with `enforce = "macs"` is killed, and starts again; one of its guests is gone meanwhile',
    "the pins stay, and rdnbr takes them over; the one without a guest goes",
    within=15,
)
def test_pins_are_adopted(lab, within):
    daemon = serve(lab, None, MACS + "[timers]\nadopt_grace = 3.0\n")
    settle(lab)
    wait_for(lambda: pinned(lab) == guests_pinned(lab), 5, "the pins")
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    stays, gone = lab.guests
    gone.ip("link set eth0 down")
    assert pinned(lab) == guests_pinned(lab)
    lab.node.start_daemon()
    wait_for(lambda: pinned(lab) == {stays.mac: stays.port}, within, "the pin of the guest that is there")
    assert received(lab, stays, 4) == 10


@pytest.mark.parametrize(
    ("enforce", "allow"),
    [('"macs"', None), ('"macs"', "2.57.56.0/21\n2001:678:3a4:100::/64\n"), ("true", None)],
    ids=["macs open", "macs allowlist", "true open"],
)
@field_case(
    OWNER,
    "rdnbr with `enforce` is killed and starts again; a guest forges frames of its neighbour before that speaks",
    "the neighbour keeps its port, its pin and its traffic, in both families",
    within=10,
)
def test_forged_frame_after_a_crash(lab, within, enforce, allow):
    daemon = serve(lab, allow, f"enforce = {enforce}\n")
    settle(lab)
    wait_for(lambda: pinned(lab) == guests_pinned(lab), 5, "the pins")
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    victim, thief = lab.guests
    lab.node.start_daemon()
    for address in victim.addresses:
        thief.send(request(victim.mac, address, "fe80::1" if ":" in address else "169.254.0.1"))
        thief.send(announcement(victim.mac, address))
    own = victim.mac, victim.port
    wait_for(lambda: refusals(lab, thief) > 0, within, "the frames to be read")
    wait_for(
        lambda: [holder(lab, address) for address in victim.addresses] == [own, own], within, "the owner"
    )
    assert pinned(lab) == guests_pinned(lab)
    assert [received(lab, victim, family) for family in (4, 6)] == [10, 10]
    assert [holder(lab, address) for address in victim.addresses] == [own, own]


def refusals(lab, guest):
    """Return how many frames of a guest made it a challenger, or were refused to it."""
    counters = lab.node.show("counters")["counters"].get(guest.port, {})
    return sum(counters.get(reason, 0) for reason in ("rival-claim", "being-decided", "quarantined"))


@CARP
@pytest.mark.parametrize("rule", [" vip", ""], ids=["vip", "challenge"])
@field_case(
    OWNER,
    'a virtual router fails over with `enforce = "macs"`, by `vip` or after a challenge',
    "the pin moves with the address, and traffic with it",
    within=5,
)
def test_pin_fails_over(lab, routers, within, carp, rule):
    serve(lab, f"{VIP4}{rule}\n{VIP6}{rule}\n", MACS)
    pair = routers(VIP4, VIP6, carp=carp)
    pair[0].announce()
    wait_for(lambda: {VIP4, VIP6} <= lab.node.hosts(), 5, "the routes")
    for active, backup in (pair[::-1], pair):
        backup.active = False
        active.announce(VIP4)
        wait_for(lambda to=active: pinned(lab) == {SHARED: to.guest.port}, within, "the pin")
        for address in (VIP4, VIP6):
            wait_for(lambda one=address: lab.upstream.ping(one), within, address)


@field_case(
    OWNER,
    '`enforce = "macs"`: an operator has a static entry for a guest\'s MAC; later the entry goes',
    "the entry stays, and a log line names it; then the MAC is pinned",
    within=70,
)
def test_foreign_static_entry(lab, within):
    guest, other = lab.guests
    lab.node.run("bridge", "fdb", "replace", guest.mac, "dev", guest.port, "master", "static")
    daemon = serve(lab, None, MACS)
    settle(lab)
    wait_for(lambda: pinned(lab) == {other.mac: other.port}, 5, "the other pin")
    wait_for(lambda: "somebody else's static entry" in daemon.log, 5, "the log line")
    lab.node.run("bridge", "fdb", "del", guest.mac, "dev", guest.port, "master")
    wait_for(lambda: pinned(lab) == guests_pinned(lab), within, "both pins")


@field_case(
    OWNER,
    '`enforce = "macs"` becomes `enforce = false` by a reload, or `rdnbr flush` is called, or a dry run starts',
    "rdnbr's pins are removed, and an operator's static and sticky entries stay; a dry run changes nothing",
    within=5,
)
def test_pins_are_removed(lab, within):
    operators = ("02:00:00:00:00:77", lab.guest(0).port)
    lab.node.run("bridge", "fdb", "add", operators[0], "dev", operators[1], "master", "static", "sticky")
    serve(lab, None, MACS)
    settle(lab)
    both = {**guests_pinned(lab), operators[0]: operators[1]}
    wait_for(lambda: pinned(lab) == both, within, "the pins")
    for config, expected in (("", dict([operators])), (MACS, both), ("", dict([operators]))):
        lab.node.write("/etc/rdnbr/rdnbr.toml", config)
        assert lab.node.rdnbr("reload").returncode == 0
        wait_for(lambda now=expected: pinned(lab) == now, within, "the reload")
    lab.node.write("/etc/rdnbr/rdnbr.toml", MACS)
    lab.node.rdnbr("reload")
    wait_for(lambda: pinned(lab) == both, within, "the pins")
    lab.node.stop_daemon()
    assert pinned(lab) == both
    dry = lab.node.launch("dry", sys.executable, "-m", "rdnbr", "run", "--dry-run")
    wait_for(lambda: "serving" in dry.log, 10, "the dry run")
    assert pinned(lab) == both
    dry.stop()
    assert "2 pinned MACs" in lab.node.rdnbr("flush", "--all").stdout
    assert pinned(lab) == dict([operators])
