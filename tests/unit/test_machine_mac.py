"""The MAC that systemd makes up for a bridge."""

from pathlib import Path

import pytest

from rdnbr.linux.host.machine_mac import machine_mac, siphash


@pytest.mark.parametrize(
    ("length", "value"),
    [
        (0, 0x726FDB47DD0E0E31),
        (7, 0xAB0200F58B01D137),
        (8, 0x93F5F5799A932462),
        (15, 0xA129CA6149BE45E5),
        (63, 0x958A324CEB064572),
    ],
)
def test_siphash_is_that_of_its_authors(length: int, value: int) -> None:
    """SipHash-2-4 of the bytes 0, 1, 2 … under the key 00 01 … 0f, as its reference implementation has them."""
    assert siphash(bytes(range(16)), bytes(range(length))) == value


def test_another_machine_has_another_mac(tmp_path: Path) -> None:
    """The MAC is locally administered, no group's, and differs between machines and between names."""
    (tmp_path / "etc").mkdir()
    found = []
    for machine, name in [("1" * 32, "vmbr1"), ("2" * 32, "vmbr1"), ("2" * 32, "vmbr2")]:
        (tmp_path / "etc/machine-id").write_text(f"{machine}\n")
        mac = machine_mac(name, tmp_path)
        assert mac is not None
        assert mac[0] & 3 == 2
        found.append(mac)
    assert len(set(found)) == 3


@pytest.mark.parametrize("text", [None, "", "uninitialized\n"])
def test_a_machine_without_id_has_none(tmp_path: Path, text: str | None) -> None:
    """Where there is no id yet, systemd makes nothing of it."""
    if text is not None:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/machine-id").write_text(text)
    assert machine_mac("vmbr1", tmp_path) is None
