"""`rdnbr doctor`: finds what will not work on this node, and says how to correct it."""
