"""The manual pages: complete, up to date, and without a warning of groff and mandoc."""

import shutil
import subprocess
from dataclasses import fields

import pytest

from rdnbr.config.config import Doctor, Log, Metrics
from rdnbr.core.model.reason import Reason
from rdnbr.core.model.settings import Limits, PortPolicy, Routes, Timers
from rdnbr.core.policy.rule_parser import FLAGS, QUALIFIERS
from rdnbr.operator.commands.help_text import GROUPS
from rdnbr.operator.metrics.catalogue import METRICS
from tests.man_pages import CONTRIB, MAN, PAGES


def text(page):
    """Return a page without the marks of roff."""
    return (MAN / page).read_text().replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")


@pytest.mark.parametrize("page", PAGES)
def test_is_up_to_date(page):
    """The pages are made of the code and the examples; `python -m tests.man_pages` brings them up to date."""
    assert (MAN / page).read_text() == PAGES[page]()


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "command", [("groff", "-ww", "-Kutf8", "-man", "-Tutf8", "-z"), ("mandoc", "-T", "lint", "-W", "warning")]
)
def test_no_warnings(page, command):
    """Neither formatter has anything to warn of."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([*command, MAN / page], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_commands():
    """Every command, reason and metric is in rdnbr(8)."""
    shown = text("rdnbr.8")
    for names in GROUPS.values():
        for name in names:
            assert f'.SS "rdnbr {name}"\n' in shown
    for name in (*map(str, Reason), *(metric.name for metric in METRICS)):
        assert f"\n.TP\n{name}" in shown


def test_keys():
    """Every key of the configuration is in rdnbr.toml(5), with its default."""
    shown = text("rdnbr.toml.5")
    for kind in (Timers, Limits, PortPolicy, Routes, Log, Doctor, Metrics):
        for field in fields(kind):
            assert f"\n{field.name} = " in shown, field.name
    assert '\nallowlist = "/etc/rdnbr/allowlist"\n' in shown


def test_grammar():
    """Every qualifier and every flag is in rdnbr-allowlist(5), and the whole example."""
    shown = text("rdnbr-allowlist.5")
    for name in QUALIFIERS:
        assert f"\n.TP\n{name}=" in shown
    for name in FLAGS:
        assert f"\n.TP\n{name}\n" in shown
    for line in (CONTRIB / "allowlist.example").read_text().split("\n\n", 1)[1].splitlines():
        assert line in shown
