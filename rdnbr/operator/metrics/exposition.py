"""The metrics in Prometheus' text format, by prometheus_client."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector

from rdnbr.operator.control.json_fields import Fields, integer, moment, text
from rdnbr.operator.metrics.catalogue import METRICS
from rdnbr.operator.metrics.collect import DaemonFacts, Zebra

Samples = Iterable[tuple[tuple[str, ...], float]]
"""Values, each with the values of the labels."""

_BY_NAME = {metric.name: metric for metric in METRICS}


class RdnbrCollector:
    """A collector of prometheus_client: it asks for the facts at each scrape, and does nothing in between."""

    def __init__(
        self, daemon: Callable[[], DaemonFacts | None], zebra: Callable[[], Zebra | None], *, ports: bool
    ) -> None:
        """Take where the facts come from, and whether there are metrics by port."""
        self._daemon = daemon
        self._zebra = zebra
        self._ports = ports

    def describe(self) -> list[Any]:
        """Return nothing, so that the registry does not collect to learn the names."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield the metrics."""
        facts = self._daemon()
        yield _family("rdnbr_up", [((), float(facts is not None))])
        if facts is not None:
            yield from _daemon_families(facts, ports=self._ports)
            pid = Fields(facts.figures).get("pid", integer)
            yield from ProcessCollector(namespace="rdnbr", pid=lambda: pid, registry=None).collect()
        zebra = self._zebra()
        if zebra is not None:
            yield from _zebra_families(zebra)


def registry_of(collector: RdnbrCollector) -> CollectorRegistry:
    """Return a registry with this collector alone."""
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """Collect, and return the text."""
    return bytes(generate_latest(registry))


def _family(name: str, samples: Samples) -> Any:
    metric = _BY_NAME[name]
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _daemon_families(facts: DaemonFacts, *, ports: bool) -> Iterator[Any]:
    figures, shown = facts.figures, list(Fields(facts.ports).objects("ports"))
    document: Any = figures
    yield _family("rdnbr_info", [((document["version"], document["mode"]), 1)])
    yield _family("rdnbr_start_time_seconds", [((), moment(document["since"]))])
    yield _family("rdnbr_reload_failed", [((), float(document["reload_failed"] is not None))])
    yield _family("rdnbr_waiting", [((), float(document["waiting"] is not None))])
    failed = Counter(str(one["bridge"]) for one in document["gateway_dadfailed"])
    at = [port.get("bridge", text) for port in shown]
    damped = Counter(port.get("bridge", text) for port in shown if port.optional("damped_until", text))
    bridges = sorted({*at, *failed})
    yield _family("rdnbr_gateway_dadfailed", (((bridge,), failed[bridge]) for bridge in bridges))
    yield _family("rdnbr_ports", (((bridge,), at.count(bridge)) for bridge in bridges))
    yield _family("rdnbr_damped_ports", (((bridge,), damped[bridge]) for bridge in bridges))
    yield _family(
        "rdnbr_bindings",
        (((one["bridge"], str(one["family"]), one["state"]), one["count"]) for one in document["bindings"]),
    )
    yield _family("rdnbr_receive_drops", [((), sum(port.get("drops", integer) for port in shown))])
    yield from _frame_families(facts, shown, ports=ports)
    yield _family(
        "rdnbr_decisions_total",
        (
            ((action, reason), count)
            for action, reasons in document["decisions"].items()
            for reason, count in reasons.items()
        ),
    )
    yield _family(
        "rdnbr_kernel_operations_total",
        (((one["action"], str(one["family"])), one["count"]) for one in document["operations"]),
    )
    kernel: Any = facts.counters["kernel"]
    yield _family("rdnbr_kernel_events_total", (((reason,), count) for reason, count in kernel.items()))
    yield _family("rdnbr_probes_sent_total", (((size,), n) for size, n in sorted(document["probes"].items())))
    yield _family("rdnbr_announcements_sent_total", [((), document["announcements"])])
    yield from _turn_families(document["turns"])


def _frame_families(facts: DaemonFacts, shown: Iterable[Fields], *, ports: bool) -> Iterator[Any]:
    counters: Any = facts.counters["counters"]
    total: Counter[str] = Counter()
    for reasons in counters.values():
        total.update(reasons)
    yield _family("rdnbr_frames_total", (((reason,), count) for reason, count in sorted(total.items())))
    if ports:
        yield _family(
            "rdnbr_port_frames_total",
            (
                ((port, reason), count)
                for port, reasons in counters.items()
                for reason, count in reasons.items()
            ),
        )
        yield _family(
            "rdnbr_port_bindings",
            (((port.get("port", text),), port.get("bindings", integer)) for port in shown),
        )


def _turn_families(turns: Any) -> Iterator[Any]:
    metric = _BY_NAME["rdnbr_turn_seconds"]
    family, below = HistogramMetricFamily(metric.name, metric.help), 0
    buckets = []
    for bound, count in zip([*map(str, turns["bounds"]), "+Inf"], turns["counts"], strict=True):
        below += count
        buckets.append((bound, below))
    family.add_metric([], buckets, turns["seconds"])
    yield family
    yield _family("rdnbr_longest_turn_seconds", [((), turns["longest"])])


def _zebra_families(zebra: Zebra) -> Iterator[Any]:
    yield _family("rdnbr_frr_readable", [((), float(zebra.readable))])
    found = zebra.differences
    yield _family("rdnbr_frr_missed_routes", (((one.bridge,), len(one.missed)) for one in found))
    yield _family("rdnbr_frr_unselected_routes", (((one.bridge,), len(one.not_selected)) for one in found))
    yield _family("rdnbr_frr_stale_routes", (((one.bridge,), len(one.stale)) for one in found))
