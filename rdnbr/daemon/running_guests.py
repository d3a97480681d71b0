"""Finds the guests that were there before rdnbr served their bridge: in the kernel's own tables, and by a query."""

from collections.abc import Collection, Mapping

from rdnbr.core.model.address import IP, MAC
from rdnbr.daemon.parts import Parts
from rdnbr.linux.netlink.learned_neighbours import read_learned_neighbours


def find_running_guests(
    now: float, parts: Parts, segments: Collection[int], fdb_ports: Mapping[tuple[int, MAC], int]
) -> None:
    """Have the engine look for the guests of some segments.

    Args:
        now: the time.
        parts: of the daemon.
        segments: ifindexes of segments that are served from now on.
        fdb_ports: the port (ifindex) of each bridge (ifindex) and MAC in the bridges' forwarding databases.
    """
    found: dict[tuple[int, MAC], list[IP]] = {place: [] for place in fdb_ports if place[0] in segments}
    try:
        for device, address, mac in read_learned_neighbours():
            if device in segments:
                found.setdefault((device, mac), []).append(address)
    except OSError as error:
        parts.log.warning(
            "cannot read the kernel's neighbours; guests are found when they send", why=str(error)
        )
    for (segment, mac), addresses in found.items():
        port = fdb_ports.get((segment, mac))
        parts.actuator.handle_outputs(parts.engine.find_guest(now, segment, port, mac, addresses))
    for segment in segments:
        parts.engine.query_listeners(segment)
