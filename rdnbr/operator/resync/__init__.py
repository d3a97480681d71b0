"""`rdnbr resync --frr`: routes that zebra missed."""
