"""The daemon: one event loop over the kernel's events, the ports' frames, commands and timers.

`loop` has the order of a turn. `kernel_watcher` follows the kernel's events, and `port_sockets` opens a socket on each
port. `command_handler` executes commands and reloads. `parts` connects the engine, the actuator and what they work on.
"""

from rdnbr.daemon.loop import run
from rdnbr.daemon.startup_errors import CannotStart

__all__ = ["CannotStart", "run"]
