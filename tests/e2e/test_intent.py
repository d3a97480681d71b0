"""Intent and use: DAD, ARP probes, and addresses in use."""

import pytest
from guest_frames import announcement, intent

from rdnbr.lab import wait_for
from tests.e2e.node_view import binding, solicitations, stays

pytestmark = pytest.mark.root


def test_silent_guest_gets_its_route_when_its_dad_has_ended(lab):
    """A guest that did DAD and nothing else is probed a second after its DAD, answers, and is routed."""
    guest = lab.guest(0)
    guest.wait_for_dad()  # DAD of its link-local address
    lab.node.start_daemon()
    with lab.node.capture(guest.port) as capture:
        guest.ip(f"addr add {guest.address6}/128 dev eth0")
        wait_for(lambda: lab.node.hosts() == {"2001:678:3a4:100::80"}, 8, "the IPv6 route")
        asked = solicitations(capture.seen(), guest.address6)
    dads = [one.at for one in asked if not one.outgoing]
    probes = [one.at for one in asked if one.outgoing]
    assert len(dads) == 1
    assert 1.0 <= probes[0] - dads[0] <= 1.5
    shown = binding(lab.node, guest.address6)
    assert shown["state"] == "valid"


def test_probes_and_dad_alone_never_install(lab):
    """An ARP probe and a DAD solicitation whose sender never answers install nothing."""
    guest = lab.guest(0)
    lab.node.start_daemon()
    guest.send(intent(guest.mac, "2.57.57.99"))
    guest.send(intent(guest.mac, "2001:678:3a4:100::99"))
    claimed = {"2.57.57.99": "tentative", "2001:678:3a4:100::99": "tentative"}
    wait_for(
        lambda: {one["address"]: one["state"] for one in lab.node.show()["bindings"]} == claimed,
        2,
        "both claims",
    )
    stays(lambda: lab.node.hosts() == set(), 5, "no route")
    assert binding(lab.node, "2.57.57.99") is None
    assert binding(lab.node, "2001:678:3a4:100::99") is None


def test_open_mode_verifies_before_it_installs(lab):
    """Without an allowlist, an announcement whose sender does not answer a probe installs nothing."""
    guest = lab.guest(0)
    lab.node.start_daemon()
    guest.send(announcement(guest.mac, "2.57.57.99"))
    stays(lambda: lab.node.hosts() == set(), 4, "no route")


def test_gateway_cannot_be_claimed(lab):
    """A guest that announces the gateway's address, or a special one, is refused and counted."""
    guest = lab.guest(0)
    lab.node.start_daemon()
    guest.send(announcement(guest.mac, "169.254.0.1"))
    guest.send(announcement(guest.mac, "127.0.0.53"))
    counted = wait_for(
        lambda: (
            {"own-address", "special-address"}
            <= set(lab.node.show("counters")["counters"].get("tap100i0", {}))
            and lab.node.show("counters")["counters"]["tap100i0"]
        ),
        3,
        "both refusals",
    )
    assert (counted["own-address"], counted["special-address"]) == (1, 1)
    assert lab.node.hosts() == set()
