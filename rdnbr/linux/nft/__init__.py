"""The nftables table of `enforce`."""
