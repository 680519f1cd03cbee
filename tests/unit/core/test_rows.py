"""Readings as rows of the store: identity, times, and the JSON that will be published."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gatewayd.core.rows import day_of, row_of
from gatewayd.core.timeline import Timeline
from protocols.model.catalog import KINDS, Merge
from protocols.model.readings import (
    BatteryLevel,
    DayTotals,
    HeartRate,
    Method,
    Reading,
    SleepStage,
    Stage,
    StepInterval,
    Swim,
    SwimStroke,
    Workout,
    WorkoutSample,
)
from protocols.model.time import device_time

BERLIN = Timeline(ZoneInfo("Europe/Berlin"))
NOON = device_time(2026, 7, 1, 12)
NOON_UTC_S = int(datetime(2026, 7, 1, 10, tzinfo=UTC).timestamp())


def test_a_moment_has_a_start_and_no_end() -> None:
    row = row_of(HeartRate(NOON, 61, Method.SPOT), BERLIN)
    assert (row.kind, row.key, row.merge) == ("heart_rate", f"{NOON}|spot", Merge.IMMUTABLE)
    assert (row.start_utc_s, row.end_utc_s, row.utc_offset_s) == (NOON_UTC_S, None, 7200)
    assert row.values == '{"bpm":61,"method":"spot"}'
    assert row.verified


def test_a_duration_becomes_an_end_and_what_is_unknown_is_left_out() -> None:
    row = row_of(StepInterval(NOON, 300, 40, 28.5), BERLIN)
    assert row.end_utc_s == NOON_UTC_S + 300
    assert json.loads(row.values) == {"duration_s": 300, "steps": 40, "distance_m": 28.5}


def test_what_is_an_inference_says_so() -> None:
    assert not row_of(BatteryLevel(NOON, 80, charging=False, verified=False), BERLIN).verified


def test_an_interval_over_a_clock_change_keeps_both_ends_true() -> None:
    begin, end = device_time(2026, 10, 25, 1, 30), device_time(2026, 10, 25, 4)
    night = device_time(2026, 10, 25)
    row = row_of(SleepStage(begin, end, Stage.LIGHT, night), BERLIN)
    assert row.end_utc_s is not None
    assert row.end_utc_s - row.start_utc_s == 3.5 * 3600  # 2.5 hours on the face
    assert row.utc_offset_s == 7200
    assert json.loads(row.values) == {"stage": "light", "night": "2026-10-25"}


def test_days_are_days_and_not_times() -> None:
    row = row_of(DayTotals(device_time(2026, 7, 1), 1, 2.0, 3.0, None, None, None), BERLIN)
    assert "day" not in json.loads(row.values)
    assert row.merge is Merge.REVISABLE
    with pytest.raises(TypeError):
        day_of("2026-07-01")


def test_a_workout_carries_its_parts_as_objects_and_lists() -> None:
    workout = Workout(
        NOON,
        "pool_swim",
        469,
        2400,
        0,
        1500,
        310.5,
        samples=(WorkoutSample(60, 0, 25, 8.0, None),),
        heart_rates=((60, 101), (120, 0)),
        swim=Swim(SwimStroke.FREESTYLE, 1, 60, None, 29, 45),
    )
    row = row_of(workout, BERLIN)
    values = json.loads(row.values)
    assert row.key == f"{NOON}|469"
    assert row.end_utc_s == NOON_UTC_S + 2400
    assert values["samples"] == [
        {"elapsed_s": 60, "steps": 0, "distance_m": 25, "energy_kcal": 8.0}
    ]
    assert values["heart_rates"] == [[60, 101], [120, 0]]
    assert values["swim"]["stroke"] == "freestyle"
    assert "strokes" not in values["swim"]
    assert "rope" not in values


def test_equal_values_are_equal_text_whichever_reading_they_come_from() -> None:
    for reading in (HeartRate(NOON, 61), StepInterval(NOON, 300, 1)):
        again = type(reading)(*reading)
        assert row_of(reading, BERLIN).values == row_of(again, BERLIN).values


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_makes_a_row_whose_json_is_an_object(kind: object) -> None:
    examples: dict[str, Reading] = {}
    for reading in (HeartRate(NOON, 60), StepInterval(NOON, 300, 1), BatteryLevel(NOON, 1, False)):
        examples[row_of(reading, BERLIN).kind] = reading
    name = kind.name  # type: ignore[attr-defined]
    made = examples.get(name) or _made(kind.type)  # type: ignore[attr-defined]
    row = row_of(made, BERLIN)
    assert row.kind == name
    assert isinstance(json.loads(row.values), dict)


def _made(kind: type[Reading]) -> Reading:
    """Times at noon, everything else a one or whatever it is by default."""
    values: dict[str, object] = {}
    for name in kind._fields:
        if name in {"at", "start", "end", "day", "night"}:
            values[name] = NOON
        elif name == "stage":
            values[name] = Stage.DEEP
        elif name not in kind._field_defaults:
            values[name] = 1
    return kind(**values)  # type: ignore[arg-type]
