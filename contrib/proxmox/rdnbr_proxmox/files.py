"""Reads the allowlist files of rdnbr, and replaces one atomically."""

import os
import tempfile
from pathlib import Path

from rdnbr.core.model.rule import Rule
from rdnbr.core.policy.rule_parser import parse_rule
from rdnbr_proxmox.document import Key, key


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Return the rules in an allowlist file, without lines that have mistakes. An unreadable file has no rules."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError):
        return ()
    parsed = [
        parse_rule(line, f"{path}:{number}")
        for number, line in enumerate(lines, start=1)
        if line.partition("#")[0].strip()
    ]
    return tuple(rule for rule in parsed if isinstance(rule, Rule))


def rules_by_hand(output: Path) -> dict[Key, Rule]:
    """Return the rules of all allowlist files except `output`: the main file, and those in the directory."""
    directory = output.parent
    files = [directory.with_name(directory.name.removesuffix(".d")), *sorted(directory.glob("*.conf"))]
    return {key(rule): rule for path in files if path != output for rule in read_rules(path)}


def replace_file(output: Path, text: str) -> bool:
    """Replace the content of a file by `text`, and return whether that changed it.

    The replacement is atomic: a reader, also after a power failure, sees the complete old or the complete new content.

    Raises:
        OSError: the file cannot be written. The old content is unchanged.
    """
    content = text.encode()
    try:
        if output.read_bytes() == content:
            return False
    except FileNotFoundError:
        output.parent.mkdir(parents=True, exist_ok=True)
    # rdnbr ignores files whose names begin with a dot.
    descriptor, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)  # rdnbr runs as a user other than root
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
