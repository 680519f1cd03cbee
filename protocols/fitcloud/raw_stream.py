"""Notifications without framing, as an ECG is sent. Source: transport-and-data §8.3, §10;
vectors sync-ecg, ecg-realtime.

After its start the watch sends bare samples, without headers and unacknowledged. The end is an
ordinary frame again, cut after its header; a notification that merely looks like such a header is
samples. Nothing is kept but one notification that may be a header.
"""

from typing import Final, NamedTuple

from protocols.fitcloud import commands as c
from protocols.fitcloud.frame import HEADER_SIZE, MAGIC, Packet, decode_packets

SILENCE_S: Final = 5.0
"""A raw stream that is silent for so long has failed."""

_PACKET_HEAD_BYTES: Final = 5


class Ending(NamedTuple):
    """The packet that ends a stream: its key and the size of its value."""

    key: c.Key
    value_bytes: int


ITEM_ENDING: Final = Ending(c.ITEM_END, 4)
"""Of a stored ECG: its byte count."""

ECG_ENDING: Final = Ending(c.ECG_LIVE, 10)
"""Of an ECG that is being taken. The watch may go on: see `RawStream`."""

_GOES_ON: Final = 1
"""First byte of an `ECG_LIVE` that does not end the stream."""


class Ended(NamedTuple):
    """The end has come: acknowledge `sequence`, take `packet`."""

    sequence: int
    packet: Packet


class Taken(NamedTuple):
    """What one notification amounts to: samples, in notifications as sent, or the end."""

    samples: tuple[bytes, ...] = ()
    ended: Ended | None = None


class RawStream:
    """One stream, from the notification after its start to its end."""

    def __init__(self, ending: Ending) -> None:
        command, key = ending.key
        size = _PACKET_HEAD_BYTES + ending.value_bytes
        self._head = bytes((MAGIC, 0)) + size.to_bytes(2, "big")
        self._packet_head = bytes((command, 0, key)) + ending.value_bytes.to_bytes(2, "big")
        self._size = size
        self._may_go_on = ending.key == c.ECG_LIVE
        self._held: bytes | None = None
        self.begun = False
        """Whether anything has come."""

    def feed(self, data: bytes) -> Taken:
        """Take one notification; after the end no more may come."""
        self.begun = True
        held, self._held = self._held, None
        if held is not None and len(data) == self._size and data.startswith(self._packet_head):
            return self._end(held, data)
        before = () if held is None else (held,)
        if len(data) == HEADER_SIZE and data.startswith(self._head):
            self._held = data
            return Taken(before)
        return Taken((*before, data))

    def _end(self, header: bytes, payload: bytes) -> Taken:
        (packet,) = decode_packets(payload)
        if self._may_go_on and packet.value[0] == _GOES_ON:
            return Taken()
        return Taken(ended=Ended(int.from_bytes(header[6:8], "big"), packet))
