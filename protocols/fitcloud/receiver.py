"""The receiving half of L1: notifications to payloads. Source: transport-and-data.md §2.4.

Memory is bounded by one frame of `MAX_PAYLOAD` bytes, whatever the watch sends.
"""

from typing import Final, NamedTuple

from protocols.codec import crc16_arc
from protocols.fitcloud.cipher import Cipher
from protocols.fitcloud.frame import (
    FLAG_ACK,
    FLAG_ENCRYPTED,
    HEADER_SIZE,
    MAX_PAYLOAD,
    Ack,
    Header,
    decode_ack,
    decode_header,
)
from protocols.session import AnomalyKind

STALL_S: Final = 10.0
"""A frame that gets no further bytes for this long is refused."""

RESYNC_S: Final = 1.0
"""After a silence of this length inside a frame, a notification that is a header starts anew."""

DUPLICATE_WINDOW_S: Final = 12.0
"""How long a repeated frame counts as a retransmission: the watch tries three times, 3 s apart."""


class Oddity(NamedTuple):
    """Something to tell the owner about."""

    kind: AnomalyKind
    detail: str


class Incoming(NamedTuple):
    """What one notification (or the passing of time) amounts to. Fields that are None are not."""

    ack: Ack | None = None
    payload: bytes | None = None
    answer: Ack | None = None
    oddity: Oddity | None = None
    encrypted: bool = False


_NOTHING: Final = Incoming()


class Receiver:
    """Collects one frame at a time."""

    def __init__(self, *, suppress_duplicates: bool = True) -> None:
        self.cipher: Cipher | None = None
        self._suppress = suppress_duplicates
        self._header: Header | None = None
        self._body = bytearray()
        self._last_at = 0.0
        self._delivered: tuple[int, int, int] | None = None
        self._delivered_at = 0.0

    @property
    def collecting(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return self._header is not None

    def feed(self, data: bytes, now: float) -> Incoming:
        """Take one notification."""
        ack = decode_ack(data)
        if ack is not None:
            return Incoming(ack=ack)
        header = decode_header(data)
        resynchronised = None
        if self._header is not None:
            if not (now - self._last_at >= RESYNC_S and _plausible(header, data)):
                self._last_at = now
                return self._append(self._header, data, now)
            got, wanted = len(self._body), self._header.length
            self._drop()
            resynchronised = Oddity(
                AnomalyKind.STALLED, f"frame abandoned after {got} of {wanted} bytes"
            )
        if header is None:
            what = f"{len(data)} bytes that begin no frame"
            return Incoming(oddity=Oddity(AnomalyKind.BAD_FRAME, what))
        if header.flags & FLAG_ACK:
            what = f"acknowledgement of {len(data)} bytes with content"
            return Incoming(oddity=Oddity(AnomalyKind.BAD_FRAME, what))
        if header.length > MAX_PAYLOAD:
            what = f"frame announces {header.length} bytes, {MAX_PAYLOAD} are allowed"
            return _refuse(header, Oddity(AnomalyKind.OVERSIZED, what))
        self._header = header
        self._last_at = now
        result = self._append(header, data[HEADER_SIZE:], now) if data[HEADER_SIZE:] else _NOTHING
        return result if result.oddity else result._replace(oddity=resynchronised)

    def tick(self, now: float) -> Incoming:
        """Refuse a frame that has stalled."""
        header = self._header
        if header is None or now < self._last_at + STALL_S:
            return _NOTHING
        got = len(self._body)
        self._drop()
        what = f"no more bytes after {got} of {header.length}"
        return _refuse(header, Oddity(AnomalyKind.STALLED, what))

    def deadline(self) -> float | None:
        """When the frame being collected will have stalled."""
        return None if self._header is None else self._last_at + STALL_S

    def _append(self, header: Header, part: bytes, now: float) -> Incoming:
        self._body += part
        size = len(self._body)
        if size > header.length:
            self._drop()
            what = f"{size} bytes in a frame of {header.length}"
            return _refuse(header, Oddity(AnomalyKind.OVERSIZED, what))
        if size < header.length:
            return _NOTHING
        body = bytes(self._body)
        self._drop()
        return self._complete(header, body, now)

    def _complete(self, header: Header, body: bytes, now: float) -> Incoming:
        encrypted = bool(header.flags & FLAG_ENCRYPTED)
        if encrypted and self.cipher is not None:
            body = self.cipher.decrypt(body, header.sequence)
        if crc16_arc(body) != header.crc:
            what = f"frame of {header.length} bytes fails its check"
            return _refuse(header, Oddity(AnomalyKind.BAD_CHECK_VALUE, what))
        answer = Ack(header.sequence, error=False)
        mark = (header.sequence, header.crc, header.length)
        repeated = mark == self._delivered and now - self._delivered_at <= DUPLICATE_WINDOW_S
        self._delivered, self._delivered_at = mark, now
        if repeated and self._suppress:
            what = f"frame of {header.length} bytes sent again"
            oddity = Oddity(AnomalyKind.DUPLICATE, what)
            return Incoming(answer=answer, oddity=oddity, encrypted=encrypted)
        return Incoming(payload=body, answer=answer, encrypted=encrypted)

    def _drop(self) -> None:
        self._header = None
        self._body.clear()


def _refuse(header: Header, oddity: Oddity) -> Incoming:
    return Incoming(answer=Ack(header.sequence, error=True), oddity=oddity)


def _plausible(header: Header | None, data: bytes) -> bool:
    return (
        header is not None
        and not header.flags & FLAG_ACK
        and 0 < header.length <= MAX_PAYLOAD
        and len(data) - HEADER_SIZE <= header.length
    )
