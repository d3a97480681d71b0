"""The command line as people and scripts meet it: a process, its output and its exit code."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from rdnbr.operator.commands.help_text import GROUPS
from rdnbr.operator.commands.parser import parser

pytestmark = pytest.mark.slow  # each test starts processes

HEAVY = ("rich", "scapy", "pyroute2", "structlog", "cachetools", "prometheus_client")

BINDING = {
    "address": "2.57.57.30",
    "family": 4,
    "mac": "52:02:45:76:d2:35",
    "port": "tap100i0",
    "bridge": "vmbr1",
    "vlan": None,
    "vm": 100,
    "state": "valid",
    "installed": True,
    "source": "arp-request",
    "since": "2024-05-01T12:00:00.000+00:00",
    "last_seen": "2024-05-01T12:00:00.000+00:00",
    "rule": None,
}


def rdnbr(*args, **options):
    return subprocess.run(
        [sys.executable, "-m", "rdnbr", *map(str, args)],
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
        **options,
    )


@pytest.fixture
def daemon(tmp_path):
    """Stand in for a daemon: gives the replies it was told to give, and keeps what it was asked."""
    path = tmp_path / "s"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    asked = []

    def answer_with(*replies):
        def serve():
            try:
                peer, _ = listener.accept()
            except OSError:  # the test is over, and nobody has asked
                return
            with peer, peer.makefile("rwb") as lines:
                for reply in replies:
                    if not asked or asked[-1]["command"] != "watch":  # to which each reply is a decision
                        line = lines.readline()
                        if not line:
                            return
                        asked.append(json.loads(line))
                    lines.write(json.dumps(reply).encode() + b"\n")
                    lines.flush()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        return path, asked

    yield answer_with
    listener.close()


def test_version():
    """The version is told."""
    assert rdnbr("--version").stdout == "rdnbr 0.1.0\n"


def test_no_command_at_all():
    """Whoever types the name alone is shown what there is, with the exit code of wrong usage."""
    done = rdnbr()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == rdnbr("--help").stdout


def test_an_address_with_a_length_is_no_address():
    """A prefix where one address is meant is named as the mistake."""
    done = rdnbr("explain", "2.57.57.30/32")
    assert done.returncode == 2
    assert done.stderr.endswith("argument ADDRESS: '2.57.57.30/32' has a length; name one address\n")


def test_the_socket_of_another_configuration(tmp_path):
    """A client finds the daemon by its configuration file, as the daemon found its socket."""
    config = tmp_path / "rdnbr.toml"
    config.write_text(f'socket = "{tmp_path}/other"\n')
    done = rdnbr("show", "--config", config)
    assert (done.returncode, f"no daemon answers on {tmp_path}/other" in done.stderr) == (1, True)


def test_a_configuration_that_is_not_there(tmp_path):
    """A configuration that was named and is missing is not passed over: the daemon asked would be another one."""
    done = rdnbr("reload", "--config", tmp_path / "new.toml")
    assert done.returncode == 2
    assert f"there is no {tmp_path}/new.toml; name the configuration that" in done.stderr


def test_a_word_too_many_is_answered_with_the_usage_of_the_command():
    """A file without its flag, say, is answered with the flags there are."""
    done = rdnbr("check", "/etc/rdnbr/allowlist")
    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert lines[0].startswith("usage: rdnbr check [-h] [--config F] [--allowlist F]")
    assert lines[-1] == "rdnbr check: error: unrecognized arguments: /etc/rdnbr/allowlist"


def test_resync_names_what_to_compare_with():
    """The flag is asked for: the daemon itself compares with the kernel unasked."""
    done = rdnbr("resync")
    assert done.returncode == 2
    assert done.stderr.endswith("the following arguments are required: --frr\n")


def test_help_names_every_command_and_exit_code():
    """The first page of help has all commands, examples and exit codes."""
    shown = rdnbr("--help").stdout
    commands = (
        "run reload flush probe resync show explain watch metrics version check allowlist doctor replay lab"
    )
    for command in commands.split():
        assert f"\n  {command} " in shown
    for title in ("examples:", "files:", "exit codes:"):
        assert f"\n{title}\n" in shown
    assert max(map(len, shown.splitlines())) <= 110


@pytest.mark.parametrize("command", [name for group in GROUPS.values() for name in group])
def test_help_of_a_command(command):
    """Each command explains itself, with an example."""
    done = rdnbr(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: rdnbr {command} ")
    assert "\nexamples:\n  " in done.stdout
    assert f"rdnbr {command}" in done.stdout.partition("\nexamples:\n")[2]


@pytest.mark.parametrize(
    "args",
    [("shwo",), ("show", "everything"), ("probe",), ("probe", "vm100"), ("flush", "1.2.3"), ("replay",),
     ("replay", "x", "--tail", "-1"), ("run", "--log-level", "loud"), ("check", "--con", "x")],
)  # fmt: skip
def test_wrong_usage(args):
    """A wrong command line is exit code 2, and says what is wrong."""
    done = rdnbr(*args)
    assert done.returncode == 2
    assert "rdnbr" in done.stderr.splitlines()[-1]
    assert "error: " in done.stderr.splitlines()[-1]


def test_addresses_are_written_one_way():
    """An address is sent in its usual form, however it was typed."""
    assert parser().parse_args(["flush", "2001:DB8:0::1"]).address == "2001:db8::1"


@pytest.mark.parametrize(
    "command", [("show",), ("show", "ports", "--json"), ("watch",), ("reload",), ("probe", "::2")]
)
def test_no_daemon(tmp_path, command):
    """Without a daemon: exit code 1 and one sentence."""
    done = rdnbr(*command, "--socket", tmp_path / "s")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"rdnbr: no daemon answers on {tmp_path}/s; is rdnbr running? (systemctl status rdnbr)\n"
    )


def test_show_json(daemon):
    """What the daemon says is printed as one document."""
    document = {"mode": "open", "bindings": [BINDING]}
    path, asked = daemon({"ok": True, "result": document})
    done = rdnbr("show", "--json", "--socket", path)
    assert json.loads(done.stdout) == document
    assert done.returncode == 0
    assert asked == [{"command": "bindings"}]


def test_show_table(daemon):
    """People get a table."""
    path, _ = daemon({"ok": True, "result": {"mode": "allowlist", "bindings": [BINDING]}})
    done = rdnbr("show", "--socket", path)
    assert done.stdout.splitlines()[1].split()[:3] == ["ADDRESS", "MAC", "PORT"]
    assert "2.57.57.30" in done.stdout


def test_refusal(daemon):
    """What the daemon refuses is exit code 1 and the daemon's sentence."""
    path, asked = daemon({"ok": False, "error": "192.0.2.1 is not bound"})
    done = rdnbr("probe", "192.0.2.1", "--socket", path)
    assert (done.returncode, done.stderr) == (1, "rdnbr: 192.0.2.1 is not bound\n")
    assert asked == [{"command": "probe", "address": "192.0.2.1"}]


