"""The MAC that systemd assigns to a device without a permanent one (MACAddressPolicy=persistent in systemd.link(5)).

By default a bridge gets such a MAC. systemd computes it from the machine id and the name of the bridge, so the MAC
differs between nodes (systemd, src/shared/netif-util.c and src/udev/net/link-config.c).
"""

from pathlib import Path

from rdnbr.core.model.address import MAC

_KEY = bytes.fromhex("d31e48fa90fe4b4c9dafd5d7a1b12e8a")
_WORD = (1 << 64) - 1


def machine_mac(name: str, root: Path = Path("/")) -> MAC | None:
    """Return the MAC that systemd assigns to a virtual device of this name; None if the machine has no id."""
    try:
        machine = bytes.fromhex((root / "etc/machine-id").read_text().strip())
    except (OSError, ValueError):
        return None
    if len(machine) != 16:
        return None
    mac = bytearray(siphash(_KEY, machine + name.encode()).to_bytes(8, "little")[:6])
    mac[0] = mac[0] & 0xFE | 0x02  # unicast, and locally administered
    return MAC(bytes(mac))


def siphash(key: bytes, message: bytes) -> int:
    """Return SipHash-2-4 (Aumasson and Bernstein, 2012) of a message with a key of 16 bytes."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [k ^ constant for k, constant in zip((k0, k1, k0, k1), _CONSTANTS, strict=True)]
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 0xFF])
    for start in range(0, len(padded), 8):
        word = int.from_bytes(padded[start : start + 8], "little")
        v[3] ^= word
        _round(v)
        _round(v)
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(4):
        _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


_CONSTANTS = tuple(
    int.from_bytes(part, "big") for part in (b"somepseu", b"dorandom", b"lygenera", b"tedbytes")
)


def _round(v: list[int]) -> None:
    v[0] = v[0] + v[1] & _WORD
    v[1] = _left(v[1], 13) ^ v[0]
    v[0] = _left(v[0], 32)
    v[2] = v[2] + v[3] & _WORD
    v[3] = _left(v[3], 16) ^ v[2]
    v[0] = v[0] + v[3] & _WORD
    v[3] = _left(v[3], 21) ^ v[0]
    v[2] = v[2] + v[1] & _WORD
    v[1] = _left(v[1], 17) ^ v[2]
    v[2] = _left(v[2], 32)


def _left(word: int, bits: int) -> int:
    return (word << bits | word >> 64 - bits) & _WORD
