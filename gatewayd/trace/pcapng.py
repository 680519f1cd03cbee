"""pcapng: sections in either byte order, several interfaces, each with a clock of its own.

Source: draft-ietf-opsawg-pcapng. Own code, for the reason that `trace.pcap` gives.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from gatewayd.trace.errors import TraceError
from gatewayd.trace.record import (
    MAX_RECORD_BYTES,
    PCAP_LINKS,
    LinkType,
    Record,
    Window,
    possible_time,
)

MAGIC: Final = b"\x0a\x0d\x0d\x0a"
MAX_BLOCK_BYTES: Final = 1 << 24
MAX_INTERFACES: Final = 1024

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_OLD_PACKET: Final = 2
_SIMPLE_PACKET: Final = 3
_PACKET: Final = 6
_PACKETS: Final = frozenset({_OLD_PACKET, _SIMPLE_PACKET, _PACKET})
_OPTION_FLAGS: Final = 2
_OPTION_RESOLUTION: Final = 9
_OPTION_OFFSET: Final = 14
_ORDERS: Final = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_DIRECTIONS: Final = {1: 1, 2: 0}
"""epb_flags to btsnoop's bit 0: inbound is what the controller sent."""


class _Interface(NamedTuple):
    number: int
    link: LinkType | None
    units_per_s: int = 10**6
    offset_s: int = 0

    def time_ns(self, units: int) -> int | None:
        return possible_time(self.offset_s * 10**9 + units * 10**9 // self.units_per_s)


def records(window: Window) -> Iterator[Record]:
    """The Bluetooth packets of a pcapng file; those of other interfaces are left out.

    Raises TraceError where it is damaged or ends too early, and when no interface is Bluetooth.
    """
    order = "<"
    interfaces: list[_Interface] = []
    seen: set[int] = set()
    number = total = 0
    while window.has(12):
        number += 1
        head = window.data[window.at : window.at + 12]
        if head[:4] == MAGIC:
            order = _order(head[8:12])
            interfaces = []
        kind, length = struct.unpack_from(f"{order}2I", head)
        body = _block(window, length, number, order)
        if kind == _INTERFACE:
            if len(interfaces) >= MAX_INTERFACES:
                raise TraceError(f"more than {MAX_INTERFACES} interfaces, so the file is damaged")
            interfaces.append(_interface(body, order, total))
            total += 1
            seen.add(int.from_bytes(body[:2], "little" if order == "<" else "big"))
        elif kind in _PACKETS:
            record = _packet(kind, body, order, interfaces, number)
            if record is not None:
                yield record
    if window.left:
        raise TraceError(f"the file ends within block {number + 1}")
    if seen and not seen & PCAP_LINKS.keys():
        kinds = ", ".join(map(str, sorted(seen)))
        raise TraceError(f"the capture holds packets of link type {kinds}, which is not Bluetooth")


def _order(magic: bytes) -> str:
    order = _ORDERS.get(magic)
    if order is None:
        raise TraceError("a section without a byte order, so the file is damaged")
    return order


def _block(window: Window, length: int, number: int, order: str) -> bytes:
    if length < 12 or length % 4 or length > MAX_BLOCK_BYTES:
        raise TraceError(f"block {number} claims {length} bytes, so the file is damaged")
    if not window.has(length):
        raise TraceError(f"the file ends within block {number}")
    block = window.take(length)
    if struct.unpack_from(f"{order}I", block, length - 4)[0] != length:
        raise TraceError(f"block {number} does not end as it began, so the file is damaged")
    return block[8:-4]


def _interface(body: bytes, order: str, number: int) -> _Interface:
    if len(body) < 8:
        raise TraceError("an interface without a link type, so the file is damaged")
    link = PCAP_LINKS.get(struct.unpack_from(f"{order}H", body)[0])
    units_per_s, offset_s = 10**6, 0
    for code, value in _options(body, 8, order):
        if code == _OPTION_RESOLUTION and value:
            exponent = value[0] & 0x7F
            units_per_s = 2**exponent if value[0] & 0x80 else 10**exponent
        elif code == _OPTION_OFFSET and len(value) == 8:
            offset_s = struct.unpack(f"{order}q", value)[0]
    return _Interface(number, link, units_per_s, offset_s)


def _packet(
    kind: int, body: bytes, order: str, interfaces: list[_Interface], number: int
) -> Record | None:
    interface_id, units, start = 0, None, 4
    if kind == _SIMPLE_PACKET:
        if len(body) < 4:
            raise _damaged(number)
        (original,) = struct.unpack_from(f"{order}I", body)
        included = min(original, len(body) - 4)
    else:
        if len(body) < 20:
            raise _damaged(number)
        first, high, low, included, original = struct.unpack_from(f"{order}5I", body)
        # the obsolete block has a count of drops in the other half of the first word
        interface_id = struct.unpack_from(f"{order}H", body)[0] if kind == _OLD_PACKET else first
        units, start = high << 32 | low, 20
    if interface_id >= len(interfaces) or included > min(len(body) - start, MAX_RECORD_BYTES):
        raise _damaged(number)
    interface = interfaces[interface_id]
    if interface.link is None:
        return None
    flags = -1
    if kind == _PACKET:
        end = start + included + -included % 4
        for code, value in _options(body, end, order):
            if code == _OPTION_FLAGS and len(value) == 4:
                flags = _DIRECTIONS.get(struct.unpack(f"{order}I", value)[0] & 3, -1)
    at_ns = None if units is None else interface.time_ns(units)
    data = body[start : start + included]
    return Record(at_ns, interface.link, flags, interface.number, data, included < original)


def _damaged(number: int) -> TraceError:
    return TraceError(f"block {number} is no possible packet, so the file is damaged")


def _options(body: bytes, at: int, order: str) -> Iterator[tuple[int, bytes]]:
    """Options up to the first that is cut short."""
    while at + 4 <= len(body):
        code, length = struct.unpack_from(f"{order}2H", body, at)
        end = at + 4 + length
        if code == 0 or end > len(body):
            return
        yield code, body[at + 4 : end]
        at = end + -length % 4
