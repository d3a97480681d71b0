"""`rdnbr doctor`: what will not work on this node, and the cure."""
