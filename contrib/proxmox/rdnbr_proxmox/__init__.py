"""Writes rdnbr's allowlist from the guest configurations of a Proxmox VE cluster.

Data flows one way: `cluster` reads /etc/pve, `guest` and `firewall` parse the files, `rules` combines both for one
guest, `document` makes the text of the allowlist, and `command` replaces the file.
"""
