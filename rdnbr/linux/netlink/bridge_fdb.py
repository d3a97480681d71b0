"""The forwarding databases of the bridges, as `bridge fdb show` prints them.

A frame with a forged source MAC changes an entry, so an entry is a hint and no proof.
"""

from rdnbr.core.model.address import MAC
from rdnbr.linux.netlink.netlink_socket import NetlinkSocket
from rdnbr.linux.netlink.rtnetlink import dump_fdb, read_fdb_entry


def read_fdb() -> dict[tuple[int, MAC], int]:
    """Return the ifindex of the port of each MAC, by the ifindex of the bridge and the MAC.

    Raises:
        OSError: the kernel did not answer.
    """
    netlink = NetlinkSocket()
    try:
        entries = [read_fdb_entry(message.body) for message in netlink.dump(dump_fdb())]
    finally:
        netlink.close()
    return {(found.bridge, found.mac): found.port for found in entries if found is not None}
