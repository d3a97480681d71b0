"""The loop, turn by turn, in a namespace, with more frames to read than it reads in a turn."""

import socket
import time
from collections.abc import Iterator

import pytest
from dialogue import rules
from guest_frames import intent, request

from rdnbr.config.config import Config
from rdnbr.core.model.binding_state import State
from rdnbr.core.model.settings import PortPolicy, Settings
from rdnbr.daemon.loop import Daemon
from rdnbr.linux.packet.receiver import BUDGET
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.root

GUEST, ADDRESS = "52:02:45:00:00:01", "2.57.57.30"
FOREIGN = request("52:02:45:00:00:02", "192.0.2.1", "192.0.2.2")


class Turns:
    """A daemon that makes one turn at a time, and the guest's end of its only port."""

    def __init__(self, daemon: Daemon, guest: socket.socket) -> None:
        self._daemon = daemon
        self._guest = guest
        self.now = time.monotonic()

    def says(self, frame: bytes, times: int = 1) -> None:
        for _ in range(times):
            self._guest.send(frame)

    def turn(self, after: float) -> None:
        """Make one turn, so many seconds after the last one."""
        self.now += after
        self._daemon._turn(self.now, self._daemon._selector.select(0))

    @property
    def unread(self) -> bool:
        return not self._daemon._receiver.drained

    def state(self) -> State:
        (binding,) = self._daemon._parts.engine.snapshot()
        return binding.state


@pytest.fixture
def turns() -> Iterator[Turns]:
    namespace = Namespace()
    try:
        namespace("ip link add vmbr1 type bridge")
        namespace("ip link add tap1i0 type veth peer name g0")
        for device in ("vmbr1", "tap1i0", "g0"):
            namespace.sysctl(f"net/ipv6/conf/{device}/disable_ipv6", 1)
        namespace("ip addr add 169.254.0.1/32 dev vmbr1")
        namespace("ip link set tap1i0 master vmbr1")
        for device in ("vmbr1", "tap1i0", "g0"):
            namespace(f"ip link set {device} up")
        with namespace.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as guest:
            guest.bind(("g0", 0))
            policy = PortPolicy(frames_per_second=1_000_000)
            daemon = Daemon(Config(settings=Settings(port=policy)), rules("2.57.57.0/24"), dry_run=True)
            try:
                yield Turns(daemon, guest)
            finally:
                daemon.close()
    finally:
        namespace.close()


def test_timers_expire_although_frames_are_always_unread(turns: Turns) -> None:
    """A guest whose DAD has ended is probed within two seconds, however much its neighbours send within their rates."""
    turns.says(intent(GUEST, ADDRESS))
    turns.turn(0.1)
    assert turns.state() is State.TENTATIVE
    for _ in range(4):
        turns.says(FOREIGN, BUDGET + 1)
    asked_after = None
    for tenth in range(1, 100):
        turns.says(FOREIGN, BUDGET)
        turns.turn(0.1)
        assert turns.unread
        if turns.state() is State.VALID:  # a dry run assumes that a probed guest answers
            asked_after = tenth / 10
            break
    assert asked_after is not None
    assert 2.0 <= asked_after <= 7.0
