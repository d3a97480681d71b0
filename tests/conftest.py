"""What all tests share: who may run here, and that nothing is left behind."""

import os
import platform
import shutil
import signal
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from rdnbr.lab import frr
from rdnbr.lab.namespace import existing, leftovers, own_prefix, remove

LONG = float(os.environ.get("RDNBR_LONG", "1"))
"""How many times as many examples as usual are tried of whatever may happen."""

# All tests there need root. To import them takes seconds.
collect_ignore = ["debian", "e2e", "netns", "node_vm"] if "RDNBR_QUICK" in os.environ else []

settings.register_profile("rdnbr", settings.default, max_examples=int(100 * LONG))
settings.load_profile("rdnbr")

# What a shell starts in the background is deaf to Ctrl-C, and so would be all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _own_release() -> str:
    """Return the version of this machine's Debian if there are packages for it, else 12."""
    with suppress(OSError):
        version = platform.freedesktop_os_release().get("VERSION_ID", "")
        return version if version in ("12", "13") else "12"
    return "12"


@cache
def _no_mirror() -> str:
    """Return why no mirror of Debian can be read, or nothing."""
    mirror = Path(__file__).parents[1] / "contrib" / "debian" / "mirror"
    done = subprocess.run([mirror, "trixie"], check=False, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quiet-seconds",
        type=float,
        default=15.0,
        help="how long 200 quiet guests are watched (the acceptance asks for 300)",
    )
    parser.addoption(
        "--flood-seconds",
        type=float,
        default=3.0,
        help="how long one guest floods (the acceptance asks for 10)",
    )
    parser.addoption(
        "--restarts",
        type=int,
        default=4,
        help="how often a daemon with 200 guests is killed and started again (the acceptance asks for 20)",
    )
    parser.addoption("--restart-seed", type=int, help="of the moments they are killed at, as it was printed")
    parser.addoption(
        "--stop-ports",
        type=int,
        default=300,
        help="on how many ports a daemon listens that is stopped (the acceptance asks for 1,000)",
    )
    parser.addoption(
        "--walk",
        type=int,
        default=100_000,
        help="how many addresses one guest claims (the acceptance asks for 1,000,000)",
    )
    parser.addoption(
        "--soak-seconds",
        type=float,
        default=16.0,
        help="how long guests come and go while faults strike (the acceptance asks for 600)",
    )
    parser.addoption(
        "--mutations",
        type=int,
        default=30,
        help="how many of the mutations are tried, from all over the list (the acceptance asks for all)",
    )
    parser.addoption("--soak-seed", type=int, help="the seed of a soak that failed, to see it again")
    parser.addoption(
        "--arrived-seconds",
        type=float,
        default=4.0,
        help="how long captured guests are played after they have moved (the longest capture has 61)",
    )
    parser.addoption(
        "--moves",
        type=int,
        default=2,
        help="how often a guest moves from a node that does not notice (the acceptance asks for 20)",
    )
    parser.addoption(
        "--stopped-seconds",
        type=float,
        default=5.0,
        help="how long the daemon's process stands still (the acceptance asks for 60)",
    )
    parser.addoption(
        "--debian",
        choices=["12", "13", "both"],
        default=_own_release(),
        help="the releases for which the Debian packages are built and installed",
    )
    parser.addoption(
        "--node-vm",
        action="store_true",
        help="boot the emulated node and run the first of its tests, which takes some twenty minutes",
    )
    parser.addoption(
        "--node-vm-long",
        action="store_true",
        help="run all tests in the emulated node, which takes half an hour, and not only the first of them",
    )
    parser.addoption(
        "--node-vm-restarts",
        type=int,
        default=20,
        help="how often the daemon of the emulated node is restarted, and half as often killed",
    )
    parser.addoption(
        "--only",
        choices=["crowd", "alone"],
        help="the tests that may run beside others, or those that measure time or load and may not",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what was asked for with `--only`."""
    only = config.getoption("--only")
    if only is None:
        return
    kept, dropped = [], []
    for item in items:
        alone = item.get_closest_marker("alone") is not None
        (kept if alone == (only == "alone") else dropped).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=dropped)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here; in CI it fails instead, so that nothing is skipped unnoticed."""
    reasons = []
    if item.get_closest_marker("root") or item.get_closest_marker("frr"):
        if os.geteuid() != 0:
            reasons.append("needs root, to make network namespaces")
        if shutil.which("ip") is None or shutil.which("nsenter") is None:
            reasons.append("needs iproute2 and util-linux")
    if item.get_closest_marker("frr") and not frr.installed():
        reasons.append("needs FRR (Debian: apt-get install frr)")
    if item.get_closest_marker("debian") and shutil.which("mmdebstrap") is None:
        reasons.append("needs mmdebstrap (Debian: apt-get install mmdebstrap)")
    if (
        not reasons
        and {"debian", "node_vm"} & {mark.name for mark in item.iter_markers()}
        and (why := _no_mirror())
    ):
        pytest.skip(why)  # in CI too: no change of the project can mend that
    if reasons and os.environ.get("CI"):
        pytest.fail(", ".join(reasons), pytrace=False)
    if reasons:
        pytest.skip(", ".join(reasons))


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left():
    """Fail the session when a test leaves a network namespace of a lab behind, and remove it."""
    yield
    left = existing(own_prefix())
    remove(left)
    assert not left, f"tests left network namespaces behind: {', '.join(left)}"
    if os.geteuid() == 0:
        remove(leftovers())
