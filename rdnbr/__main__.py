"""`python -m rdnbr`, and the `rdnbr` command."""

import os
import sys

from rdnbr import cli


def main() -> int:
    """Run the command line; a reader that went away or Ctrl-C end it as they end any program."""
    try:
        try:
            return cli.main(sys.argv[1:])
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer would fail again at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13  # SIGPIPE
    except KeyboardInterrupt:
        return 128 + 2  # SIGINT


if __name__ == "__main__":
    sys.exit(main())
