"""pcap, both byte orders, microseconds and nanoseconds (tcpdump.org, pcap-savefile).

Own code: a header and a loop; libraries cost more than they save (see `trace.hci`).
"""

import struct
from collections.abc import Iterator
from typing import Final

from gatewayd.trace.errors import TraceError
from gatewayd.trace.record import (
    PCAP_LINKS,
    Record,
    Window,
    check_size,
    ends_within,
    possible_time,
)

MAGICS: Final = {
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}
"""Byte order, and nanoseconds per unit of the fraction, by the file's first bytes."""

_HEADER_BYTES: Final = 24


def records(window: Window) -> Iterator[Record]:
    """The packets of a pcap file. Raises TraceError where it is damaged or ends too early."""
    if not window.has(_HEADER_BYTES):
        raise TraceError("the file ends within its header")
    header = window.take(_HEADER_BYTES)
    order, unit_ns = MAGICS[header[:4]]
    kind = struct.unpack_from(f"{order}I", header, 20)[0] & 0x03FFFFFF
    link = PCAP_LINKS.get(kind)
    if link is None:
        raise TraceError(f"the capture holds packets of link type {kind}, which is not Bluetooth")
    record = struct.Struct(f"{order}4I")
    number = 0
    while window.has(record.size):
        number += 1
        seconds, fraction, included, original = record.unpack_from(window.data, window.at)
        size = check_size(included, number)
        if not window.has(record.size + size):
            raise ends_within(number)
        start = window.at + record.size
        window.at = start + size
        at_ns = possible_time(seconds * 10**9 + fraction * unit_ns)
        yield Record(at_ns, link, -1, 0, window.data[start : window.at], included < original)
    if window.left:
        raise ends_within(number + 1)
