"""Records in the cases that the vectors leave out."""

import struct
from typing import TypeVar

import pytest

from protocols.errors import MessageError
from protocols.fitcloud.features import Features
from protocols.fitcloud.messages.clock import encode_dmin4, encode_ts4
from protocols.fitcloud.records.context import Decoded, RecordContext
from protocols.fitcloud.records.raw_sleep import RawSleepValue
from protocols.fitcloud.records.raw_sleep import decode as decode_raw_sleep
from protocols.fitcloud.records.table import decode
from protocols.model.readings import (
    BloodPressure,
    Ecg,
    GameScore,
    GpsTrack,
    HeartRate,
    HeartRateVariability,
    Method,
    OxygenSaturation,
    SleepStage,
    Stage,
    StepInterval,
    Stress,
    SwimStroke,
    Temperature,
    TrackPoint,
    Vitality,
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


# --- vital signs ------------------------------------------------------------------------------


def test_more_than_a_hundred_per_cent_is_kept_but_not_verified() -> None:
    decoded = decode(4, header(4, TEN, 5) + bytes([98, 0, 255, 100]), context())
    assert of(OxygenSaturation, decoded) == [
        OxygenSaturation(TEN, 98),
        OxygenSaturation(DeviceTime(TEN + 600), 255, verified=False),
        OxygenSaturation(DeviceTime(TEN + 900), 100),
    ]
    assert [kind for kind, _ in decoded.oddities] == [AnomalyKind.IMPLAUSIBLE_VALUE]
    spot = decode(146, header(1, TEN, 0) + encode_ts4(TEN) + b"\x65", context())
    assert of(Stress, spot) == [Stress(TEN, 101, Method.SPOT, verified=False)]


def test_values_from_the_future_are_no_further_oddity() -> None:
    decoded = decode(4, header(2, TEN, 60) + b"\x60\xff", context(now=TEN))
    assert [r.spo2_pct for r in of(OxygenSaturation, decoded)] == [96]
    assert [kind for kind, _ in decoded.oddities] == [AnomalyKind.FUTURE_DATED]


def test_blood_pressure_is_systolic_first_and_needs_both() -> None:
    decoded = decode(5, header(3, TEN, 30) + bytes([120, 80, 0, 80, 130, 0]), context())
    assert of(BloodPressure, decoded) == [BloodPressure(TEN, 120, 80)]
    assert decoded.oddities == ()


@pytest.mark.parametrize(("bpm", "kept"), [(0, None), (71, 71)])
def test_only_a_cuff_adds_a_heart_rate(bpm: int, kept: int | None) -> None:
    item = encode_ts4(TEN) + bytes([120, 80])
    (plain,) = of(BloodPressure, decode(133, header(1, TEN, 0) + item, context()))
    (cuff,) = of(BloodPressure, decode(133, header(1, TEN, 0) + item + bytes([bpm]), context(21)))
    assert plain == BloodPressure(TEN, 120, 80, None, Method.SPOT)
    assert cuff == BloodPressure(TEN, 120, 80, kept, Method.SPOT)


def test_a_temperature_below_zero_at_the_wrist_is_one_and_a_filler_is_not_verified() -> None:
    stream = header(4, TEN, 5) + struct.pack(">8h", -63, 3652, 3000, 0, 3000, -1, 3115, 0x7FFF)
    decoded = decode(17, stream, context())
    assert of(Temperature, decoded) == [
        Temperature(TEN, -0.63, 36.52),
        Temperature(DeviceTime(TEN + 900), 31.15, 327.67, verified=False),
    ]
    assert [kind for kind, _ in decoded.oddities] == [AnomalyKind.IMPLAUSIBLE_VALUE]


def test_variability_and_vitality_keep_zero() -> None:
    hrv = decode(23, header(1, TEN, 0) + encode_dmin4(TEN) + b"\0", context(now=DAY))
    assert of(HeartRateVariability, hrv) == [HeartRateVariability(TEN, 0, verified=False)]
    vitality = decode(21, header(2, TEN, 5) + b"\0\0\x1f\x4a", context())
    assert [r.score for r in of(Vitality, vitality)] == [0.0, 80.1]


def test_a_game_is_as_the_watch_tells_it() -> None:
    item = b"\3" + encode_dmin4(TEN) + b"\0\1\2" + b"\1\0\0" + b"\7"
    assert of(GameScore, decode(19, header(1, DAY, 0) + item, context())) == [
        GameScore(TEN, 3, 258, 65536, 7, verified=False)
    ]


def test_an_ecg_begins_with_its_first_sample_that_is_not_zero() -> None:
    stream = header(503, TEN, 4) + bytes(2 * 500) + b"\0\5\0\0\0\6"
    assert of(Ecg, decode(7, stream, context())) == [
        Ecg(DeviceTime(TEN + 2), 0, 250, (5, 6)),
    ]
    (slow,) = of(Ecg, decode(7, header(2, TEN, 1999) + b"\0\0\0\1", context()))
    assert (slow.start - TEN, slow.offset_ms, slow.sampling_rate_hz) == (1, 999, 0)


def test_an_ecg_cut_short_is_left_out_and_those_before_it_stand() -> None:
    stream = header(1, TEN, 4) + b"\0\5" + header(2, TEN, 4) + b"\0\5"
    decoded = decode(7, stream, context())
    assert len(decoded.readings) == 1
    assert decoded.oddities[0][0] is AnomalyKind.TRUNCATED


def point(elapsed: int, longitude: int, latitude: int, resumed: int = 0) -> bytes:
    return struct.pack(">HiiHBB", elapsed, longitude, latitude, 170, 9, resumed)


def test_a_track_leads_where_its_workout_led() -> None:
    identity = encode_ts4(TEN) + b"\0\5"
    stream = header(3, DAY, 0) + b"\7" + identity + b"x"
    stream += point(0, 1637208, 4820849) + point(5, 0, 4820849) + point(9, -1, 4820851, 1)
    (track,) = of(GpsTrack, decode(10, stream, context()))
    assert track == GpsTrack(
        TEN,
        "20250601100000" + "0005",
        5,
        (
            TrackPoint(0, 48.20849, 16.37208, 170, 9),
            TrackPoint(9, 48.20851, -0.00001, 170, 9, new_segment=True),
        ),
    )
    record = workout(header(1, TEN, 0) + b"\6" + identity + item(5, 60), context(24))
    assert record.track_id == track.track_id


def test_a_track_without_an_id_is_passed_over_and_an_incomplete_one_left_out() -> None:
    sound = header(1, TEN, 0) + b"\6" + encode_ts4(TEN) + b"\0\5" + point(1, 2, 3)
    nameless = header(1, TEN, 0) + b"\5" + bytes(5) + point(1, 2, 3)
    impossible = header(1, TEN, 0) + b"\6" + bytes(6) + point(1, 2, 3)
    for cut in (1, 14, 20):
        stream = nameless + impossible + sound + sound[:-cut]
        decoded = decode(10, stream, context())
        assert len(of(GpsTrack, decoded)) == 1
        assert [kind for kind, _ in decoded.oddities] == [
            AnomalyKind.TRUNCATED,
            AnomalyKind.IMPLAUSIBLE_VALUE,
        ]


def test_a_track_off_the_globe_is_not_verified() -> None:
    stream = header(1, TEN, 0) + b"\6" + encode_ts4(TEN) + b"\0\5" + point(1, 2, 9_000_001)
    (track,) = of(GpsTrack, decode(10, stream, context()))
    assert not track.verified


def test_raw_sleep_is_every_value_at_its_time() -> None:
    stream = header(2, TEN, 1) + b"\0\0\xff\xff" + b"\0\1" + bytes(6) + b"\0\1"
    assert decode_raw_sleep(stream) == (
        RawSleepValue(TEN, 0),
        RawSleepValue(DeviceTime(TEN + 60), 0xFFFF),
    )
