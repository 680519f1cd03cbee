"""What must hold for any bytes that a watch could send."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import RemoteProtocolError
from protocols.fitcloud.features import Features
from protocols.fitcloud.records.context import RecordContext
from protocols.fitcloud.records.table import SUPPORTED, decode
from protocols.model.catalog import kind_of
from protocols.model.readings import HeartRate, SleepStage, StepInterval
from protocols.model.time import DeviceTime, device_time, to_datetime

LAYOUT_FEATURES = [9, 24, 259, 268, 522, 523, 530, 539, 546, 558]
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
        if context.not_after is not None and type_id not in {16, 22}:
            assert kind.starts(reading) <= context.not_after


@settings(max_examples=200, deadline=None, derandomize=True)
@given(any_stream, any_context)
def test_steps_stay_in_the_stated_range(stream: bytes, context: RecordContext) -> None:
    for reading in decode(1, stream, context).readings:
        assert isinstance(reading, StepInterval)
        assert 0 < reading.steps <= max(3000, 600 * reading.duration_s // 60)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from([3, 131]), any_stream, any_context)
def test_heart_rates_are_never_zero(type_id: int, stream: bytes, context: RecordContext) -> None:
    for reading in decode(type_id, stream, context).readings:
        assert isinstance(reading, HeartRate)
        assert 0 < reading.bpm <= 255


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
