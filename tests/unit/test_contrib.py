"""What is shipped: the package, and the files under contrib/ that need neither root nor a network to be judged."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rdnbr import __version__
from rdnbr.core.fib.backend import PROTOCOL
from rdnbr.core.model.address import parse_ip, parse_mac
from rdnbr.core.policy.allowlist import Claimant, parse

ROOT = Path(__file__).parents[2]
CONTRIB = ROOT / "contrib"


def output(command: list[str]) -> tuple[int, str]:
    """Run it somewhere else, and return its exit code and all it said."""
    done = subprocess.run(
        command,
        check=False,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (built,) = folder.iterdir()
    return built


def test_the_wheel_has_every_module_and_nothing_else(wheel: Path) -> None:
    """The wheel has all modules, the mark that they are typed, and the licence; no tests, no captures."""
    names = zipfile.ZipFile(wheel).namelist()
    folder = f"rdnbr-{__version__}.dist-info"
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "rdnbr").rglob("*.py")}
    assert {name for name in names if not name.startswith(folder)} == ours | {"rdnbr/py.typed"}
    assert f"{folder}/licenses/LICENSE" in names


def test_the_wheel_runs(wheel: Path) -> None:
    """What the wheel calls `rdnbr` can be run from it."""
    entry = zipfile.ZipFile(wheel).read(f"rdnbr-{__version__}.dist-info/entry_points.txt").decode()
    assert "rdnbr = rdnbr.__main__:main" in entry.splitlines()
    program = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}); sys.argv = ['rdnbr', '--version'];"
        "import rdnbr.__main__ as main; print(main.__file__); sys.exit(main.main())"
    )
    said = f"{wheel}/rdnbr/__main__.py\nrdnbr {__version__}\n"
    assert output([sys.executable, "-c", program]) == (0, said)


def test_the_example_allowlist_means_what_it_says() -> None:
    """The example has no mistake, and pins and denies as its comments tell."""
    allowlist = parse([("allowlist.example", (CONTRIB / "allowlist.example").read_text())])
    guest = Claimant(parse_mac("52:02:45:76:d2:35"), "tap100i0", "vmbr1", 100, None)
    other = Claimant(parse_mac("52:02:45:76:d2:36"), "tap101i0", "vmbr1", 101, None)

    def answers(address: str) -> list[str]:
        return [allowlist.authorize(parse_ip(address), who).reason or "permitted" for who in (guest, other)]

    assert answers("192.0.2.77") == ["permitted", "permitted"]
    assert answers("192.0.2.1") == ["denied", "denied"]
    assert answers("192.0.2.30") == ["permitted", "pinned"]
    assert answers("2001:db8:100::80") == ["permitted", "pinned"]
    assert answers("2001:db8:100:0:101::9") == ["pinned", "permitted"]
    assert answers("8.8.8.8") == ["not-permitted", "not-permitted"]


def test_the_bridge_has_the_gateways_addresses() -> None:
    """The example of a node's network has the bridge of the design, with a fixed MAC and no uplink."""
    text = (CONTRIB / "network" / "interfaces").read_text()
    stanza = text.partition("iface vmbr1 inet static\n")[2]
    options = [line.split(maxsplit=1) for line in stanza.splitlines() if not line.strip().startswith("#")]
    assert ["address", "169.254.0.1/32"] in options
    assert ["address", "fe80::1/64"] in options
    assert ["bridge-ports", "vmbr1keep"] in options
    assert "iface vmbr1keep inet manual\n    link-type dummy\n" in text
    (mac,) = (parse_mac(option[1]) for option in options if option[0] == "hwaddress")
    assert mac[0] & 3 == 2, "locally administered, and no group"


def test_the_protocol_has_its_name() -> None:
    """The name for `ip` is that of the number that the daemon installs with."""
    lines = (CONTRIB / "iproute2" / "rdnbr.conf").read_text().splitlines()
    assert [line.split() for line in lines if not line.startswith("#")] == [[str(PROTOCOL), "rdnbr"]]


def unit() -> dict[str, list[str]]:
    options: dict[str, list[str]] = {}
    for line in (CONTRIB / "rdnbr.service").read_text().splitlines():
        if re.match(r"\w+=", line):
            name, _, value = line.partition("=")
            options.setdefault(name, []).append(value)
    return options


def test_the_unit_has_two_capabilities() -> None:
    """The service may do what packet sockets and routes need, is not root, and can reach no network but by them."""
    options = unit()
    assert options["CapabilityBoundingSet"] == options["AmbientCapabilities"] == ["CAP_NET_ADMIN CAP_NET_RAW"]
    assert options["User"] == options["Group"] == ["rdnbr"]
    assert "DynamicUser" not in options
    (line,) = (
        line
        for line in (CONTRIB / "debian" / "rdnbr.sysusers").read_text().splitlines()
        if not line.startswith("#")
    )
    assert line.split()[:2] == ["u", "rdnbr"]
    assert options["RestrictAddressFamilies"] == ["AF_UNIX AF_NETLINK AF_PACKET"]


def test_the_unit_waits_for_a_bridge() -> None:
    """A node without its bridge yet is no failure, and the daemon starts after what makes bridges on Debian."""
    options = unit()
    assert options["ExecStart"] == ["rdnbr run --wait"]
    assert {"networking.service", "systemd-networkd.service"} <= set(options["After"][0].split())


def test_the_unit_starts_again_and_takes_no_route_along() -> None:
    """After a crash or a hang the daemon is started again, and nothing in the unit runs when it stops."""
    options = unit()
    assert (options["Restart"], options["StartLimitIntervalSec"]) == (["always"], ["0"])
    assert options["RestartPreventExitStatus"] == ["2 78"]  # not 1: Python ends so after an exception
    assert (options["Type"], options["WatchdogSec"], options["KillMode"]) == (["notify"], ["30"], ["mixed"])
    assert [name for name in options if name.startswith("ExecStop") or name == "PrivateNetwork"] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd's systemd-analyze")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """The unit gives systemd nothing to complain of, and an exposure of 1.5 or less."""
    text = (CONTRIB / "rdnbr.service").read_text()
    path = tmp_path / "rdnbr.service"
    path.write_text(re.sub(r"^(Exec\w+=)rdnbr ", r"\1/bin/true ", text, flags=re.MULTILINE))
    assert output(["systemd-analyze", "verify", "--man=no", str(path)]) == (0, "")
    rate = ["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=15", str(path)]
    assert output(rate)[0] == 0


@pytest.mark.skipif(shutil.which("vtysh") is None, reason="needs FRR's vtysh")
@pytest.mark.parametrize("path", sorted((CONTRIB / "frr").glob("*.conf")), ids=lambda path: path.name)
def test_frr_understands_its_configuration(path: Path) -> None:
    """Vtysh finds no unknown command in the configurations for FRR."""
    check = ["vtysh", "--dryrun", "--inputfile", str(path)]
    assert output(check) == (0, "")


@pytest.mark.parametrize(
    "script", ["run", "test", "setup", "packages", "debian/build", "debian/root", "debian/test", "../.ci/run"]
)
def test_scripts_are_ready_to_run(script: str) -> None:
    """Each script may be executed, and bash finds it well-formed."""
    path = CONTRIB / script
    assert path.stat().st_mode & 0o111
    assert output(["bash", "-n", str(path)]) == (0, "")
