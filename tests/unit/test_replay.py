"""Replay around the captures: what counts as outgoing, how files merge, how the clock runs, what is printed."""

import json
from pathlib import Path

import pytest
from capture_bytes import interface, option, packet, pcap_header, pcap_record, section
from pcaps_make import (
    GATEWAY4,
    GUEST,
    GUEST4,
    GUEST6,
    NODE,
    NODE_ADVERTISES,
    NODE_ANSWERS,
    OTHER,
    OTHER4,
    announcement,
    arp,
    dad,
    na,
    ns,
    sllao,
    tllao,
)

from rdnbr.replay.replay import main

T = 1_700_000_000


@pytest.fixture
def write(tmp_path: Path):
    """Write a pcap of frames with their times in seconds, and return its path."""

    def write(name: str, *frames: tuple[float, bytes]) -> Path:
        path = tmp_path / name
        path.write_bytes(pcap_header() + b"".join(pcap_record(data, T + at) for at, data in frames))
        return path

    return write


@pytest.fixture
def replay(capsys):
    """Replay and return the decisions and the summary of `--json`."""

    def replay(*paths: Path, **options: object) -> tuple[list[dict], dict]:
        assert main(paths, json=True, **options) == 0
        *decisions, last = map(json.loads, capsys.readouterr().out.splitlines())
        return decisions, last["summary"]

    return replay


def told(decisions: list[dict]) -> list[tuple[str, str, str]]:
    return [(made["decision"], made["reason"], made["address"]) for made in decisions]


def test_json_names_are_as_promised(write, replay):
    """A decision a line, then the summary, under the promised names and in their order."""
    decisions, summary = replay(write("tap100i0.pcap", (0, arp()), (1, announcement("127.0.0.1"))))
    assert decisions[0] == {
        "at": "2023-11-14T22:13:20.000+00:00",
        "address": "2.57.57.30",
        "mac": "bc:24:11:00:01:00",
        "port": "tap100i0",
        "decision": "learned",
        "reason": "awaiting-answer",
        "state": "tentative",
        "rule": None,
        "rival_mac": None,
        "rival_port": None,
    }
    assert list(decisions[0]) == [
        "at",
        "address",
        "mac",
        "port",
        "decision",
        "reason",
        "state",
        "rule",
        "rival_mac",
        "rival_port",
    ]
    assert summary == {
        "frames": 2,
        "claims": 2,
        "refused": {"special-address": 1},
        "ignored": {},
        "mode": "open",
        "bindings": [
            {
                "address": "2.57.57.30",
                "family": 4,
                "mac": "bc:24:11:00:01:00",
                "port": "tap100i0",
                "bridge": "vmbr1",
                "vlan": None,
                "vm": 100,
                "state": "valid",
                "installed": True,
                "source": "arp-request",
                "since": "2023-11-14T22:13:20.000+00:00",
                "last_seen": "2023-11-14T22:13:20.001+00:00",
                "rule": None,
                "unsent": None,
                "physical_mac": None,
            }
        ],
        "kernel": [
            "ip -4 neigh add 2.57.57.30 lladdr bc:24:11:00:01:00 dev vmbr1 nud permanent protocol 171",
            "ip -4 route add 2.57.57.30/32 dev vmbr1 proto 171",
        ],
    }


REQUEST = f"{GUEST} > ff:ff:ff:ff:ff:ff, ARP request, who has 169.254.0.1, tell {GUEST4} ({GUEST})"


def test_frames_in_json_are_the_last_key(write, replay):
    """A captured frame is named in the words of the field; a timer and a simulated guest's answer have none."""
    decisions, _ = replay(write("tap100i0.pcap", (0, arp())), frames=True, tail=1000)
    assert {list(made)[-1] for made in decisions} == {"frame"}
    learned, *others = decisions
    assert (learned["decision"], learned["frame"]) == ("learned", REQUEST)
    assert [made["frame"] for made in others] == [None] * len(others) != []


def test_frames_in_text_are_below_their_decisions(write, capsys):
    """The line of a frame is below the decision that it caused; without the option the output has none."""
    capture = write(
        "tap100i0.pcap", (0, arp()), (1, announcement("127.0.0.1")), (2, announcement("127.0.0.1"))
    )
    assert main([capture]) == 0
    plain = capsys.readouterr().out.splitlines()
    assert main([capture], frames=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith("      frame: ")] == plain
    learned, refused = (
        next(n for n, line in enumerate(lines) if word in line) for word in ("learned", "special-address  ")
    )
    assert lines[learned + 1] == f"      frame: {REQUEST}"
    assert "ARP announcement, 127.0.0.1" in lines[refused + 1]
    assert sum(line.startswith("      frame: ") for line in lines) == 2


