"""Bytes to claims, and back: ARP and NDP frames."""
