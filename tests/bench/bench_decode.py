"""How fast frames are read: `decode`, scapy and tcpdump over the same capture.

    .venv/bin/python tests/bench/bench_decode.py [frames]

tcpdump prints what it reads, and its time includes starting it and reading the file; the other two find the frames in
memory, and scapy only dissects. So the ratios tell orders of magnitude, and no more.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.utils import PcapWriter

from rdnbr.core.model.claim import Claim
from rdnbr.core.wire.decode import decode

ROUNDS = 5
GUESTS = 1_000
"""Different frames of each kind. scapy reads each once: it takes as long over one as the others over a hundred."""


def arp(guest: int) -> bytes:
    """A guest's request for its gateway, padded as on the wire."""
    mac = f"52:54:00:00:{guest >> 8:02x}:{guest & 255:02x}"
    request = ARP(hwsrc=mac, psrc=f"10.0.{guest >> 8}.{guest & 255}", pdst="169.254.0.1")
    return bytes(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / request).ljust(60, b"\0")


def solicitation(guest: int) -> bytes:
    """A guest's solicitation of its gateway."""
    mac = f"52:54:00:00:{guest >> 8:02x}:{guest & 255:02x}"
    header = Ether(src=mac, dst="33:33:ff:00:00:01") / IPv6(
        src=f"2001:db8::{guest:x}", dst="ff02::1:ff00:1", hlim=255
    )
    return bytes(header / ICMPv6ND_NS(tgt="fe80::1") / ICMPv6NDOptSrcLLAddr(lladdr=mac))


def advertisement(guest: int) -> bytes:
    """A guest's answer to its gateway."""
    mac = f"52:54:00:00:{guest >> 8:02x}:{guest & 255:02x}"
    address = f"2001:db8::{guest:x}"
    header = Ether(src=mac, dst="52:54:00:ff:00:01") / IPv6(src=address, dst="fe80::1", hlim=255)
    return bytes(header / ICMPv6ND_NA(tgt=address, R=0) / ICMPv6NDOptDstLLAddr(lladdr=mac))


def rate(read: Callable[[], object], frames: int) -> float:
    """Frames a second, the median of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        start = perf_counter()
        read()
        seconds.append(perf_counter() - start)
    return frames / median(seconds)


def with_rdnbr(frames: list[bytes]) -> None:
    for frame in frames:
        decode(frame)


def with_scapy(frames: list[bytes]) -> None:
    for frame in frames:
        Ether(frame)


def with_tcpdump(capture: Path) -> None:
    command = ["tcpdump", "-r", str(capture), "-n", "-e"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main(count: int) -> None:
    """Print the table."""
    table = Table(
        "frames", "reader", "frames/s", "relative", title=f"{count} frames, median of {ROUNDS} rounds"
    )
    for column in table.columns[2:]:
        column.justify = "right"
    for name, make in [("ARP request", arp), ("NS", solicitation), ("NA", advertisement)]:
        guests = [make(guest) for guest in range(1, GUESTS + 1)]
        assert all(isinstance(decode(frame), Claim) for frame in guests)
        frames = guests * (count // GUESTS)
        rates = {"rdnbr": rate(lambda: with_rdnbr(frames), len(frames))}  # noqa: B023 called at once
        rates["scapy"] = rate(lambda: with_scapy(guests), GUESTS)  # noqa: B023
        if shutil.which("tcpdump"):
            with tempfile.TemporaryDirectory() as directory:
                capture = Path(directory, "frames.pcap")
                with PcapWriter(str(capture), linktype=1) as writer:
                    for frame in frames:
                        writer.write(frame)
                rates["tcpdump"] = rate(lambda: with_tcpdump(capture), len(frames))  # noqa: B023
        for reader, value in rates.items():
            table.add_row(name, reader, f"{value:,.0f}", f"{value / rates['rdnbr']:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
