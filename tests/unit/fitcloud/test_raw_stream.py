"""Samples without framing: what is data, and what is the end. Source: §8.3, §10."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.fitcloud import commands as c
from protocols.fitcloud.conformance.frames import at, drain, opened_link
from protocols.fitcloud.frame import Packet, encode_ack, encode_frame, encode_packet
from protocols.fitcloud.raw_stream import ECG_ENDING, ITEM_ENDING, Ended, RawStream

HEADER = bytes.fromhex("ab0000094b470021")
TRAILER = bytes.fromhex("050008000400000024")
LIVE_HEADER = bytes.fromhex("ab00000f9a180031")
LIVE_END = bytes.fromhex("050041000a00000700000000000000")
LIVE_GOES_ON = bytes.fromhex("050041000a01000000000000000000")


def samples(stream: RawStream, *notifications: bytes) -> tuple[bytes, ...]:
    return tuple(part for data in notifications for part in stream.feed(data).samples)


def test_a_header_and_its_packet_end_the_stream_and_are_no_samples() -> None:
    stream = RawStream(ITEM_ENDING)
    assert samples(stream, b"\1\2", HEADER) == (b"\1\2",)
    taken = stream.feed(TRAILER)
    assert taken.ended == Ended(0x21, Packet(*c.ITEM_END, b"\0\0\0\x24"))
    assert taken.samples == ()


@pytest.mark.parametrize(
    "after",
    [b"\1\2", TRAILER + b"\0", TRAILER[:-1], b"\5\0\7" + TRAILER[3:], LIVE_END, b""],
)
def test_a_lookalike_that_no_ending_follows_is_samples_with_what_follows(after: bytes) -> None:
    stream = RawStream(ITEM_ENDING)
    assert samples(stream, HEADER, after) == (HEADER, after)
    assert samples(stream, b"\1\2") == (b"\1\2",)


def test_a_lookalike_right_before_the_end_does_not_hide_it() -> None:
    stream = RawStream(ITEM_ENDING)
    assert samples(stream, HEADER, HEADER) == (HEADER,)
    assert stream.feed(TRAILER).ended is not None


def test_header_and_packet_in_one_notification_are_samples() -> None:
    assert samples(RawStream(ITEM_ENDING), HEADER + TRAILER) == (HEADER + TRAILER,)


def test_the_ending_alone_is_samples() -> None:
    assert samples(RawStream(ITEM_ENDING), TRAILER) == (TRAILER,)


def test_a_live_ecg_that_goes_on_is_neither_samples_nor_an_end() -> None:
    stream = RawStream(ECG_ENDING)
    assert samples(stream, LIVE_HEADER) == ()
    taken = stream.feed(LIVE_GOES_ON)
    assert (taken.samples, taken.ended) == ((), None)
    assert samples(stream, b"\0\5", LIVE_HEADER) == (b"\0\5",)
    assert stream.feed(LIVE_END).ended == Ended(0x31, Packet(*c.ECG_LIVE, LIVE_END[5:]))


@given(st.lists(st.binary(max_size=20) | st.sampled_from([HEADER, HEADER[:7]]), max_size=20))
@settings(derandomize=True, max_examples=300)
def test_no_byte_is_lost_or_changed_whatever_comes(notifications: list[bytes]) -> None:
    stream = RawStream(ITEM_ENDING)
    kept = b"".join(samples(stream, *notifications))
    ended = stream.feed(HEADER)
    kept += b"".join(ended.samples)
    assert kept == b"".join(notifications)
    assert stream.feed(TRAILER).ended is not None


# --- through the link -------------------------------------------------------------------------


def test_the_link_delivers_samples_acknowledges_the_end_and_frames_again() -> None:
    link = opened_link()
    link.unframed(ITEM_ENDING)
    got = [
        packet
        for data in (b"\1\2", b"\xab\0\0", HEADER, TRAILER)
        for packet in link.received(c.NOTIFY, data, at(0))
    ]
    assert got == [
        Packet(*c.ITEM_DATA, b"\1\2"),
        Packet(*c.ITEM_DATA, b"\xab\0\0"),
        Packet(*c.ITEM_END, b"\0\0\0\x24"),
    ]
    assert drain(link, at(0)) == [encode_ack(0x21)]
    frame = encode_frame(encode_packet(Packet(2, 0x51)), 1)
    assert list(link.received(c.NOTIFY, frame, at(0))) == [Packet(2, 0x51)]


def test_a_late_acknowledgement_of_the_request_is_no_sample() -> None:
    link = opened_link()
    link.send(Packet(*c.ITEM_REQUEST, b"\7"), at(0))
    drain(link, at(0))
    link.unframed(ITEM_ENDING)
    assert list(link.received(c.NOTIFY, encode_ack(1), at(0))) == []
    assert link.outcome() is True
    assert len(list(link.received(c.NOTIFY, b"\0\1", at(0)))) == 1
    # once samples have come, the same bytes are samples
    assert list(link.received(c.NOTIFY, encode_ack(1), at(0))) == [
        Packet(*c.ITEM_DATA, encode_ack(1))
    ]


def test_an_abandoned_stream_leaves_the_link_framed() -> None:
    link = opened_link()
    link.unframed(ITEM_ENDING)
    list(link.received(c.NOTIFY, b"\0\1", at(0)))
    link.unframed(None)
    frame = encode_frame(encode_packet(Packet(2, 0x51)), 1)
    assert list(link.received(c.NOTIFY, frame, at(0))) == [Packet(2, 0x51)]
