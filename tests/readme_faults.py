"""The table of faults in README.md; `python -m tests.readme_faults` writes it anew."""

from tests.e2e.faults import FAULTS, FRR_FAULTS
from tests.readme_table import write


def table() -> str:
    """Write the table as Markdown."""
    rows = [f"{fault.title} | {fault.notice} | {fault.within:g} s" for fault in (*FAULTS, *FRR_FAULTS)]
    return "\n".join(
        ("This happens | its guests notice | all is as before within", "--- | --- | ---", *rows, "")
    )


if __name__ == "__main__":
    write("faults", table())
