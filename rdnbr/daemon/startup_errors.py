"""The errors that end the start of the daemon."""

from rdnbr.config.config import Config


class CannotStart(Exception):
    """The daemon cannot run here; the message is one sentence that says what to do."""


def no_bridge(config: Config) -> str:
    """Return the sentence that there is no bridge to serve."""
    if config.bridges:
        return f"no bridge is named {' or '.join(config.bridges)}; ip -br link show type bridge lists them"
    return (
        "no bridge carries a gateway address: give one 169.254.0.1/32 and fe80::1/64 "
        "(contrib/network/interfaces), or name one with --bridge"
    )


def no_permission(lacking: list[str]) -> CannotStart:
    """Return the error that the process lacks the capabilities named in `lacking`."""
    names = " and ".join(lacking)
    return CannotStart(
        f"rdnbr needs {names} to listen on ports and set routes; run it as root, or by its unit"
    )


def another_runs(holder: str) -> CannotStart:
    """Return the error that another daemon runs; `holder` is its process id, or empty."""
    which = f"; it is process {holder}" if holder else ""
    return CannotStart(
        f"another rdnbr runs in this network namespace; stop it first (systemctl stop rdnbr{which})"
    )


def kernel_refuses(error: OSError) -> CannotStart:
    """Return the error that the kernel refused what the daemon needs, such as a file descriptor."""
    return CannotStart(
        f"the kernel refuses what rdnbr needs to start: {error}; see ulimit -n and journalctl -k"
    )
