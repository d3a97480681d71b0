#!/usr/bin/env python3
"""libvirt's hook for QEMU guests: writes the allowlist of a guest before it starts on this node, or migrates to it.

Installed as /etc/libvirt/hooks/qemu, for guests on the bridge vmbr1. A guest's addresses are in its metadata, which
migrates with it:

    virsh metadata web1 urn:rdnbr --key rdnbr --set '<addresses>2.57.57.30 2001:db8:100::80</addresses>' --config --live

The hook writes them to one file, /etc/rdnbr/allowlist.d/libvirt-UUID.conf, with rules for the MACs of all the guest's
cards on that bridge. It replaces the file only if `rdnbr check` finds no mistake in the new one. The file stays when
the guest stops.

If the hook fails, libvirt does not start the guest. If it fails while libvirt is restarted, libvirt kills the running
guest. Therefore the hook prints every error, and its exit code is always 0.
"""

import subprocess
import sys
import tempfile
from ipaddress import ip_network
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree as ET

BRIDGE = "vmbr1"
DIRECTORY = Path("/etc/rdnbr/allowlist.d")
OPERATIONS = frozenset({"prepare", "migrate", "restore", "reconnect", "attach"})
"""The operations before a guest can send frames on this node, and `reconnect` for the start of libvirt itself."""


def rules(domain: ET.Element) -> list[str]:
    """Return the rules of a guest: each of its addresses for each of its cards.

    Raises:
        ValueError: an address is invalid.
    """
    words = [word for given in domain.iter("{urn:rdnbr}addresses") for word in (given.text or "").split()]
    prefixes = [ip_network(word) for word in words]
    cards = [
        card
        for card in domain.iterfind("devices/interface")
        if any(source.get("bridge") == BRIDGE for source in card.iterfind("source"))
    ]
    macs = [mac.get("address", "").lower() for card in cards for mac in card.iterfind("mac")]
    return [f"{prefix} mac={mac}" for mac in macs for prefix in prefixes]


def replace_file(path: Path, text: str) -> None:
    """Replace the file atomically, if `rdnbr check` accepts the new one.

    Raises:
        ValueError: `rdnbr check` does not. The message says why.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".libvirt.", dir=path.parent) as folder:
        new = Path(folder) / path.name
        new.write_text(text, encoding="utf-8")
        new.chmod(0o644)
        check = ["rdnbr", "check", "--allowlist", str(new)]
        try:
            done = subprocess.run(  # noqa: S603  (a name that is the guest's UUID)
                check, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False
            )
        except FileNotFoundError:
            raise ValueError("libvirt finds no rdnbr; ln -s /opt/rdnbr/bin/rdnbr /usr/local/bin/") from None
        if done.returncode != 0:
            raise ValueError(f"rdnbr check refuses it: {done.stdout}{done.stderr}")
        new.replace(path)


def main() -> None:
    """Write the allowlist if this operation of libvirt needs it."""
    if OPERATIONS.isdisjoint(sys.argv[2:3]):
        return
    domain = ET.fromstring(sys.stdin.buffer.read())  # noqa: S314  (libvirt wrote it)
    path = DIRECTORY / f"libvirt-{UUID(domain.findtext('uuid', ''))}.conf"
    lines = rules(domain)
    text = "".join(f"{line}\n" for line in [f"# {domain.findtext('name', '')!a}, by libvirt's hook", *lines])
    if lines and not (path.exists() and path.read_text(encoding="utf-8") == text):
        replace_file(path, text)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001  (a failing hook may kill the guest)
        sys.stderr.write(f"rdnbr: the allowlist of {sys.argv[1:2]} stays as it is: {error}\n")
