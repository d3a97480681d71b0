"""What a member of the group `rdnbr` can do with the running daemon, and what others can."""

import sys

import pytest

from rdnbr.lab.node import SOCKET
from tests.e2e.learning import learn

pytestmark = pytest.mark.root

GROUP, USER = 54321, 54322


@pytest.fixture
def node(lab):
    lab.node.start_daemon()
    learn(lab, lab.guest(0))
    lab.node.run("chgrp", str(GROUP), SOCKET)
    return lab.node


def ask(node, group, *arguments):
    """Run rdnbr as a user of one group, without any capability."""
    user = ("setpriv", f"--reuid={USER}", f"--regid={group}", "--clear-groups", "--inh-caps=-all")
    return node.attempt(*user, sys.executable, "-B", "-m", "rdnbr", *arguments)


def test_group_looks_and_withdraws_nothing(node, lab):
    """A member of the group sees the bindings and probes; `flush` is refused in one sentence, and no route goes."""
    address = lab.guest(0).address4
    assert address in ask(node, GROUP, "show").stdout
    for arguments in (("probe", address), ("reload",), ("show", "events")):
        assert ask(node, GROUP, *arguments).returncode == 0, arguments
    assert f"{address} is routed to " in ask(node, GROUP, "explain", address).stdout
    for arguments in (("flush", "--all"), ("flush", address)):
        done = ask(node, GROUP, *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert (
            done.stderr == "rdnbr: flush withdraws routes, which the group rdnbr may not do; run it as root\n"
        )
    assert node.hosts() == set(lab.guest(0).addresses)
    assert node.rdnbr("flush", address).returncode == 0


def test_others_are_not_admitted(node):
    """A user outside of the group does not reach the daemon."""
    done = ask(node, USER, "show")
    assert done.returncode == 1
    assert "be root, or in the group rdnbr" in done.stderr
