"""Files where rdnbr looks for its allowlist: what is there, and putting one there in one piece."""

import os
import tempfile
from pathlib import Path

from rdnbr.core.model.rule import Rule
from rdnbr.core.policy.rule_parser import parse_rule
from rdnbr_proxmox.document import Key, key


def rules_in(path: Path) -> tuple[Rule, ...]:
    """Return the rules in an allowlist, leaving out lines with mistakes; none where it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError):
        return ()
    found = [
        parse_rule(line, f"{path}:{number}")
        for number, line in enumerate(lines, start=1)
        if line.partition("#")[0].strip()
    ]
    return tuple(rule for rule in found if isinstance(rule, Rule))


def by_hand(output: Path) -> dict[Key, Rule]:
    """Return the rules of all other allowlist files around `output`: those in its directory, and the main one."""
    directory = output.parent
    files = [directory.with_name(directory.name.removesuffix(".d")), *sorted(directory.glob("*.conf"))]
    return {key(rule): rule for path in files if path != output for rule in rules_in(path)}


def put(output: Path, text: str) -> bool:
    """Make `text` the content of a file, and return whether it was another before.

    Whoever reads the file meanwhile, or after a power cut, sees all of the old one or all of the new one.

    Raises:
        OSError: it cannot be written; the old one is as it was.
    """
    content = text.encode()
    try:
        if output.read_bytes() == content:
            return False
    except FileNotFoundError:
        output.parent.mkdir(parents=True, exist_ok=True)
    # rdnbr reads no file whose name begins with a dot.
    descriptor, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)  # rdnbr runs as a user of its own
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(output)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(output.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True
