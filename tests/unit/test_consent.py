"""What is not consented to is taken out, not merely left unpublished."""

from itertools import combinations

import pytest

from protocols.model.catalog import KINDS, Category, kind_of
from protocols.model.consent import ALSO_HOLDS, permitted, wholly_permitted
from protocols.model.readings import (
    BatteryLevel,
    BloodPressure,
    DailyHrv,
    DayTotals,
    Ecg,
    GameScore,
    GpsTrack,
    HeartRate,
    HeartRateVariability,
    HeartRateZones,
    Mood,
    OxygenSaturation,
    Reading,
    RespiratoryRate,
    RestingHeartRate,
    SleepScore,
    SleepStage,
    Stage,
    StepInterval,
    Stress,
    Temperature,
    TrackPoint,
    Vitality,
    Workout,
    WorkoutSample,
    WorkoutSummary,
)
from protocols.model.sleep import SleepSession, SleepType
from protocols.model.time import DeviceTime

T0 = DeviceTime(800_000_000)
ALL = frozenset(Category)
SUMMARY = WorkoutSummary(
    mean_bpm=121,
    max_bpm=165,
    min_bpm=88,
    mean_cadence_per_min=80,
    vo2max=44,
    effort_durations_s=(1, 2, 3),
    zones=HeartRateZones((100, 120), (60, 30)),
)
WORKOUT = Workout(
    start=T0,
    sport="outdoor_run",
    sport_code=5,
    duration_s=60,
    steps=120,
    distance_m=100,
    energy_kcal=8.0,
    samples=(WorkoutSample(60, 120, 100, 8.0, 121),),
    heart_rates=((30, 120), (60, 122)),
    summary=SUMMARY,
)
PRESSURE = BloodPressure(T0, 120, 80, 71)
TOTALS = DayTotals(T0, 9000, 6000.0, 400.0, 90, 300, 71)
READINGS: tuple[Reading, ...] = (
    StepInterval(T0, 300, 12),
    HeartRate(T0, 72),
    RestingHeartRate(T0, 55),
    SleepStage(T0, DeviceTime(T0 + 600), Stage.DEEP, T0),
    SleepSession(T0, DeviceTime(T0 + 60), T0, SleepType.NIGHT, 60, 60, 60, 0, 0, 0, 0, 100.0),
    SleepScore(T0, 80, 90),
    TOTALS,
    WORKOUT,
    GpsTrack(T0, "20250601100000000005", 5, (TrackPoint(1, 48.2, 16.4, 170, 9),)),
    OxygenSaturation(T0, 97),
    PRESSURE,
    RespiratoryRate(T0, 16),
    Stress(T0, 40),
    Temperature(T0, 33.1, 36.6),
    Mood(T0, 2),
    Vitality(T0, 80.5),
    HeartRateVariability(T0, 45),
    DailyHrv(T0, 45, 30, 60, 44),
    GameScore(T0, 3, 60, 1000, 2),
    Ecg(T0, 0, 250, (1, 2)),
    BatteryLevel(T0, 80, charging=False),
)
EVERY_CONSENT = [
    frozenset(chosen)
    for size in (0, 1, 2, 3, len(ALL) - 2, len(ALL) - 1, len(ALL))
    for chosen in combinations(Category, size)
]
"""No rule looks at more than three categories at once."""


def test_the_samples_cover_every_kind() -> None:
    assert {type(reading) for reading in READINGS} == {kind.type for kind in KINDS}


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: type(reading).__name__)
def test_with_full_consent_nothing_changes(reading: Reading) -> None:
    assert permitted(reading, ALL) == reading
    assert wholly_permitted(type(reading), ALL)


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: type(reading).__name__)
def test_a_kind_passes_exactly_when_its_category_does(reading: Reading) -> None:
    category = kind_of(reading).category
    for consent in EVERY_CONSENT:
        kept = permitted(reading, consent)
        allowed = category in consent or category is Category.DEVICE
        assert (kept is not None) == allowed


def test_the_state_of_the_watch_needs_no_consent() -> None:
    battery = READINGS[-1]
    assert permitted(battery, frozenset()) == battery


def test_totals_lose_sleep_without_sleep() -> None:
    assert permitted(TOTALS, ALL - {Category.SLEEP}) == TOTALS._replace(
        deep_sleep_min=None, light_sleep_min=None
    )


def test_totals_lose_their_heart_rate_without_heart() -> None:
    assert permitted(TOTALS, ALL - {Category.HEART}) == TOTALS._replace(mean_heart_rate_bpm=None)


def test_a_workout_without_heart_holds_no_heart_rate_anywhere() -> None:
    kept = permitted(WORKOUT, {Category.WORKOUT})
    assert isinstance(kept, Workout)
    assert kept.heart_rates == ()
    assert [sample.bpm for sample in kept.samples] == [None]
    assert kept.summary == WorkoutSummary(mean_cadence_per_min=80, vo2max=44)
    assert kept.samples[0].steps == 120
    assert (kept.start, kept.steps, kept.duration_s) == (T0, 120, 60)
    assert "12" not in str([kept.heart_rates, kept.summary._replace(vo2max=None)])


def test_a_cuff_loses_its_heart_rate_without_heart() -> None:
    kept = permitted(PRESSURE, {Category.BLOOD_PRESSURE})
    assert kept == BloodPressure(T0, 120, 80, None)
    assert permitted(PRESSURE, {Category.BLOOD_PRESSURE, Category.HEART}) == PRESSURE


def test_a_workout_says_nothing_of_where_it_led() -> None:
    assert permitted(WORKOUT, {Category.WORKOUT, Category.HEART}) == WORKOUT
    track = next(reading for reading in READINGS if isinstance(reading, GpsTrack))
    assert permitted(track, ALL - {Category.LOCATION}) is None


def test_a_workout_without_summary_stays_without() -> None:
    kept = permitted(WORKOUT._replace(summary=None), {Category.WORKOUT})
    assert isinstance(kept, Workout)
    assert kept.summary is None


def test_raw_records_need_all_that_they_hold() -> None:
    for kind in KINDS:
        needed = ALSO_HOLDS.get(kind.type, frozenset())
        for consent in EVERY_CONSENT:
            assert wholly_permitted(kind.type, consent) == (needed <= consent)
