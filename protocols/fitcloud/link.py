"""L1 as a reliable transport of L2 packets: acknowledgement, retransmission, encrypted mode.
Source: transport-and-data.md §1.1, §2.2–2.5, §3; vectors data-session."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from protocols.errors import ProtocolError, Unacknowledged, WrongState
from protocols.fitcloud.cipher import Cipher
from protocols.fitcloud.commands import BIND, ITEM_DATA, LOGIN, NOTIFY, WRITE
from protocols.fitcloud.frame import (
    MAGIC,
    Packet,
    decode_ack,
    decode_packets,
    encode_ack,
    encode_frame,
    encode_packet,
)
from protocols.fitcloud.raw_stream import Ending, RawStream
from protocols.fitcloud.receiver import Incoming, Receiver
from protocols.model.time import Moment
from protocols.session import Anomaly, AnomalyKind, Effect, LinkFacts, Property, Write

ACK_TIMEOUT_S: Final = 5.0
TRANSMISSIONS: Final = 3
MAX_CHUNK: Final = 188
MIN_CHUNK: Final = 20

_ALWAYS_CLEAR: Final = frozenset({LOGIN, BIND})
"""Requests that end encrypted mode and are never encrypted themselves."""


MAX_QUEUED: Final = 64
"""Acknowledgements, and anomalies, that may wait while a write is under way; the newest are kept.
An honest watch sends one frame at a time."""


@dataclass(slots=True)
class Heard:
    """What tells a watch of this family from a stranger, on one connection so far. Source: §5.2."""

    acknowledged: bool = False
    """It has acknowledged a frame, or refused one: it knows the framing."""

    foreign: bool = False
    """It sent notifications that begin no frame, and never a sound frame before them."""

    delivered: bool = False
    """It has sent a sound data frame."""


class FrameLink:
    """One connection's L1. Implements `protocols.engine.Transport[Packet]`."""

    def __init__(self, user_id: str, *, suppress_duplicates: bool = True) -> None:
        self._user_id = user_id
        self._receiver = Receiver(suppress_duplicates=suppress_duplicates)
        self._chunk_size = MIN_CHUNK
        self._with_response = True
        self._encrypted = False
        self._cipher: Cipher | None = None
        self._sequence = 0
        self.heard = Heard()
        self._raw: RawStream | None = None
        self._acks: deque[bytes] = deque(maxlen=MAX_QUEUED)
        self._anomalies: deque[Anomaly] = deque(maxlen=MAX_QUEUED)
        self._chunks: deque[bytes] = deque()
        self._frame: bytes | None = None
        self._mid_frame = False
        self._writing_frame = False
        self._transmissions = 0
        self._expires: float | None = None
        self._outcome: bool | ProtocolError | None = None

    def opened(self, facts: LinkFacts) -> None:
        """Take over what the connection offers: write size, write type, address for the cipher."""
        self._chunk_size = max(MIN_CHUNK, min(MAX_CHUNK, facts.write_size))
        allowed = facts.characteristics.get(WRITE, Property.WRITE)
        self._with_response = bool(allowed & Property.WRITE)
        self._cipher = Cipher(self._user_id, facts.address)
        self._receiver.cipher = self._cipher

    # --- sending ------------------------------------------------------------------------------

    def send(self, message: Packet, now: Moment) -> None:
        """Frame a packet under the next sequence id. Raises WrongState while another is out."""
        if self._frame is not None:
            raise WrongState("a frame is outstanding already")
        payload = encode_packet(message)
        self._sequence = (self._sequence + 1) & 0xFFFF
        if (message.command, message.key) in _ALWAYS_CLEAR:
            self._encrypted = False
        body = None
        if self._encrypted and self._cipher is not None:
            body = self._cipher.encrypt(payload, self._sequence, self._chunk_size)
        self._frame = encode_frame(payload, self._sequence, body=body, encrypted=self._encrypted)
        self._outcome = None
        self._transmissions = 0
        self._transmit()

    def settle(self) -> None:
        """The answer has come: stop retransmitting, once the chunk in hand has ended the frame."""
        self._frame = None
        self._expires = None
        self._outcome = None

    def outcome(self) -> bool | ProtocolError | None:
        """The end of the last `send`, once."""
        outcome, self._outcome = self._outcome, None
        return outcome

    def written(self, now: Moment) -> None:
        """The acknowledgement's five seconds run from the last chunk."""
        if self._writing_frame and not self._chunks:
            self._mid_frame = False
            if self._frame is not None:
                self._expires = now.seconds + ACK_TIMEOUT_S
        self._writing_frame = False

    def failed(self, error: ProtocolError) -> None:
        """A write that could not be carried out ends the send it belonged to."""
        if self._writing_frame:
            self._writing_frame = self._mid_frame = False
            self._end(error)

    def next_effect(self) -> Effect | None:
        """Anomalies first; then the rest of a frame that has begun, acknowledgements, a frame.

        Nothing is put between the chunks of a frame: the watch takes them for one stream.
        """
        if self._anomalies:
            return self._anomalies.popleft()
        if self._acks and not self._mid_frame:
            return self._write(self._acks.popleft())
        if self._chunks:
            chunk = self._chunks.popleft()
            self._writing_frame = self._mid_frame = True
            return self._write(chunk)
        return None

    # --- receiving ----------------------------------------------------------------------------

    def unframed(self, ending: Ending | None) -> None:
        """Take notifications for bare samples until that ending has come; None ends it now.

        Samples are delivered as values of `ITEM_DATA`, the ending as the packet that it is.
        """
        self._raw = None if ending is None else RawStream(ending)

    def received(self, characteristic: str, data: bytes, now: Moment) -> Iterator[Packet]:
        """The packets that a notification completes."""
        if characteristic != NOTIFY:
            return
        if self._raw is not None:
            yield from self._samples(self._raw, data)
            return
        incoming = self._receiver.feed(data, now.seconds)
        self._note(incoming, data)
        self._take(incoming)
        if incoming.ack is not None:
            self._acknowledged(incoming.ack.sequence, refused=incoming.ack.error)
        if incoming.payload is not None:
            yield from self._packets(incoming.payload)

    def tick(self, now: Moment) -> None:
        """Retransmit what was not acknowledged; refuse a frame that has stalled."""
        self._take(self._receiver.tick(now.seconds))
        if self._expires is not None and now.seconds >= self._expires:
            self._again("no acknowledgement")

    def deadline(self) -> float | None:
        """The earlier of acknowledgement and stall time-out."""
        times = [t for t in (self._expires, self._receiver.deadline()) if t is not None]
        return min(times, default=None)

    # --- inside -------------------------------------------------------------------------------

    def _samples(self, stream: RawStream, data: bytes) -> Iterator[Packet]:
        ack = None if stream.begun else decode_ack(data)
        if ack is not None and ack.sequence == self._sequence:
            # of the request that the stream answers, and late
            self._acknowledged(ack.sequence, refused=ack.error)
            return
        taken = stream.feed(data)
        for part in taken.samples:
            yield Packet(*ITEM_DATA, part)
        if taken.ended is not None:
            self._raw = None
            self._acks.append(encode_ack(taken.ended.sequence, encrypted=self._encrypted))
            yield taken.ended.packet

    def _take(self, incoming: Incoming) -> None:
        if incoming.encrypted:
            self._encrypted = True
        if incoming.oddity is not None:
            self._anomalies.append(Anomaly(*incoming.oddity))
        if incoming.answer is not None:
            sequence, error = incoming.answer
            self._acks.append(encode_ack(sequence, error=error, encrypted=self._encrypted))

    def _note(self, incoming: Incoming, data: bytes) -> None:
        heard = self.heard
        if incoming.ack is not None:
            heard.acknowledged = True
        elif incoming.answer is not None and not incoming.answer.error:
            heard.delivered = True
        elif (
            incoming.oddity is not None
            and incoming.oddity.kind is AnomalyKind.BAD_FRAME
            and data[:1] != bytes((MAGIC,))
        ):
            heard.foreign = not heard.delivered

    def _packets(self, payload: bytes) -> Iterator[Packet]:
        used = 2
        for packet in decode_packets(payload):
            used += 3 + len(packet.value)
            yield packet
        if used == 2:
            what = f"a packet of {len(payload)} bytes without a whole key"
            self._anomalies.append(Anomaly(AnomalyKind.BAD_MESSAGE, what))
        elif used != len(payload):
            what = f"{len(payload) - used} bytes after the last whole key of a packet"
            self._anomalies.append(Anomaly(AnomalyKind.BAD_MESSAGE, what))

    def _acknowledged(self, sequence: int, *, refused: bool) -> None:
        if self._frame is None or sequence != self._sequence:
            return
        begun = self._mid_frame or not self._chunks
        if refused and begun:
            self._again("refused by the watch")
        elif not refused:
            self._arrived(begun=begun)

    def _arrived(self, *, begun: bool) -> None:
        """A frame that has begun is ended, or the watch would take what follows for its rest."""
        self._frame = None
        self._expires = None
        self._outcome = True
        if not begun:
            self._chunks.clear()

    def _again(self, why: str) -> None:
        self._expires = None
        if self._transmissions >= TRANSMISSIONS:
            what = f"frame not accepted after {TRANSMISSIONS} transmissions ({why})"
            self._end(Unacknowledged(what))
            return
        self._chunks.clear()
        what = f"transmission {self._transmissions + 1} of a frame: {why}"
        self._anomalies.append(Anomaly(AnomalyKind.RETRANSMISSION, what))
        self._transmit()

    def _transmit(self) -> None:
        frame = self._frame
        if frame is None:
            return
        self._transmissions += 1
        size = self._chunk_size
        self._chunks.extend(frame[i : i + size] for i in range(0, len(frame), size))

    def _end(self, error: ProtocolError) -> None:
        self._frame = None
        self._expires = None
        self._chunks.clear()
        self._mid_frame = False
        self._outcome = error

    def _write(self, data: bytes) -> Write:
        return Write(WRITE, data, response=self._with_response)
