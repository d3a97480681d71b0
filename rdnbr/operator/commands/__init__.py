"""The command line, and the commands that ask a running daemon."""
