"""The neighbours that the kernel resolved itself, as `ip neigh show` prints them without `PERMANENT` and `NOARP`.

Before rdnbr serves a bridge, the kernel resolves the guests there that the node sends packets to. A guest can forge
such an entry, so an entry is a hint and no proof.
"""

from rdnbr.core.model.fib_entries import Neighbour
from rdnbr.linux.netlink.netlink_socket import NetlinkSocket
from rdnbr.linux.netlink.rtnetlink import dump_neighbours, read_neighbour


def read_learned_neighbours() -> list[Neighbour]:
    """Return the entries with a MAC, of all devices and both families.

    Raises:
        OSError: the kernel did not answer.
    """
    netlink = NetlinkSocket()
    try:
        entries = [read_neighbour(message.body) for message in netlink.dump(dump_neighbours())]
    finally:
        netlink.close()
    return [found.neighbour for found in entries if found is not None and found.learned]
