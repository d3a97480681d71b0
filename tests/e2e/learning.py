"""Guests that come, and are learned."""

from rdnbr.lab import Guest, Lab, wait_for


def learn(lab: Lab, *guests: Guest) -> None:
    """Let guests take their addresses and ping their gateways, and wait until all of them are routed."""
    for guest in guests:
        guest.configure()
        guest.greet()
    addresses = {address for guest in guests for address in guest.addresses}
    wait_for(lambda: lab.node.hosts() >= addresses, 10, f"routes to {addresses}")
