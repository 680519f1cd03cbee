"""Strict cursors over bytes, and the check values that devices use.

A `Reader` never reads past its end: it raises `MessageError`. A `Writer` refuses values that do
not fit. Integers are big-endian unless a method says otherwise.
"""

import struct
import sys
from array import array
from functools import cache
from typing import Self

from protocols.errors import LimitExceeded, MessageError


class Reader:
    """A cursor over one message."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._end = len(data)

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return self._end - self._position

    def take(self, count: int) -> bytes:
        """The next `count` bytes; raises MessageError when fewer are left."""
        start = self._position
        if count < 0 or start + count > self._end:
            raise MessageError(f"{count} bytes wanted at offset {start}, {self.remaining} left")
        self._position = start + count
        return self._data[start : start + count]

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(self.remaining)

    def unsigned(self, width: int) -> int:
        """A big-endian unsigned integer of `width` bytes."""
        return int.from_bytes(self.take(width), "big")

    def signed(self, width: int) -> int:
        """A big-endian two's-complement integer of `width` bytes."""
        return int.from_bytes(self.take(width), "big", signed=True)

    def u8(self, *, limit: int = 0xFF) -> int:
        """One byte; raises MessageError above `limit`, so that a peer's size is never trusted."""
        value = self.unsigned(1)
        if value > limit:
            raise MessageError(f"{value} exceeds the limit of {limit}")
        return value

    def u16(self, *, limit: int = 0xFFFF) -> int:
        """Two bytes; raises MessageError above `limit`."""
        value = self.unsigned(2)
        if value > limit:
            raise MessageError(f"{value} exceeds the limit of {limit}")
        return value

    def u24(self) -> int:
        """Three bytes, unsigned."""
        return self.unsigned(3)

    def u32(self) -> int:
        """Four bytes, unsigned."""
        return self.unsigned(4)

    def i16(self) -> int:
        """Two bytes, signed."""
        return self.signed(2)

    def i32(self) -> int:
        """Four bytes, signed."""
        return self.signed(4)

    def expect_end(self) -> None:
        """Raises MessageError when bytes are left over."""
        if self.remaining:
            raise MessageError(f"{self.remaining} bytes left over")


class Writer:
    """Builds one message, field by field; every method returns the writer."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def unsigned(self, value: int, width: int) -> Self:
        """A big-endian unsigned integer; raises LimitExceeded when it does not fit."""
        try:
            self._data += value.to_bytes(width, "big")
        except OverflowError as error:
            raise LimitExceeded(f"{value} does not fit {width} unsigned bytes") from error
        return self

    def u8(self, value: int) -> Self:
        """One byte."""
        return self.unsigned(value, 1)

    def u16(self, value: int) -> Self:
        """Two bytes."""
        return self.unsigned(value, 2)

    def u32(self, value: int) -> Self:
        """Four bytes."""
        return self.unsigned(value, 4)

    def raw(self, data: bytes) -> Self:
        """The bytes as they are."""
        self._data += data
        return self

    def padded(self, data: bytes, width: int) -> Self:
        """The first `width` bytes of `data`, zero-padded on the right to `width`."""
        self._data += data[:width].ljust(width, b"\0")
        return self

    def build(self) -> bytes:
        """The finished message."""
        return bytes(self._data)


def crc16_arc(data: bytes) -> int:
    """CRC-16/ARC: polynomial 0x8005 reflected, initial value 0; of b"123456789" it is 0xBB3D."""
    table = _crc16_arc_table()
    count = len(data) // 2
    crc = 0
    for word in struct.unpack_from(f"<{count}H", data):
        crc = table[crc ^ word]
    if len(data) % 2:
        # a last byte: half a word, whose other half shifts the register by eight bits only
        crc = (crc >> 8) ^ table[((crc ^ data[-1]) & 0xFF) << 8]
    return crc


@cache
def _crc16_arc_table() -> "array[int]":
    """The check value of each pair of bytes, 128 KiB.

    Check values are a large part of decoding, and two bytes a step halve the steps. The code is
    linear, so that each of the 16 bits doubles the table.
    """
    table = bytes(2)
    for bit in range(16):
        crc = 1 << bit
        for _ in range(16):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        flip = crc.to_bytes(2, sys.byteorder) * (len(table) // 2)
        other = int.from_bytes(table, sys.byteorder) ^ int.from_bytes(flip, sys.byteorder)
        table += other.to_bytes(len(table), sys.byteorder)
    return array("H", table)
