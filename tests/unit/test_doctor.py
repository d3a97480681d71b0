"""What `rdnbr doctor` prints, for people and for programs."""

import json
import socket
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from rdnbr.operator.doctor.command import json_document, text_lines
from rdnbr.operator.findings.cure import Cure
from rdnbr.operator.findings.finding import note, problem, warning

FINDINGS = [
    problem(
        "bridge-down", "vmbr1", "the bridge is down", Cure(("ip link set vmbr1 up",), ("ifup",), "if meant")
    ),
    warning("open-mode", "daemon", "there is no allowlist", Cure.advise("write one")),
    warning(
        "allowlist-overlap", "a:2", "192.0.2.1 is an address of this node", Cure.advise("remove the rule")
    ),
    note("frr-missing", "frr", "FRR is not installed", Cure.run("arptables -F", in_guest=True)),
]


def doctor(*args):
    return subprocess.run(
        [sys.executable, "-m", "rdnbr", "doctor", *map(str, args)],
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )


def test_document():
    """The document's keys and their order are promised."""
    assert json.dumps(json_document(FINDINGS[:1])) == (
        '{"findings": [{"name": "bridge-down", "severity": "problem", "about": "vmbr1", '
        '"message": "the bridge is down", "cure": "ip link set vmbr1 up", "commands": ["ip link set vmbr1 up"], '
        '"lasting": ["ifup"], "advice": "if meant", "in_guest": false, '
        '"accepted": false}], "problems": 1, "warnings": 0, "notes": 0, "accepted": 0}'
    )


def test_lines():
    """People read what is wrong, its name, and the cure below; the last line counts."""
    assert text_lines(FINDINGS, "vmbr1") == [
        "problem: vmbr1: the bridge is down [bridge-down]",
        "    cure: if meant",
        "        ip link set vmbr1 up",
        "    to make it last:",
        "        ifup",
        "warning: daemon: there is no allowlist [open-mode]",
        "    cure: write one",
        "warning: a:2: 192.0.2.1 is an address of this node [allowlist-overlap]",
        "    cure: remove the rule",
        "note: frr: FRR is not installed [frr-missing]",
        "    cure: in the guest:",
        "        arptables -F",
        "1 problem, 2 warnings, 1 note; looked at vmbr1",
    ]


def test_accepted_findings():
    """What is accepted comes last, without its cure, and does not count; an acceptance in vain is named."""
    lines = text_lines(FINDINGS[:2], "vmbr1", ("open-mode", "frr-missing"))
    assert lines == [
        "problem: vmbr1: the bridge is down [bridge-down]",
        *FINDINGS[0].cure.lines(),
        "accepted: daemon: there is no allowlist [open-mode]",
        "1 problem, 1 accepted, accepted and not found: frr-missing; looked at vmbr1",
    ]
    document = json_document(FINDINGS, ("open-mode",))
    assert [one["accepted"] for one in document["findings"]] == [False, True, False, False]
    assert [document[key] for key in ("problems", "warnings", "notes", "accepted")] == [1, 1, 1, 1]


def test_nothing_to_mend():
    """Of a right node it is said what was looked at."""
    assert text_lines([], "vmbr1, the daemon") == ["nothing to mend; looked at vmbr1, the daemon"]


@pytest.fixture
def files(tmp_path):
    """Name the files of `doctor` in a directory of the test's own."""
    (tmp_path / "c.toml").write_text(f'socket = "{tmp_path}/s"\nallowlist = "{tmp_path}/a"\n')
    (tmp_path / "a").write_text("2.57.57.0/24\n")
    return tmp_path


def names(files):
    done = doctor("--json", "--config", files / "c.toml", "--bridge", "no such bridge")
    document = json.loads(done.stdout)
    assert done.returncode == 1
    return {(one["about"], one["name"]): one["message"] for one in document["findings"]}


def test_mistakes_in_files_are_problems(files):
    """Mistakes in both files are found, each at its line."""
    (files / "a").write_text("2.57.57.0/24\nnonsense\n")
    (files / "c.toml").write_text((files / "c.toml").read_text() + "[timers]\nreprob = 1\n")
    found = names(files)
    assert (f"{files}/a:2", "mistake-in-file") in found
    assert (f"{files}/c.toml:4", "mistake-in-file") in found


def test_no_daemon(files):
    """That no daemon runs is found; with an allowlist, open mode is not."""
    found = names(files)
    assert ("daemon", "daemon-not-running") in found
    assert ("daemon", "open-mode") not in found


@pytest.mark.parametrize("mode", ["open", "allowlist"])
def test_a_daemon(files, mode):
    """The daemon that runs says itself by what it judges."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(files / "s"))
        listener.listen()

        def serve():
            with suppress(OSError):  # the listener is closed at the end
                while True:
                    peer, _ = listener.accept()
                    with peer, peer.makefile("rwb") as stream:
                        stream.readline()
                        stream.write(
                            json.dumps({"ok": True, "result": {"mode": mode, "ports": []}}).encode() + b"\n"
                        )

        threading.Thread(target=serve, daemon=True).start()
        found = names(files)
    assert ("daemon", "daemon-not-running") not in found
    assert (("daemon", "open-mode") in found) == (mode == "open")


def test_a_daemon_that_does_not_answer(files):
    """A daemon that hangs up is said to be unseen, and neither running nor stopped."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(files / "s"))
        listener.listen()

        def hang_up():
            with suppress(OSError):  # the listener is closed at the end
                while True:
                    listener.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        found = names(files)
    said = f"the daemon was not looked at: the daemon on {files}/s hung up without an answer"
    assert found["daemon", "not-seen"] == said
    assert ("daemon", "daemon-not-running") not in found
