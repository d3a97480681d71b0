"""Where the bridges last heard each MAC: their forwarding databases, as `bridge fdb show` prints them.

Whoever sends a frame with somebody else's source writes into them, so what they say is a hint and proves nothing.

Read by hand, for it is read while a daemon starts: pyroute2 would take ten times as long, and stay in its memory.
"""

from rdnbr.core.model.address import MAC
from rdnbr.linux.netlink.netlink_socket import NetlinkSocket
from rdnbr.linux.netlink.rtnetlink import dump_stations, read_station


def last_heard() -> dict[tuple[int, MAC], int]:
    """Return the ifindex of the port for each bridge, by its ifindex, and MAC.

    Raises:
        OSError: the kernel did not answer.
    """
    netlink = NetlinkSocket()
    try:
        stations = [read_station(message.body) for message in netlink.dump(dump_stations())]
    finally:
        netlink.close()
    return {(found.bridge, found.mac): found.port for found in stations if found is not None}
