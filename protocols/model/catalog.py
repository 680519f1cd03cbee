"""One row per kind of reading: everything that the rest of the house derives from a kind.

Topic, consent category, identity, merge policy, unit and Home Assistant presentation come from
here and nowhere else; adding a kind is adding a class to `model.readings` and a row here.

Home Assistant facts (device classes, which state class a device class allows) follow its sensor
documentation; UUIDs are the Bluetooth SIG's characteristic numbers for the same quantity.
"""

from collections.abc import Collection
from types import MappingProxyType
from typing import Final

from protocols.model.kinds import Category, Kind, Measure, Merge, credible, told
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
from protocols.model.sleep import SleepSession

__all__ = ["BY_NAME", "BY_TYPE", "KINDS", "Category", "Kind", "Measure", "Merge", "kind_of"]

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
                told("steps"),
                unit="steps",
                state_class="total_increasing",
                icon="mdi:walk",
            ),
            Measure(
                "distance_today_m",
                "Distance",
                told("distance_m"),
                unit="m",
                device_class="distance",
                state_class="total_increasing",
                precision=0,
            ),
            Measure(
                "energy_today_kcal",
                "Energy burnt",
                told("energy_kcal"),
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
            Measure(
                "heart_rate_bpm", "Heart rate", told("bpm"), unit="bpm", icon="mdi:heart-pulse"
            ),
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
                told("bpm"),
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
        "sleep_session",
        SleepSession,
        Category.SLEEP,
        start="start",
        end="end",
        key=("night", "start"),
        days=("night",),
        merge=Merge.REVISABLE,
        derived_from="sleep_stage",
    ),
    Kind(
        "sleep_score",
        SleepScore,
        Category.SLEEP,
        start="at",
        key=("at",),
        merge=Merge.REVISABLE,
        measures=(
            Measure("sleep_score", "Sleep score", told("score"), icon="mdi:sleep"),
            Measure(
                "sleep_efficiency_pct",
                "Sleep efficiency",
                told("efficiency_pct"),
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
                told("sport"),
                state_class=None,
                icon="mdi:run",
            ),
            Measure(
                "last_workout_duration_s",
                "Last workout duration",
                told("duration_s"),
                unit="s",
                device_class="duration",
            ),
            Measure(
                "last_workout_distance_m",
                "Last workout distance",
                told("distance_m"),
                unit="m",
                device_class="distance",
            ),
            Measure(
                "last_workout_energy_kcal",
                "Last workout energy",
                told("energy_kcal"),
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
                credible("spo2_pct"),
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
                told("systolic_mmhg"),
                unit="mmHg",
                device_class="pressure",
                precision=0,
            ),
            Measure(
                "diastolic_mmhg",
                "Diastolic blood pressure",
                told("diastolic_mmhg"),
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
                told("breaths_per_min"),
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
                credible("body_c"),
                unit="°C",
                device_class="temperature",
                precision=1,
            ),
            Measure(
                "wrist_temperature_c",
                "Wrist temperature",
                credible("wrist_c"),
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
            Measure("stress_score", "Stress", credible("score"), icon="mdi:head-alert-outline"),
        ),
    ),
    Kind(
        "vitality",
        Vitality,
        Category.STRESS,
        start="at",
        key=("at",),
        measures=(
            Measure("vitality_score", "Vitality", told("score"), icon="mdi:lightning-bolt-outline"),
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
                "mood_code", "Mood", told("code"), state_class=None, icon="mdi:emoticon-outline"
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
                told("hrv_ms"),
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
                told("mean_ms"),
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
                told("level_pct"),
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


def with_derived(kinds: Collection[str]) -> frozenset[str]:
    """The names, and those of the kinds that the gateway works out of them."""
    return frozenset(kinds) | {kind.name for kind in KINDS if kind.derived_from in kinds}
