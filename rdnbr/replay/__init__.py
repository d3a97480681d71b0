"""Captures through the engine of the daemon, with their own clock and a fake kernel."""