@pytest.mark.parametrize("as_json", [True, False])
def test_same_input_same_output(write, capsys, as_json):
    """The same captures give the same output each time, byte for byte."""
    paths = [
        write("tap100i0.pcap", (0, arp()), (0.5, dad()), (70, arp())),
        write("tap101i0.pcap", (0, announcement(OTHER4, OTHER)), (0.5, announcement(GUEST4, OTHER))),
    ]
    outputs = set()
    for _ in range(3):
        assert main(paths, json=as_json) == 0
        outputs.add(capsys.readouterr().out)
    assert len(outputs) == 1


def test_with_silent_nobody_answers(write, replay):
    """Only frames of the capture count: an answer that is in it makes the binding, none is made up."""
    capture = write("tap100i0.pcap", (0, arp()), (0.2, arp(2)), (0.3, ns(sllao())))
    decisions, summary = replay(capture, silent=True)
    assert ("installed", "answered", GUEST4) in told(decisions)
    assert ("expired", "silent", GUEST6) in told(decisions)
    assert [found["address"] for found in summary["bindings"]] == [GUEST4]


def test_the_clock_runs_on_by_the_tail(write, replay):
    """What is pending after the last frame shows within the tail, and no further."""
    capture = write("tap100i0.pcap", (0, dad()))
    decisions, _ = replay(capture, tail=1.04)
    assert told(decisions) == [("learned", "awaiting-dad", GUEST6)]
    decisions, _ = replay(capture, tail=1.06)
    assert told(decisions) == [("learned", "awaiting-dad", GUEST6), ("installed", "answered", GUEST6)]


def test_a_tail_without_length(write, replay):
    """With no tail, nothing happens after the last frame."""
    decisions, _ = replay(write("tap100i0.pcap", (0, arp())), tail=0)
    assert told(decisions) == [("learned", "awaiting-answer", GUEST4)]


def test_deadlines_before_a_frame_are_judged_before_it(write, replay):
    """A guest that fell silent is withdrawn at its deadline, long before the next frame in the capture."""
    capture = write("tap100i0.pcap", (0, arp()), (0.2, arp(2)), (600, announcement(OTHER4, OTHER)))
    decisions, summary = replay(capture, silent=True, tail=0)
    assert summary["kernel"] == []
    withdrawn = next(made for made in decisions if made["decision"] == "withdrawn")
    # Asked after 30 s ± 25 %, then given 1 + 1.5 + 2.25 + 3.375 + 5.0625 s.
    assert "2023-11-14T22:13:55" < withdrawn["at"] < "2023-11-14T22:14:12"
    assert decisions[-1]["address"] == OTHER4


def test_quiet_guests_that_answer_stay(write, replay):
    """An hour of nothing but probes and their answers withdraws nobody."""
    decisions, summary = replay(write("tap100i0.pcap", (0, arp()), (0.1, ns(sllao()))), tail=3600)
    assert {made["decision"] for made in decisions} == {"learned", "installed", "refreshed"}
    assert [found["state"] for found in summary["bindings"]] == ["valid", "valid"]


def test_captures_are_ports_merged_by_time(write, replay):
    """Each file is a port, named after it, and frames come in the order of their times."""
    first = write("tap100i0.pcap", (1, arp()), (3, ns(sllao())))
    second = write("tap101i0.pcap", (2, announcement(OTHER4, OTHER)))
    decisions, _ = replay(first, second)
    learned = [(made["port"], made["address"]) for made in decisions if made["decision"] == "learned"]
    assert learned == [("tap100i0", GUEST4), ("tap101i0", OTHER4), ("tap100i0", GUEST6)]


def test_rotated_captures_are_one_port(write, replay):
    """The files of `tcpdump -C` (tap100i0.pcap, tap100i0.pcap1) are one port: nobody moved."""
    decisions, summary = replay(write("tap100i0.pcap", (0, arp())), write("tap100i0.pcap1", (9, arp())))
    assert {made["port"] for made in decisions} == {"tap100i0"}
    assert "challenged" not in {made["decision"] for made in decisions}
    assert len(summary["bindings"]) == 1


