"""One captured packet, whatever file it came from, and a bounded window on that file."""

from enum import IntEnum
from typing import BinaryIO, Final, NamedTuple

from gatewayd.trace.errors import TraceError, TraceUnavailable

CHUNK_BYTES: Final = 1 << 18
MAX_RECORD_BYTES: Final = 1 << 18
"""No Bluetooth packet comes near; a record that claims more is damage."""

LATEST_NS: Final = 250_000_000_000 * 10**9
"""Early in the year 9892: what is later cannot be shown in every zone, and is no time."""


class LinkType(IntEnum):
    """How a packet is wrapped.

    H1, H4 and MONITOR carry btsnoop's flags beside the data; the others are link types of
    pcap (tcpdump.org/linktypes.html).
    """

    H1 = 0
    """HCI without a type byte; the flags tell the type (btsnoop 1001)."""

    H4 = 1
    """HCI behind its type byte (btsnoop 1002, pcap 187)."""

    H4_PHDR = 2
    """The same behind four bytes of direction (pcap 201)."""

    MONITOR = 3
    """Linux monitor; the flags hold adapter and opcode (btsnoop 2001)."""

    MONITOR_PHDR = 4
    """The same behind four bytes of adapter and opcode (pcap 254)."""

    LE_LL = 5
    """On air, from the access address to the check value (pcap 251)."""

    LE_LL_PHDR = 6
    """The same behind ten bytes of reception (pcap 256)."""

    NRF = 7
    """The same behind the header of Nordic's sniffer (pcap 272)."""


PCAP_LINKS: Final = {
    187: LinkType.H4,
    201: LinkType.H4_PHDR,
    251: LinkType.LE_LL,
    254: LinkType.MONITOR_PHDR,
    256: LinkType.LE_LL_PHDR,
    272: LinkType.NRF,
}

ON_AIR: Final = frozenset({LinkType.LE_LL, LinkType.LE_LL_PHDR, LinkType.NRF})


class Record(NamedTuple):
    """One packet. `at_ns` counts from 1970 in UTC, None when the file does not tell a time.

    `flags` are btsnoop's, or -1 when the file has none; bit 0 then means "from the controller".
    `source` tells interfaces of one file apart. `cut`: the file holds only the packet's beginning.
    """

    at_ns: int | None
    link: LinkType
    flags: int
    source: int
    data: bytes
    cut: bool = False


class Window:
    """A cursor over a binary stream that holds one chunk and one record at most."""

    __slots__ = ("_stream", "at", "data")

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.data = b""
        self.at = 0

    def has(self, count: int) -> bool:
        """Whether `count` more bytes are there, read in as needed. Raises TraceUnavailable."""
        left = len(self.data) - self.at
        if left >= count:
            return True
        parts = [self.data[self.at :]]
        while left < count and (chunk := self._read(max(CHUNK_BYTES, count - left))):
            parts.append(chunk)
            left += len(chunk)
        self.data = b"".join(parts)
        self.at = 0
        return left >= count

    def _read(self, count: int) -> bytes:
        try:
            return self._stream.read(count)
        except OSError as error:
            raise TraceUnavailable(f"reading failed: {error.strerror or error}") from error

    @property
    def left(self) -> int:
        """Bytes that were read in and not taken."""
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        """The next bytes, of which `has` must have been true."""
        start = self.at
        self.at = start + count
        return self.data[start : self.at]


def check_size(size: int, number: int) -> int:
    """The size of record `number` as it stands. Raises TraceError for an impossible one."""
    if size > MAX_RECORD_BYTES:
        raise TraceError(f"record {number} claims to be {size} bytes long, so the file is damaged")
    return size


def ends_within(number: int) -> TraceError:
    """The error for a file that is cut off."""
    return TraceError(f"the file ends within record {number}")


def possible_time(at_ns: int) -> int | None:
    """The time, or None for one before 1970 or near the calendar's end."""
    return at_ns if 0 < at_ns < LATEST_NS else None
