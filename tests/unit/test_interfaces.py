"""The guest number in the name of a port."""

import pytest

from rdnbr.core.model.interfaces import vm_of


@pytest.mark.parametrize(
    ("name", "vm"),
    [
        ("tap100i0", 100),
        ("veth101i12", 101),
        ("fwpr102p0", 102),
        ("tap100", None),
        ("fwln102i0", None),
        ("xtap100i0", None),
        ("tap100i0x", None),
        ("tapi0", None),
    ],
)
def test_vm_of_a_proxmox_port_name(name: str, vm: int | None):
    """Only a port name of Proxmox has a guest number."""
    assert vm_of(name) == vm
