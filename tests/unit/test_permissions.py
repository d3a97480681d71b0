"""Who may send which command to the daemon."""

import os
import socket

import pytest

from rdnbr.operator.control.permissions import check_permission, may_withdraw
from rdnbr.operator.control.protocol import COMMANDS, Refused

WITHDRAW = {"flush", "reannounce"}


@pytest.mark.parametrize("command", [*COMMANDS, "watch"])
def test_root_may_send_every_command(command):
    """Root and the daemon's user may do everything."""
    check_permission(command, may_withdraw=True)


@pytest.mark.parametrize("command", sorted({*COMMANDS, "watch"} - WITHDRAW))
def test_group_may_look_and_probe(command):
    """The group sees everything, and has the daemon probe and read its files."""
    check_permission(command, may_withdraw=False)


@pytest.mark.parametrize("command", sorted(WITHDRAW))
def test_group_may_not_withdraw(command):
    """The group takes no route away, not even for a moment, and is told who may."""
    with pytest.raises(
        Refused, match=f"^{command} withdraws routes, which the group rdnbr may not do; run it as root$"
    ):
        check_permission(command, may_withdraw=False)


def test_peer_of_the_same_user(monkeypatch):
    """The daemon's own user counts as root does; another user does not."""
    one, other = socket.socketpair()
    with one, other:
        assert may_withdraw(one)
        if os.geteuid():
            monkeypatch.setattr(os, "geteuid", lambda: 54321)
            assert not may_withdraw(one)
