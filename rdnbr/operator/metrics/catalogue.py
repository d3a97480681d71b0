"""The metrics: their names, kinds and labels, which are promised, and what they count.

The values of each label are a fixed set (a reason, an action, a state, a family) or names of the node's own devices. No
label is an address or a MAC, of which guests may make as many as they like.
"""

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]


class Metric(NamedTuple):
    """One metric."""

    name: str
    """As Prometheus has it; a counter ends in `_total`."""
    kind: Kind
    labels: tuple[str, ...]
    help: str
    """What it is, in a few words."""


METRICS = (
    Metric("rdnbr_up", "gauge", (), "1 if the daemon answers on its control socket"),
    Metric("rdnbr_info", "gauge", ("version", "mode"), "1; the mode is open or allowlist"),
    Metric("rdnbr_start_time_seconds", "gauge", (), "When the daemon was started, in seconds since 1970"),
    Metric("rdnbr_reload_failed", "gauge", (), "1 if the files in force are not those on the disk"),
    Metric("rdnbr_waiting", "gauge", (), "1 if there is no bridge to serve"),
    Metric(
        "rdnbr_gateway_dadfailed",
        "gauge",
        ("bridge",),
        "Gateway addresses that failed duplicate address detection",
    ),
    Metric(
        "rdnbr_bindings", "gauge", ("bridge", "family", "state"), "Addresses, by the state of the binding"
    ),
    Metric("rdnbr_ports", "gauge", ("bridge",), "Ports that are listened on"),
    Metric("rdnbr_damped_ports", "gauge", ("bridge",), "Ports that flap, so that their routes are held back"),
    Metric("rdnbr_port_bindings", "gauge", ("port",), "Addresses bound on a port (with ports = true)"),
    Metric(
        "rdnbr_frames_total", "counter", ("reason",), "Frames received, each under the one reason it ended in"
    ),
    Metric(
        "rdnbr_port_frames_total",
        "counter",
        ("port", "reason"),
        "The same by port, - for ports that are gone (with ports = true)",
    ),
    Metric(
        "rdnbr_receive_drops", "gauge", (), "Frames that the kernel dropped on the sockets of present ports"
    ),
    Metric(
        "rdnbr_decisions_total",
        "counter",
        ("action", "reason"),
        "Decisions: learned, installed, withdrawn, moved, frozen, held, refused, …",
    ),
    Metric(
        "rdnbr_kernel_operations_total",
        "counter",
        ("action", "family"),
        "Netlink operations on routes and neighbours that the kernel carried out",
    ),
    Metric(
        "rdnbr_kernel_events_total",
        "counter",
        ("reason",),
        "What happened to the kernel's tables, as the counters of rdnbr show counters",
    ),
    Metric(
        "rdnbr_probes_sent_total",
        "counter",
        ("family",),
        "Probes sent: ARP requests, neighbour solicitations",
    ),
    Metric(
        "rdnbr_announcements_sent_total", "counter", (), "Announcements of the gateway's MAC sent to guests"
    ),
    Metric("rdnbr_turn_seconds", "histogram", (), "Time that a turn of the daemon's loop took"),
    Metric("rdnbr_longest_turn_seconds", "gauge", (), "The longest turn of the last one to two minutes"),
    Metric(
        "rdnbr_frr_readable",
        "gauge",
        (),
        "1 if zebra could be compared with the kernel, 0 if it did not answer",
    ),
    Metric(
        "rdnbr_frr_missed_routes", "gauge", ("bridge",), "Routes of rdnbr's in the kernel that zebra lacks"
    ),
    Metric("rdnbr_frr_unselected_routes", "gauge", ("bridge",), "Routes of which zebra prefers another"),
    Metric("rdnbr_frr_stale_routes", "gauge", ("bridge",), "Routes of zebra's that the kernel lacks"),
)

PROCESS = (
    "rdnbr_process_cpu_seconds_total",
    "rdnbr_process_resident_memory_bytes",
    "rdnbr_process_virtual_memory_bytes",
    "rdnbr_process_start_time_seconds",
    "rdnbr_process_open_fds",
    "rdnbr_process_max_fds",
)
"""The metrics of the daemon's process that prometheus_client makes."""
