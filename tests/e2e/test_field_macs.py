"""Field cases: one MAC of several hosts, and a MAC that somebody else sends from."""

import contextlib
import signal

import pytest

from rdnbr.lab import wait_for
from rdnbr.lab.frames import arp_request
from tests.e2e.virtual_router import SHARED, VIP4, VIP6, VirtualRouter
from tests.field_case import OWNER, field_case

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
        assert lab.upstream.ping(address)


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
    within=5,
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
    router.advertise()
    return lab.upstream.ping(address)


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
