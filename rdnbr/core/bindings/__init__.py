"""The bindings and their state machine (RFC 6620)."""
