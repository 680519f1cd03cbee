"""L1 frames and L2 packets, as pure codecs. Source: transport-and-data.md §2.1, §2.2, §3;
vectors data-frame, data-capture."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from protocols.codec import crc16_arc
from protocols.errors import LimitExceeded

MAGIC: Final = 0xAB
HEADER_SIZE: Final = 8
MAX_PAYLOAD: Final = 1024
"""The vendor's own receive buffer; a longer announcement is refused."""

FLAG_ACK: Final = 0x10
FLAG_ERROR: Final = 0x20
FLAG_ENCRYPTED: Final = 0x40


class Header(NamedTuple):
    """The first eight bytes of a frame."""

    flags: int
    length: int
    crc: int
    sequence: int


class Ack(NamedTuple):
    """An acknowledgement; `error` makes it a request to send again."""

    sequence: int
    error: bool


class Packet(NamedTuple):
    """One key of one command: `02/1B` is Packet(0x02, 0x1B). Absent and empty value are one."""

    command: int
    key: int
    value: bytes = b""

    def __str__(self) -> str:
        """The notation of the specification."""
        return f"{self.command:02X}/{self.key:02X}"


def encode_frame(
    payload: bytes, sequence: int, *, body: bytes | None = None, encrypted: bool = False
) -> bytes:
    """A data frame. `body` is what travels when it is not the payload itself (ciphertext); the
    check value always covers the payload. Raises LimitExceeded above 1024 bytes."""
    if len(payload) > MAX_PAYLOAD:
        raise LimitExceeded(f"{len(payload)} bytes exceed a frame's {MAX_PAYLOAD}")
    flags = FLAG_ENCRYPTED if encrypted else 0
    head = (MAGIC << 56) | (flags << 48) | (len(payload) << 32) | (crc16_arc(payload) << 16)
    return (head | (sequence & 0xFFFF)).to_bytes(8, "big") + (payload if body is None else body)


def decode_header(data: bytes) -> Header | None:
    """The header that a notification begins with, or None when it begins with none."""
    if len(data) < HEADER_SIZE or data[0] != MAGIC:
        return None
    return Header(
        data[1],
        int.from_bytes(data[2:4], "big"),
        int.from_bytes(data[4:6], "big"),
        int.from_bytes(data[6:8], "big"),
    )


def encode_ack(sequence: int, *, error: bool = False, encrypted: bool = False) -> bytes:
    """The eight bytes that answer the data frame with that sequence id."""
    flags = FLAG_ACK | (FLAG_ERROR if error else 0) | (FLAG_ENCRYPTED if encrypted else 0)
    return bytes((MAGIC, flags, 0, 0, 0, 0)) + (sequence & 0xFFFF).to_bytes(2, "big")


def decode_ack(data: bytes) -> Ack | None:
    """The acknowledgement that a notification is, or None: exactly eight bytes, ACK bit set,
    length and check value zero; the other flag bits do not matter."""
    if len(data) != HEADER_SIZE or data[0] != MAGIC or not data[1] & FLAG_ACK or any(data[2:6]):
        return None
    return Ack(int.from_bytes(data[6:8], "big"), bool(data[1] & FLAG_ERROR))


def encode_packet(packet: Packet) -> bytes:
    """One key in a packet of its own, which is all that a host ever sends.

    Raises LimitExceeded when the packet does not fit a frame.
    """
    if len(packet.value) > MAX_PAYLOAD - 5:
        raise LimitExceeded(f"{packet}: a value of {len(packet.value)} bytes fits no frame")
    head = bytes((packet.command, 0, packet.key)) + len(packet.value).to_bytes(2, "big")
    return head + packet.value


def decode_packets(payload: bytes, *, length_bits: int = 16) -> Iterator[Packet]:
    """The keys of an L2 packet, in order.

    What is truncated at the end is not yielded, and a length of 0x8000 or more ends the packet, as
    in the vendor's parser; keys before it stand. `length_bits` is 9 for the first generation.
    """
    mask = (1 << length_bits) - 1
    position, end = 2, len(payload)
    while position + 3 <= end:
        length = int.from_bytes(payload[position + 1 : position + 3], "big") & mask
        start = position + 3
        if length >= 0x8000 or start + length > end:
            return
        yield Packet(payload[0], payload[position], payload[start : start + length])
        position = start + length
