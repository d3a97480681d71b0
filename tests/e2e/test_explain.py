"""`rdnbr explain` on a node, for guests that are routed and for those that another program blocks."""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rdnbr.lab import Lab
from rdnbr.lab.frr import installed
from rdnbr.lab.guest import Guest
from rdnbr.lab.wait import wait_for

pytestmark = pytest.mark.root

UNADVERTISED = int(installed())
"""The exit code for a routed address on a node where FRR is installed, but does not run."""


def explained(lab: Lab, address: str, *, code: int) -> dict[str, Any]:
    """Return the document of `explain --json`, and check its exit code."""
    done = lab.node.rdnbr("explain", address, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def no(document: dict[str, Any]) -> set[str]:
    return {layer["layer"] for layer in document["layers"] if layer["answer"] == "no"}


def bound(lab: Lab, guest: Guest) -> None:
    guest.configure()
    guest.ping_gateways()
    wait_for(
        lambda: guest.address4 in {one["address"] for one in lab.node.show()["bindings"]}, 10.0, "a binding"
    )


def test_verdict_from_the_first_frame_to_the_end_of_the_daemon(lab: Lab) -> None:
    """The verdict follows an address: unclaimed, routed, and still routed when the daemon has stopped."""
    node, guest = lab.node, lab.guests[0]
    node.write("/etc/rdnbr/allowlist", "2.57.57.0/24\n")
    node.start_daemon()
    document = explained(lab, guest.address4, code=1)
    assert document["verdict"] == f"{guest.address4} is not routed: nobody claims it"
    assert {"daemon", "built-in", "allowlist"}.isdisjoint(no(document))
    bound(lab, guest)
    routed = f"{guest.address4} is routed to {guest.port} ({guest.mac}) over vmbr1"
    document = explained(lab, guest.address4, code=UNADVERTISED)
    verdict, _, of_frr = document["verdict"].partition(", but ")
    assert verdict == routed
    assert document["code"] == ("frr-not-running" if of_frr else "reachable")
    assert no(document) <= {"frr"}
    assert [event["decision"] for event in document["events"]][:2] == ["learned", "installed"]
    node.stop_daemon()
    document = explained(lab, guest.address4, code=UNADVERTISED)
    assert f"is routed to {guest.mac} over vmbr1" in document["verdict"]
    assert document["layers"][0]["text"].startswith("no daemon answers on /run/rdnbr/rdnbr.sock")
    assert (document["daemon"], document["rules"][0]["where"]) == (False, "/etc/rdnbr/allowlist:1")


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (
            "route add {address} dev uplink proto static",
            "a route, proto 4 dev uplink metric 0",
        ),
        (
            "neigh add {address} lladdr 52:02:45:00:00:66 dev vmbr1 nud permanent",
            "a permanent neighbour on vmbr1",
        ),
    ],
)
def test_somebody_elses_entry_is_left_alone_and_named(lab: Lab, made: str, what: str) -> None:
    """A foreign route or neighbour is never replaced; explain and a counter report it until its cure is pasted."""
    node, guest = lab.node, lab.guests[0]
    node.ip(made.format(address=guest.address4))
    node.start_daemon()
    bound(lab, guest)
    wait_for(lambda: node.show("counters")["kernel"]["foreign-route"], 5.0, "it to be counted")
    document = explained(lab, guest.address4, code=1)
    assert document["verdict"] == (
        f"{guest.address4} is not routed: somebody else's entry holds its place, and is never replaced: {what}"
    )
    assert document["wanted"][0]["retry_at"] is not None
    assert guest.address4 not in node.hosts()
    for command in document["commands"]:
        node.run("sh", "-c", command)
    wait_for(lambda: guest.address4 in node.hosts(), 10.0, "our route to take the place")
    explained(lab, guest.address4, code=UNADVERTISED)


def test_without_permission_for_the_socket_the_rest_is_reported(lab: Lab) -> None:
    """Without permission for the socket, explain reports files and kernel, and does not say that no daemon runs."""
    node, guest = lab.node, lab.guests[0]
    node.start_daemon()
    bound(lab, guest)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    done = node.attempt(*nobody, sys.executable, "-m", "rdnbr", "explain", guest.address4)
    assert done.returncode == UNADVERTISED
    verdict, cure, *_ = done.stdout.splitlines()
    assert verdict.endswith("over vmbr1; not permitted to use /run/rdnbr/rdnbr.sock")
    assert cure == "    cure: be root, or in the group rdnbr"


def test_resync_without_frr_says_so(lab: Lab) -> None:
    """If zebra does not answer, resync does nothing and says why."""
    lab.node.start_daemon()
    done = lab.node.rdnbr("resync", "--frr")
    assert done.returncode == 1
    assert done.stderr.startswith("rdnbr: zebra cannot be asked, for vtysh says: ")


def test_a_metric_is_decoded(lab: Lab) -> None:
    """With newest-wins explain says when the guest arrived; a constant metric says nothing."""
    node, guest = lab.node, lab.guests[0]

    def arrived() -> str | None:
        told: str | None = explained(lab, guest.address4, code=UNADVERTISED)["wanted"][0]["arrived"]
        return told

    node.start_daemon()
    before = datetime.now(UTC)
    bound(lab, guest)
    assert arrived() is None
    node.write("/etc/rdnbr/rdnbr.toml", 'mobility = "newest-wins"\n')
    node.rdnbr("reload")
    at = datetime.fromisoformat(str(wait_for(arrived, 10.0, "its metric")))
    assert before - timedelta(seconds=2) <= at <= datetime.now(UTC)
