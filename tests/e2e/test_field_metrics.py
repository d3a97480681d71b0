"""Field cases: what Prometheus reads."""

import sys

import pytest

from rdnbr.lab import wait_for
from tests.field_case import FOUND, field_case

pytestmark = pytest.mark.root

pytest.importorskip("prometheus_client")

FETCH = "import urllib.request as u; print(u.urlopen('http://{}/metrics', timeout=5).read().decode())"


def samples(text):
    """Return the values of an exposition by their names and labels."""
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines if name}


def learned(lab, guest):
    guest.configure()
    guest.ping_gateways()
    wait_for(lambda: lab.node.hosts() >= set(guest.addresses), 10, "the guest's routes")


@pytest.mark.parametrize("listen", ["127.0.0.1:9171", "[::1]:9172", "textfile"])
@field_case(
    FOUND,
    "Prometheus scrapes `rdnbr metrics --serve` on 127.0.0.1 or ::1, or node_exporter reads its file; the daemon dies",
    "bindings, frames, turns and the process are figures; then `rdnbr_up` is 0",
    within=20,
)
def test_scrape(lab, within, listen):
    """The exporter outlives the daemon, and says that it is dead."""
    node, guest = lab.node, lab.guest(0)
    file = "/etc/rdnbr/rdnbr.prom"
    path = str(node.path(file)) if listen == "textfile" else ""
    key = f'textfile = "{file}"' if listen == "textfile" else f'listen = "{listen}"'
    node.write("/etc/rdnbr/rdnbr.toml", f"[metrics]\n{key}\nports = true\n")
    node.start_daemon()
    learned(lab, guest)
    node.launch("metrics", sys.executable, "-m", "rdnbr", "metrics", "--serve")

    def scraped():
        if path:
            return samples(node.path(file).read_text()) if node.path(file).exists() else {}
        done = node.attempt(sys.executable, "-c", FETCH.format(listen))
        return samples(done.stdout) if done.returncode == 0 else {}

    valid = 'rdnbr_bindings{{bridge="vmbr1",family="{}",state="valid"}}'
    wait_for(lambda: scraped().get(valid.format(4)) == 1, within, "the figures of the guest")
    seen = scraped()
    assert seen["rdnbr_up"] == seen[valid.format(6)] == 1
    assert seen[f'rdnbr_port_bindings{{port="{guest.port}"}}'] == 2
    assert seen['rdnbr_kernel_operations_total{action="put-route",family="6"}'] == 1
    assert seen["rdnbr_turn_seconds_count"] > 0
    assert seen["rdnbr_process_resident_memory_bytes"] > 1e6
    node.stop_daemon()
    wait_for(lambda: scraped().get("rdnbr_up") == 0, within, "the daemon's death")
    assert valid.format(4) not in scraped()


def test_an_address_in_use(lab):
    """A port that is taken is one sentence."""
    lab.node.write("/etc/rdnbr/rdnbr.toml", '[metrics]\nlisten = "127.0.0.1:9171"\n')
    script = (
        "import socket, subprocess, sys; s = socket.create_server(('127.0.0.1', 9171));"
        "sys.exit(subprocess.run([sys.executable, '-m', 'rdnbr', 'metrics', '--serve']).returncode)"
    )
    done = lab.node.attempt(sys.executable, "-c", script)
    assert done.returncode == 1
    assert "cannot listen on 127.0.0.1:9171: Address already in use" in done.stderr
