"""The service under systemd: started early, reloaded, restarted, killed, hung, stopped, and over a reboot."""

import pytest

from tests.node_vm.serving_node import ServingNode

pytestmark = [
    pytest.mark.node_vm,
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(1200),
]


def test_a_start_before_the_bridge_waits_and_serves_it_when_it_has_its_address(
    node: ServingNode, figures: dict[str, str]
) -> None:
    """A node without its bridge yet is no failure: the start ends well, and says what it waits for."""
    run = node.machine.run
    run("systemctl stop rdnbr; ip link delete vmbr1")
    run("systemctl start rdnbr")
    assert run("systemctl is-active rdnbr").strip() == "active"
    assert "waiting" in run("systemctl show -p StatusText rdnbr").lower()
    assert "waiting" in run("rdnbr show").lower()
    assert run("systemctl show -p NRestarts --value rdnbr").strip() == "0"
    run(
        "ip -ts -o monitor address >/tmp/monitor 2>&1 & ifreload -a; sleep 0.2; kill %1",
        within=120,
    )
    node.machine.until("journalctl -u rdnbr -n 5 -o cat | grep -q '^serving'", 30, "the bridge to be served")
    served = float(run("journalctl -u rdnbr -o short-unix -g '^serving' | tail -n 1").split()[0])
    addressed = float(
        run("date -d \"$(grep -m 1 169.254.0.1 /tmp/monitor | sed 's/^\\[\\(.*\\)\\].*/\\1/')\" +%s.%N")
    )
    figures["address of the bridge to serving it"] = f"{(served - addressed) * 1000:.0f} ms"
    assert served - addressed < 2
    run("for guest in 100 101; do guest plug $guest; guest speak $guest; done")
    node.wait_for_routes(4)
    node.wait_for_paths(4)


def test_a_reload_takes_good_files_and_refuses_bad_ones(node: ServingNode) -> None:
    run = node.machine.run
    before, pid = node.updates(), node.main_pid()
    run("cp -a /etc/rdnbr/allowlist /tmp/allowlist; echo '2.57.57.9/24' >>/etc/rdnbr/allowlist")
    bad = node.machine.attempt("systemctl reload rdnbr")
    assert bad.returncode == 1
    assert run("systemctl is-active rdnbr").strip() == "active"
    assert "host bits" in run("journalctl -u rdnbr -n 20 -o cat") or "beyond" in run(
        "journalctl -u rdnbr -n 20 -o cat"
    )
    run("cp -a /tmp/allowlist /etc/rdnbr/allowlist; echo 'deny 2.57.57.9' >>/etc/rdnbr/allowlist")
    run("systemctl reload rdnbr; cp -a /tmp/allowlist /etc/rdnbr/allowlist; systemctl reload rdnbr")
    assert (node.updates(), node.main_pid()) == (before, pid)


def test_the_watchdog_ends_a_daemon_that_hangs(node: ServingNode, figures: dict[str, str]) -> None:
    """A daemon that stands still is replaced after 30 s to a minute, and nobody upstream notices."""
    before, pid = node.updates(), node.main_pid()
    node.machine.run(f"kill -STOP {pid}")
    replaced = "pid=$(systemctl show -p MainPID --value rdnbr); [ $pid != 0 ] && [ $pid != " + pid + " ]"
    figures["hung daemon replaced"] = f"{node.machine.until(replaced, 120, 'the watchdog'):.0f} s"
    node.wait_until_active()
    assert "watchdog" in node.machine.run("journalctl -u rdnbr -n 40 -o cat").lower()
    assert node.updates() == before


def test_routes_stay_over_a_stop_and_the_next_start_serves_them(node: ServingNode) -> None:
    run = node.machine.run
    before = node.updates()
    run("systemctl stop rdnbr")
    assert run("node-routes").strip() == "4"
    assert run("ip neigh show nud permanent | grep -c 'dev vmbr1.*rdnbr'").strip() == "4"
    assert node.machine.attempt("rdnbr show").returncode != 0
    run("upstream ping 100")
    run("systemctl start rdnbr")
    assert node.updates() == before
