"""The daemon: one event loop over the kernel's events, the ports' frames, commands and timers.

`loop` has the order of a turn. `kernel_watcher` follows the kernel's events, `port_sockets` opens a socket on each
port, `actuator` carries out the decisions of the engine, and `command_handler` executes commands and
reloads.
"""

from rdnbr.daemon.loop import run
from rdnbr.daemon.startup_errors import CannotStart

__all__ = ["CannotStart", "run"]
