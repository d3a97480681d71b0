"""Field cases about guests that only answer, and about addresses that are announced and never answered for."""

import pytest

from rdnbr.lab import wait_for
from rdnbr.lab.node import BRIDGE
from tests.e2e.learning import configure_silently
from tests.e2e.node_view import solicitations, stays
from tests.field_case import OWNER, ROUTED, field_case
from tests.guest_frames import announcement, request

pytestmark = [pytest.mark.root, pytest.mark.slow]

QUICK = """
[timers]
reprobe = 1.0
probe_retrans = 0.1
probe_count = 5
data_window = 0.5
adopt_grace = 2.5
"""
"""A quiet guest is withdrawn after 2.3 s, and a data window is over soon. Slow probes have their usual times."""

families = pytest.mark.parametrize("family", [4, 6])
DEAF = "table netdev deaf { chain frames { type filter hook ingress device eth0 priority 0; drop; }; }"


def permit(lab, rule=None):
    """Configure short times, and an allowlist that gives each guest its addresses by `rule`; None: open mode."""
    lab.node.write("/etc/rdnbr/rdnbr.toml", QUICK)
    if rule is not None:
        lines = [
            f"{address} {rule.format(port=guest.port, mac=guest.mac)}\n"
            for guest in lab.guests
            for address in guest.addresses
        ]
        lab.node.write("/etc/rdnbr/allowlist", "".join(lines))


def routed(lab, *addresses):
    return lambda: lab.node.hosts() >= set(addresses)


def gone(lab, *addresses):
    return lambda: not lab.node.hosts() & set(addresses)


@field_case(
    ROUTED,
    "a guest that only answers is silent until it is withdrawn, and then answers again",
    "it is probed on, and routed again: after 30 s for the first time, at last every 10 minutes",
    within=35,
)
@pytest.mark.parametrize("rule", [None, "mac={mac}"])
@pytest.mark.parametrize("restart", [False, True])
def test_guest_that_only_answers_comes_back(lab, within, rule, restart):
    permit(lab, rule)
    lab.node.start_daemon()
    guest = lab.guest(0)
    guest.configure()
    guest.wait_for_dad()
    wait_for(lambda: routed(lab, *guest.addresses)() or guest.ping_gateways(), 10, "the guest's routes")
    guest.run("nft", DEAF)
    if restart:
        lab.node.stop_daemon()
        lab.node.start_daemon()
    wait_for(gone(lab, *guest.addresses), 15, "the guest to be withdrawn")
    guest.run("nft", "delete table netdev deaf")
    wait_for(routed(lab, *guest.addresses), within, "the routes of the guest that answers")


@field_case(
    ROUTED,
    "an address that the allowlist names comes late to a guest, which never says so",
    "it is probed on, and routed: after 30 s for the first time, at last every 10 minutes",
    within=35,
)
@pytest.mark.parametrize("rule", ["port={port}", "mac={mac}"])
def test_named_address_comes_late(lab, within, rule):
    permit(lab, rule)
    lab.node.start_daemon()
    guest = lab.guest(0)
    lab.node.wait_until_port_served(guest)
    guest.send(request(guest.mac, "192.0.2.1", "169.254.0.1"))  # its MAC is seen
    stays(gone(lab, *guest.addresses), 4, "no route before the guest has the address")
    configure_silently(guest, *guest.addresses)
    wait_for(routed(lab, *guest.addresses), within, "the routes of the late addresses")


@field_case(
    ROUTED,
    "`rdnbr probe` of an address that no guest has said anything of",
    "it is probed on every port that may have it, and routed when a guest answers",
    within=3,
)
@families
@pytest.mark.parametrize("rule", [None, "mac={mac}", "port={port}", ""])
def test_unknown_address_is_probed_by_hand(lab, within, rule, family):
    permit(lab, rule)
    lab.node.start_daemon()
    guest = lab.guest(0)
    lab.node.wait_until_port_served(guest)
    stays(gone(lab, *guest.addresses), 4, "no route before the guest has the address")
    address = guest.address(family)
    configure_silently(guest, address)
    said = lab.node.rdnbr("probe", address).stdout
    wait_for(routed(lab, address), within, "the route of the probed address")
    assert said.startswith(f"nobody has {address}; it is probed on {guest.port}")
    assert lab.node.rdnbr("probe", address).stdout.startswith(f"probed {address} on {guest.port}")


@field_case(
    ROUTED,
    "a guest announces an address once and never answers for it; its rule says `static`",
    "it is routed, never probed, and stays so over a restart",
    within=2,
)
@families
@pytest.mark.parametrize("rule", ["static", "mac={mac} static", "port={port} static"])
def test_static_address_is_announced_once(lab, within, rule, family):
    permit(lab, rule)
    lab.node.start_daemon()
    guest = lab.guest(0)
    lab.node.wait_until_port_served(guest)
    address = guest.address(family)
    with lab.node.capture(guest.port) as capture:
        guest.send(announcement(guest.mac, address))
        wait_for(routed(lab, address), within, "the route of the announced address")
        stays(routed(lab, address), 5, "the route of a guest that answers nothing")
        lab.node.stop_daemon()
        lab.node.start_daemon()
        stays(routed(lab, address), 5, "the route after a restart")
        assert not [one for one in solicitations(capture.seen(), address) if one.outgoing]


@field_case(
    ROUTED,
    "the rule of a `static` address names `port=` and `mac=`, and the guest says nothing",
    "it is routed when its port is there, and withdrawn when it goes",
    within=2,
)
@families
def test_static_address_follows_its_port(lab, within, family):
    permit(lab, "port={port} mac={mac} static")
    lab.node.start_daemon()
    guest = lab.guest(0)
    address = guest.address(family)
    for _ in range(2):
        wait_for(routed(lab, address), within, "the route of a port that is there")
        lab.node.ip(f"link set {guest.port} down")
        wait_for(gone(lab, address), within, "no route without the port")
        lab.node.ip(f"link set {guest.port} up")


@field_case(
    OWNER,
    "a guest claims a `static` address that another guest has",
    "the claim is refused (`static`), and traffic stays where it is",
    within=2,
)
@families
def test_static_address_is_claimed_by_another(lab, within, family):
    permit(lab, "static")
    lab.node.start_daemon()
    owner, thief = lab.guests
    address = owner.address(family)
    for guest in lab.guests:
        lab.node.wait_until_port_served(guest)
    owner.send(announcement(owner.mac, address))
    wait_for(routed(lab, address), within, "the route of the owner")
    for _ in range(3):
        thief.send(announcement(thief.mac, address))
    wait_for(
        lambda: lab.node.show("counters")["counters"][thief.port].get("static", 0) >= 3,
        within,
        "the claims to be refused",
    )
    assert owner.mac in lab.node.run("ip", "neigh", "show", address, "dev", BRIDGE)
