"""Records in the cases that the vectors leave out."""

import struct
from typing import TypeVar

import pytest

from protocols.errors import MessageError
from protocols.fitcloud.features import Features
from protocols.fitcloud.messages.clock import encode_dmin4, encode_ts4
from protocols.fitcloud.records.context import Decoded, RecordContext
from protocols.fitcloud.records.table import decode
from protocols.model.readings import (
    HeartRate,
    Method,
    SleepStage,
    Stage,
    StepInterval,
    SwimStroke,
    Workout,
)
from protocols.model.time import DeviceTime, device_time
from protocols.session import AnomalyKind

T = TypeVar("T")

DAY = device_time(2025, 6, 1)
TEN = device_time(2025, 6, 1, 10)


def header(count: int, start: DeviceTime, third: int) -> bytes:
    return count.to_bytes(2, "big") + encode_dmin4(start) + third.to_bytes(2, "big")


def context(
    *features: int, heart_rates: int | None = None, now: DeviceTime | None = None
) -> RecordContext:
    return RecordContext(Features(frozenset(features)), heart_rates, now)


def of(kind: type[T], decoded: Decoded) -> list[T]:
    """The readings, which are all of one kind."""
    found: list[T] = [reading for reading in decoded.readings if isinstance(reading, kind)]
    assert len(found) == len(decoded.readings)
    return found


def test_future_items_are_dropped_and_counted_once() -> None:
    stream = header(4, TEN, 60) + bytes([60, 61, 0, 62]) + header(1, TEN, 5) + b"\x3f"
    decoded = decode(3, stream, context(now=DeviceTime(TEN + 3600)))
    assert [r.bpm for r in of(HeartRate, decoded)] == [60, 61, 63]
    assert decoded.oddities == ((AnomalyKind.FUTURE_DATED, "1 items from the future"),)


def test_future_steps_are_counted_without_their_empty_intervals() -> None:
    stream = header(3, TEN, 5) + struct.pack(">3H", 5, 0, 6)
    decoded = decode(1, stream, context(now=DeviceTime(TEN - 1)))
    assert decoded.readings == ()
    assert decoded.oddities == ((AnomalyKind.FUTURE_DATED, "2 items from the future"),)


def test_no_value_is_no_oddity_but_an_absurd_one_is() -> None:
    stream = header(3, TEN, 5) + struct.pack(">3H", 0, 3001, 7)
    decoded = decode(1, stream, context())
    assert [(r.start, r.steps) for r in of(StepInterval, decoded)] == [(TEN + 600, 7)]
    assert [kind for kind, _ in decoded.oddities] == [AnomalyKind.IMPLAUSIBLE_VALUE]
    assert decode(3, header(2, TEN, 5) + b"\0\0", context()).oddities == ()


def test_steps_carry_metres_and_kilocalories_and_minutes() -> None:
    stream = header(1, TEN, 5) + struct.pack(">4H", 100, 7612, 3456, 4)
    (reading,) = of(StepInterval, decode(1, stream, context(259, 539)))
    assert reading == (TEN, 300, 100, 76.12, 3.456, 4, True)


def test_a_group_without_a_possible_time_is_skipped_and_the_next_one_read() -> None:
    stream = b"\0\1" + bytes(6) + b"\x50" + header(1, TEN, 5) + b"\x51"
    decoded = decode(3, stream, context())
    assert [(r.at, r.bpm) for r in of(HeartRate, decoded)] == [(TEN, 81)]
    assert [kind for kind, _ in decoded.oddities] == [AnomalyKind.IMPLAUSIBLE_VALUE]


def test_spot_heart_rate_is_marked_and_an_impossible_time_dropped() -> None:
    stream = (
        header(3, TEN, 0) + encode_ts4(TEN) + b"\x50" + bytes(4) + b"\x51" + encode_ts4(TEN) + b"\0"
    )
    decoded = decode(131, stream, context())
    assert [(r.at, r.bpm, r.method) for r in of(HeartRate, decoded)] == [(TEN, 80, Method.SPOT)]
    assert [kind for kind, _ in decoded.oddities] == [AnomalyKind.IMPLAUSIBLE_VALUE]


def test_an_incomplete_group_keeps_its_whole_items_and_says_so() -> None:
    decoded = decode(1, header(3, TEN, 5) + b"\0\1\0", context())
    assert [r.steps for r in of(StepInterval, decoded)] == [1]
    assert decoded.oddities[0][0] is AnomalyKind.TRUNCATED


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(MessageError):
        decode(99, b"", context())


# --- sleep ------------------------------------------------------------------------------------


def test_naps_move_the_end_of_the_day_from_one_to_eight_in_the_evening() -> None:
    start = device_time(2025, 6, 1, 19)
    stream = header(2, start, 5) + b"\1\1"
    (without,) = of(SleepStage, decode(2, stream, context()))
    (with_naps,) = of(SleepStage, decode(2, stream, context(522)))
    assert (without.night, with_naps.night) == (DAY + 86400, DAY)


def test_old_sleep_of_one_state_is_one_segment_whatever_the_gap() -> None:
    stream = header(1, TEN, 5) + b"\1" + header(1, DeviceTime(TEN + 7200), 5) + b"\1"
    (stage,) = of(SleepStage, decode(2, stream, context()))
    assert (stage.start, stage.end, stage.stage) == (TEN - 300, TEN + 7200, Stage.DEEP)


