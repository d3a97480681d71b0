"""What the kernel should hold, what it does hold, and the operations between the two."""
