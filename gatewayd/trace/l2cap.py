"""Fragments to whole PDUs of the attribute channel. Source: Bluetooth Core, Vol 3 Part A, 3.1."""

from typing import Final

ATT_CHANNEL: Final = 4
HEADER_BYTES: Final = 4


class Assembly:
    """One direction of one connection. Holds one PDU of the attribute channel at most, 64 KiB;
    other channels are passed over."""

    __slots__ = ("_buffer", "_passing")

    def __init__(self) -> None:
        self._buffer: bytearray | None = None
        self._passing = 0

    @property
    def is_open(self) -> bool:
        """Whether more fragments are due."""
        return self._buffer is not None or self._passing > 0

    def start(self, fragment: bytes) -> bytes | None:
        """The first fragment of a PDU; gives the attribute PDU when it is whole."""
        self._passing = 0
        size = len(fragment)
        if size < HEADER_BYTES:
            self._buffer = bytearray(fragment) if fragment else None
            return None
        whole = (fragment[0] | fragment[1] << 8) + HEADER_BYTES
        is_att = fragment[2] == ATT_CHANNEL and not fragment[3]
        self._buffer = None
        if size < whole:
            if is_att:
                self._buffer = bytearray(fragment)
            else:
                self._passing = whole - size
        elif size == whole and is_att:
            return fragment[HEADER_BYTES:]
        return None

    def more(self, fragment: bytes) -> bytes | None:
        """A further fragment; one that continues nothing is ignored."""
        if self._passing:
            self._passing = max(0, self._passing - len(fragment))
            return None
        if self._buffer is None:
            return None
        self._buffer += fragment
        return self.start(bytes(self._buffer))

    def abandon(self) -> None:
        """What has come so far will not be completed."""
        self._buffer = None
        self._passing = 0
