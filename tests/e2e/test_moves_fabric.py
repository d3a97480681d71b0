"""Guests that move to a node that has a BGP route to them."""

import json

import pytest

from rdnbr.lab import Fabric, Lab, Peering, wait_for

pytestmark = [pytest.mark.frr, pytest.mark.slow]


def device_towards(node, address):
    """Return the device by which a node reaches an address."""
    return json.loads(node.run("ip", "-j", "route", "get", address))[0]["dev"]


def test_own_route_wins_over_the_fabric_s():
    """Case 18: the target, with strict rp_filter, had a BGP route to the source; its own route wins, and it answers."""
    with Lab(guests=1, nodes=2, frr=True, fabric=Fabric(Peering.AS_PER_NODE)) as lab:
        guest, (source, target) = lab.guest(0), lab.nodes
        target.sysctl(ipv4__conf__all__rp_filter=1, ipv4__conf__vmbr1__rp_filter=1)
        for node in lab.nodes:
            node.start_daemon()
        guest.configure()
        guest.wait_for_dad()
        guest.announce()
        for address in guest.addresses:
            wait_for(
                lambda one=address: target.routes(6 if ":" in one else 4, one, "proto", "bgp"),
                10,
                f"the target to hear of {address}",
            )
            assert device_towards(target, address) == "uplink"
        lab.plug(guest, target)
        target.wait_until_port_served(guest)
        lab.move(guest, target)
        guest.announce()
        lab.unplug(guest, source)
        for address in guest.addresses:
            wait_for(
                lambda one=address: device_towards(target, one) == "vmbr1",
                2,
                f"the target's own route to {address}",
            )
            wait_for(
                lambda one=address: device_towards(source, one) == "uplink",
                2,
                f"the source's route to {address}",
            )
        guest.ip("neigh flush dev eth0")
        wait_for(lambda: answers(guest, "169.254.0.1"), 2, "the gateway's answer")
        wait_for(lambda: lab.upstream.via(guest.address6) == {1}, 5, "the upstream to send to the target")


def answers(guest, gateway):
    return guest.attempt("ping", "-n", "-c", "1", "-W", "1", gateway).returncode == 0
