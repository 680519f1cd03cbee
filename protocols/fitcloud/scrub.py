"""Takes persons out of a conversation with a FitCloud watch.

Source: transport-and-data.md §2–§4, §6, §8; settings-and-push.md for what may hold text. Keys that
are known to hold neither identity, text nor place are kept; of all others only the length is left.
Frames that cannot be checked are blanked. Encrypted frames come out in clear: with another user id
nobody could read them any more.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from protocols.fitcloud import commands as c
from protocols.fitcloud.frame import decode_ack, decode_header, encode_frame
from protocols.fitcloud.messages.auth import IDENTITY_BYTES
from protocols.fitcloud.messages.configuration import DEVICE_INFO, LIMITS, split_entries
from protocols.fitcloud.passive_cipher import Keys
from protocols.fitcloud.plan import ECG, GPS
from protocols.fitcloud.raw_stream import ECG_ENDING, ITEM_ENDING, RawStream
from protocols.fitcloud.receiver import Incoming, Receiver
from protocols.fitcloud.records.table import SUPPORTED
from protocols.observer import Said
from protocols.session import AnomalyKind

MAX_HELD: Final = 4096
"""Values that may wait for a frame to be complete; then its side is given up."""

_IDENTITY: Final = frozenset({c.LOGIN, c.BIND, c.OLD_LOGIN})
_SERIAL: Final = slice(28, 32)
"""Of the device information: after project, features, pages and three versions (§6.2)."""

_HARMLESS: Final = frozenset(
    {
        *(c.LOGIN_REPLY, c.BIND_REPLY, c.UNBIND, c.UNBIND_REPLY, c.OLD_LOGIN_REPLY),
        *(c.SET_TIME, c.TIME_WANTED, c.BATTERY, c.BATTERY_REPLY, c.EVENT, c.HOST_ABILITIES),
        *(c.CONFIGURATION, c.CONFIGURATION_CHANGED, c.EXTRA_FIRMWARE, c.EXTRA_FIRMWARE_REPLY),
        *(c.ECG_STATE, c.ECG_STATE_REPLY, c.ITEM_REQUEST, c.WAITING, c.WAITING_REPLY),
        *(c.ITEM_START, c.ITEM_END, c.ITEM_RESULT, c.DAY_TOTALS, c.DAY_TOTALS_REPLY),
        *(c.RESTING_HEART_RATE, c.RESTING_HEART_RATE_REPLY, c.DAILY_HRV, c.DAILY_HRV_REPLY),
        *(c.MEASURE, c.MEASURED, c.MEASURE_ENDED, c.ECG_LIVE, c.LATEST, c.LATEST_REPLY),
    }
)
"""Keys whose values are kept."""


@dataclass(slots=True)
class _Held:
    """A value that waits. `ready` is what may be shown of it."""

    said: Said
    ready: bytes | None = None


@dataclass(slots=True)
class _Side:
    receiver: Receiver
    frame: list[_Held] = field(default_factory=list)

    def blank(self) -> None:
        for held in self.frame:
            held.ready = bytes(len(held.said.data))
        self.frame.clear()


class FitCloudScrubber:
    """Implements `protocols.observer.Scrubber`."""

    def __init__(self) -> None:
        self._watch = _Side(Receiver(suppress_duplicates=False))
        self._host = _Side(Receiver(suppress_duplicates=False))
        self._keys = Keys(self._watch.receiver, self._host.receiver)
        self._held: deque[_Held] = deque()
        self._item: int | None = None
        self._raw: RawStream | None = None

    def opened(self, address: str | None) -> None:
        """The address is a part of the key of encrypted frames."""
        self._keys.address = address

    def take(self, said: Said) -> bool:
        """Everything that is written to, or notified by, this family's two characteristics."""
        if said.characteristic != (c.WRITE if said.to_device else c.NOTIFY):
            return False
        held = _Held(said)
        self._held.append(held)
        if not said.to_device and self._raw is not None and self._samples(self._raw, held):
            return True
        side = self._host if said.to_device else self._watch
        self._keys.before(said.data, to_watch=said.to_device)
        if side.receiver.tick(said.at.seconds).oddity is not None:
            side.blank()
        self._fed(side, held, side.receiver.feed(said.data, said.at.seconds))
        if len(self._held) > MAX_HELD:
            self._watch.blank()
            self._host.blank()
        return True

    def close(self) -> None:
        """What has not become a whole frame is blanked."""
        self._watch.blank()
        self._host.blank()

    def next_said(self) -> Said | None:
        """In the order in which they came."""
        if not self._held or self._held[0].ready is None:
            return None
        held = self._held.popleft()
        return held.said._replace(data=held.ready or b"")

    # --- frames -------------------------------------------------------------------------------

    def _fed(self, side: _Side, held: _Held, incoming: Incoming) -> None:
        if incoming.ack is not None:
            held.ready = held.said.data
            return
        stalled = incoming.oddity is not None and incoming.oddity.kind is AnomalyKind.STALLED
        if stalled:
            side.blank()  # and this value begins anew
        side.frame.append(held)
        if incoming.payload is not None and incoming.answer is not None:
            payload = self._scrubbed(incoming.payload, to_watch=held.said.to_device)
            frame = encode_frame(payload, incoming.answer.sequence)
            for part in side.frame:
                size = len(part.said.data)
                part.ready, frame = frame[:size], frame[size:]
            side.frame.clear()
        elif incoming.oddity is not None and not stalled:
            side.blank()

    def _samples(self, stream: RawStream, held: _Held) -> bool:
        """Bare samples are kept, unless the value may be the beginning of a frame."""
        data = held.said.data
        if decode_ack(data) is not None or self._watch.frame or decode_header(data) is not None:
            return False
        held.ready = data
        return True

    # --- packets ------------------------------------------------------------------------------

    def _scrubbed(self, payload: bytes, *, to_watch: bool) -> bytes:
        """The same keys with what may be shown of their values; the rest of it is zeros."""
        parts = [payload[:2]]
        at, end = 2, len(payload)
        while at + 3 <= end:
            length = int.from_bytes(payload[at + 1 : at + 3], "big")
            if length >= 0x8000 or at + 3 + length > end:
                break
            key = (payload[0], payload[at])
            value = payload[at + 3 : at + 3 + length]
            self._follow(key, value, to_watch=to_watch)
            parts += [payload[at : at + 3], self._value(key, value)]
            at += 3 + length
        parts.append(bytes(end - at))
        return b"".join(parts)[:end]

    def _follow(self, key: c.Key, value: bytes, *, to_watch: bool) -> None:
        match key:
            case c.LOGIN | c.BIND if to_watch:
                self._keys.identified(value)
            case c.ITEM_REQUEST if to_watch:
                self._item = value[0] if len(value) == 1 else None
                self._raw = None
            case c.MEASURE if to_watch:
                self._raw = None
            case c.ITEM_START if not to_watch and self._item == ECG:
                self._raw = RawStream(ITEM_ENDING)
            case c.ECG_LIVE if not to_watch:
                self._raw = RawStream(ECG_ENDING) if value[:1] == b"\1" else None
            case c.ITEM_END if not to_watch:
                self._raw = None
            case _:
                pass

    def _value(self, key: c.Key, value: bytes) -> bytes:
        if key in _HARMLESS:
            return value
        if key in _IDENTITY:
            masked = bytes(0x78 if byte else 0 for byte in value[:IDENTITY_BYTES])
            return masked.ljust(len(value), b"\0")
        if key == c.CONFIGURATION_REPLY:
            return _configuration(value)
        if key == c.ITEM_DATA and self._item in SUPPORTED and self._item != GPS:
            return value
        return bytes(len(value))


def _configuration(value: bytes) -> bytes:
    """What the watch is and can; not its serial number, nor what its owner set."""
    parts = []
    for kind, data in split_entries(value):
        kept = bytes(len(data))
        if kind == LIMITS:
            kept = data
        elif kind == DEVICE_INFO:
            # the number of feature bytes at the end, those bytes, and four before the chip's code
            known = 44 + data[38] if len(data) > 38 else 38
            kept = data[: _SERIAL.start] + bytes(len(data[_SERIAL])) + data[_SERIAL.stop : known]
            kept = kept.ljust(len(data), b"\0")
        parts.append(bytes((kind, len(data))) + kept)
    return b"".join(parts).ljust(len(value), b"\0")
