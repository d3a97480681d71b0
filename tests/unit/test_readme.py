"""What README promises is what the tests try."""

from pathlib import Path

from rdnbr.core.fib.kernel_counter import KernelCounter
from rdnbr.core.model.reason import Reason
from tests import readme_attacks, readme_faults, readme_field_cases, readme_state_diagram
from tests.e2e.attacks import ATTACKS
from tests.readme_table import shown


def test_readme_has_the_table_of_attacks_that_is_tried():
    """The attacks in README are those of the end-to-end test; `python -m tests.readme_attacks` brings it up to date."""
    assert shown("attacks") == readme_attacks.table()


def test_readme_has_the_tables_of_field_cases_that_are_tried():
    """The field cases in README are those of the tests; `python -m tests.readme_field_cases` brings them up to date."""
    assert shown("field cases") == readme_field_cases.table()


def test_readme_has_the_table_of_faults_that_is_tried():
    """The faults in README are those of the end-to-end test; `python -m tests.readme_faults` brings it up to date."""
    assert shown("faults") == readme_faults.table()


def test_readme_has_the_state_diagram_of_the_transition_table():
    """The diagram in README is made of the table; `python -m tests.readme_state_diagram` brings it up to date."""
    assert shown("state diagram") == readme_state_diagram.diagram()


def test_readme_has_every_counter_of_the_kernel():
    """The counters that `show counters` has besides frames are in a table, in their order."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    table = text.partition("Counter | counts\n--- | ---\n")[2].partition("\n\n")[0]
    assert [line.split(" | ")[0] for line in table.splitlines()] == [
        f"`{name.value}`" for name in KernelCounter
    ]


def test_table_names_only_reasons_that_exist():
    """Every reason in the table is one that `show counters` can have."""
    named = {reason for attack in ATTACKS for reason in attack.reasons}
    assert named <= {reason.value for reason in Reason}


def test_every_reason_to_refuse_a_frame_is_tried():
    """Whatever a frame by itself can be refused for, some attack is refused for it."""
    named = {reason for attack in ATTACKS for reason in attack.reasons}
    alone = [
        *(
            "tagged",
            "bad-source-mac",
            "own-mac",
            "arp-short",
            "arp-format",
            "arp-operation",
            "arp-sender-mac",
        ),
        *("mac-mismatch", "arp-reply-from-zero", "ip6-short", "ip6-version", "fragment", "extension-header"),
        *("hop-limit", "checksum", "code", "ndp-short", "option", "link-layer-option", "option-conflict"),
        *("multicast-target", "multicast-source", "dad-destination", "dad-with-link-layer", "link-local"),
        *("solicited-multicast", "no-target-link-layer", "rogue-ra", "rogue-redirect", "special-address"),
    ]
    assert [reason for reason in alone if reason not in named] == []
