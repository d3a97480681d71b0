"""Neighbour unreachability detection (RFC 4861 §7.3), and what else is asked of guests or told to them."""
