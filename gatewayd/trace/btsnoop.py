"""btsnoop, the file of Android, BlueZ (btmon -w) and Bumble: RFC 1761 with other link types.

Own code: the format is a header and a loop, and no library reads the monitor's records.
"""

import struct
from collections.abc import Iterator
from typing import Final

from gatewayd.trace.errors import TraceError
from gatewayd.trace.record import LinkType, Record, Window, check_size, ends_within, possible_time

MAGIC: Final = b"btsnoop\0"
_FILE_HEADER: Final = struct.Struct(">8sII")
_RECORD_HEADER: Final = struct.Struct(">IIIIq")
EPOCH_US: Final = 0x00DCDDB30F2F8000
"""1970 in microseconds since the year 0, as the format counts."""

_LINKS: Final = {1001: LinkType.H1, 1002: LinkType.H4, 2001: LinkType.MONITOR}


def records(window: Window) -> Iterator[Record]:
    """The packets of a btsnoop file. Raises TraceError where it is damaged or ends too early."""
    if not window.has(_FILE_HEADER.size):
        raise TraceError("the file ends within its header")
    _, version, kind = _FILE_HEADER.unpack(window.take(_FILE_HEADER.size))
    link = _LINKS.get(kind)
    if version != 1 or link is None:
        raise TraceError(f"btsnoop version {version} of link type {kind} is not supported")
    unpack, header_size = _RECORD_HEADER.unpack_from, _RECORD_HEADER.size
    number = 0
    while window.has(header_size):
        number += 1
        original, included, flags, _, at_us = unpack(window.data, window.at)
        size = check_size(included, number)
        if not window.has(header_size + size):
            raise ends_within(number)
        start = window.at + header_size
        window.at = start + size
        at_ns = possible_time((at_us - EPOCH_US) * 1000)
        data = window.data[start : window.at]
        yield Record(at_ns, link, flags, 0, data, included < original)
    if window.left:
        raise ends_within(number + 1)