def test_port_and_bridge_by_option(write, replay):
    """`--port` and `--bridge` name what the capture does not."""
    _, summary = replay(write("x.pcap", (0, arp())), port="fwpr102p0", bridge="vmbr7")
    (found,) = summary["bindings"]
    assert (found["port"], found["vm"], found["bridge"]) == ("fwpr102p0", 102, "vmbr7")
    assert summary["kernel"][1] == "ip -4 route add 2.57.57.30/32 dev vmbr7 proto 171"


def test_a_clock_that_stepped_back(write, replay):
    """A frame stamped before its predecessor is taken at its predecessor's time."""
    decisions, summary = replay(write("tap100i0.pcap", (100, arp()), (10, ns(sllao()))))
    assert decisions[-1]["at"] == "2023-11-14T22:15:00.001+00:00"
    assert len(summary["bindings"]) == 2


def test_a_clock_that_went_back_is_told_of(write, capsys):
    """A line on the error output names the file, the first frame and the step; the capture is read to its end."""
    path = write("tap100i0.pcap", (100, arp()), (10, ns(sllao())), (11, arp()), (9.95, arp()), (5, arp()))
    assert main([path], json=True) == 0
    assert capsys.readouterr().err == (
        f"{path}: the clock goes back 3 times, first by 90.0 s at frame 2; "
        "a frame counts as no earlier than the frames before it\n"
    )


def test_frames_out_of_order_by_some_milliseconds_are_no_step_of_the_clock(write, capsys):
    """The frames of several processors are not in order, and nothing is told of that."""
    assert main([write("tap100i0.pcap", (1.0, arp()), (0.99, arp()))], json=True) == 0
    assert capsys.readouterr().err == ""


YEAR = 365 * 86_400


def changes(decisions: list[dict]) -> list[tuple[str, str]]:
    return [(made["decision"], made["reason"]) for made in decisions if made["decision"] != "refreshed"]


@pytest.mark.timeout(20)
def test_guest_that_answers_stays_through_a_gap_of_years(write, replay):
    """A guest that answers keeps its route through 60 years, and nothing is withdrawn and installed again."""
    decisions, summary = replay(write("tap100i0.pcap", (0, arp()), (30 * YEAR, arp()), (60 * YEAR, arp())))
    assert changes(decisions) == [("learned", "awaiting-answer"), ("installed", "answered")]
    assert [view["last_seen"][:4] for view in summary["bindings"]] == ["2083"]


@pytest.mark.timeout(20)
def test_guest_that_is_silent_is_withdrawn_at_its_time_in_a_gap_of_years(write, replay, tmp_path):
    """A guest that does not answer is withdrawn and forgotten when it would be in a short gap."""
    (tmp_path / "allowlist").write_text("2.57.57.0/24\n")
    given = {"silent": True, "allowlist": tmp_path / "allowlist"}
    short, _ = replay(write("tap100i0.pcap", (0, arp()), (500, arp())), **given)
    long, _ = replay(write("tap100i0.pcap", (0, arp()), (60 * YEAR, arp())), **given)
    withdrawn = [made for made in short if made["at"] < "2023-11-14T22:20"]
    assert ("withdrawn", "silent") in changes(withdrawn)
    assert long[: len(withdrawn)] == withdrawn


@pytest.mark.timeout(60)
def test_replay_takes_time_that_grows_with_the_file(write, replay):
    """A file whose every frame comes years after the frame before costs as much a frame as one with one gap."""
    frames = [(number * 0.5 * YEAR, arp() if number % 2 else ns(sllao())) for number in range(60)]
    decisions, summary = replay(write("tap100i0.pcap", *frames))
    assert {view["state"] for view in summary["bindings"]} == {"valid"}
    assert len(decisions) < 60 * 40


def test_a_jump_of_the_clock_is_told_of(write, capsys):
    """The error output says how many gaps were not played, and the length of the longest."""
    path = write("tap100i0.pcap", (0, arp()), (601, arp()), (601 + YEAR, arp()))
    assert main([path], json=True) == 0
    assert capsys.readouterr().err == (
        "the clock jumped over 2 long gaps, the longest of 365.0 days: "
        "probes that guests would have answered in them are not printed\n"
    )


