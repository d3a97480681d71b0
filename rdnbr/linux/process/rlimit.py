"""The limit of open files of this process."""

import resource


def allow_all() -> None:
    """Raise the soft limit to the hard limit: each port needs a descriptor, and the usual 1,024 are too few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
