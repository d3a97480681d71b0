"""The metrics: their names, what they are made of, and what is shipped for Prometheus and Grafana."""

import importlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rdnbr.core.fib.kernel_counter import KernelCounter
from rdnbr.core.model.address import parse_ip
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.engine_outputs import Decision, Verb
from rdnbr.core.model.fib_entries import Key
from rdnbr.core.model.reason import Reason
from rdnbr.daemon.figures import BOUNDS, Figures, TurnTimes
from rdnbr.linux.frr.zebra_diff import Difference
from rdnbr.operator.control import json_slices
from rdnbr.operator.control.json_slices import COUNTED, Head
from rdnbr.operator.control.json_views import epoch
from rdnbr.operator.metrics.catalogue import METRICS, PROCESS
from rdnbr.operator.metrics.collect import DaemonFacts, Zebra
from rdnbr.operator.metrics.command import write_textfile

pytest.importorskip("prometheus_client")

CONTRIB = Path(__file__).parents[2] / "contrib"
ALERTS = CONTRIB / "prometheus" / "rdnbr.yml"
DASHBOARD = CONTRIB / "grafana" / "rdnbr.json"

NAMES = {metric.name for metric in METRICS} | set(PROCESS) | {"rdnbr_turn_seconds_bucket"}

FIGURES = {
    "pid": 1,
    "turns": {"bounds": [0.001, 0.1], "counts": [5, 2, 1], "seconds": 0.75, "longest": 0.5},
    "decisions": {"refused": {"denied": 3}, "frozen": {"moved-too-often": 1}},
    "operations": [{"action": "put-route", "family": 4, "count": 7}],
    "probes": {"4": 9, "6": 8},
    "announcements": 2,
}


def figures():
    """Return the document of the daemon, with two bindings of one bridge and one of another."""
    states = {
        "2.57.57.30": ("vmbr1", State.VALID),
        "2.57.57.31": ("vmbr1", State.VALID),
        "2001:db8::1": ("vmbr2", State.FROZEN),
    }
    by_key = {Key(254, parse_ip(address)): found for address, found in states.items()}
    keys = [*by_key, Key(254, parse_ip("192.0.2.1"))]  # the last is gone by the time it is counted
    text = json_slices.metrics(keys, by_key.get, FIGURES, Head("allowlist", since=epoch(5.0)))
    return json.loads("".join(text))


def facts():
    port = {"port": "tap100i0", "bridge": "vmbr1", "bindings": 2, "drops": 4, "damped_until": None}
    flaps = {**port, "port": "tap101i0", "drops": 1, "damped_until": "2026-01-01T00:00:00+00:00"}
    kernel = {name.value: 0 for name in KernelCounter} | {"unsent": 6}
    counters = {"tap100i0": {"evidence": 20, "denied": 3}, "-": {"denied": 1}}
    return DaemonFacts(figures(), {"counters": counters, "kernel": kernel}, {"ports": [port, flaps]})


def text(daemon, zebra=None, *, ports=False):
    exposition = importlib.import_module("rdnbr.operator.metrics.exposition")
    collector = exposition.RdnbrCollector(lambda: daemon, lambda: zebra, ports=ports)
    return exposition.exposition(exposition.registry_of(collector)).decode()


ZEBRA = Zebra((Difference("vmbr1", 5, (parse_ip("2.57.57.30"),), (), ()),), readable=True)


def test_values():
    """Each figure is a sample with its labels."""
    lines = text(facts(), ZEBRA).splitlines()
    for line in (
        "rdnbr_up 1.0",
        'rdnbr_info{mode="allowlist",version="0.1.0"} 1.0',
        "rdnbr_start_time_seconds 5.0",
        'rdnbr_bindings{bridge="vmbr1",family="4",state="valid"} 2.0',
        'rdnbr_bindings{bridge="vmbr2",family="6",state="frozen"} 1.0',
        'rdnbr_damped_ports{bridge="vmbr1"} 1.0',
        "rdnbr_receive_drops 5.0",
        'rdnbr_frames_total{reason="denied"} 4.0',
        'rdnbr_decisions_total{action="frozen",reason="moved-too-often"} 1.0',
        'rdnbr_kernel_operations_total{action="put-route",family="4"} 7.0',
        'rdnbr_kernel_events_total{reason="unsent"} 6.0',
        'rdnbr_probes_sent_total{family="6"} 8.0',
        'rdnbr_turn_seconds_bucket{le="0.1"} 7.0',
        'rdnbr_turn_seconds_bucket{le="+Inf"} 8.0',
        "rdnbr_turn_seconds_sum 0.75",
        "rdnbr_longest_turn_seconds 0.5",
        'rdnbr_frr_missed_routes{bridge="vmbr1"} 1.0',
    ):
        assert line in lines, line


def families(exposed):
    """Return each metric of an exposition with the names of its labels."""
    found = {}
    parser = importlib.import_module("prometheus_client.parser")
    for family in parser.text_string_to_metric_families(exposed):
        suffix = "_total" if family.type == "counter" else ""
        labels = {label for sample in family.samples for label in sample.labels}
        found[family.name + suffix] = (family.type, labels - {"le"})
    return found


