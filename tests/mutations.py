"""Breaks the decisions on purpose, one way at a time, and sees `property/test_engine.py` fail.

Each way is a piece of the core's text and what takes its place, in a copy of the whole package; the tests run in that
copy, which must pass while it is whole. `python tests/mutations.py [WORDS]` tries those with these words in their
description, or all, and exits 1 when one goes unnoticed; it raises when a text is not there any more.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent


class Mutation(NamedTuple):
    what: str
    file: str
    text: str
    instead: str


MUTATIONS = (
    Mutation(
        "a rival wins without the incumbent having been asked",
        "questions.py",
        "elif binding.state is State.CHALLENGED and not schedule.asks_rival(binding.asked):",
        "elif False:",
    ),
    Mutation(
        "a rival's answer counts while the incumbent is still being asked",
        "contest.py",
        "return binding.state is State.CHALLENGED and binding.asked > schedule.CHALLENGES",
        "return binding.state is State.CHALLENGED",
    ),
    Mutation(
        "an answer counts from whatever port it comes",
        "court.py",
        "if placed and binding.anchor.may_be(anchor):",
        "if placed and binding.anchor._replace(port=None).may_be(anchor):",
    ),
    Mutation(
        "quarantine is not looked at",
        "quarantine.py",
        "return any(term is not None and now < term.until for term in terms)",
        "return False and terms",
    ),
    Mutation(
        "quarantine does not double",
        "quarantine.py",
        "min(last.length * 2, LONGEST)",
        "min(last.length, LONGEST)",
    ),
    Mutation(
        "a port that goes leaves its routes",
        "engine.py",
        "        for binding in self._bindings.on_port(index):\n            self._life.depart",
        "        for binding in []:\n            self._life.depart",
    ),
    Mutation(
        "a reload withdraws nothing",
        "engine.py",
        "self._law.allowlist = allowlist\n        self._judge_again(now, self._bindings)",
        "self._law.allowlist = allowlist",
    ),
    Mutation(
        "a guest that announces itself is not stamped anew",
        "metrics.py",
        "            self._stamped(binding)\n            and stamp",
        "            False\n            and stamp",
    ),
    Mutation(
        "a guest that announces itself is stamped anew each time",
        "metrics.py",
        "        binding.renewals.take(now)\n",
        "",
    ),
    Mutation(
        "a guest that answers another's DAD is stamped anew",
        "court.py",
        "now < binding.doubted + DEFENCE",
        "False",
    ),
    Mutation(
        "a route that is adopted loses its stamp",
        "metrics.py",
        "            binding.stamp = stamp.read(metric, self._tick(now))\n",
        "            pass\n",
    ),
    Mutation(
        "a reload leaves the metrics as they were",
        "metrics.py",
        "        self._settings = settings\n        self.review(now, self._bindings)\n",
        "        self._settings = settings\n",
    ),
    Mutation(
        "a change of the node's addresses withdraws nothing",
        "engine.py",
        "if not same:\n            self._judge_again(now, self._bindings)",
        "if not same:\n            pass",
    ),
    Mutation(
        "DAD puts off the verdict on a binding that is being asked",
        "court.py",
        "        if binding.state is State.TENTATIVE:\n            if stimulus is not",
        "        if binding.state in (State.TENTATIVE, State.PROBING):\n            if stimulus is not",
    ),
    Mutation(
        "the neighbour stays where it was when an address moves",
        "contest.py",
        "            self._life.arrive(now, binding)\n            self._count_move",
        "            self._count_move",
    ),
    Mutation(
        "the limit of a port is not looked at", "limits.py", "if held >= most else None", "if False else None"
    ),
    Mutation(
        "what is judged late counts as silence", "lifecycle.py", "if deaf and binding.asked:", "if False:"
    ),
    Mutation(
        "what may be answered in an unread frame counts as silence",
        "lifecycle.py",
        "deaf=late or unread",
        "deaf=late",
    ),
    Mutation(
        "a frame is not counted",
        "engine.py",
        "self.counters[found.name, reason] += 1",
        "self.counters[found.name, reason] += reason is not Reason.QUARANTINED",
    ),
    Mutation(
        "a rival on the port that goes inherits",
        "lifecycle.py",
        "rival.port != binding.anchor.port and rival.port in self._ports",
        "rival.port in self._ports",
    ),
    Mutation(
        "what moves too often is not frozen",
        "contest.py",
        "MOVES, MOVES_WINDOW = 5,",
        "MOVES, MOVES_WINDOW = 6,",
    ),
    Mutation(
        "an address in DAD is asked at once",
        "agenda.py",
        "self._timers.dad_ipv4 if len(binding.key.address) == 4 else self._timers.dad_ipv6",
        "0.0",
    ),
    Mutation(
        "an advertisement without the override flag displaces",
        "court.py",
        "if not claim.override and binding.state in WITH_ROUTE:",
        "if False:",
    ),
    Mutation(
        "what the kernel refused is never tried again",
        "reconcile.py",
        "for address, (at, _) in self._retries.items() if at <= now}",
        "for address, (at, _) in self._retries.items() if at < 0}",
    ),
    Mutation(
        "a guest that arrives is not told of its gateway",
        "court.py",
        "if self._welcome.has_arrived(now, port.index, claim):",
        "if False:",
    ),
    Mutation(
        "what the allowlist names is asked for although somebody has it",
        "inquiries.py",
        "and (binding is None or binding.state is State.DEPARTED)",
        "",
    ),
    Mutation("packets are looked at for ever", "hints.py", "self._ends.pop(now)", "self._ends.pop(-1.0)"),
    Mutation(
        "a packet contends for an address",
        "court.py",
        "if claim.source is Source.DATA:\n            # Anybody",
        "if False:\n            # Anybody",
    ),
    Mutation(
        "an adopted guest whose address is contested is asked where it was surmised alone",
        "contest.py",
        "if binding.surmised:",
        "if False:",
    ),
    Mutation(
        "what goes with a surmised port is asked for nowhere",
        "lifecycle.py",
        "elif binding.surmised and reason is Reason.PORT_GONE:",
        "elif False:",
    ),
)

WALKS = 8
"""What so many walks pass is not noticed."""


def main() -> int:
    """Try what is chosen on the command line."""
    words = " ".join(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="rdnbr-mutation-") as directory:
        copy = Copy(Path(directory))
        if not copy.passes():
            print("the tests fail although nothing is broken")
            return 1
        unnoticed = 0
        for mutation in MUTATIONS:
            if words in mutation.what:
                noticed = copy.notices(mutation)
                unnoticed += not noticed
                print(f"{'noticed' if noticed else 'NOT NOTICED'}: {mutation.what}", flush=True)
    return 1 if unnoticed else 0


class Copy:
    """The package and its tests, elsewhere."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        for name in ("rdnbr", "tests"):
            shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", directory)

    def passes(self, walk: int = 0) -> bool:
        """Tell whether the tests pass on a walk of this number; each goes its own way, and that one every time."""
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            f"--hypothesis-seed={walk}",
            "tests/property/test_engine.py",
        ]
        # Under CI hypothesis takes no seed: all walks would be the same.
        outside_ci = {name: value for name, value in os.environ.items() if name != "CI"}
        environment = outside_ci | {
            "PYTHONPATH": str(self._directory),
            "PYTHONDONTWRITEBYTECODE": "1",
            "RDNBR_QUICK": "1",
        }
        done = subprocess.run(command, cwd=self._directory, env=environment, check=False, capture_output=True)
        if done.returncode > 1:
            raise RuntimeError(done.stdout.decode() + done.stderr.decode())
        return done.returncode == 0

    def notices(self, mutation: Mutation) -> bool:
        """Break it, and tell whether the tests fail then."""
        broken = self._directory / "rdnbr" / "core" / mutation.file
        whole = broken.read_text()
        assert whole.count(mutation.text) == 1, f"{mutation.file} has this text not once: {mutation.text}"
        broken.write_text(whole.replace(mutation.text, mutation.instead))
        try:
            return not all(map(self.passes, range(WALKS)))
        finally:
            broken.write_text(whole)


if __name__ == "__main__":
    sys.exit(main())
