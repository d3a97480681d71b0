"""Let guests be learned."""

from rdnbr.lab import Guest, Lab, wait_for


def learn(lab: Lab, *guests: Guest) -> None:
    """Let guests take their addresses and ping their gateways, and wait until all of them are routed."""
    for guest in guests:
        guest.configure()
    addresses = {address for guest in guests for address in guest.addresses}

    def routed() -> bool:
        for guest in guests:
            if not lab.node.hosts() >= set(guest.addresses):
                guest.ping_gateways()  # on a busy machine the guest may have answered a probe too late
        return lab.node.hosts() >= addresses

    wait_for(routed, 30, f"routes to {addresses}")


def configure_silently(guest: Guest, *addresses: str) -> None:
    """Give the guest addresses, by default its own, without a frame: no DAD, no announcement, no request."""
    guest.sysctl(
        ipv6__conf__eth0__accept_dad=0, ipv6__conf__eth0__ndisc_notify=0, ipv4__conf__eth0__arp_notify=0
    )
    for address in addresses:
        guest.ip(f"addr add {address}/{32 if '.' in address else 128} dev eth0")
    if not addresses:
        guest.configure()
