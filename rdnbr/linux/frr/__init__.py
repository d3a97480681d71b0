"""What FRR says of itself, by vtysh."""