def test_flush(daemon):
    """What the daemon did is printed."""
    path, asked = daemon({"ok": True, "result": {"message": "withdrew 2 bindings"}})
    done = rdnbr("flush", "--all", "--socket", path)
    assert (done.returncode, done.stdout) == (0, "withdrew 2 bindings\n")
    assert asked == [{"command": "flush"}]


@pytest.mark.parametrize(
    ("options", "words"),
    [((), "name an address or a port, or say --all"), (("--all", "2.57.57.30"), "not both")],
)
def test_flush_of_everything_is_said(tmp_path, options, words):
    """Without a terminal, everything is withdrawn only where --all says so."""
    done = rdnbr("flush", *options, "--socket", tmp_path / "s", stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert words in done.stderr


@pytest.mark.parametrize(("typed", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_flush_asks_on_a_terminal(daemon, typed, code):
    """On a terminal a question comes first; anything but yes withdraws nothing."""
    path, asked = daemon({"ok": True, "result": {"message": "withdrew 2 bindings"}})
    ours, theirs = os.openpty()
    os.write(ours, f"{typed}\n".encode())
    with os.fdopen(theirs) as terminal:
        done = rdnbr("flush", "--socket", path, stdin=terminal)
    os.close(ours)
    assert "all guests of this node. Withdraw them? [y/N]" in done.stderr
    assert done.returncode == code
    assert asked == ([{"command": "flush"}] if typed == "y" else [])


@pytest.mark.parametrize("command", [("reload",), ("flush", "2.57.57.30"), ("flush", "tap100i0")])
def test_results_as_json(daemon, command):
    """With --json the daemon's result is one document."""
    path, _ = daemon({"ok": True, "result": {"message": "done"}})
    assert rdnbr(*command, "--json", "--socket", path).stdout == '{"message": "done"}\n'


def probed(seen, state="valid"):
    """Return the daemon's replies to a probe of which the guest was last seen at a second."""
    probe = {"message": "probed 2.57.57.30 on tap100i0", "at": "2024-05-01T12:00:05.000+00:00"}
    binding = {**BINDING, "last_seen": f"2024-05-01T12:00:{seen}+00:00", "state": state}
    return [{"ok": True, "result": probe}, {"ok": True, "result": {"bindings": [binding]}}]


def test_probe_says_the_answer(daemon):
    """The answer is awaited: a guest that was heard before the probe has not answered yet."""
    path, _ = daemon(*probed("04.900"), *probed("05.012")[1:])
    done = rdnbr("probe", "2.57.57.30", "--socket", path)
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            "probed 2.57.57.30 on tap100i0",
            "52:02:45:76:d2:35 on tap100i0 was heard 12 ms later; the binding is valid",
        ],
    )


def test_probe_json(daemon):
    """The keys of the document are promised."""
    path, _ = daemon(*probed("05.012"))
    assert json.loads(rdnbr("probe", "2.57.57.30", "--json", "--socket", path).stdout) == {
        "message": "probed 2.57.57.30 on tap100i0",
        "at": "2024-05-01T12:00:05.000+00:00",
        "answered": True,
        "mac": "52:02:45:76:d2:35",
        "port": "tap100i0",
        "state": "valid",
        "after": 0.012,
    }


def test_probe_of_an_older_daemon(daemon):
    """A daemon that does not say when it has probed is not waited for."""
    path, _ = daemon({"ok": True, "result": {"message": "probed 2.57.57.30"}})
    done = rdnbr("probe", "2.57.57.30", "--socket", path)
    assert (done.returncode, done.stdout) == (0, "probed 2.57.57.30\n")


def test_allowlist_from_bindings(daemon):
    """The rules go to the standard output, for each address that is routed."""
    path, asked = daemon({"ok": True, "result": {"bindings": [BINDING]}})
    done = rdnbr("allowlist", "--from-bindings", "--socket", path)
    assert done.stdout.splitlines()[-1].split() == ["2.57.57.30", "vm=100", "#", "tap100i0,", "valid"]
    assert asked == [{"command": "bindings"}]


@pytest.mark.parametrize(
    ("rules", "code"), [("2.57.57.0/24\n", 0), ("2.57.57.30 vm=101\n", 1), ("nonsense\n", 1)]
)
def test_check_against(daemon, tmp_path, rules, code):
    """A file that would withdraw somebody is exit code 1, as a mistake in it is; with a mistake nobody is asked."""
    (tmp_path / "new").write_text(rules)
    port = {"port": "tap100i0", "bridge": "vmbr1"}
    path, asked = daemon(
        {"ok": True, "result": {"bindings": [BINDING]}}, {"ok": True, "result": {"ports": [port]}}
    )
    options = ("--allowlist", tmp_path / "new", "--against", "--socket", path)
    done = rdnbr("check", *options, "--json")
    document = json.loads(done.stdout)
    assert done.returncode == code
    assert len(document["mistakes"]) == (rules == "nonsense\n")
    assert len(asked) == (0 if rules == "nonsense\n" else 2)
    if rules != "nonsense\n":
        refused = [one["address"] for one in document["refused"]]
        assert refused == (["2.57.57.30"] if code else [])


@pytest.mark.parametrize(("daemons", "code"), [("0.1.0", 0), ("0.0.9", 1)])
def test_versions(daemon, daemons, code):
    """A daemon that an upgrade has left behind is exit code 1."""
    since = "2024-05-01T12:00:00.000+00:00"
    path, _ = daemon({"ok": True, "result": {"version": daemons, "since": since}})
    done = rdnbr("version", "--json", "--socket", path)
    document = {"version": "0.1.0", "daemon": daemons, "since": since}
    assert (done.returncode, json.loads(done.stdout)) == (code, document)


def test_version_without_a_daemon(tmp_path):
    """Without a daemon the command's version is told alone."""
    done = rdnbr("version", "--socket", tmp_path / "s")
    assert done.returncode == 0
    assert done.stdout.startswith("rdnbr 0.1.0; no daemon answers")


def test_check_shows_the_configuration(tmp_path):
    """With --show the values are there, with their origin; in JSON too."""
    (tmp_path / "c").write_text("[timers]\nreprobe = 10\n")
    shown = rdnbr("check", "--show", "--config", tmp_path / "c").stdout
    assert f"reprobe = 10.0                                      # {tmp_path}/c:2\n" in shown
    document = json.loads(rdnbr("check", "--show", "--json", "--config", tmp_path / "c").stdout)
    assert {"key": ["timers", "reprobe"], "value": 10.0, "from": f"{tmp_path}/c:2"} in document[
        "configuration"
    ]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_show_again_and_again(daemon, options):
    """With --watch it goes on after the first table or document, and Ctrl-C ends it well."""
    path, _ = daemon({"ok": True, "result": {"mode": "open", "bindings": [BINDING]}})
    command = [sys.executable, "-m", "rdnbr", "show", "--watch", *options, "--socket", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert any("2.57.57.30" in line for line in process.stdout)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
    assert (process.returncode, stderr) == (0, "")


def test_watch_json(daemon):
    """Each decision is a line of JSON, until the daemon stops."""
    decision = {"at": "2024-05-01T12:00:00+00:00", "decision": "learned"}
    path, _ = daemon({"ok": True, "result": {"watching": True}}, decision, decision)
    done = rdnbr("watch", "--json", "--socket", path)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [decision, decision]
    assert (done.returncode, done.stderr) == (0, "rdnbr: the daemon has stopped\n")


def test_watch_frames(daemon):
    """The frame that the daemon sends in hexadecimal is printed in words, as the last key."""
    decision = dict.fromkeys(("address", "mac", "port", "rule"))
    decision |= {"at": "2024-05-01T12:00:00+00:00", "decision": "refused", "reason": "denied"}
    sent = [{**decision, "frame": "ff" * 5}, {**decision, "frame": None}, {"missed": 2}]
    words = "5 bytes, too short for an Ethernet frame"
    path, asked = daemon({"ok": True, "result": {"watching": True}}, *sent)
    done = rdnbr("watch", "--json", "--frames", "--socket", path)
    assert asked == [{"command": "watch", "frames": True}]
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {**decision, "frame": words},
        *sent[1:],
    ]
    assert [*json.loads(done.stdout.splitlines()[0])][-1] == "frame"


def test_watch_frames_as_text(daemon):
    """The frame is in words on the line below its decision; a decision without a frame is one line."""
    decision = dict.fromkeys(("address", "mac", "port", "rule"))
    decision |= {"at": "2024-05-01T12:00:00+00:00", "decision": "refused", "reason": "denied"}
    path, _ = daemon(
        {"ok": True, "result": {"watching": True}},
        {**decision, "frame": "ff" * 5},
        {**decision, "frame": None},
    )
    first, frame, second = rdnbr("watch", "--frames", "--socket", path).stdout.splitlines()
    assert (first, frame) == (second, "      frame: 5 bytes, too short for an Ethernet frame")


def test_interrupted(tmp_path):
    """Ctrl-C is no traceback."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", "rdnbr", "show", "--socket", path], stderr=subprocess.PIPE, text=True
        )
        peer, _ = listener.accept()  # it asks, and waits
        with peer:
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=10)
    assert (process.returncode, stderr) == (130, "")


def test_broken_pipe():
    """A reader that goes away is no traceback."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "rdnbr", "check"],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("command", [("show", "--json"), ("--version",), ("check",)])
def test_starts_light(tmp_path, command):
    """Commands that need no library do not wait for one to be imported."""
    socket_option = ["--socket", str(tmp_path / "s")] if command[0] == "show" else []
    script = (
        "import sys\nfrom rdnbr import cli\n"
        f"try:\n    cli.main({[*command, *socket_option]!r})\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "heavy:"


@pytest.mark.parametrize(
    "module",
    [
        "daemon.loop",
        "operator.commands.check",
        "operator.doctor.command",
        "operator.explain.command",
        "operator.resync.command",
    ],
)
def test_without_pyroute2(module):
    """Neither the daemon nor a command that reads the kernel spends what pyroute2 or prometheus_client costs."""
    script = (
        f"import sys, rdnbr.{module}; sys.exit(bool({{'pyroute2', 'prometheus_client'}} & {{*sys.modules}}))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_check_names_five_mistakes(tmp_path):
    """Five mistakes in an allowlist are five lines that name file and line."""
    (tmp_path / "allowlist").write_text(
        "2.57.57.300\n2.57.57.1/24\n# fine\n2.57.57.0/24 prot=tap100i0\n0.0.0.0/0\n2.57.57.9 mac=52:02\n"
    )
    done = rdnbr("check", "--allowlist", tmp_path / "allowlist")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert [line.split(": ")[0] for line in lines] == [f"{tmp_path}/allowlist:{n}" for n in (1, 2, 4, 5, 6)]


def test_check_names_mistakes_of_all_files(tmp_path):
    """Mistakes in the configuration do not hide those in the allowlist."""
    (tmp_path / "c.toml").write_text(f'allowlist = "{tmp_path}/a"\n[timers]\nreprob = 1\n')
    (tmp_path / "a").write_text("nonsense\n")
    lines = rdnbr("check", "--config", tmp_path / "c.toml").stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{tmp_path}/c.toml:3", f"{tmp_path}/a:1"]


def test_check_of_a_missing_allowlist(tmp_path):
    """An allowlist that is named and missing is a mistake."""
    done = rdnbr("check", "--allowlist", tmp_path / "none")
    assert done.returncode == 1
    assert done.stdout.startswith(f"{tmp_path}/none:1: no such file")


def test_check_finds_nothing(tmp_path):
    """Without a mistake it says what was read."""
    (tmp_path / "a").write_text("2.57.57.30\n2.57.57.31\n")
    done = rdnbr("check", "--allowlist", tmp_path / "a")
    assert (done.returncode, done.stdout) == (0, "no mistakes; 2 rules in the allowlist\n")


def test_check_of_an_empty_allowlist(tmp_path):
    """An allowlist without rules is no mistake, and it is said what comes of it."""
    (tmp_path / "a").touch()
    done = rdnbr("check", "--allowlist", tmp_path / "a")
    assert (done.returncode, done.stdout) == (
        0,
        "no mistakes; 0 rules in the allowlist, and none permits anything\n",
    )


@pytest.mark.parametrize("option", ["--config", "--allowlist"])
def test_run_with_a_missing_file(tmp_path, option):
    """A file named on the command line that is missing stops the start with exit code 1."""
    done = rdnbr("run", option, tmp_path / "none")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{tmp_path}/none:1: ")


def test_run_with_a_broken_allowlist(tmp_path):
    """An allowlist with a mistake stops the start with exit code 1; that of the unit with 78, which is final."""
    (tmp_path / "a").write_text("nonsense\n")
    for flags, code in (((), 1), (("--wait",), 78)):
        done = rdnbr("run", "--allowlist", tmp_path / "a", *flags)
        assert done.returncode == code
        assert done.stderr.startswith(f"{tmp_path}/a:1: ")
