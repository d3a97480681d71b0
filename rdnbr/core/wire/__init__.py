"""ARP and NDP: frames decoded to claims, and frames written."""
