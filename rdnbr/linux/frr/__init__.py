"""The state of FRR, read with vtysh."""
