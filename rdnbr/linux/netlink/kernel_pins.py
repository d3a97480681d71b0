"""Writes and reads the pins of rdnbr in the bridges' forwarding databases.

A pin is a static, sticky entry. Static entries do not age, and a sticky one does not move to another port when a frame
with its MAC arrives there (net/bridge/br_fdb.c, br_fdb_update; Linux 4.20).

A forwarding database has no field for the program that has made an entry. The mark of rdnbr is the combination static,
sticky and NFEA_ACTIVITY_NOTIFY (Linux 5.9), which `bridge fdb` cannot write. Its only other effect is that the kernel
announces once when the MAC was silent for the ageing time. A static entry without the mark belongs to somebody else and
is never changed. If somebody replaces a pin, the mark is gone.

Constants: linux/neighbour.h.
"""

import os
import re
import struct
from collections.abc import Sequence
from errno import ENODEV, ENOENT, EOPNOTSUPP

from rdnbr.core.model.address import MAC
from rdnbr.core.model.pin import DropPin, Pin, PinKey, PinOperation, PinRefusal, PutPin
from rdnbr.linux.netlink.attributes import attributes
from rdnbr.linux.netlink.bridge_ports import vlan_aware_bridges
from rdnbr.linux.netlink.netlink_socket import NetlinkSocket
from rdnbr.linux.netlink.rtnetlink import (
    NLM_F_REPLACE,
    RTM_DELNEIGH,
    RTM_GETNEIGH,
    RTM_NEWNEIGH,
    Request,
    dump_fdb,
)

NEEDED = (5, 9)
"""The first version of Linux that keeps the mark."""

_NLM_F_CREATE = 0x400
_AF_BRIDGE = 7
_NDMSG = struct.Struct("=BBHiHBB")  # family, pad, pad, ifindex, state, flags, type
_ATTRIBUTE = struct.Struct("=HH")
_NDA_LLADDR, _NDA_VLAN, _NDA_MASTER, _NDA_FDB_EXT_ATTRS = 2, 5, 9, 14
_NLA_F_NESTED = 0x8000
_NFEA_ACTIVITY_NOTIFY = 1
_NUD_NOARP, _NUD_PERMANENT = 0x40, 0x80
_NTF_MASTER, _NTF_STICKY = 0x04, 0x40

_MARK = _ATTRIBUTE.pack(12, _NDA_FDB_EXT_ATTRS | _NLA_F_NESTED) + struct.pack(
    "=HHBxxx", 5, _NFEA_ACTIVITY_NOTIFY, 1
)
_GONE = frozenset({ENOENT, ENODEV, EOPNOTSUPP})
"""Errors of a removal when the entry or the port does not exist, or the port has left its bridge."""


def can_pin() -> bool:
    """Return whether this kernel keeps the mark of a pin."""
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return version is not None and (int(version[1]), int(version[2])) >= NEEDED


class KernelPins:
    """The forwarding databases in the network namespace in which it was created.

    Raises:
        OSError: a netlink socket cannot be opened.
    """

    def __init__(self) -> None:
        self._netlink = NetlinkSocket()
        self._vlan_aware: frozenset[int] = frozenset()

    def close(self) -> None:
        """Close the socket; all pins stay."""
        self._netlink.close()

    def read(self) -> dict[PinKey, int]:
        """Return the port (ifindex) of each pin of ours.

        Raises:
            OSError: the kernel did not answer.
        """
        self._vlan_aware = vlan_aware_bridges(self._netlink)
        pins = (read_pin(message.body) for message in self._netlink.dump(dump_fdb()))
        return {pin.key: pin.port for pin in pins if pin is not None}

    def apply(self, operations: Sequence[PinOperation]) -> list[PinRefusal]:
        """Carry out `operations` in their order and return those that failed.

        Raises:
            OSError: the kernel did not answer. Any of the operations may have been carried out.
        """
        present = self._netlink.request([_get(operation.pin.key) for operation in operations])
        refusals: list[PinRefusal] = []
        requests: list[tuple[PinOperation, Request]] = []
        for operation, answer in zip(operations, present, strict=True):
            ours = read_pin(answer.body)
            match operation:
                case PutPin(pin) if pin.key.bridge in self._vlan_aware:
                    refusals.append(PinRefusal(operation, _VLAN_AWARE))
                case PutPin(pin) if ours is None and _is_static(answer.body):
                    refusals.append(PinRefusal(operation, _FOREIGN))
                case PutPin(pin):
                    requests.append((operation, _put(pin)))
                case DropPin(pin) if ours == pin:
                    requests.append((operation, _drop(pin)))
                case DropPin():  # somebody has removed or replaced the pin
                    pass
        answers = self._netlink.request([request for _, request in requests])
        return refusals + [
            PinRefusal(operation, answer.text)
            for (operation, _), answer in zip(requests, answers, strict=True)
            if answer.code and not (isinstance(operation, DropPin) and answer.code in _GONE)
        ]


