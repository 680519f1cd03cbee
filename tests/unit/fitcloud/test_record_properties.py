"""What must hold for any bytes that a watch could send."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import RemoteProtocolError
from protocols.fitcloud.commands import ITEM_DATA, NOTIFY
from protocols.fitcloud.conformance.frames import at, opened_link
from protocols.fitcloud.features import Features
from protocols.fitcloud.frame import HEADER_SIZE, Packet, encode_frame, encode_packet
from protocols.fitcloud.records.context import RecordContext
from protocols.fitcloud.records.table import SUPPORTED, decode
from protocols.model.catalog import kind_of
from protocols.model.readings import (
    BloodPressure,
    Ecg,
    GpsTrack,
    HeartRate,
    Method,
    Mood,
    OxygenSaturation,
    RespiratoryRate,
    SleepStage,
    StepInterval,
    Stress,
    Temperature,
)
from protocols.model.time import DeviceTime, device_time, to_datetime

LAYOUT_FEATURES = [9, 21, 24, 259, 268, 522, 523, 530, 539, 546, 558]
KEEP_THE_FUTURE = {10, 16, 22, 23}
"""Types of which the vendor drops nothing for being later than now."""

START = bytes.fromhex("32c10258")  # 2025-06-01 10:00

any_context = st.builds(
    RecordContext,
    st.builds(Features, st.frozensets(st.sampled_from(LAYOUT_FEATURES))),
    st.none() | st.integers(0, 20),
    st.none() | st.integers(device_time(2000, 1, 1), device_time(2063, 12, 31)).map(DeviceTime),
)
group = st.builds(
    lambda count, start, interval, items: count + start + interval + items,
    st.integers(0, 40).map(lambda count: count.to_bytes(2, "big"))
    | st.binary(min_size=2, max_size=2),
    st.just(START) | st.binary(min_size=4, max_size=4),
    st.sampled_from([b"\0\0", b"\0\5", b"\xff\xff"]),
    st.binary(max_size=80),
)
any_stream = st.binary(max_size=200) | st.lists(group, max_size=4).map(b"".join)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(SUPPORTED)), any_stream, any_context)
def test_any_bytes_give_readings_or_a_remote_error(
    type_id: int, stream: bytes, context: RecordContext
) -> None:
    try:
        decoded = decode(type_id, stream, context)
    except RemoteProtocolError:
        return
    for reading in decoded.readings:
        kind = kind_of(reading)
        to_datetime(kind.starts(reading))
        ends = kind.ends(reading)
        assert ends is None or ends >= kind.starts(reading)
        if context.not_after is not None and type_id not in KEEP_THE_FUTURE:
            assert kind.starts(reading) <= context.not_after


@settings(max_examples=200, deadline=None, derandomize=True)
@given(any_stream, any_context)
def test_steps_stay_in_the_stated_range(stream: bytes, context: RecordContext) -> None:
    for reading in decode(1, stream, context).readings:
        assert isinstance(reading, StepInterval)
        assert 0 < reading.steps <= max(3000, 600 * reading.duration_s // 60)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from([3, 4, 6, 18, 20, 131, 132, 134, 146]), any_stream, any_context)
def test_values_of_one_byte_are_never_zero(
    type_id: int, stream: bytes, context: RecordContext
) -> None:
    for reading in decode(type_id, stream, context).readings:
        assert isinstance(reading, HeartRate | OxygenSaturation | RespiratoryRate | Stress | Mood)
        assert 0 < reading[1] <= 255
        assert reading.method == (Method.SPOT if type_id > 128 else Method.PERIODIC)
        percent = isinstance(reading, OxygenSaturation | Stress)
        assert reading.verified == (not percent or reading[1] <= 100)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from([5, 17, 133, 145]), any_stream, any_context)
def test_pressures_and_body_temperatures_are_positive(
    type_id: int, stream: bytes, context: RecordContext
) -> None:
    for reading in decode(type_id, stream, context).readings:
        if isinstance(reading, BloodPressure):
            assert reading.systolic_mmhg > 0
            assert reading.diastolic_mmhg > 0
            assert reading.bpm is None or (type_id == 133 and 21 in context.features)
        else:
            assert isinstance(reading, Temperature)
            assert reading.body_c > 0
            assert reading.verified == (25 <= reading.body_c <= 45)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(any_stream, any_context)
def test_an_ecg_has_samples_and_none_is_zero(stream: bytes, context: RecordContext) -> None:
    for reading in decode(7, stream, context).readings:
        assert isinstance(reading, Ecg)
        assert reading.samples
        assert all(reading.samples)
        assert 0 <= reading.offset_ms < 1000


@settings(max_examples=200, deadline=None, derandomize=True)
@given(any_stream, any_context)
def test_a_track_has_no_point_without_a_position(stream: bytes, context: RecordContext) -> None:
    for reading in decode(10, stream, context).readings:
        assert isinstance(reading, GpsTrack)
        assert all(point.latitude_deg and point.longitude_deg for point in reading.points)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(SUPPORTED)), any_stream, st.data())
def test_any_split_into_frames_gives_the_same_readings(
    type_id: int, stream: bytes, data: st.DataObject
) -> None:
    """Through the link, as frames of any size, cut into notifications of any size."""
    cuts = st.integers(1, 60)
    link = opened_link()
    received = bytearray()
    at_byte, sequence = 0, 0
    while at_byte < len(stream):
        part = stream[at_byte : at_byte + data.draw(cuts)]
        at_byte += len(part)
        sequence += 1
        frame = encode_frame(encode_packet(Packet(*ITEM_DATA, part)), sequence)
        # the header comes whole: that is what a frame is known by
        size = max(HEADER_SIZE, data.draw(cuts))
        for start in range(0, len(frame), size):
            for packet in link.received(NOTIFY, frame[start : start + size], at(0)):
                received += packet.value
    assert bytes(received) == stream
    context = RecordContext(Features())
    assert outcome(type_id, bytes(received), context) == outcome(type_id, stream, context)


def outcome(type_id: int, stream: bytes, context: RecordContext) -> object:
    try:
        return decode(type_id, stream, context)
    except RemoteProtocolError as error:
        return str(error)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(any_stream, any_context)
def test_sleep_of_one_night_follows_without_gap_or_overlap(
    stream: bytes, context: RecordContext
) -> None:
    stages = decode(2, stream, context).readings
    for one, other in pairwise(stages):
        assert isinstance(one, SleepStage)
        assert isinstance(other, SleepStage)
        assert one.start < one.end
        if one.night == other.night:
            assert one.end == other.start
        else:
            assert one.night < other.night


@pytest.mark.parametrize("type_id", sorted(SUPPORTED))
def test_work_is_bounded_by_the_bytes_and_not_by_the_counts_they_claim(type_id: int) -> None:
    stream = b"\xff\xff" + START + b"\0\5" + b"\x50" * 5
    began = time.perf_counter()
    for _ in range(200):
        decode(type_id, stream, RecordContext(Features()))
    assert time.perf_counter() - began < 0.5
