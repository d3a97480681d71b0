"""Live and replay agree: replay of a capture gives the decisions that the daemon made."""

import json

import pytest
from capture_bytes import interface, option, packet, section
from guest_frames import announcement, intent

from rdnbr.lab import wait_for
from rdnbr.replay.replay import main

INBOUND, OUTBOUND = 1, 2

SAME = ("address", "family", "mac", "port", "bridge", "vlan", "vm", "state", "installed", "source", "rule")
"""The fields of a binding that do not depend on the exact time of a frame."""

TOLD = {"learned", "installed", "challenged", "kept", "refused", "withdrawn", "expired"}


def recording(captures):
    """Write the frames of each port to a pcapng with directions, in the order of time."""
    ports = list(captures)
    frames = sorted(
        (seen.at, number, seen.outgoing, seen.frame)
        for number, port in enumerate(ports)
        for seen in captures[port].seen()
    )
    return (
        section()
        + b"".join(interface(option(2, port.encode())) for port in ports)
        + b"".join(
            packet(
                frame,
                round(at * 1_000_000),
                option(2, bytes([OUTBOUND if outgoing else INBOUND, 0, 0, 0])),
                which=number,
            )
            for at, number, outgoing, frame in frames
        )
    )


def decisions_by_address(decisions):
    """Return decisions and reasons, by address."""
    found = {}
    for made in decisions:
        if made["decision"] in TOLD:
            step = (made["decision"], made["reason"], made["mac"], made["port"], made["state"])
            found.setdefault(made["address"], []).append(step)
    return found


@pytest.mark.root
def test_replay_of_a_recorded_run_gives_the_same_bindings_for_the_same_reasons(lab, tmp_path, capsys):
    """For guests that boot, one that only probes, a forger and a refused claim, live and replay decide the same."""
    owner, thief = lab.guests
    captures = {guest.port: lab.node.capture(guest.port) for guest in lab.guests}
    lab.node.start_daemon()
    for guest in lab.guests:
        guest.configure()
        guest.wait_for_dad()
        guest.ping_gateways()
    addresses = {address for guest in lab.guests for address in guest.addresses}
    wait_for(lambda: lab.node.hosts() == addresses, 10, "the guests' routes")
    thief.send(announcement(thief.mac, owner.address4))
    thief.send(announcement(thief.mac, "240.0.0.1"))
    thief.send(intent(thief.mac, "2.57.57.99"))
    wait_for(
        lambda: {"kept", "refused"} <= {made["decision"] for made in lab.node.show("events")["events"]},
        5,
        "the thief to be turned down",
    )
    wait_for(lambda: len(lab.node.show()["bindings"]) == 5, 5, "the probed address")

    live, events = lab.node.show()["bindings"], lab.node.show("events")["events"]
    path = tmp_path / "run.pcapng"
    path.write_bytes(recording(captures))
    for capture in captures.values():
        capture.close()
    assert main([path], silent=True, tail=0.0, json=True) == 0
    *decisions, last = map(json.loads, capsys.readouterr().out.splitlines())

    assert [{key: one[key] for key in SAME} for one in last["summary"]["bindings"]] == [
        {key: one[key] for key in SAME} for one in live
    ]
    assert decisions_by_address(decisions) == decisions_by_address(events)
