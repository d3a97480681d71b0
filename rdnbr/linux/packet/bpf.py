"""Classic BPF: a small assembler, and the attachment of its programs to sockets.

Instruction set: Documentation/networking/filter.rst in the kernel's tree. A load beyond the end of the packet
ends the program and drops the packet, so no program here checks lengths.
"""

import ctypes
import struct
from socket import SOL_SOCKET, socket
from typing import NamedTuple

_SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("=HBBI")

_LD_HALF_ABS = 0x28
_LD_BYTE_ABS = 0x30
_LD_WORD_ABS = 0x20
_LD_HALF_IND = 0x48
_LD_BYTE_IND = 0x50
_LD_IMM = 0x00
_LDX_IMM = 0x01
_TAX = 0x07
_JEQ = 0x15
_JGT = 0x25
_JGE = 0x35
_JSET = 0x45
_RET = 0x06


class Step(NamedTuple):
    """One instruction. A jump names the labels of its targets; None stands for the next instruction."""

    code: int
    k: int = 0
    yes: str | None = None
    no: str | None = None


def half(offset: int) -> Step:
    """Load two bytes, big-endian, into A."""
    return Step(_LD_HALF_ABS, offset)


def byte(offset: int) -> Step:
    """Load a byte into A."""
    return Step(_LD_BYTE_ABS, offset)


def word(offset: int) -> Step:
    """Load four bytes, big-endian, into A."""
    return Step(_LD_WORD_ABS, offset)


def extension(number: int) -> Step:
    """Load metadata of the packet into A (SKF_AD_OFF, linux/filter.h); some of it takes A and X as arguments."""
    return Step(_LD_WORD_ABS, (-0x1000 + number) & 0xFFFFFFFF)


def half_at_x(offset: int) -> Step:
    """Load two bytes at X + offset, big-endian, into A."""
    return Step(_LD_HALF_IND, offset)


def byte_at_x(offset: int) -> Step:
    """Load the byte at X + offset into A."""
    return Step(_LD_BYTE_IND, offset)


def constant(value: int) -> Step:
    """Set A to a number."""
    return Step(_LD_IMM, value)


def index(value: int) -> Step:
    """Set X to a number."""
    return Step(_LDX_IMM, value)


def index_from_a() -> Step:
    """Set X to A."""
    return Step(_TAX)


def equal(value: int, yes: str | None = None, no: str | None = None) -> Step:
    """Jump to `yes` if A == value, else to `no`."""
    return Step(_JEQ, value, yes, no)


def above(value: int, yes: str | None = None, no: str | None = None) -> Step:
    """Jump to `yes` if A > value, else to `no`."""
    return Step(_JGT, value, yes, no)


def at_least(value: int, yes: str | None = None, no: str | None = None) -> Step:
    """Jump to `yes` if A >= value, else to `no`."""
    return Step(_JGE, value, yes, no)


def any_bit(mask: int, yes: str | None = None, no: str | None = None) -> Step:
    """Jump to `yes` if A & mask is not 0, else to `no`."""
    return Step(_JSET, mask, yes, no)


def deliver(length: int) -> Step:
    """End the program: deliver the first `length` bytes; 0 drops the packet."""
    return Step(_RET, length)


def assemble(*lines: Step | str) -> bytes:
    """Return the program of `lines`, in which a string is a label. Jumps lead forward only, as the kernel demands."""
    labels: dict[str, int] = {}
    steps: list[Step] = []
    for line in lines:
        if isinstance(line, str):
            labels[line] = len(steps)
        else:
            steps.append(line)

    def distance(label: str | None, here: int) -> int:
        return 0 if label is None else labels[label] - here - 1

    return b"".join(
        _INSTRUCTION.pack(step.code, distance(step.yes, here), distance(step.no, here), step.k)
        for here, step in enumerate(steps)
    )


def attach(endpoint: socket, program: bytes) -> None:
    """Let `endpoint` receive only the packets that `program` delivers."""
    text = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("HP", len(program) // _INSTRUCTION.size, ctypes.addressof(text))
    endpoint.setsockopt(SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
