"""L1 as a transport: acknowledging, retransmitting, chunks, encryption. Source: §2.3, §2.5."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import LimitExceeded, LinkClosed, Unacknowledged, WrongState
from protocols.fitcloud import commands as c
from protocols.fitcloud.cipher import Cipher
from protocols.fitcloud.frame import Packet, encode_frame
from protocols.fitcloud.link import MAX_QUEUED, FrameLink, Heard
from protocols.model.time import DeviceTime, Moment
from protocols.session import Anomaly, AnomalyKind, LinkFacts, Property, Write
from protocols.testing.virtual_watch.frames import ack, data_frame, header, nack, packet

USER, ADDRESS = "me", "C0:FF:EE:00:00:01"
BATTERY = Packet(0x02, 0x1B)
LONG = Packet(0x02, 0x36, bytes(range(40)))
CIPHER = Cipher(USER, ADDRESS)


class Side:
    """A link and the radio below it, which carries out every write at once unless told not to."""

    def __init__(
        self,
        write_size: int = 244,
        properties: Property = Property.WRITE,
        *,
        suppress_duplicates: bool = True,
    ) -> None:
        self.link = FrameLink(USER, suppress_duplicates=suppress_duplicates)
        self.link.opened(LinkFacts(ADDRESS, None, write_size, frozenset(), {c.WRITE: properties}))
        self.seconds = 100.0
        self.anomalies: list[Anomaly] = []
        self.packets: list[Packet] = []

    @property
    def now(self) -> Moment:
        return Moment(self.seconds, DeviceTime(0))

    def send(self, message: Packet) -> list[bytes]:
        self.link.send(message, self.now)
        return self.written()

    def hear(self, *notifications: bytes) -> list[bytes]:
        for data in notifications:
            self.packets += self.link.received(c.NOTIFY, data, self.now)
        return self.written()

    def passes(self, seconds: float) -> list[bytes]:
        self.seconds += seconds
        self.link.tick(self.now)
        return self.written()

    def written(self) -> list[bytes]:
        written = []
        while (write := self.write()) is not None:
            written.append(write.data)
            self.link.written(self.now)
        return written

    def write(self) -> Write | None:
        """The next write, which is not carried out yet."""
        while (effect := self.link.next_effect()) is not None:
            if isinstance(effect, Write):
                return effect
            assert isinstance(effect, Anomaly)
            self.anomalies.append(effect)
        return None

    @property
    def kinds(self) -> list[AnomalyKind]:
        return [anomaly.kind for anomaly in self.anomalies]


@pytest.fixture
def side() -> Side:
    return Side()


# --- sending --------------------------------------------------------------------------------------


def test_a_message_is_one_frame_and_over_when_it_is_acknowledged(side: Side) -> None:
    assert side.send(BATTERY) == [data_frame(packet(2, 0x1B), 1)]
    assert side.link.outcome() is None
    side.hear(ack(1))
    assert side.link.outcome() is True
    assert side.link.outcome() is None
    assert side.link.deadline() is None


def test_sequence_ids_count_from_one_also_after_a_failure(side: Side) -> None:
    side.send(BATTERY)
    for _ in range(3):
        side.passes(5)
    assert isinstance(side.link.outcome(), Unacknowledged)
    assert side.send(BATTERY)[0][6:8] == b"\x00\x02"


def test_sequence_ids_wrap_to_zero(side: Side) -> None:
    side.link._sequence = 0xFFFE
    assert side.send(BATTERY)[0][6:8] == b"\xff\xff"
    side.hear(ack(0xFFFF))
    assert side.send(BATTERY)[0][6:8] == b"\x00\x00"
    side.hear(ack(0))
    assert side.link.outcome() is True


def test_one_frame_at_a_time(side: Side) -> None:
    side.send(BATTERY)
    with pytest.raises(WrongState):
        side.link.send(BATTERY, side.now)


def test_a_message_too_long_for_a_frame_leaves_nothing_behind(side: Side) -> None:
    with pytest.raises(LimitExceeded):
        side.send(Packet(2, 1, bytes(1020)))
    assert side.send(BATTERY)[0][6:8] == b"\x00\x01"


def test_the_frame_is_sent_three_times_five_seconds_apart_with_the_same_bytes(side: Side) -> None:
    first = side.send(BATTERY)
    assert side.link.deadline() == 105.0
    assert side.passes(4.9) == []
    assert side.passes(0.1) == first
    assert side.passes(5) == first
    assert side.link.outcome() is None
    assert side.passes(5) == []
    assert isinstance(side.link.outcome(), Unacknowledged)
    assert side.kinds == [AnomalyKind.RETRANSMISSION] * 2
    assert side.passes(60) == []


def test_a_refusal_resends_the_same_bytes_at_once(side: Side) -> None:
    first = side.send(BATTERY)
    assert side.hear(nack(1)) == first
    assert side.hear(nack(1)) == first
    assert side.hear(nack(1)) == []
    failure = side.link.outcome()
    assert isinstance(failure, Unacknowledged)
    assert "refused by the watch" in str(failure)


def test_refusals_and_time_outs_count_together(side: Side) -> None:
    first = side.send(BATTERY)
    assert side.hear(nack(1)) == first
    assert side.passes(5) == first
    side.passes(5)
    assert isinstance(side.link.outcome(), Unacknowledged)


def test_the_second_of_two_refusals_belongs_to_the_same_transmission(side: Side) -> None:
    first = side.send(BATTERY)
    assert side.hear(nack(1), nack(1), nack(1)) == first
    assert side.link.outcome() is None
    side.hear(ack(1))
    assert side.link.outcome() is True


def test_a_late_acknowledgement_counts(side: Side) -> None:
    side.send(BATTERY)
    side.passes(5)
    side.hear(ack(1))
    assert side.link.outcome() is True


@pytest.mark.parametrize("sequence", [0, 2, 0x101])
def test_an_acknowledgement_of_another_frame_is_ignored(side: Side, sequence: int) -> None:
    side.send(BATTERY)
    assert side.hear(ack(sequence), nack(sequence)) == []
    assert side.link.outcome() is None
    assert side.link.deadline() == 105.0


def test_an_acknowledgement_that_nobody_waits_for_is_ignored(side: Side) -> None:
    assert side.hear(ack(0), ack(1), nack(1)) == []
    assert side.anomalies == []


def test_a_settled_message_is_not_sent_again(side: Side) -> None:
    side.send(BATTERY)
    side.link.settle()
    assert side.link.deadline() is None
    assert side.passes(60) == []
    side.hear(ack(1))
    assert side.link.outcome() is None


def test_the_five_seconds_run_from_the_last_chunk() -> None:
    side = Side(write_size=20)
    side.link.send(LONG, side.now)
    for _ in range(3):
        assert side.write() is not None
        assert side.link.deadline() is None
        side.seconds += 7
        side.link.written(side.now)
    assert side.write() is None
    assert side.link.deadline() == 126.0


def test_a_write_that_fails_ends_the_message(side: Side) -> None:
    side.link.send(BATTERY, side.now)
    assert side.write() is not None
    side.link.failed(LinkClosed("gone"))
    assert isinstance(side.link.outcome(), LinkClosed)
    assert side.written() == []


def test_an_acknowledgement_that_could_not_be_written_harms_no_message(side: Side) -> None:
    side.send(BATTERY)
    side.packets += side.link.received(c.NOTIFY, data_frame(packet(2, 0x1C, b"123"), 1), side.now)
    assert side.write() is not None
    side.link.failed(LinkClosed("busy"))
    assert side.link.outcome() is None
    assert side.link.deadline() == 105.0


# --- chunks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write_size", "chunk"), [(0, 20), (19, 20), (20, 20), (100, 100), (188, 188), (512, 188)]
)
def test_a_frame_is_cut_by_the_write_size(write_size: int, chunk: int) -> None:
    message = Packet(2, 0x36, bytes(range(256)) * 2)
    written = Side(write_size).send(message)
    assert b"".join(written) == data_frame(packet(*message), 1)
    assert [len(part) for part in written[:-1]] == [chunk] * (len(written) - 1)
    assert 0 < len(written[-1]) <= chunk


@pytest.mark.parametrize(
    ("properties", "response"),
    [
        (Property.WRITE, True),
        (Property.WRITE | Property.WRITE_WITHOUT_RESPONSE, True),
        (Property.WRITE_WITHOUT_RESPONSE, False),
    ],
)
def test_writes_want_a_response_where_that_is_allowed(properties: Property, response: bool) -> None:
    side = Side(properties=properties)
    side.link.send(BATTERY, side.now)
    write = side.write()
    assert write is not None
    assert (write.characteristic, write.response) == (c.WRITE, response)


def test_acknowledgements_never_come_between_the_chunks_of_a_frame() -> None:
    side = Side(write_size=20)
    side.link.send(LONG, side.now)
    first = side.write()
    assert first is not None
    side.packets += side.link.received(c.NOTIFY, data_frame(packet(2, 0x51), 1), side.now)
    side.link.written(side.now)
    frame = data_frame(packet(*LONG), 1)
    assert [first.data, *side.written()] == [frame[:20], frame[20:40], frame[40:], ack(1)]


def test_acknowledgements_come_before_a_frame_that_has_not_begun(side: Side) -> None:
    side.packets += side.link.received(c.NOTIFY, data_frame(packet(2, 0x51), 1), side.now)
    assert side.send(BATTERY) == [ack(1), data_frame(packet(2, 0x1B), 1)]


def test_a_frame_that_has_begun_is_ended_though_it_is_acknowledged_meanwhile() -> None:
    # A late acknowledgement of the first transmission: what followed would be taken for the rest.
    side = Side(write_size=20)
    written = side.send(LONG)
    side.seconds += 5
    side.link.tick(side.now)
    assert side.write() is not None
    side.packets += side.link.received(c.NOTIFY, ack(1), side.now)
    assert side.link.outcome() is True
    side.link.send(BATTERY, side.now)
    side.link.written(side.now)
    assert side.written() == [*written[1:], data_frame(packet(2, 0x1B), 2)]


def test_a_retransmission_that_has_not_begun_is_dropped_when_it_is_acknowledged() -> None:
    side = Side(write_size=20)
    side.send(LONG)
    side.seconds += 5
    side.link.tick(side.now)
    side.packets += side.link.received(c.NOTIFY, ack(1), side.now)
    assert side.written() == []


def test_an_answer_between_the_chunks_does_not_break_the_frame() -> None:
    side = Side(write_size=20)
    side.link.send(LONG, side.now)
    first = side.write()
    assert first is not None
    side.link.settle()
    side.link.send(BATTERY, side.now)
    side.link.written(side.now)
    frame = data_frame(packet(*LONG), 1)
    assert b"".join([first.data, *side.written()]) == frame + data_frame(packet(2, 0x1B), 2)


# --- receiving ------------------------------------------------------------------------------------


def test_every_data_frame_is_acknowledged_and_its_packets_delivered(side: Side) -> None:
    assert side.hear(data_frame(packet(2, 0x1C, b"\0PP"), 1)) == [ack(1)]
    assert side.packets == [Packet(2, 0x1C, b"\0PP")]


@pytest.mark.parametrize(
    "payload", [b"\x02", b"\x02\x00", b"\x63\x00\x99\x00\x00", b"\x02\x00\x01"]
)
def test_it_acknowledges_what_it_cannot_interpret(side: Side, payload: bytes) -> None:
    assert side.hear(data_frame(payload, 1)) == [ack(1)]


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (b"\x02", "1 bytes without a whole key"),
        (b"\x02\x00", "2 bytes without a whole key"),
        (b"\x02\x00\x01\x00\x09abc", "8 bytes without a whole key"),
        (b"\x02\x00\x01\x00\x01a\x02", "1 bytes after the last whole key"),
        (b"\x02\x00\x01\x00\x01a\x02\x00\x05b", "4 bytes after the last whole key"),
    ],
)
def test_a_broken_packet_is_told(side: Side, payload: bytes, what: str) -> None:
    side.hear(data_frame(payload, 1))
    assert side.kinds == [AnomalyKind.BAD_MESSAGE]
    assert what in side.anomalies[0].detail


def test_a_whole_packet_is_no_anomaly(side: Side) -> None:
    side.hear(data_frame(packet(2, 1, b"a") + packet(2, 2)[2:], 1))
    assert side.packets == [Packet(2, 1, b"a"), Packet(2, 2)]
    assert side.anomalies == []


def test_other_characteristics_are_not_listened_to(side: Side) -> None:
    frame = data_frame(packet(2, 0x51), 1)
    assert list(side.link.received(c.WRITE, frame, side.now)) == []
    assert side.written() == []


def test_a_refused_frame_is_answered_and_told(side: Side) -> None:
    assert side.hear(header(4096, 0, 9)) == [nack(9)]
    assert side.kinds == [AnomalyKind.OVERSIZED]


def test_a_stalled_frame_is_refused_in_time(side: Side) -> None:
    side.hear(header(9, 0, 4))
    assert side.link.deadline() == 110.0
    assert side.passes(10) == [nack(4)]


def test_the_deadline_is_the_earlier_of_acknowledgement_and_stall(side: Side) -> None:
    side.hear(header(9, 0, 4))
    side.seconds += 2
    side.send(BATTERY)
    assert side.link.deadline() == 107.0
    side.hear(ack(1))
    assert side.link.deadline() == 110.0


def test_duplicates_are_acknowledged_again_and_suppressed(side: Side) -> None:
    frame = data_frame(packet(2, 0x51), 1)
    assert side.hear(frame, frame) == [ack(1), ack(1)]
    assert len(side.packets) == 1
    unsuppressed = Side(suppress_duplicates=False)
    unsuppressed.hear(frame, frame)
    assert len(unsuppressed.packets) == 2


def test_a_flood_while_a_write_is_under_way_takes_bounded_memory(side: Side) -> None:
    side.link.send(BATTERY, side.now)
    assert side.write() is not None
    for number in range(1000):
        list(side.link.received(c.NOTIFY, data_frame(packet(2, 0x51), number), side.now))
        list(side.link.received(c.NOTIFY, b"stray", side.now))
    assert len(side.link._acks) == len(side.link._anomalies) == MAX_QUEUED
    side.link.written(side.now)
    assert side.written() == [ack(number) for number in range(1000 - MAX_QUEUED, 1000)]


# --- what tells a watch from a stranger -----------------------------------------------------------


def test_it_remembers_what_it_heard(side: Side) -> None:
    heard = side.link.heard
    assert heard == Heard(acknowledged=False, foreign=False, delivered=False)
    side.hear(nack(9))
    assert heard.acknowledged
    side.hear(b"\xab\x01")
    assert not heard.foreign
    side.hear(b"\xbc\x01\x02")
    assert heard.foreign
    side.hear(data_frame(packet(2, 0x51), 1))
    assert heard.delivered


def test_strange_bytes_after_a_sound_frame_make_no_stranger(side: Side) -> None:
    side.hear(data_frame(packet(2, 0x51), 1), b"\xbc\x01\x02")
    assert not side.link.heard.foreign


# --- encrypted mode -------------------------------------------------------------------------------


def encrypted(payload: bytes, sequence: int) -> bytes:
    body = CIPHER.encrypt(payload, sequence, 1032)
    return encode_frame(payload, sequence, body=body, encrypted=True)


def test_encrypted_mode_begins_when_the_watch_uses_it(side: Side) -> None:
    assert side.send(BATTERY)[0][1] == 0
    assert side.hear(ack(1)) == []
    assert side.hear(encrypted(packet(2, 0x51), 1)) == [bytes.fromhex("ab50000000000001")]
    assert side.packets == [Packet(2, 0x51)]
    frame = side.send(BATTERY)[0]
    assert frame == encrypted(packet(2, 0x1B), 2)
    assert side.hear(header(4096, 0, 9)) == [bytes.fromhex("ab70000000000009")]


def test_a_clear_frame_does_not_end_encrypted_mode(side: Side) -> None:
    side.hear(encrypted(packet(2, 0x51), 1), data_frame(packet(2, 0x51), 2))
    assert side.send(BATTERY)[0][1] == 0x40


@pytest.mark.parametrize("key", [c.LOGIN, c.BIND])
def test_login_and_bind_end_encrypted_mode_and_are_clear(side: Side, key: c.Key) -> None:
    side.hear(encrypted(packet(2, 0x51), 1))
    message = c.packet(key, bytes(32))
    assert side.send(message) == [data_frame(packet(*message), 1)]
    side.hear(ack(1))
    assert side.send(BATTERY)[0][1] == 0
    assert side.hear(data_frame(packet(2, 0x51), 5))[0][1] == 0x10


def test_a_retransmission_is_the_same_though_the_mode_changes_meanwhile(side: Side) -> None:
    first = side.send(BATTERY)
    side.hear(encrypted(packet(2, 0x51), 1))
    assert side.passes(5) == first


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.binary(max_size=170))
def test_what_is_encrypted_here_is_readable_there(value: bytes) -> None:
    there, here = Side(), Side()
    here.hear(encrypted(packet(2, 0x51), 1))
    there.hear(*here.send(Packet(2, 0x36, value)))
    assert there.packets == [Packet(2, 0x36, value)]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 5), max_size=40), st.integers(0, 400))
def test_the_watch_always_sees_whole_frames_and_whole_acknowledgements(
    moves: list[int], size: int
) -> None:
    """Whatever arrives between two writes, the stream of writes stays in step."""
    side = Side(write_size=20)
    side.link.send(Packet(2, 0x36, bytes(size)), side.now)
    stream, sequence = [], 0
    for move in [*moves, *[0] * 60]:
        match move:
            case 0 | 1:
                write = side.write()
                if write is not None:
                    stream.append(write.data)
                    side.link.written(side.now)
            case 2:
                sequence += 1
                frame = data_frame(packet(2, 0x51), sequence)
                side.packets += side.link.received(c.NOTIFY, frame, side.now)
            case 3:
                side.packets += side.link.received(c.NOTIFY, ack(side.link._sequence), side.now)
            case 4:
                side.seconds += 5
                side.link.tick(side.now)
            case _:
                side.link.outcome()
                if side.link._frame is None:
                    side.link.send(LONG, side.now)
    missing = 0
    for data in stream:
        if missing:
            missing -= len(data)
        elif data[1] & 0x10:
            assert len(data) == 8
        else:
            assert data[0] == 0xAB
            missing = 8 + int.from_bytes(data[2:4], "big") - len(data)
        assert missing >= 0
