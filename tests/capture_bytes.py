"""Builds capture files byte by byte: the variants of pcap and pcapng that the tests need."""

from struct import pack


def pcap_record(
    data: bytes, at: float, *, order: str = "<", ticks: int = 1_000_000, length: int = 0
) -> bytes:
    seconds = int(at)
    fraction = round((at - seconds) * ticks)
    return pack(order + "4I", seconds, fraction, len(data), length or len(data)) + data


def pcap_header(*, order: str = "<", magic: int = 0xA1B2C3D4, link_type: int = 1, snap: int = 65535) -> bytes:
    return pack(order + "IHHIIII", magic, 2, 4, 0, 0, snap, link_type)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = pack(order + "I", len(body) + 12)
    return pack(order + "I", kind) + length + body + length


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return pack(order + "2H", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(*options: bytes, link_type: int = 1, order: str = "<") -> bytes:
    return block(1, pack(order + "HHI", link_type, 0, 0) + b"".join(options), order)


def packet(data: bytes, ticks: int, *options: bytes, which: int = 0, order: str = "<") -> bytes:
    head = pack(order + "5I", which, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(6, head + data + bytes(-len(data) % 4) + b"".join(options), order)
