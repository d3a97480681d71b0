"""Writes rdnbr's allowlist from the guest configurations of a Proxmox VE cluster.

Data flows one way: `cluster` reads /etc/pve, `guest` and `firewall` make sense of the texts, `rules` brings both
together for one guest, `document` writes the allowlist out, and `command` puts the file in place.
"""