def test_every_metric_is_in_the_catalogue():
    """What is exposed is what the catalogue promises, with its kind and its labels, and nothing of it is missing."""
    exposed = families(text(facts(), ZEBRA, ports=True))
    assert {name for name in exposed if name not in PROCESS} == {metric.name for metric in METRICS}
    for metric in METRICS:
        assert exposed[metric.name] == (metric.kind, set(metric.labels)), metric.name


def test_no_label_is_an_address():
    """Labels have fixed sets of values, or names of devices; those of ports are there only where they are wanted."""
    assert {label for metric in METRICS for label in metric.labels} == {
        *("reason", "action", "state", "family", "bridge", "port", "version", "mode")
    }
    exposed = text(facts(), ZEBRA)
    assert "tap100i0" not in exposed
    assert not re.search(r"2\.57\.57|2001:db8", text(facts(), ZEBRA, ports=True))


def test_without_a_daemon():
    """A dead daemon is a figure, and the others are missing rather than 0."""
    assert families(text(None)) == {"rdnbr_up": ("gauge", set())}
    assert "rdnbr_up 0.0" in text(None)


def test_bindings_are_counted_in_slices():
    """No turn counts more than a slice."""
    keys = [Key(254, parse_ip(f"10.0.{number >> 8}.{number & 255}")) for number in range(2 * COUNTED + 1)]
    asked = []
    slices = json_slices.metrics(
        keys, lambda key: (asked.append(key), ("vmbr1", State.VALID))[1], FIGURES, Head("open")
    )
    counts = []
    for _ in slices:
        counts.append(len(asked))
        asked.clear()
    assert counts == [COUNTED, COUNTED, 1, 0]


def test_turns():
    """Each turn is in one bucket, and the longest is forgotten after two windows at most."""
    times = TurnTimes(0.0)
    for now, duration in ((1.0, 0.0005), (2.0, 0.001), (3.0, 0.3), (4.0, 5.0)):
        times.record(now, duration)
    assert dict(zip((*BOUNDS, "more"), times.counts, strict=True)) == {
        **dict.fromkeys(BOUNDS, 0),
        0.001: 2,
        1.0: 1,
        "more": 1,
    }
    assert times.total == pytest.approx(5.3015)
    times.record(61.0, 0.2)
    assert times.longest == 5.0
    times.record(121.5, 0.1)
    assert times.longest == 0.2
    times.record(500.0, 0.05)
    assert times.longest == 0.05


def test_decisions_are_counted():
    """Every decision counts under its action and its reason."""
    recorded = Figures(0.0)
    for _ in range(2):
        recorded.count_decision(Decision(1.0, Verb.REFUSED, Reason.DENIED), None)
    assert recorded.decisions == {(Verb.REFUSED, Reason.DENIED): 2}


def test_textfile(tmp_path):
    """The file is replaced in one step, can be read by node_exporter, and nothing else is left beside it."""
    path = tmp_path / "rdnbr.prom"
    path.write_text("before")
    write_textfile(path, b"rdnbr_up 1.0\n")
    assert path.read_text() == "rdnbr_up 1.0\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def expressions():
    """Return the PromQL of the alerts and of the dashboard."""
    dashboard = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    found += [one["expr"] for one in dashboard["annotations"]["list"]]
    found += [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    rules = re.findall(r"^ +expr: (?:>-\n((?: {10}.*\n)+)|(.*)\n)", ALERTS.read_text(), re.MULTILINE)
    assert len(rules) == ALERTS.read_text().count("- alert:")
    return found + [folded or plain for folded, plain in rules]


@pytest.mark.parametrize("expression", expressions())
def test_shipped_expressions(expression):
    """Alerts and dashboard use metrics, labels, and values of labels that exist."""
    names = set(re.findall(r"\brdnbr_\w+", expression))
    assert names
    assert names <= NAMES
    values = {
        "state": {state.value for state in State},
        "action": {verb.value for verb in Verb},
        "reason": {reason.value for reason in Reason} | {name.value for name in KernelCounter},
        "mode": {"open", "allowlist"},
        "instance": {"$instance"},
    }
    for label, wanted in re.findall(r'(\w+)[!=]~?"([^"]*)"', expression):
        assert set(wanted.split("|")) <= values[label], (label, wanted)
    known = {label for metric in METRICS for label in metric.labels} | {"instance", "le"}
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(grouped.split(", ")) <= known


def test_dashboard():
    """Every panel has a title and a place of its own within 24 columns, and an id of its own."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        assert panel["title"]
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool():
    """Prometheus itself accepts the rules and the exposition."""
    subprocess.run(["promtool", "check", "rules", ALERTS], check=True, timeout=30)
    exposed = text(facts(), ZEBRA, ports=True)
    subprocess.run(["promtool", "check", "metrics"], input=exposed, text=True, check=True, timeout=30)
