"""How many files this process may have open."""

import resource


def allow_all() -> None:
    """Raise the limit to what it may be raised to: every port costs a descriptor, and the usual 1,024 are few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