def test_a_gap_of_ten_minutes_is_played(write, replay, capsys):
    """In a gap of ten minutes every probe and its answer is printed."""
    decisions, _ = replay(write("tap100i0.pcap", (0, arp()), (600, arp())))
    assert len([made for made in told(decisions) if made[:2] == ("refreshed", "answered")]) in range(17, 27)


@pytest.mark.parametrize("speaks", [NODE_ANSWERS, NODE_ADVERTISES])
def test_what_the_node_sends_is_no_claim(write, replay, speaks):
    """The first MAC that speaks from a gateway address is the node, also in frames before that."""
    early = announcement("2.57.57.99", NODE)
    decisions, summary = replay(write("tap100i0.pcap", (0, early), (1, speaks), (2, arp())))
    assert summary["ignored"] == {"outgoing": 2}
    assert [found["address"] for found in summary["bindings"]] == [GUEST4]
    assert decisions[0]["mac"] == NODE


def test_a_second_mac_with_the_gateway_address_is_a_thief(write, replay):
    """Once the node has shown itself, whoever else answers for the gateway is refused."""
    theft = arp(2, spa=GATEWAY4, tpa=OTHER4)
    decisions, summary = replay(write("tap100i0.pcap", (0, NODE_ANSWERS), (1, theft)))
    assert told(decisions)[-1] == ("refused", "own-address", GATEWAY4)
    assert summary["refused"] == {"own-address": 1}


def test_an_announcement_of_the_gateway_does_not_make_a_node(write, replay):
    """A guest that announces the gateway address before the node is heard is refused all the same."""
    decisions, _ = replay(write("tap100i0.pcap", (0, announcement(GATEWAY4)), (1, NODE_ANSWERS)))
    assert [(made["reason"], made["mac"]) for made in decisions] == [
        ("own-address", GUEST),
        ("outgoing", NODE),
    ]


def test_direction_in_the_file_outweighs_the_mac(tmp_path, replay):
    """A frame flagged inbound is a guest's, even with the node's MAC and address."""
    path = tmp_path / "x.pcapng"
    path.write_bytes(
        section()
        + interface(option(2, b"tap100i0"))
        + packet(NODE_ANSWERS, T * 1_000_000, option(2, b"\2\0\0\0"))
        + packet(NODE_ANSWERS, T * 1_000_000 + 1, option(2, b"\1\0\0\0"))
    )
    _, summary = replay(path)
    assert (summary["refused"], summary["ignored"]) == ({"own-mac": 1}, {"outgoing": 1})


def test_an_inbound_frame_makes_nobody_the_node(tmp_path, replay):
    """Who speaks as the gateway in a frame flagged inbound is a thief, even before the node is heard."""
    theft = arp(2, spa=GATEWAY4, tpa=OTHER4)
    path = tmp_path / "x.pcapng"
    path.write_bytes(
        section()
        + interface(option(2, b"tap100i0"))
        + packet(theft, T * 1_000_000, option(2, b"\1\0\0\0"))
        + packet(NODE_ANSWERS, T * 1_000_000 + 1)
    )
    decisions, _ = replay(path)
    assert [(made["reason"], made["mac"]) for made in decisions] == [
        ("own-address", GUEST),
        ("outgoing", NODE),
    ]


def test_port_by_option_outweighs_the_file(tmp_path, replay):
    """`--port` names the port also of a pcapng that names its interface."""
    path = tmp_path / "x.pcapng"
    path.write_bytes(section() + interface(option(2, b"eth0")) + packet(arp(), T * 1_000_000))
    _, summary = replay(path, port="tap100i0")
    assert summary["bindings"][0]["port"] == "tap100i0"


def test_a_frame_comes_before_a_deadline_of_the_same_moment(write, replay, tmp_path):
    """What arrives at the very moment of a deadline is handled first, as live: here DAD starts anew."""
    config = tmp_path / "rdnbr.toml"
    config.write_text("[timers]\ndad_ipv6 = 1.0\n")
    decisions, _ = replay(write("tap100i0.pcap", (0, dad()), (1, dad())), config=config)
    assert (decisions[-1]["decision"], decisions[-1]["at"]) == ("installed", "2023-11-14T22:13:22.001+00:00")


def test_each_frame_is_accounted_for(write, replay):
    """Frames are those of the capture; the answers that replay makes up are not counted."""
    _, summary = replay(write("tap100i0.pcap", (0, arp()), (1, arp()), (2, NODE_ANSWERS), (3, arp()[:30])))
    assert (summary["frames"], summary["claims"]) == (4, 2)
    assert (summary["refused"], summary["ignored"]) == ({"arp-short": 1}, {"outgoing": 1})


