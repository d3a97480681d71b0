"""The state diagram in README.md. `python -m tests.readme_state_diagram` writes it again from the transition table."""

from rdnbr.core.bindings.state_machine import TABLE
from rdnbr.core.model.binding_state import State
from tests.readme_table import write


def diagram() -> str:
    """Return the diagram in the language of Mermaid: one arrow for each pair of states, labelled with its events.

    `[*]` stands for no binding. An event that leaves the state as it is has no arrow.
    """
    arrows: dict[tuple[str, str], list[str]] = {}
    for (before, event), row in TABLE.items():
        if row.state is not before:
            arrows.setdefault((_name(before), _name(row.state)), []).append(event.value)
    lines = [f"    {before} --> {after}: {', '.join(events)}" for (before, after), events in arrows.items()]
    return "\n".join(("```mermaid", "stateDiagram-v2", *lines, "```", ""))


def _name(state: State | None) -> str:
    return "[*]" if state is None else state.name


if __name__ == "__main__":
    write("state diagram", diagram())
