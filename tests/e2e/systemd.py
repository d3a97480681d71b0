"""The end of systemd at which the daemon reports its state."""

import socket
from contextlib import suppress


class Systemd:
    """Receives the daemon's messages to systemd, as in sd_notify(3)."""

    def __init__(self, node):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(node.path("/run/notify")))
        self._told = []

    def close(self):
        self._socket.close()

    def messages(self):
        """Return the text of all messages so far."""
        with suppress(BlockingIOError):
            while True:
                lines = self._socket.recv(4096).decode().splitlines()
                self._told.append(dict(line.split("=", 1) for line in lines))
        return self._told

    def last(self, kind):
        """Return the text of the latest message of a kind."""
        return next(words for words in reversed(self.messages()) if kind in words)

    def kinds(self):
        """Return the kind of each message, without those of the watchdog."""
        return [kind for kind in self._all() if kind != "WATCHDOG"]

    def fed(self):
        """Return how often the watchdog was fed."""
        return self._all().count("WATCHDOG")

    def fed_between(self, one, other):
        """Return how often the watchdog was fed after the first message of a kind, and before the last of another."""
        kinds = self._all()
        return kinds[kinds.index(one) : len(kinds) - kinds[::-1].index(other)].count("WATCHDOG")

    def _all(self):
        return [next(iter(words)) for words in self.messages()]
