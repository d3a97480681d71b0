"""The completion of the command line in shells."""

import subprocess

import pytest

from rdnbr.operator.commands.help_text import GROUPS

completion = pytest.importorskip("tests.completion")

BASH = """\
source {file}
COMP_WORDS=({words}) COMP_CWORD=$(({number} - 1)) COMP_LINE="{words}" COMP_POINT=${{#COMP_LINE}}
_shtab_rdnbr
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(*words):
    """Return what bash offers for the last word."""
    script = BASH.format(file=completion.COMPLETION / "bash/rdnbr", words=" ".join(words), number=len(words))
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=10)
    return set(done.stdout.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_is_up_to_date(shell):
    """The files are those of the command line; `python -m tests.completion` brings them up to date."""
    file = completion.COMPLETION / completion.FILES[shell]
    assert file.read_text() == completion.completion(shell)


def test_bash():
    """Commands, options, and values of options are completed."""
    assert {name for group in GROUPS.values() for name in group} <= completed("rdnbr", "''")
    assert completed("rdnbr", "allo") == {"allowlist"}
    assert completed("rdnbr", "show", "--st") == {"--state"}
    assert completed("rdnbr", "show", "cou") == {"counters"}
    assert completed("rdnbr", "check", "--a") == {"--against", "--allowlist"}
