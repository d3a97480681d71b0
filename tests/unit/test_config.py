"""The configuration file, its mistakes, and the allowlist's files."""

from dataclasses import fields
from pathlib import Path

import pytest

from rdnbr.config.config import CommandLine, Config, ConfigError, Log, examine, load_allowlist, load_config
from rdnbr.config.toml_lines import Toml
from rdnbr.core.model.settings import Limits, PortPolicy, Routes, Settings, Timers
from rdnbr.core.policy.allowlist import AllowlistError

KNOWN = (
    "known here: bridges, allowlist, socket, enforce, on_stop, log, doctor, metrics, "
    "timers, limits, port, ports, routes, mobility"
)
EXAMPLE = Path(__file__).parents[2] / "contrib" / "rdnbr.toml"


@pytest.fixture
def mistakes(tmp_path):
    """Return what is wrong with a configuration, as `line: message`."""

    def read(text):
        path = tmp_path / "rdnbr.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        _, problems = examine(CommandLine(config=path))
        assert all(problem.file == str(path) for problem in problems)
        return [f"{problem.line}: {problem.message}" for problem in problems]

    return read


@pytest.fixture
def config(tmp_path):
    def read(text, **given):
        path = tmp_path / "rdnbr.toml"
        path.write_text(text)
        return load_config(CommandLine(config=path, **given))

    return read


def test_all_defaults(tmp_path, monkeypatch):
    """Without a file, everything has its default."""
    monkeypatch.setattr("rdnbr.config.config.CONFIG", tmp_path / "none.toml")
    assert load_config() == Config()


def test_named_file_is_missing(tmp_path):
    """A file named on the command line has to be there."""
    with pytest.raises(ConfigError) as caught:
        load_config(CommandLine(config=tmp_path / "none.toml"))
    assert str(caught.value) == (
        f"{tmp_path}/none.toml:1: cannot be read: No such file or directory; check the name"
    )


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            '[port]\nmac_check = "off"\nmobility = "newest-wins"\n',
            "3: unknown key 'mobility' in [port]; it belongs above the first [table]",
        ),
        ("reprobe = 3.0\n", "1: unknown key 'reprobe'; it belongs in [timers]"),
        ("[timers]\naddresses = 3\n", "2: unknown key 'addresses' in [timers]; it belongs in [limits]"),
    ],
)
def test_a_key_in_the_wrong_place(mistakes, text, mistake):
    """A key that stands below a table is that table's for TOML: where it belongs is said."""
    assert mistakes(text) == [mistake]


def test_values(config):
    """Every kind of value is read."""
    read = config(
        'bridges = ["vmbr1", "vmbr2*"]\nsocket = "/tmp/s"\n'
        '[log]\nlevel = "debug"\n[timers]\nreprobe = 10\nprobe_count = 3\n[limits]\nprobes_per_second = 50\n'
    )
    assert read.bridges == ("vmbr1", "vmbr2*")
    assert read.socket == Path("/tmp/s")
    assert read.log == Log(level="debug", format="auto")
    assert read.settings == Settings(Timers(reprobe=10.0, probe_count=3), Limits(probes_per_second=50))
    assert isinstance(read.settings.timers.reprobe, float)


def test_every_setting_can_be_written_in_the_file(config):
    """The keys are those of the settings: written with their defaults, they are all understood."""
    lines = []
    for table, values in (("timers", Timers()), ("limits", Limits()), ("routes", Routes())):
        lines.append(f"[{table}]")
        lines += [f"{item.name} = {getattr(values, item.name)!r}".lower() for item in fields(values)]
    assert config('mobility = "withdrawal"\n' + "\n".join(lines)).settings == Settings()


def test_example_has_every_key_and_its_default():
    """The commented example in contrib holds the defaults, and leaves no timer or limit out."""
    read = load_config(CommandLine(config=EXAMPLE))
    assert read == Config(given=CommandLine(config=EXAMPLE))
    values = Toml(EXAMPLE.read_text()).values
    assert set(values["timers"]) == {item.name for item in fields(Timers)}
    assert set(values["limits"]) == {item.name for item in fields(Limits)}
    assert set(values["routes"]) == {item.name for item in fields(Routes)}
    assert "mobility" in values


