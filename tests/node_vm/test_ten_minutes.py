"""README's way from a Debian 13 with a network to a guest that is reached through BGP."""

import pytest

from tests.node_vm.serving_node import ServingNode

pytestmark = [pytest.mark.node_vm, pytest.mark.root, pytest.mark.slow, pytest.mark.alone]


@pytest.mark.timeout(2400)  # the image and the package may have to be built before
def test_readme_leads_to_a_guest_that_the_upstream_reaches(
    node: ServingNode, figures: dict[str, str]
) -> None:
    run = node.machine.run
    for guest in (100, 101):
        run(f"upstream ping {guest}")
    told = run("rdnbr show")
    for address in ("2.57.57.100", "2001:678:3a4:100::101"):
        assert address in told
    assert "4 bindings, 4 routed" in told
    assert "171" not in run("ip route show proto 171"), "iproute2 knows the name"
    doctor = node.machine.attempt("rdnbr doctor")
    assert doctor.returncode == 0, doctor.stdout
    figures["boot"] = f"{node.machine.booted_in:.0f} s"
    figures["first start to ready"] = f"{node.seconds_to_ready():.1f} s"
    figures["memory of the daemon"] = run(
        "awk '/VmRSS/ {print $2 / 1024 \" MiB\"}' /proc/$(systemctl show -p MainPID --value rdnbr)/status"
    ).strip()
    figures["kernel"] = run("uname -r").strip()
