"""The daemon: puts the pieces together and runs them.

`loop` runs, `surroundings` hears what the kernel tells of itself, `works` carries out what the engine decides, and
`desk` answers whoever asks.
"""

from rdnbr.daemon.loop import run
from rdnbr.daemon.startup_errors import CannotStart

__all__ = ["CannotStart", "run"]
