"""A node that serves guests: rdnbr from its package, FRR, the guests and the BGP upstream."""

import re
from pathlib import Path

from tests.node_vm.machine import Machine

_TOP = Path(__file__).parents[2]


class ServingNode:
    """The node after README's "On a hypervisor", with a checkout in /root/rdnbr."""

    def __init__(self, machine: Machine, package: Path) -> None:
        """Bring the checkout and its package, and no more."""
        self.machine = machine
        machine.send(_TOP / "contrib", "/root/rdnbr/contrib")
        machine.send(package.parent, "/root/rdnbr/dist/debian13")

    def install(self) -> None:
        """Follow README word for word: bridge, package, service; then FRR by contrib's file, with our prefixes."""
        run = self.machine.run
        run(
            "cd /root/rdnbr; mkdir -p /etc/network/interfaces.d /etc/iproute2/rt_tables.d\n"
            "cp contrib/network/interfaces /etc/network/interfaces.d/vmbr1; ifreload -a"
        )
        for command in readme_commands():
            if not command.startswith("contrib/debian/build"):  # it has been built on this machine
                run(
                    f"cd /root/rdnbr; export DEBIAN_FRONTEND=noninteractive\n{command} || [ $? = 1 ]",
                    within=300,
                )
        run(
            "printf '2.57.57.0/24\\n2001:678:3a4:100::/64\\n' >/etc/rdnbr/allowlist; systemctl reload rdnbr\n"
            "sed -e 's#192.0.2.0/24#2.57.57.0/24#; s#2001:db8:100::/40#2001:678:3a4:100::/64#' "
            "/root/rdnbr/contrib/frr/frr.conf >/etc/frr/frr.conf\n"
            "upstream start; systemctl restart frr",
            within=300,
        )

    def add_guests(self, *numbers: int, already: int = 0) -> None:
        """Plug guests in beside those that are there, and wait until the node has their routes."""
        self.machine.run(
            f"for number in {' '.join(map(str, numbers))}; do guest add $number; done", within=900
        )
        self.wait_for_routes(2 * (already + len(numbers)))

    def routes(self) -> int:
        """Return how many host routes of rdnbr the node has."""
        return int(self.machine.run("node-routes"))

    def wait_for_routes(self, count: int, within: float = 90.0) -> float:
        """Wait until the node has so many host routes, and return how long it took."""
        return self.machine.until(f"[ $(node-routes) = {count} ]", within, f"{count} routes")

    def wait_for_paths(self, count: int, within: float = 90.0) -> float:
        """Wait until the upstream has so many host routes, and return how long it took."""
        return self.machine.until(f"[ $(upstream paths) = {count} ]", within, f"{count} paths upstream")

    def wait_until_active(self, within: float = 120.0) -> float:
        """Wait until systemd says that the daemon is ready, and return how long it took."""
        return self.machine.until('[ "$(systemctl is-active rdnbr)" = active ]', within, "the daemon")

    def updates(self) -> int:
        """Return how many UPDATE messages the upstream has received."""
        return int(self.machine.run("upstream updates"))

    def seconds_to_ready(self) -> float:
        """Return how long the daemon's latest start took, by systemd's clock."""
        told = self.machine.run(
            "systemctl show -p ExecMainStartTimestampMonotonic -p ActiveEnterTimestampMonotonic --value rdnbr"
        )
        started, ready = sorted(map(int, told.split()))
        return (ready - started) / 1e6

    def main_pid(self) -> str:
        """Return the process of the daemon."""
        return self.machine.run("systemctl show -p MainPID --value rdnbr").strip()


def readme_commands() -> list[str]:
    """Return the commands of README's "To install it permanently", without their comments."""
    text = (_TOP / "README.md").read_text()
    block = re.search(r"^To install it permanently.*?\n\n((?:    .*\n)+)", text, re.MULTILINE)
    assert block is not None
    return [line.split("  #")[0].strip() for line in block[1].splitlines()]
