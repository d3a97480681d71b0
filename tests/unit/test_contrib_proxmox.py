"""What is shipped for Proxmox besides the generator: the bridge, the units, the hookscript, and what README shows."""

import re
import shutil
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.policy.allowlist import Claimant, parse

CONTRIB = Path(__file__).parents[2] / "contrib"
PROXMOX = CONTRIB / "proxmox"


def options(path: Path) -> list[str]:
    """Return the options of vmbr1 in a file for ifupdown2, whatever the number of its stanzas."""
    found = re.findall(r"^iface vmbr1 inet6? static\n((?: +.*\n?)+)", path.read_text(), flags=re.MULTILINE)
    lines = [" ".join(line.split()) for stanza in found for line in stanza.splitlines()]
    return [line for line in lines if not line.startswith("#")]


def test_the_bridge_is_the_one_of_every_hypervisor() -> None:
    """Bridge and keeper are those of contrib/network, in the stanzas and with the ports that Proxmox has."""
    ours, others = options(PROXMOX / "interfaces"), options(CONTRIB / "network" / "interfaces")
    changed = {
        "bridge-mcsnoop off": "bridge-mcsnoop no",
        "bridge-ports-condone-regex ^(tap|veth|fwpr|vnet)[0-9]": "bridge-ports-condone-regex ^(tap|veth|fwpr)[0-9]",
    }
    assert sorted(ours) == sorted(changed.get(option, option) for option in others)
    assert (
        "auto vmbr1keep\niface vmbr1keep inet manual\n    link-type dummy\n"
        in (PROXMOX / "interfaces").read_text()
    )


def test_running_guests_stay_in_the_bridge() -> None:
    """Of a bridge's ports, ifreload leaves guests' alone, and nobody else's."""
    (regex,) = re.findall(r"bridge-ports-condone-regex (.+)", (PROXMOX / "interfaces").read_text())
    for port in ("tap100i0", "veth101i0", "fwpr102p0"):
        assert re.match(regex, port)
    for port in ("eno1", "bond0", "vmbr1keep", "tapestry"):
        assert not re.match(regex, port)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd's systemd-analyze")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """Service and timer give systemd nothing to complain of, and the service's exposure is 2.0 or less."""
    for name in ("rdnbr-proxmox-allowlist.service", "rdnbr-proxmox-allowlist.timer"):
        text = (PROXMOX / name).read_text()
        (tmp_path / name).write_text(
            text.replace("ExecStart=rdnbr-proxmox-allowlist ", "ExecStart=/bin/true ")
        )
    paths = [str(path) for path in tmp_path.iterdir()]
    verify = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (verify.returncode, verify.stdout, verify.stderr) == (0, "", "")
    service = str(tmp_path / "rdnbr-proxmox-allowlist.service")
    rate = ["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=20", service]
    assert subprocess.run(rate, capture_output=True, check=False, timeout=60).returncode == 0


def hook(tmp_path: Path, phase: str, systemctl: str) -> tuple[int, str, str]:
    """Run the hookscript with a systemctl that does this, and return its exit code, stderr, and what it asked for."""
    stub = tmp_path / "systemctl"
    stub.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n{systemctl}\n')
    stub.chmod(0o755)
    done = subprocess.run(
        [str(PROXMOX / "hookscript"), "100", phase],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    asked = tmp_path / "asked"
    return done.returncode, done.stderr, asked.read_text() if asked.exists() else ""


def test_the_hookscript_asks_before_the_start(tmp_path: Path) -> None:
    """Before a guest starts, the service is run."""
    assert hook(tmp_path, "pre-start", "exit 0") == (0, "", "start rdnbr-proxmox-allowlist.service\n")


@pytest.mark.parametrize("phase", ["post-start", "pre-stop", "post-stop"])
def test_the_hookscript_does_nothing_else(tmp_path: Path, phase: str) -> None:
    """In all other phases nothing is run: the allowlist has no part in them."""
    assert hook(tmp_path, phase, "exit 0") == (0, "", "")


def test_the_hookscript_keeps_nobody_from_starting(tmp_path: Path) -> None:
    """When the allowlist cannot be had, that is told, and the guest starts: a hook that failed would prevent it."""
    code, said, _ = hook(tmp_path, "pre-start", "exit 1")
    assert code == 0
    assert said == (
        "rdnbr: the allowlist may not know guest 100 yet: systemctl status rdnbr-proxmox-allowlist\n"
    )


def test_the_hookscript_waits_ten_seconds_at_most() -> None:
    """What it waits for is bounded."""
    assert "timeout 10 systemctl" in (PROXMOX / "hookscript").read_text()


def test_the_program_is_called_as_the_service_calls_it() -> None:
    """The package has the program that service, hookscript and README name."""
    scripts = tomllib.loads((PROXMOX / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["rdnbr-proxmox-allowlist"].partition(":")
    assert callable(getattr(import_module(module), function))


def test_the_rules_in_readme_mean_what_it_says() -> None:
    """The example has no mistake, and permits to that guest what the text tells."""
    (example,) = re.findall(r"```\n(# vm .*?)```", (PROXMOX / "README.md").read_text(), flags=re.DOTALL)
    allowlist = parse([("README.md", example)])
    mac = parse_mac("52:02:45:76:d2:35")

    def answer(address: str, vm: int) -> str:
        who = Claimant(mac, f"tap{vm}i0", "vmbr1", vm, None)
        return allowlist.authorize(parse_ip(address), who).reason or "permitted"

    assert answer("2.57.57.30", 100) == "permitted"
    assert answer("2.57.57.30", 101) == "pinned"
    assert answer("2001:db8:1::5", 100) == "permitted"
    assert answer("2001:db8:1::9", 100) == "denied"
