"""Sends the state of the daemon to systemd: sd_notify(3)."""

import os
import socket


def notify(**states: str | int) -> None:
    """Send states such as ``READY=1``. Without NOTIFY_SOCKET, or if the send fails, nothing happens."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    message = "\n".join(f"{name}={value}" for name, value in states.items())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
        try:
            channel.sendto(message.encode(), address)
        except OSError:
            return  # the watchdog of systemd notices it; the daemon continues


def watchdog_interval() -> float | None:
    """Return the seconds within which systemd expects ``WATCHDOG=1``; None if it expects none."""
    text = os.environ.get("WATCHDOG_USEC", "")
    if not text.isdigit() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(text) / 1e6
