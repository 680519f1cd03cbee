"""One row per kind of reading: everything that the rest of the house derives from a kind.

Topic, consent category, identity, merge policy, unit and Home Assistant presentation come from
here and nowhere else; adding a kind is adding a class to `model.readings` and a row here.

Home Assistant facts (device classes, which state class a device class allows) follow its sensor
documentation; UUIDs are the Bluetooth SIG's characteristic numbers for the same quantity.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from protocols.model.readings import (
    BatteryLevel,
    DayTotals,
    HeartRate,
    Reading,
    RestingHeartRate,
    SleepScore,
    SleepStage,
    StepInterval,
    Workout,
)
from protocols.model.time import DeviceTime


class Category(StrEnum):
    """What an owner consents to, as a whole. Nothing of a category that is off is requested."""

    DEVICE = "device"
    """Battery and identity of the watch itself; no health data."""

    ACTIVITY = "activity"
    HEART = "heart"
    SLEEP = "sleep"
    WORKOUT = "workout"


class Merge(StrEnum):
    """What happens when a reading arrives whose key is already stored with another value."""

    IMMUTABLE = "immutable"
    """The first value is kept; the other one is recorded as a conflict."""

    REVISABLE = "revisable"
    """The new value is a new revision; both are kept and published."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One entry of a device's `state` object, and the Home Assistant sensor that shows it."""

    key: str
    name: str
    value: Callable[[Any], float | str | None]
    """Takes the reading; None leaves the state as it was."""

    unit: str | None = None
    device_class: str | None = None
    state_class: str | None = "measurement"
    entity_category: str | None = None
    icon: str | None = None
    precision: int | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of reading."""

    name: str
    type: type[Reading]
    category: Category
    start: str
    """Field that holds the time (the beginning, for kinds that last)."""

    key: tuple[str, ...]
    """Fields that identify a reading of this kind on one device."""

    merge: Merge = Merge.IMMUTABLE
    end: str | None = None
    """Field that holds the end, for kinds that last."""

    duration: str | None = None
    """Field that holds a duration in seconds, for kinds that have one instead of an end."""

    days: tuple[str, ...] = ()
    """Fields that are a time but mean the calendar day it falls on."""

    sig_uuid: int | None = None
    measures: tuple[Measure, ...] = field(default=())

    def starts(self, reading: Reading) -> DeviceTime:
        """When the reading was taken, or began."""
        started: DeviceTime = getattr(reading, self.start)
        return started

    def ends(self, reading: Reading) -> DeviceTime | None:
        """When it ended; None for a reading of one moment."""
        if self.end is not None:
            ended: DeviceTime = getattr(reading, self.end)
            return ended
        if self.duration is not None:
            lasted: int = getattr(reading, self.duration)
            return DeviceTime(self.starts(reading) + lasted)
        return None


def _of(name: str) -> Callable[[Any], float | str | None]:
    def value(reading: object) -> float | str | None:
        found: float | str | None = getattr(reading, name)
        return found

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
