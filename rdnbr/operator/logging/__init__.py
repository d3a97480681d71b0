"""The log of the daemon, and the decisions in it."""
