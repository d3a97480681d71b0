"""`python -m rdnbr`, and the `rdnbr` command."""

import os
import sys

from rdnbr import cli


def main() -> int:
    """Run the command line. On a closed pipe or Ctrl-C, return the exit code of the signal."""
    try:
        try:
            return cli.main(sys.argv[1:])
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Otherwise the interpreter would flush the rest of the buffer at exit, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13  # SIGPIPE
    except KeyboardInterrupt:
        return 128 + 2  # SIGINT


if __name__ == "__main__":
    sys.exit(main())