def test_what_a_stop_does_is_one_of_two_words(config, mistakes):
    """A stop keeps routes unless the file says otherwise, in one of the words there are for it."""
    assert config("").on_stop == "keep"
    assert config('on_stop = "withdraw"\n').on_stop == "withdraw"
    assert mistakes('on_stop = "flush"\n') == ['1: on_stop must be one of "keep", "withdraw", not "flush"']


def test_enforcement_has_two_halves(config, mistakes):
    """`macs` is the cheap half, true is both, and false is the default. Words and numbers are neither."""
    values = ("", "enforce = false\n", 'enforce = "macs"\n', "enforce = true\n")
    read = [config(text) for text in values]
    assert [one.enforce for one in read] == [False, False, "macs", True]
    assert [one.pins_macs for one in read] == [False, False, True, True]
    assert [one.filters_sources for one in read] == [False, False, False, True]
    for wrong, shown in (('"yes"', '"yes"'), ("1", "1"), ('"true"', '"true"')):
        assert mistakes(f"enforce = {wrong}\n") == [
            f'1: enforce must be one of false, "macs", true, not {shown}'
        ]
    assert mistakes('enforce = "mac"\n')[0].endswith('; did you mean "macs"?')


@pytest.mark.parametrize(
    "wrong",
    ["0.0.0.0:9171", "192.0.2.1:9171", "::1:9171", "[::]:9171", "localhost:9171", "127.0.0.1", "127.0.0.1:0"],
)
def test_figures_are_not_for_the_network(config, mistakes, wrong):
    """Figures are served on a loopback address of either family, or written to a file."""
    assert config('[metrics]\nlisten = "[::1]:9171"\n').metrics.listen == "[::1]:9171"
    assert config('[metrics]\ntextfile = "/a.prom"\n').metrics.textfile == Path("/a.prom")
    (mistake,) = mistakes(f'[metrics]\nlisten = "{wrong}"\n')
    assert mistake.startswith('2: listen must be a loopback address and a port such as "127.0.0.1:9171" or ')


def test_metrics_that_are_no_distance(config, mistakes):
    """A metric may have all bits below zebra's administrative distance, and 0; mobility is one of two words."""
    read = config('mobility = "newest-wins"\n[routes]\nmetric_ipv4 = 16777215\nmetric_ipv6 = 0\n')
    assert read.settings == Settings(
        mobility="newest-wins", routes=Routes(metric_ipv4=16_777_215, metric_ipv6=0)
    )
    assert mistakes('mobility = "newest"\n[routes]\nmetric_ipv4 = 16777216\nmetric_ipv6 = -1\n') == [
        '1: mobility must be one of "withdrawal", "newest-wins", not "newest"; did you mean "newest-wins"?',
        "3: metric_ipv4 must be a whole number from 0 to 16777215, not 16777216",
        "4: metric_ipv6 must be a whole number from 0 to 16777215, not -1",
    ]


def test_command_line_wins(config):
    """What the command line says wins over the file."""
    read = config(
        'bridges = ["a"]\nallowlist = "/a"\n[log]\nlevel = "error"\nformat = "json"\n',
        bridges=("b",),
        allowlist=Path("/b"),
        log_level="debug",
    )
    assert read.bridges == ("b",)
    assert read.allowlist == Path("/b")
    assert read.log == Log("debug", "json")


def test_allowlist_directory_lies_beside_the_file(config):
    """The directory of an allowlist has its name, and `.d`."""
    assert Config().allowlist_directory == Path("/etc/rdnbr/allowlist.d")
    assert config('allowlist = "/srv/who"').allowlist_directory == Path("/srv/who.d")


def test_naming_an_allowlist_requires_it(config):
    """An allowlist is required when the file or the command line names it."""
    assert not config("").allowlist_named
    assert config('allowlist = "/a"').allowlist_named
    assert config("", allowlist=Path("/a")).allowlist_named


