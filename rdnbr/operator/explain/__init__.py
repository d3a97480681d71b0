"""`rdnbr explain`: why an address is routed, or is not."""
