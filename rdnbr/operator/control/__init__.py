"""The control socket, its protocol and its client."""
