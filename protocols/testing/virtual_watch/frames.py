"""Bytes of the two lower layers, written for the watch's side alone. Source: spec 2.1, 2.2, 3.

Nothing here is shared with the protocol under test, on purpose.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

HEADER_BYTES: Final = 8
MAGIC: Final = 0xAB
ACK_FLAG: Final = 0x10
ERROR_FLAG: Final = 0x20
MAX_PAYLOAD_BYTES: Final = 1024


def _table() -> tuple[int, ...]:
    rows = []
    for low in range(256):
        value = low
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
        rows.append(value)
    return tuple(rows)


_TABLE: Final = _table()


@lru_cache(maxsize=16384)
def crc16(payload: bytes) -> int:
    """CRC-16/ARC; `crc16(b"123456789") == 0xBB3D`. Cached: a benchmark sends a frame many times."""
    table = _TABLE
    value = 0
    for byte in payload:
        value = (value >> 8) ^ table[(value ^ byte) & 0xFF]
    return value


def header(length: int, crc: int, sequence: int, flags: int = 0) -> bytes:
    """The eight bytes in front of a payload."""
    return (
        bytes((MAGIC, flags))
        + length.to_bytes(2, "big")
        + crc.to_bytes(2, "big")
        + sequence.to_bytes(2, "big")
    )


def data_frame(payload: bytes, sequence: int) -> bytes:
    """A whole data frame."""
    return header(len(payload), crc16(payload), sequence) + payload


def ack(sequence: int) -> bytes:
    """Everything was received."""
    return header(0, 0, sequence, ACK_FLAG)


def nack(sequence: int) -> bytes:
    """Something is wrong with it: send it again."""
    return header(0, 0, sequence, ACK_FLAG | ERROR_FLAG)


def is_answer(data: bytes) -> bool:
    """Whether a write is a bare ACK or NACK."""
    return (
        len(data) == HEADER_BYTES
        and data[0] == MAGIC
        and bool(data[1] & ACK_FLAG)
        and not any(data[2:6])
    )


def packet(command: int, key: int, value: bytes = b"") -> bytes:
    """A payload with a single key."""
    return bytes((command, 0, key)) + len(value).to_bytes(2, "big") + value


class Message(NamedTuple):
    """One key of a payload."""

    command: int
    key: int
    value: bytes


def messages(payload: bytes) -> Iterator[Message]:
    """The keys of a payload, in order; a truncated one ends it silently."""
    at = 2
    while at + 3 <= len(payload):
        end = at + 3 + int.from_bytes(payload[at + 1 : at + 3], "big")
        if end > len(payload):
            return
        yield Message(payload[0], payload[at], payload[at + 3 : end])
        at = end
