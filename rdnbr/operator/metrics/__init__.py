"""`rdnbr metrics`: figures of the daemon for Prometheus."""
