"""The log, and the decisions that go into it."""
