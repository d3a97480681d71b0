"""Field cases: the way from open mode to an allowlist, and a node whose state is as it should be."""

import json

import pytest

from rdnbr.core.model.address import family, parse_ip
from rdnbr.lab import wait_for
from tests.e2e.node_view import stays
from tests.field_case import FOUND, OWNER, field_case

pytestmark = pytest.mark.root

ALLOWLIST = "/etc/rdnbr/allowlist"


def learned(lab, *guests):
    """Configure the guests, and wait until their addresses are routed."""
    for guest in guests:
        guest.configure()
        guest.ping_gateways()
    addresses = {address for guest in guests for address in guest.addresses}
    wait_for(lambda: lab.node.hosts() >= addresses, 10, "the guests' routes")


@pytest.mark.parametrize("restart", [False, True])
@field_case(
    OWNER,
    "an operator goes from open mode to an allowlist by `rdnbr allowlist --from-bindings`",
    "`rdnbr check --against` names nobody, and nobody is withdrawn; another guest is refused from then on",
    within=5,
)
def test_open_mode_to_an_allowlist(lab, within, restart):
    """The file permits what is there, also what was adopted, and nothing else."""
    node, (first, second) = lab.node, lab.guests
    node.start_daemon()
    learned(lab, first)
    if restart:
        node.stop_daemon()
        node.start_daemon()
    node.write("/etc/rdnbr/new", node.rdnbr("allowlist", "--from-bindings").stdout)
    done = node.rdnbr("check", "--allowlist", "/etc/rdnbr/new", "--against")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "0 bindings of 2 would be withdrawn")
    node.write(ALLOWLIST, node.path("/etc/rdnbr/new").read_text())
    wait_for(lambda: node.show()["mode"] == "allowlist", within, "the allowlist to be in force")
    assert node.hosts() == set(first.addresses)
    second.configure()
    second.ping_gateways()
    stays(lambda: node.hosts() == set(first.addresses), 1, "the routes of the permitted guest alone")


@pytest.mark.parametrize("version", [4, 6])
@field_case(
    OWNER,
    "a new allowlist leaves out an address that a guest has",
    "`rdnbr check --against` names exactly the address that the daemon then withdraws, with exit code 1",
    within=5,
)
def test_whom_a_new_file_withdraws(lab, within, version):
    """The command and the daemon come to the same result."""
    node, guest = lab.node, lab.guest(0)
    node.start_daemon()
    learned(lab, guest)
    kept = guest.address(10 - version)
    node.write("/etc/rdnbr/new", f"{kept} vm=100\n{guest.address(version)} vm=999\n")
    done = node.rdnbr("check", "--allowlist", "/etc/rdnbr/new", "--against", "--json")
    assert done.returncode == 1
    refused = json.loads(done.stdout)["refused"]
    assert [(one["address"], one["reason"]) for one in refused] == [(guest.address(version), "pinned")]
    assert family(parse_ip(refused[0]["address"])) == version
    node.write(ALLOWLIST, node.path("/etc/rdnbr/new").read_text())
    wait_for(lambda: node.hosts() == {kept}, within, "the withdrawal of the address that was named")


@pytest.mark.parametrize("what", ["deleted", "broken"])
@field_case(
    FOUND,
    "somebody deletes the allowlist, or breaks it, while the daemon runs",
    "the old rules stay in force; `show` and `doctor` (`reload-failed`) say so until the file is back",
    within=5,
)
def test_allowlist_is_deleted(lab, within, what):
    """A start would run open, or not start, so it is told before that."""
    node, guest = lab.node, lab.guest(0)
    rules = "".join(f"{address}\n" for address in guest.addresses)
    node.write(ALLOWLIST, rules)
    node.start_daemon()
    learned(lab, guest)
    if what == "deleted":
        node.path(ALLOWLIST).unlink()
    else:
        node.write(ALLOWLIST, "nonsense\n")
    wait_for(lambda: node.show()["reload_failed"], within, "the failed reload")
    assert "NOT RELOADED: " in node.rdnbr("show").stdout
    assert node.show()["mode"] == "allowlist"
    assert node.hosts() == set(guest.addresses)
    found = json.loads(node.rdnbr("doctor", "--json").stdout)["findings"]
    assert [one["severity"] for one in found if one["name"] == "reload-failed"] == ["problem"]
    node.write(ALLOWLIST, rules)
    wait_for(lambda: node.show()["reload_failed"] is None, within, "the end of it")


@pytest.mark.parametrize("name", ["open-mode", "none"])
@field_case(
    FOUND,
    "a finding of `doctor` is as it should be on this node, and `[doctor] accept` has its name",
    "it is printed as accepted, and the exit code is that of the other findings",
)
def test_accepted_finding(lab, name):
    """What is accepted does not count; the other findings do."""
    node = lab.node
    node.start_daemon()
    before = json.loads(node.rdnbr("doctor", "--json").stdout)
    others = sorted({one["name"] for one in before["findings"]} - {"open-mode"})
    node.write("/etc/rdnbr/rdnbr.toml", f"[doctor]\naccept = {json.dumps([*others, name])}\n")
    done = node.rdnbr("doctor", "--json")
    document = json.loads(done.stdout)
    counting = [one["name"] for one in document["findings"] if not one["accepted"]]
    assert (done.returncode, counting) == ((0, []) if name == "open-mode" else (1, ["open-mode"]))


@pytest.mark.parametrize("version", [4, 6])
@field_case(
    FOUND,
    "`rdnbr probe ADDRESS` of a guest that answers, and of an address that nobody has",
    "the command waits and says who answered; exit code 1 after 5 s where nobody did",
    within=8,
)
def test_probe_says_who_answered(lab, within, version):
    """The answer is told with MAC, port and time."""
    node, (guest, other) = lab.node, lab.guests
    node.start_daemon()
    learned(lab, guest)
    done = node.rdnbr("probe", guest.address(version), "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["mac"], document["port"]) == (0, guest.mac, guest.port)
    assert document["after"] < within
    silent = node.rdnbr("probe", other.address(version))
    assert (silent.returncode, "no answer within 5 s" in silent.stdout) == (1, True)