def test_configuration_and_allowlist_are_used(write, replay, tmp_path):
    """Timers come from the configuration, verdicts from the allowlist that it names."""
    (tmp_path / "allowlist").write_text("2.57.57.0/24\n")
    config = tmp_path / "rdnbr.toml"
    config.write_text(f'allowlist = "{tmp_path}/allowlist"\n[timers]\ndad_ipv4 = 0.5\n')
    capture = write("tap100i0.pcap", (0, arp(spa="0.0.0.0", tpa=GUEST4)), (0, announcement("8.8.8.8")))
    decisions, summary = replay(capture, config=config)
    assert (decisions[-1]["decision"], decisions[-1]["at"]) == ("installed", "2023-11-14T22:13:20.501+00:00")
    assert (summary["mode"], summary["refused"]) == ("allowlist", {"not-permitted": 1})


def test_mistakes_in_the_allowlist_are_named(write, tmp_path, capsys):
    """With a broken allowlist nothing is replayed: the mistakes are printed, and the exit code is 1."""
    broken = tmp_path / "allowlist"
    broken.write_text("2.57.57.0/24\nnonsense\n")
    assert main([write("tap100i0.pcap", (0, arp()))], allowlist=broken) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"{broken}:2: ")


def test_nothing_to_replay_makes_no_report(tmp_path, capsys):
    """Of a file that is not there nothing is printed but the complaint."""
    assert main([tmp_path / "x.pcap"]) == 1
    assert capsys.readouterr() == (
        "",
        f"{tmp_path}/x.pcap: cannot be read: No such file or directory\n",
    )


def test_a_broken_capture_does_not_stop_the_others(write, tmp_path, capsys):
    """What can be read of all files is replayed; then each complaint comes, once, and exit code 1."""
    broken = tmp_path / "tap100i0.pcap"
    broken.write_bytes(pcap_header() + pcap_record(arp(), T) + b"torn")
    whole = write("tap101i0.pcap", (5, announcement(OTHER4, OTHER)))
    assert main([broken, whole], json=True) == 1
    printed = capsys.readouterr()
    summary = json.loads(printed.out.splitlines()[-1])["summary"]
    assert [found["address"] for found in summary["bindings"]] == [GUEST4, OTHER4]
    assert [
        line.startswith(f"{broken}: the file ends inside frame 2; ") for line in printed.err.splitlines()
    ] == [True]


@pytest.mark.slow
def test_more_guests_than_probes_at_once(write, replay):
    """Where probes have to wait for their turn, every guest still gets its route."""
    frames = [
        (0.0, announcement(f"2.57.{56 + n // 250}.{n % 250 + 1}", f"bc:24:11:00:{n >> 8:02x}:{n & 255:02x}"))
        for n in range(300)
    ]
    paths = [write(f"tap{n}i0.pcap", frame) for n, frame in enumerate(frames, 100)]
    _, summary = replay(*paths)
    assert [found["state"] for found in summary["bindings"]] == ["valid"] * 300


@pytest.mark.slow
def test_text_tells_of_equal_refusals_once(write, capsys):
    """A flood of one refused claim is one line and a count."""
    flood = [(n / 100, na(tllao(OTHER), mac=GUEST)) for n in range(500)]
    assert main([write("tap100i0.pcap", *flood)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("refused" in line and "mac-mismatch" in line for line in lines) == 2
    assert "refused: 500 mac-mismatch" in lines


def test_text_lists_bindings_by_address(write, capsys):
    """IPv4 comes before IPv6, whichever was learned first, and each in the order of its addresses."""
    frames = (0, ns(sllao())), (1, announcement(OTHER4, OTHER)), (2, arp())
    assert main([write("tap100i0.pcap", *frames)]) == 0
    table = capsys.readouterr().out.split("\nbindings\n")[1].split("\n\n")[0]
    assert [line.split()[2] for line in table.splitlines()] == ["address", GUEST4, OTHER4, GUEST6]


def test_nothing_to_replay(write, replay):
    """A capture without frames gives an empty summary."""
    decisions, summary = replay(write("tap100i0.pcap"))
    assert decisions == []
    assert (summary["frames"], summary["bindings"], summary["kernel"]) == (0, [], [])
