"""Where each value of the configuration comes from."""

from pathlib import Path

import pytest

from rdnbr.config.config import CommandLine, examine
from rdnbr.config.provenance import as_toml, values_in_force

FILE = """\
bridges = ["vmbr1"]
[timers]
reprobe = 10
[port]
addresses_ipv4 = 5
[ports."tap1*"]
mac_check = "off"
"""


@pytest.fixture
def shown(tmp_path):
    """Return what is in force with a file and a command line: the values by key."""

    def read(text=FILE, **given):
        path = tmp_path / "rdnbr.toml"
        path.write_text(text)
        config, _ = examine(CommandLine(config=path, **given))
        return config, {value.path: value for value in values_in_force(config)}

    return read


def test_origins(shown, tmp_path):
    """A value is from a line of the file, from the command line, or the default; exceptions inherit from [port]."""
    _, values = shown(allowlist=Path("/srv/a"))
    origins = {path: value.origin.replace(str(tmp_path), "") for path, value in values.items()}
    assert origins["bridges",] == "/rdnbr.toml:1"
    assert origins["timers", "reprobe"] == "/rdnbr.toml:3"
    assert origins["ports", "tap1*", "mac_check"] == "/rdnbr.toml:7"
    assert origins["ports", "tap1*", "addresses_ipv4"] == "/rdnbr.toml:5"
    assert origins["ports", "tap1*", "addresses_ipv6"] == origins["timers", "challenge"] == "default"
    assert origins["allowlist",] == "command line"


@pytest.mark.parametrize("text", [FILE, "", 'socket = "/a\\"b"\n[metrics]\ntextfile = "/x.prom"\n'])
def test_what_is_shown_is_a_configuration(shown, tmp_path, text):
    """The lines, read again, are the same configuration."""
    config, values = shown(text)
    path = tmp_path / "again.toml"
    path.write_text("\n".join(as_toml(list(values.values()))))
    again, problems = examine(CommandLine(config=path))
    assert problems == []
    assert (again.settings, again.metrics, again.socket) == (config.settings, config.metrics, config.socket)


def test_without_a_file(tmp_path, monkeypatch):
    """Without a file everything is the default, and so is what a file with mistakes leaves out."""
    monkeypatch.setattr("rdnbr.config.config.CONFIG", tmp_path / "none.toml")
    config, _ = examine(CommandLine())
    assert {value.origin for value in values_in_force(config)} == {"default"}