def test_old_sleep_after_time_awake_stretches_that_over_a_gap() -> None:
    late = DeviceTime(TEN + 3600)
    stream = header(2, TEN, 5) + b"\1\3" + header(1, late, 5) + b"\2"
    stages = of(SleepStage, decode(2, stream, context()))
    assert [(s.start - TEN, s.end - TEN, s.stage) for s in stages] == [
        (-300, 0, Stage.DEEP),
        (0, 3300, Stage.AWAKE),
        (3300, 3600, Stage.LIGHT),
    ]


def test_new_sleep_groups_of_a_day_are_joined_by_time_awake() -> None:
    def item(minutes: int, status: int) -> bytes:
        return encode_dmin4(DeviceTime(TEN + minutes * 60)) + bytes([status])

    stream = header(1, TEN, 0) + item(30, 1) + header(1, DeviceTime(TEN + 3600), 0) + item(90, 2)
    stages = of(SleepStage, decode(2, stream, context(268)))
    assert [((s.start - TEN) // 60, (s.end - TEN) // 60, s.stage) for s in stages] == [
        (0, 30, Stage.DEEP),
        (30, 60, Stage.AWAKE),
        (60, 90, Stage.LIGHT),
    ]
    assert {s.night for s in stages} == {DAY}


# --- sport ------------------------------------------------------------------------------------


def item(code: int, elapsed: int, heart_rates: bytes = b"", extra: bytes = b"") -> bytes:
    return struct.pack(">6H", code, elapsed, 10, 20, 1500, 0) + heart_rates + extra


def workout(stream: bytes, ctx: RecordContext) -> Workout:
    (reading,) = decode(16, stream, ctx).readings
    assert isinstance(reading, Workout)
    return reading


def test_items_of_another_sport_are_skipped_but_counted() -> None:
    stream = header(3, TEN, 0) + item(5, 60) + item(9, 120) + item(5, 180)
    record = workout(stream + header(1, TEN, 0)[:5], context())
    assert (record.sport, record.steps, record.distance_m) == ("outdoor_run", 20, 40)
    assert (record.energy_kcal, record.duration_s) == (3.0, 180)


def test_an_incomplete_record_is_left_out_and_those_before_it_stand() -> None:
    stream = header(1, TEN, 0) + item(5, 60) + header(2, TEN, 0) + item(5, 60)
    decoded = decode(16, stream, context())
    assert len(decoded.readings) == 1
    assert decoded.oddities[0][0] is AnomalyKind.TRUNCATED


def test_several_heart_rates_are_spread_over_an_item_until_its_end() -> None:
    stream = header(2, TEN, 0) + item(5, 60, b"\x50\0\x52") + item(5, 80, b"\x60\x61\x62")
    record = workout(stream, context(heart_rates=3))
    assert record.heart_rates == ((20, 0x50), (40, 0), (60, 0x52), (80, 0x60))
    assert [sample.bpm for sample in record.samples] == [0x51, 0x60]


def test_swimming_comes_from_the_last_item_and_short_blocks_give_no_fields() -> None:
    swim = struct.pack(">B4H", 3, 12, 300, 25, 48)
    stream = header(2, TEN, 9) + item(469, 60, extra=bytes(9)) + item(469, 120, extra=swim)
    record = workout(stream, context(546))
    assert record.swim == (SwimStroke.BACKSTROKE, 3, 12, 300, 25, 48)
    short = workout(header(1, TEN, 3) + item(473, 60, extra=b"\x09\0\7"), context(546))
    assert short.swim == (None, 9, 7, None, None, None)


def test_rope_and_rowing_have_their_own_blocks() -> None:
    rope = workout(header(1, TEN, 6) + item(49, 60, extra=b"\0\1\0\2\0\3"), context(546))
    assert rope.rope == (1, 2, 3)
    row = workout(header(1, TEN, 8) + item(53, 60, extra=b"\0\1\0\2\0\3\0\4"), context(546))
    assert row.strokes == (1, 2, 3, 4)
    short = workout(header(1, TEN, 6) + item(53, 60, extra=b"\0\1\0\2\0\3"), context(546))
    assert short.strokes == (1, 2, None, None)


@pytest.mark.parametrize("entry", [b"\1\5" + bytes(5), b"\1\xff", b"\x63\x80"])
def test_an_entry_of_impossible_length_refuses_the_stream(entry: bytes) -> None:
    block = b"\0\0" + entry
    stream = header(1, TEN, 0) + len(block).to_bytes(2, "big") + block + item(5, 60)
    with pytest.raises(MessageError):
        decode(16, stream, context(558))


def test_an_overlong_part_refuses_the_stream() -> None:
    with pytest.raises(MessageError):
        decode(16, header(1, TEN, 0) + b"\1\1" + bytes(400), context(558))


def test_an_empty_display_list_ends_the_stream_and_says_so() -> None:
    stream = header(1, TEN, 0) + b"\1\4" + item(5, 60) + header(1, TEN, 0) + b"\0" + item(5, 60)
    decoded = decode(16, stream, context(530))
    assert [w.displayed for w in of(Workout, decoded)] == [(4,)]
    assert decoded.oddities[0][0] is AnomalyKind.TRUNCATED


def test_an_impossible_id_leaves_the_header_time() -> None:
    stream = header(1, TEN, 0) + b"\6" + bytes(4) + b"\0\5" + item(5, 60)
    record = workout(stream, context(24))
    assert (record.start, record.track_id) == (TEN, None)
