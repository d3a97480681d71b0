"""Replay: captures through the engine of the daemon, with a clock of their own and a simulated kernel."""
