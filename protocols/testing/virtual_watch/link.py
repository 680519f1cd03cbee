"""The watch's end of the frame layer: one frame at a time, acknowledged, repeated, given up.

Source: spec 2.3 (reference firmware: 3 s, 3 transmissions, sequence from 1) and 2.4. A host only
ever sees its effects; the watch above sees whole payloads.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from protocols.testing.virtual_watch.effects import Drop, Effect, Notify
from protocols.testing.virtual_watch.faults import Faults, Impostor
from protocols.testing.virtual_watch.frames import (
    ERROR_FLAG,
    HEADER_BYTES,
    MAGIC,
    MAX_PAYLOAD_BYTES,
    ack,
    crc16,
    data_frame,
    header,
    is_answer,
    nack,
)
from protocols.testing.virtual_watch.gatt import NOTIFY_UUID

ACK_TIMEOUT_S: Final = 3.0
TRANSMISSIONS: Final = 3
COLLECT_TIMEOUT_S: Final = 10.0
STALL_S: Final = 12.0
_OVERSIZED_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Received:
    """A whole payload came in and was acknowledged (or should have been)."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """The host acknowledged this payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The host did not acknowledge this payload in three transmissions."""

    payload: bytes


LinkEvent = Received | Delivered | GivenUp


class WatchLink:
    """Frames in, frames out, for any number of connections one after another.

    `written` and `tick` return what happened. Before `subscribed` nothing can be notified: frames
    wait and acknowledgements are lost, as on the air.
    """

    def __init__(self, faults: Faults, *, header_alone: bool) -> None:
        self._faults = faults
        self._header_alone = header_alone
        self._host_frames = 0
        self._own_frames = 0
        self._effects: deque[Effect] = deque()
        self._is_open = False
        self._reset(mtu=23)

    def _reset(self, mtu: int) -> None:
        chunk = max(mtu - 3, HEADER_BYTES)
        limit = self._faults.chunk_bytes
        self._chunk = chunk if limit is None else max(HEADER_BYTES, min(limit, chunk))
        self._subscribed = False
        self._sequence = 0
        self._queue: deque[bytes] = deque()
        self._payload: bytes | None = None
        self._frame = b""
        self._transmissions = 0
        self._ack_due: float | None = None
        self._stalled = False
        self._deaf = False
        self._incoming: bytearray | None = None
        self._incoming_due = 0.0
        self._previous: tuple[int, int] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the link is up."""
        return self._is_open

    @property
    def can_notify(self) -> bool:
        """Whether the host listens."""
        return self._is_open and self._subscribed

    @property
    def is_free(self) -> bool:
        """Whether a payload given now would leave at once."""
        return self.can_notify and self._payload is None and not self._queue

    def opened(self, mtu: int) -> None:
        """A new connection; sequence numbers begin anew."""
        self._effects.clear()
        self._reset(mtu)
        self._is_open = True

    def closed(self) -> None:
        """The connection is over, with all that was under way."""
        self._is_open = False
        self._reset(mtu=23)

    def drop(self) -> None:
        """End the connection from here."""
        self.closed()
        self._effects.append(Drop())

    def subscribed(self, now: float) -> None:
        """The host enabled notifications."""
        self._subscribed = self._is_open
        self._send_next(now)

    def send(self, payload: bytes, now: float) -> None:
        """Queue a payload; it leaves when all before it are acknowledged."""
        if self._is_open:
            self._queue.append(payload)
            self._send_next(now)

    def send_raw(self, data: bytes) -> None:
        """Notify bytes that are no frame."""
        if self.can_notify:
            self._effects.append(Notify(NOTIFY_UUID, data[: self._chunk]))

    def next_effect(self) -> Effect | None:
        """The next effect in order."""
        return self._effects.popleft() if self._effects else None

    def deadline(self) -> float | None:
        """When `tick` is wanted."""
        due = [] if self._ack_due is None else [self._ack_due]
        if self._incoming is not None:
            due.append(self._incoming_due)
        return min(due, default=None)

    def tick(self, now: float) -> list[LinkEvent]:
        """Repeat or give up what is overdue."""
        events: list[LinkEvent] = []
        if self._incoming is not None and now >= self._incoming_due:
            self._reject()
        if self._ack_due is not None and now >= self._ack_due:
            self._repeat(now, events)
        return events

    def written(self, data: bytes, now: float) -> list[LinkEvent]:
        """The host wrote to the write characteristic."""
        events: list[LinkEvent] = []
        if not self._is_open or self._faults.impostor is Impostor.SILENT:
            return events
        if is_answer(data):
            self._answered(data, now, events)
        elif self._incoming is not None:
            self._incoming += data
            self._collect(now, events)
        elif len(data) >= HEADER_BYTES and data[0] == MAGIC and not data[1] & 0x10:
            self._incoming = bytearray(data)
            self._collect(now, events)
        return events

    # --- receiving ---------------------------------------------------------------------------

    def _collect(self, now: float, events: list[LinkEvent]) -> None:
        frame = self._incoming
        if frame is None:
            return
        self._incoming_due = now + COLLECT_TIMEOUT_S
        length = int.from_bytes(frame[2:4], "big")
        missing = length - (len(frame) - HEADER_BYTES)
        if length > MAX_PAYLOAD_BYTES or missing < 0:
            self._reject()
        elif missing == 0 and length:
            self._complete(bytes(frame), events)

    def _complete(self, frame: bytes, events: list[LinkEvent]) -> None:
        payload = frame[HEADER_BYTES:]
        crc = int.from_bytes(frame[4:6], "big")
        sequence = int.from_bytes(frame[6:8], "big")
        if crc != crc16(payload):
            self._reject()
            return
        self._host_frames += 1
        if self._host_frames in self._faults.refused:
            self._reject()
            return
        self._incoming = None
        if self._host_frames not in self._faults.unacknowledged:
            self._acknowledge(ack(sequence))
        if (sequence, crc) != self._previous or self._faults.acts_on_duplicates:
            self._previous = (sequence, crc)
            events.append(Received(payload))

    def _reject(self) -> None:
        frame, self._incoming = self._incoming, None
        if frame is not None:
            self._acknowledge(nack(int.from_bytes(frame[6:8], "big")))

    def _acknowledge(self, answer: bytes) -> None:
        if self._subscribed:
            self._effects.append(Notify(NOTIFY_UUID, answer))

    # --- sending -----------------------------------------------------------------------------

    def _answered(self, data: bytes, now: float, events: list[LinkEvent]) -> None:
        sequence = int.from_bytes(data[6:8], "big")
        payload = self._payload
        if payload is None or sequence != self._sequence or self._stalled:
            return
        if data[1] & ERROR_FLAG:
            self._repeat(now, events)
        elif self._deaf:
            self._deaf = False
        else:
            frame = self._frame
            self._settle()
            events.append(Delivered(payload))
            if self._own_frames in self._faults.repeated:
                self._notify(frame)
            self._send_next(now)

    def _repeat(self, now: float, events: list[LinkEvent]) -> None:
        payload = self._payload
        if payload is None:
            return
        if self._transmissions < TRANSMISSIONS:
            self._transmit(now)
            return
        self._settle()
        events.append(GivenUp(payload))
        self._send_next(now)

    def _settle(self) -> None:
        self._payload = None
        self._ack_due = None

    def _send_next(self, now: float) -> None:
        if self._payload is not None or not self._queue or not self._subscribed:
            return
        self._payload = self._queue.popleft()
        self._own_frames += 1
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._frame = data_frame(self._payload, self._sequence)
        self._transmissions = 0
        self._deaf = self._own_frames in self._faults.deaf
        self._transmit(now)

    def _transmit(self, now: float) -> None:
        faults, number, frame = self._faults, self._own_frames, self._frame
        half = frame[: HEADER_BYTES + (len(frame) - HEADER_BYTES) // 2]
        is_first = self._transmissions == 0
        self._transmissions += 1
        self._stalled = False
        self._ack_due = now + ACK_TIMEOUT_S
        if not is_first:
            self._notify(frame)
        elif number in faults.drop_at:
            self._notify(half)
            self.drop()
        elif number in faults.oversized:
            self._notify(header(_OVERSIZED_BYTES, 0, self._sequence))
        elif number in faults.wrong_crc:
            self._notify(frame[:4] + bytes((frame[4] ^ 0x5A,)) + frame[5:])
        elif number in faults.stalled:
            self._notify(half)
            self._stalled = True
            self._ack_due = now + STALL_S
        else:
            self._notify(frame)

    def _notify(self, frame: bytes) -> None:
        start = 0
        if self._header_alone:
            self._effects.append(Notify(NOTIFY_UUID, frame[:HEADER_BYTES]))
            start = HEADER_BYTES
        self._effects.extend(
            Notify(NOTIFY_UUID, frame[at : at + self._chunk])
            for at in range(start, len(frame), self._chunk)
        )
