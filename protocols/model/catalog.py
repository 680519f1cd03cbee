"""One row per kind of reading: everything that the rest of the house derives from a kind.

Topic, consent category, identity, merge policy, unit and Home Assistant presentation come from
here and nowhere else; adding a kind is adding a class to `model.readings` and a row here.

Home Assistant facts (device classes, which state class a device class allows) follow its sensor
documentation; UUIDs are the Bluetooth SIG's characteristic numbers for the same quantity.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from protocols.model.kinds import Category, Kind, Measure, Merge
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
    Mood,
    OxygenSaturation,
    Reading,
    RespiratoryRate,
    RestingHeartRate,
    SleepScore,
    SleepStage,
    StepInterval,
    Stress,
    Temperature,
    Vitality,
    Workout,
)

__all__ = ["BY_NAME", "BY_TYPE", "KINDS", "Category", "Kind", "Measure", "Merge", "kind_of"]


def _of(name: str) -> Callable[[Any], float | str | None]:
    def value(reading: object) -> float | str | None:
        found: float | str | None = getattr(reading, name)
        return found

    return value


def _verified(name: str) -> Callable[[Any], float | str | None]:
    """A value that cannot be meant as it stands (255 % of oxygen) is stored, but not shown."""

    def value(reading: Any) -> float | str | None:
        found: float | str | None = getattr(reading, name)
        return found if reading.verified else None

    return value


KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        "steps",
        StepInterval,
        Category.ACTIVITY,
        start="start",
        key=("start",),
        duration="duration_s",
        sig_uuid=0x2B40,
    ),
    Kind(
        "day_totals",
        DayTotals,
        Category.ACTIVITY,
        start="day",
        key=("day",),
        merge=Merge.REVISABLE,
        measures=(
            Measure(
                "steps_today",
                "Steps",
                _of("steps"),
                unit="steps",
                state_class="total_increasing",
                icon="mdi:walk",
            ),
            Measure(
                "distance_today_m",
                "Distance",
                _of("distance_m"),
                unit="m",
                device_class="distance",
                state_class="total_increasing",
                precision=0,
            ),
            Measure(
                "energy_today_kcal",
                "Energy burnt",
                _of("energy_kcal"),
                unit="kcal",
                device_class="energy",
                state_class="total_increasing",
                precision=0,
            ),
        ),
    ),
    Kind(
        "heart_rate",
        HeartRate,
        Category.HEART,
        start="at",
        key=("at", "method"),
        sig_uuid=0x2A37,
        measures=(
            Measure("heart_rate_bpm", "Heart rate", _of("bpm"), unit="bpm", icon="mdi:heart-pulse"),
        ),
    ),
    Kind(
        "resting_heart_rate",
        RestingHeartRate,
        Category.HEART,
        start="at",
        key=("at",),
        merge=Merge.REVISABLE,
        sig_uuid=0x2A92,
        measures=(
            Measure(
                "resting_heart_rate_bpm",
                "Resting heart rate",
                _of("bpm"),
                unit="bpm",
                icon="mdi:heart",
            ),
        ),
    ),
    Kind(
        "sleep_stage",
        SleepStage,
        Category.SLEEP,
        start="start",
        end="end",
        key=("start",),
        days=("night",),
        merge=Merge.REVISABLE,
    ),
    Kind(
        "sleep_score",
        SleepScore,
        Category.SLEEP,
        start="at",
        key=("at",),
        merge=Merge.REVISABLE,
        measures=(
            Measure("sleep_score", "Sleep score", _of("score"), icon="mdi:sleep"),
            Measure(
                "sleep_efficiency_pct",
                "Sleep efficiency",
                _of("efficiency_pct"),
                unit="%",
                icon="mdi:sleep",
            ),
        ),
    ),
    Kind(
        "workout",
        Workout,
        Category.WORKOUT,
        start="start",
        key=("start", "sport_code"),
        merge=Merge.REVISABLE,
        duration="duration_s",
        measures=(
            Measure(
                "last_workout",
                "Last workout",
                _of("sport"),
                state_class=None,
                icon="mdi:run",
            ),
            Measure(
                "last_workout_duration_s",
                "Last workout duration",
                _of("duration_s"),
                unit="s",
                device_class="duration",
            ),
            Measure(
                "last_workout_distance_m",
                "Last workout distance",
                _of("distance_m"),
                unit="m",
                device_class="distance",
            ),
            Measure(
                "last_workout_energy_kcal",
                "Last workout energy",
                _of("energy_kcal"),
                unit="kcal",
                icon="mdi:fire",
                precision=0,
            ),
        ),
    ),
    Kind(
        "gps_track",
        GpsTrack,
        Category.LOCATION,
        start="start",
        key=("start", "track_id"),
        merge=Merge.REVISABLE,
        sig_uuid=0x2A67,
    ),
    Kind(
        "oxygen_saturation",
        OxygenSaturation,
        Category.OXYGEN,
        start="at",
        key=("at", "method"),
        sig_uuid=0x2A5F,
        measures=(
            Measure(
                "oxygen_saturation_pct",
                "Oxygen saturation",
                _verified("spo2_pct"),
                unit="%",
                icon="mdi:water-percent",
            ),
        ),
    ),
    Kind(
        "blood_pressure",
        BloodPressure,
        Category.BLOOD_PRESSURE,
        start="at",
        key=("at", "method"),
        sig_uuid=0x2A35,
        measures=(
            Measure(
                "systolic_mmhg",
                "Systolic blood pressure",
                _of("systolic_mmhg"),
                unit="mmHg",
                device_class="pressure",
                precision=0,
            ),
            Measure(
                "diastolic_mmhg",
                "Diastolic blood pressure",
                _of("diastolic_mmhg"),
                unit="mmHg",
                device_class="pressure",
                precision=0,
            ),
        ),
    ),
    Kind(
        "respiratory_rate",
        RespiratoryRate,
        Category.RESPIRATION,
        start="at",
        key=("at", "method"),
        measures=(
            Measure(
                "respiratory_rate_per_min",
                "Respiratory rate",
                _of("breaths_per_min"),
                unit="breaths/min",
                icon="mdi:lungs",
            ),
        ),
    ),
    Kind(
        "temperature",
        Temperature,
        Category.TEMPERATURE,
        start="at",
        key=("at", "method"),
        sig_uuid=0x2A1C,
        measures=(
            Measure(
                "body_temperature_c",
                "Body temperature",
                _verified("body_c"),
                unit="°C",
                device_class="temperature",
                precision=1,
            ),
            Measure(
                "wrist_temperature_c",
                "Wrist temperature",
                _verified("wrist_c"),
                unit="°C",
                device_class="temperature",
                precision=1,
            ),
        ),
    ),
    Kind(
        "stress",
        Stress,
        Category.STRESS,
        start="at",
        key=("at", "method"),
        measures=(
            Measure("stress_score", "Stress", _verified("score"), icon="mdi:head-alert-outline"),
        ),
    ),
    Kind(
        "vitality",
        Vitality,
        Category.STRESS,
        start="at",
        key=("at",),
        measures=(
            Measure("vitality_score", "Vitality", _of("score"), icon="mdi:lightning-bolt-outline"),
        ),
    ),
    Kind(
        "mood",
        Mood,
        Category.MOOD,
        start="at",
        key=("at", "method"),
        measures=(
            Measure(
                "mood_code", "Mood", _of("code"), state_class=None, icon="mdi:emoticon-outline"
            ),
        ),
    ),
    Kind(
        "heart_rate_variability",
        HeartRateVariability,
        Category.HEART,
        start="at",
        key=("at",),
        measures=(
            Measure(
                "heart_rate_variability_ms",
                "Heart rate variability",
                _of("hrv_ms"),
                unit="ms",
                icon="mdi:heart-flash",
            ),
        ),
    ),
    Kind(
        "daily_hrv",
        DailyHrv,
        Category.HEART,
        start="day",
        key=("day",),
        days=("day",),
        merge=Merge.REVISABLE,
        measures=(
            Measure(
                "daily_hrv_mean_ms",
                "Mean heart rate variability of a day",
                _of("mean_ms"),
                unit="ms",
                icon="mdi:heart-flash",
            ),
        ),
    ),
    Kind(
        "ecg",
        Ecg,
        Category.ECG,
        start="start",
        key=("start", "offset_ms", "method"),
        merge=Merge.REVISABLE,
    ),
    Kind("game_score", GameScore, Category.GAME, start="at", key=("at", "game_code", "score")),
    Kind(
        "battery",
        BatteryLevel,
        Category.DEVICE,
        start="at",
        key=("at",),
        merge=Merge.REVISABLE,
        sig_uuid=0x2A19,
        measures=(
            Measure(
                "battery_pct",
                "Battery",
                _of("level_pct"),
                unit="%",
                device_class="battery",
                entity_category="diagnostic",
            ),
        ),
    ),
)

BY_TYPE: Final = MappingProxyType({kind.type: kind for kind in KINDS})
BY_NAME: Final = MappingProxyType({kind.name: kind for kind in KINDS})


def kind_of(reading: Reading) -> Kind:
    """The catalogue's row for a reading."""
    return BY_TYPE[type(reading)]
