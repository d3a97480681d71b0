"""Packet sockets on the ports, and their BPF filters."""
