"""The table of faults in README.md. `python -m tests.readme_faults` writes it again."""

from tests.e2e.faults import FAULTS, FRR_FAULTS
from tests.readme_table import write


def table() -> str:
    """Return the table as Markdown."""
    rows = [f"{fault.title} | {fault.notice} | {fault.within:g} s" for fault in (*FAULTS, *FRR_FAULTS)]
    return "\n".join(("Fault | what the guests notice | repaired within", "--- | --- | ---", *rows, ""))


if __name__ == "__main__":
    write("faults", table())