def remove_all_pins() -> int:
    """Remove all pins of ours in this network namespace, and return how many there were.

    Raises:
        OSError: the kernel did not answer.
    """
    kernel = KernelPins()
    try:
        pins = kernel.read()
        kernel.apply([DropPin(Pin(key, port)) for key, port in pins.items()])
    finally:
        kernel.close()
    return len(pins)


def read_pin(body: bytes) -> Pin | None:
    """Read an entry of a forwarding database; None if it is no pin of ours."""
    if len(body) < _NDMSG.size:
        return None
    family, _, _, port, state, flags, _ = _NDMSG.unpack_from(body)
    if family != _AF_BRIDGE or state != _NUD_NOARP or not flags & _NTF_STICKY:
        return None
    found = attributes(body, _NDMSG.size)
    mac, bridge = found.get(_NDA_LLADDR, b""), found.get(_NDA_MASTER, b"")
    mark = attributes(found.get(_NDA_FDB_EXT_ATTRS, b"")).get(_NFEA_ACTIVITY_NOTIFY)
    if not mark or len(mac) != 6 or len(bridge) != 4 or _NDA_VLAN in found:
        return None
    return Pin(PinKey(struct.unpack("=I", bridge)[0], MAC(mac)), port)


_FOREIGN = "somebody else's static entry in the forwarding database holds this MAC; rdnbr leaves it alone"
_VLAN_AWARE = "the bridge filters VLANs, and there rdnbr pins no MACs"


def _put(pin: Pin) -> Request:
    """Return the request to write a pin; it replaces any entry of the MAC."""
    body = _NDMSG.pack(_AF_BRIDGE, 0, 0, pin.port, _NUD_NOARP, _NTF_MASTER | _NTF_STICKY, 0)
    return Request(RTM_NEWNEIGH, _NLM_F_CREATE | NLM_F_REPLACE, body + _mac(pin.key.mac) + _MARK)


def _drop(pin: Pin) -> Request:
    """Return the request to remove an entry of any origin: the kernel compares only port and MAC."""
    return Request(
        RTM_DELNEIGH, 0, _NDMSG.pack(_AF_BRIDGE, 0, 0, pin.port, 0, _NTF_MASTER, 0) + _mac(pin.key.mac)
    )


def _get(key: PinKey) -> Request:
    master = struct.pack("=HHI", 8, _NDA_MASTER, key.bridge)
    return Request(RTM_GETNEIGH, 0, _NDMSG.pack(_AF_BRIDGE, 0, 0, 0, 0, 0, 0) + _mac(key.mac) + master)


def _mac(mac: MAC) -> bytes:
    return _ATTRIBUTE.pack(10, _NDA_LLADDR) + mac + b"\0\0"


def _is_static(body: bytes) -> bool:
    return len(body) >= _NDMSG.size and bool(_NDMSG.unpack_from(body)[4] & (_NUD_NOARP | _NUD_PERMANENT))