def test_every_mistake_is_named(mistakes):
    """Mistakes of all kinds are found in one go, with their lines and cures."""
    assert mistakes(
        'bridge = ["vmbr1"]\n'
        "\n"
        'socket = "run/x"\n'
        "[log]\n"
        'level = "inf"\n'
        "format = console\n"
        "[timers]\n"
        "# comment\n"
        "reprob = 30\n"
        "probe_count = 2.5\n"
        'departed = "300s"\n'
        "challenge = -1\n"
        "tentative = nan\n"
        "[limts]\n"
    ) == [
        "1: unknown key 'bridge'; did you mean 'bridges'?",
        '3: socket must be a path in quotes that begins with /, not "run/x"',
        '5: level must be one of "debug", "info", "warning", "error", not "inf"; did you mean "info"?',
        '6: Invalid value (a text needs quotes, as in level = "info"; true and false are lower case)',
        "9: unknown key 'reprob' in [timers]; did you mean 'reprobe'?",
        "10: probe_count must be a whole number without quotes or unit from 1 to 1000000, not 2.5",
        '11: departed must be a number without quotes or unit from 0.01 to 86400, not "300s"',
        "12: challenge must be a number from 0.01 to 86400, not -1",
        "13: tentative must be a number from 0.01 to 86400, not nan",
        "14: unknown table [limts]; did you mean 'limits'?",
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("bridges = 'vmbr1'", '1: bridges must be a list of names such as ["vmbr1", "vmbr2*"], not "vmbr1"'),
        ("\nlog = 3", "2: log is a table: write [log], and under it its keys: level, format"),
        (
            "[timers]\nreprobe = true",
            "2: reprobe must be a number without quotes or unit from 0.01 to 86400, not true",
        ),
        ("timers.reprobe = 1e9", "1: reprobe must be a number from 0.01 to 86400, not 1000000000.0"),
        (
            "colour = 1",
            f"1: unknown key 'colour'; {KNOWN}",
        ),
        ("a = 1\na = 2", "2: Cannot overwrite a value (the key is set twice, remove one of them)"),
        (b"# fine\nsocket = '\xff'", "2: byte 0xff is not UTF-8; save the file as UTF-8"),
        ("# A form feed: \x0c\n", "1: Found invalid character '\\x0c'"),
        (
            "# fine\r\ncolor = 1\r\n",
            f"2: unknown key 'color'; {KNOWN}",
        ),
        ("\nbridges = " + "[" * 2000, "2: Too many brackets within brackets (close each with ] or })"),
        ("\nreprobe = " + "9" * 5000, "2: A number has too many digits (put text into quotes)"),
    ],
)
def test_one_mistake(mistakes, text, mistake):
    """A mistake is named with its line and cure."""
    assert mistake in mistakes(text)


def test_line_separators_that_only_unicode_knows(config):
    """A character that Unicode calls a line separator ends no line, in a text or in a comment."""
    assert config('# one\u2028line\nbridges = ["vm\x85br1"]').bridges == ("vm\x85br1",)


def test_mistake_cannot_command_a_terminal(tmp_path):
    """Whatever a file has in it, a mistake is told in one line of printable characters."""
    path = tmp_path / "rdnbr.toml"
    path.write_text('"\\u001b[2J" = 1\n["a\\n\\u009b"]\n')
    _, problems = examine(CommandLine(config=path))
    assert [str(problem) for problem in problems] == [
        f"{path}:1: unknown key '\\x1b[2J'; {KNOWN}",
        f"{path}:2: unknown table [a\\n\\x9b]; {KNOWN}",
    ]


def test_unclosed_array(mistakes):
    """An array that is not closed is one mistake, in the line it begins in."""
    assert mistakes('bridges = ["vmbr1",\n  "vmbr2"\n[log]\nlevel = "info"\n') == [
        "1: Unclosed array (close it with ])"
    ]


def test_line_of_a_value_that_spans_lines(mistakes):
    """A mistake after a value of several lines is told with its own line."""
    assert mistakes('bridges = [\n  "a",\n  "b",\n]\n\n# x\nnone = [\n 1,\n]\n') == [
        f"7: unknown key 'none'; {KNOWN}"
    ]


