"""The states of a binding."""

from enum import StrEnum


class State(StrEnum):
    """The state of a binding, after RFC 6620 and RFC 4861. `bindings.state_machine` has the rules."""

    TENTATIVE = "tentative"
    VALID = "valid"
    PROBING = "probing"
    CHALLENGED = "challenged"
    FROZEN = "frozen"
    ADOPTED = "adopted"
    STATIC = "static"
    DEPARTED = "departed"


WITH_ROUTE = frozenset(
    {State.VALID, State.PROBING, State.CHALLENGED, State.FROZEN, State.ADOPTED, State.STATIC}
)
"""States in which the kernel should hold the binding's route."""
