"""The receiving half of L1, rule by rule. Source: transport-and-data.md §2.2, §2.4."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.fitcloud.cipher import Cipher
from protocols.fitcloud.frame import Ack, encode_frame
from protocols.fitcloud.receiver import (
    DUPLICATE_WINDOW_S,
    RESYNC_S,
    STALL_S,
    Incoming,
    Receiver,
)
from protocols.session import AnomalyKind
from protocols.testing.virtual_watch.frames import ack, data_frame, header, packet

PAYLOAD = packet(5, 0x07, bytes.fromhex("00000064"))
FRAME = data_frame(PAYLOAD, 7)
LONG = data_frame(packet(5, 0x30, bytes(range(60))), 8)
GOOD = Ack(7, error=False)
BAD = Ack(7, error=True)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def kind(incoming: Incoming) -> AnomalyKind | None:
    return None if incoming.oddity is None else incoming.oddity.kind


# --- whole frames ---------------------------------------------------------------------------------


def test_a_frame_in_one_notification_is_delivered_and_acknowledged(receiver: Receiver) -> None:
    assert receiver.feed(FRAME, 0) == Incoming(payload=PAYLOAD, answer=GOOD)
    assert not receiver.collecting


def test_a_header_alone_waits_for_its_payload(receiver: Receiver) -> None:
    assert receiver.feed(FRAME[:8], 0) == Incoming()
    assert receiver.collecting
    assert receiver.feed(FRAME[8:], 0.1) == Incoming(payload=PAYLOAD, answer=GOOD)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(st.binary(min_size=1, max_size=1024), st.lists(st.integers(8, 1032), max_size=6))
def test_any_split_behind_the_header_gives_the_same_frame(payload: bytes, cuts: list[int]) -> None:
    frame = data_frame(payload, 3)
    edges = sorted({0, len(frame), *(cut for cut in cuts if cut < len(frame))})
    receiver = Receiver()
    parts = [frame[start:end] for start, end in pairwise(edges)]
    if any(len(part) == 8 and part[:1] == b"\xab" for part in parts[1:]):
        return  # eight bytes that are an acknowledgement are one, wherever they come
    results = [receiver.feed(part, 0) for part in parts]
    assert results[-1] == Incoming(payload=payload, answer=Ack(3, error=False))
    assert set(results[:-1]) <= {Incoming()}


def test_the_largest_frame_has_1024_bytes(receiver: Receiver) -> None:
    payload = bytes(1024)
    assert receiver.feed(data_frame(payload, 7), 0).payload == payload


# --- acknowledgements -----------------------------------------------------------------------------


def test_eight_bytes_with_the_bit_are_an_acknowledgement(receiver: Receiver) -> None:
    assert receiver.feed(ack(5), 0) == Incoming(ack=Ack(5, error=False))


def test_an_acknowledgement_comes_through_while_collecting(receiver: Receiver) -> None:
    receiver.feed(LONG[:30], 0)
    assert receiver.feed(ack(5), 0.1) == Incoming(ack=Ack(5, error=False))
    assert receiver.feed(LONG[30:], 0.2).payload == LONG[8:]


def test_an_acknowledgement_with_content_is_dropped_without_an_answer(receiver: Receiver) -> None:
    incoming = receiver.feed(header(4, 0x1234, 5, 0x10) + b"1234", 0)
    assert kind(incoming) is AnomalyKind.BAD_FRAME
    assert incoming.answer is None
    assert not receiver.collecting


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["", "ab", "ab00000cee3b00", "0102030405060708", "bc010000"])
def test_stray_bytes_are_ignored_in_silence(receiver: Receiver, data: str) -> None:
    incoming = receiver.feed(bytes.fromhex(data), 0)
    assert kind(incoming) is AnomalyKind.BAD_FRAME
    assert incoming == Incoming(oddity=incoming.oddity)
    assert receiver.feed(FRAME, 0).payload == PAYLOAD


def test_an_announcement_beyond_1024_bytes_is_refused_at_once(receiver: Receiver) -> None:
    incoming = receiver.feed(header(1025, 0, 7), 0)
    assert (incoming.answer, kind(incoming)) == (BAD, AnomalyKind.OVERSIZED)
    assert not receiver.collecting


def test_more_bytes_than_announced_are_refused(receiver: Receiver) -> None:
    receiver.feed(FRAME[:8], 0)
    incoming = receiver.feed(FRAME[8:] + b"\0", 0)
    assert (incoming.answer, kind(incoming)) == (BAD, AnomalyKind.OVERSIZED)
    assert not receiver.collecting


def test_whatever_comes_while_collecting_is_appended(receiver: Receiver) -> None:
    receiver.feed(LONG[:8], 0)
    incoming = receiver.feed(FRAME, 0.5)
    assert incoming == Incoming()
    assert kind(receiver.feed(LONG[8:], 0.6)) is AnomalyKind.OVERSIZED


def test_a_wrong_check_value_is_refused(receiver: Receiver) -> None:
    incoming = receiver.feed(FRAME[:-1] + b"\xff", 0)
    assert (incoming.answer, kind(incoming)) == (BAD, AnomalyKind.BAD_CHECK_VALUE)
    assert incoming.payload is None
    assert receiver.feed(FRAME, 0).payload == PAYLOAD


def test_a_frame_of_length_zero_waits_and_is_refused_by_the_next_bytes(receiver: Receiver) -> None:
    assert receiver.feed(header(0, 0, 7), 0) == Incoming()
    incoming = receiver.feed(b"x", 0.1)
    assert (incoming.answer, kind(incoming)) == (BAD, AnomalyKind.OVERSIZED)


def test_a_frame_of_length_zero_stalls_like_any_other(receiver: Receiver) -> None:
    receiver.feed(header(0, 0, 7), 0)
    assert kind(receiver.tick(10)) is AnomalyKind.STALLED


# --- stalls ---------------------------------------------------------------------------------------


def test_ten_seconds_without_bytes_are_a_refusal(receiver: Receiver) -> None:
    assert receiver.deadline() is None
    receiver.feed(FRAME[:8], 100)
    assert receiver.deadline() == 100 + STALL_S == 110
    assert receiver.tick(109.9) == Incoming()
    incoming = receiver.tick(110)
    assert (incoming.answer, kind(incoming)) == (BAD, AnomalyKind.STALLED)
    assert not receiver.collecting
    assert receiver.deadline() is None
    assert receiver.tick(200) == Incoming()


def test_each_part_gives_the_frame_ten_more_seconds(receiver: Receiver) -> None:
    receiver.feed(LONG[:8], 100)
    receiver.feed(LONG[8:28], 109)
    assert receiver.deadline() == 119
    assert receiver.tick(110) == Incoming()
    assert receiver.feed(LONG[28:], 118).payload == LONG[8:]


def test_an_acknowledgement_does_not_keep_a_frame_alive(receiver: Receiver) -> None:
    receiver.feed(LONG[:8], 100)
    receiver.feed(ack(3), 109)
    assert receiver.deadline() == 110


# --- resynchronisation ----------------------------------------------------------------------------


def test_after_a_silence_a_header_starts_anew(receiver: Receiver) -> None:
    receiver.feed(LONG[:30], 0)
    incoming = receiver.feed(FRAME, RESYNC_S)
    assert (incoming.payload, incoming.answer) == (PAYLOAD, GOOD)
    assert kind(incoming) is AnomalyKind.STALLED


def test_after_a_silence_a_lone_header_starts_anew(receiver: Receiver) -> None:
    receiver.feed(LONG[:30], 0)
    assert kind(receiver.feed(FRAME[:8], RESYNC_S)) is AnomalyKind.STALLED
    assert receiver.feed(FRAME[8:], RESYNC_S) == Incoming(payload=PAYLOAD, answer=GOOD)


@pytest.mark.parametrize(
    "data",
    [
        header(0, 0, 7),  # no length
        header(1025, 0, 7),  # too long
        header(4, 0, 7, 0x10) + b"1234",  # an acknowledgement's flag
        header(2, 0, 7) + b"123",  # more than it announces
        b"payload!",
    ],
    ids=["empty", "oversized", "ack", "overfull", "payload"],
)
def test_after_a_silence_anything_else_is_still_appended(receiver: Receiver, data: bytes) -> None:
    receiver.feed(LONG[:8], 0)
    assert receiver.feed(data, RESYNC_S) == Incoming()
    assert receiver.collecting


def test_a_payload_that_looks_like_a_header_is_payload_while_bytes_flow(receiver: Receiver) -> None:
    payload = b"0123" + FRAME[:10]
    frame = data_frame(payload, 9)
    receiver.feed(frame[:12], 0)
    assert receiver.feed(frame[12:], 0.9).payload == payload


# --- duplicates -----------------------------------------------------------------------------------


def test_a_frame_sent_again_is_acknowledged_and_not_delivered(receiver: Receiver) -> None:
    receiver.feed(FRAME, 0)
    incoming = receiver.feed(FRAME, 3)
    assert (incoming.answer, incoming.payload) == (GOOD, None)
    assert kind(incoming) is AnomalyKind.DUPLICATE


def test_another_sequence_is_another_frame(receiver: Receiver) -> None:
    receiver.feed(FRAME, 0)
    assert receiver.feed(data_frame(PAYLOAD, 8), 0).payload == PAYLOAD


def test_another_content_is_another_frame(receiver: Receiver) -> None:
    receiver.feed(FRAME, 0)
    assert receiver.feed(data_frame(b"other", 7), 0).payload == b"other"


def test_only_the_frame_just_before_counts(receiver: Receiver) -> None:
    receiver.feed(FRAME, 0)
    receiver.feed(LONG, 1)
    assert receiver.feed(FRAME, 2).payload == PAYLOAD


def test_a_frame_long_after_is_no_retransmission(receiver: Receiver) -> None:
    receiver.feed(FRAME, 0)
    assert receiver.feed(FRAME, DUPLICATE_WINDOW_S + 0.1).payload == PAYLOAD


def test_a_frame_that_was_refused_is_not_a_duplicate(receiver: Receiver) -> None:
    receiver.feed(FRAME[:-1] + b"\xff", 0)
    assert receiver.feed(FRAME, 0).payload == PAYLOAD


def test_suppression_can_be_off() -> None:
    receiver = Receiver(suppress_duplicates=False)
    receiver.feed(FRAME, 0)
    assert receiver.feed(FRAME, 1) == Incoming(payload=PAYLOAD, answer=GOOD)


# --- encrypted mode -------------------------------------------------------------------------------


def test_an_encrypted_frame_is_decrypted_and_checked(receiver: Receiver) -> None:
    receiver.cipher = Cipher("me", "C0:FF:EE:00:00:01")
    body = receiver.cipher.encrypt(PAYLOAD, 7, 188)
    frame = encode_frame(PAYLOAD, 7, body=body, encrypted=True)
    assert receiver.feed(frame, 0) == Incoming(payload=PAYLOAD, answer=GOOD, encrypted=True)


def test_an_encrypted_frame_of_somebody_else_fails_its_check(receiver: Receiver) -> None:
    receiver.cipher = Cipher("me", "C0:FF:EE:00:00:01")
    body = Cipher("another", "C0:FF:EE:00:00:01").encrypt(PAYLOAD, 7, 188)
    incoming = receiver.feed(encode_frame(PAYLOAD, 7, body=body, encrypted=True), 0)
    assert (incoming.answer, kind(incoming)) == (BAD, AnomalyKind.BAD_CHECK_VALUE)


def test_without_a_key_an_encrypted_frame_fails_its_check(receiver: Receiver) -> None:
    body = Cipher("me", "C0:FF:EE:00:00:01").encrypt(PAYLOAD, 7, 188)
    incoming = receiver.feed(encode_frame(PAYLOAD, 7, body=body, encrypted=True), 0)
    assert kind(incoming) is AnomalyKind.BAD_CHECK_VALUE


# --- bounds ---------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.binary(max_size=40),
                st.binary(max_size=20).map(lambda tail: b"\xab\x00" + tail),
                st.sampled_from([FRAME, LONG, FRAME[:8], LONG[:20], ack(1)]),
                st.binary(min_size=1000, max_size=1500),
            ),
            st.floats(0, 15),
        ),
        max_size=25,
    )
)
def test_whatever_comes_the_buffer_holds_one_frame_at_most(
    notifications: list[tuple[bytes, float]],
) -> None:
    receiver, now = Receiver(), 0.0
    for data, later in notifications:
        now += later
        for incoming in (receiver.tick(now), receiver.feed(data, now)):
            if incoming.answer is not None and incoming.answer.error:
                assert incoming.payload is None
                assert incoming.oddity is not None
        assert len(receiver._body) <= 1024
        assert receiver.collecting or not receiver._body
        assert (receiver.deadline() is not None) == receiver.collecting