def test_directory_for_a_file(tmp_path):
    """A directory where a file should be is a mistake, not a traceback."""
    _, problems = examine(CommandLine(config=tmp_path))
    assert [str(problem) for problem in problems] == [f"{tmp_path}:1: this is a directory; name a file"]


def test_allowlist_in_order(tmp_path):
    """The main file comes first, then those of the directory by name; others are left out."""
    main, directory = tmp_path / "allowlist", tmp_path / "allowlist.d"
    directory.mkdir()
    main.write_text("192.0.2.1\n")
    (directory / "20.conf").write_text("192.0.2.3\n")
    (directory / "10.conf").write_text("192.0.2.2\n")
    (directory / "10.conf~").write_text("nonsense\n")
    (directory / ".hidden.conf").write_text("nonsense\n")
    allowlist = load_allowlist(main, directory, required=True)
    assert [rule.where for rule in allowlist.rules] == [
        f"{main}:1",
        f"{directory}/10.conf:1",
        f"{directory}/20.conf:1",
    ]


def test_no_allowlist(tmp_path):
    """Without any file there is no allowlist."""
    assert load_allowlist(tmp_path / "a", tmp_path / "a.d", required=False) is None


def test_empty_allowlist_is_one(tmp_path):
    """A file without rules is an allowlist that permits nothing, not the lack of one."""
    (tmp_path / "a").write_text("# nobody yet\n")
    assert load_allowlist(tmp_path / "a", tmp_path / "a.d", required=False) is not None


def broken(tmp_path, *, required=False):
    with pytest.raises(AllowlistError) as caught:
        load_allowlist(tmp_path / "a", tmp_path / "a.d", required=required)
    return [str(problem).replace(str(tmp_path), "") for problem in caught.value.problems]


def test_required_allowlist_is_missing(tmp_path):
    """A required allowlist that is missing is a mistake."""
    assert broken(tmp_path, required=True) == [
        "/a:1: no such file, and no /a.d/*.conf; make one, an empty one permits nothing"
    ]


def test_directory_alone_is_an_allowlist(tmp_path):
    """Files in the directory are enough, also where an allowlist is required."""
    (tmp_path / "a.d").mkdir()
    (tmp_path / "a.d" / "x.conf").write_text("192.0.2.1\n")
    assert load_allowlist(tmp_path / "a", tmp_path / "a.d", required=True) is not None


def test_all_unreadable_files_and_mistakes_are_named(tmp_path):
    """Files that cannot be read and mistakes in others are all told, and no rule counts."""
    (tmp_path / "a").write_bytes(b"192.0.2.1\n\xe4\n")
    (tmp_path / "a.d").mkdir()
    (tmp_path / "a.d" / "1.conf").mkdir()
    (tmp_path / "a.d" / "2.conf").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a.d" / "3.conf").write_text("\n\nnonsense\n")
    found = broken(tmp_path)
    assert found[:3] == [
        "/a:2: byte 0xe4 is not UTF-8; save the file as UTF-8",
        "/a.d/1.conf:1: this is a directory; name a file",
        "/a.d/2.conf:1: cannot be read: No such file or directory; check the name",
    ]
    assert len(found) == 4
    assert found[3].startswith("/a.d/3.conf:3: ")


def test_directory_is_a_file(tmp_path):
    """A directory that cannot be listed never passes for an empty one."""
    (tmp_path / "a.d").write_text("")
    assert broken(tmp_path) == ["/a.d:1: cannot be listed: Not a directory"]


def test_policy_of_some_ports(config):
    """A port's own policy fills in from [port] what it leaves out."""
    read = config('[port]\naddresses_ipv6 = 8\n[ports."tap1*"]\naddresses_ipv4 = 2\n')
    assert read.settings.policy("tap100i0") == PortPolicy(addresses_ipv4=2, addresses_ipv6=8)
    assert read.settings.policy("veth200i0") == PortPolicy(addresses_ipv6=8)


def test_mistake_in_the_policy_of_some_ports(mistakes):
    """A mistake under [ports] is found like any other."""
    assert mistakes('[ports."tap1*"]\nmac_check = "offf"\n') == [
        '2: mac_check must be one of "strict", "log", "off", not "offf"; did you mean "off"?'
    ]
