"""What rdnbr decides: pure values and functions, no input or output, no clock."""
