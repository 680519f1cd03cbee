"""What is known of a kind of reading: category, identity, merge policy, and how it is shown.

The rows themselves stand in `model.catalog`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from protocols.model.readings import Reading
from protocols.model.time import DeviceTime


class Category(StrEnum):
    """What an owner consents to, as a whole. Nothing of a category that is off is requested."""

    DEVICE = "device"
    """Battery and identity of the watch itself; no health data."""

    ACTIVITY = "activity"
    """Steps and the totals of the day."""

    HEART = "heart"
    """Heart rate, resting heart rate and heart-rate variability."""

    SLEEP = "sleep"
    """Stages of sleep and the watch's score of a night."""

    WORKOUT = "workout"
    """Recorded sport, without where it led."""

    LOCATION = "location"
    """Where the wearer was: the tracks of workouts."""

    OXYGEN = "oxygen"
    """Oxygen saturation of the blood."""

    BLOOD_PRESSURE = "blood_pressure"
    """Blood pressure."""

    RESPIRATION = "respiration"
    """Respiratory rate."""

    TEMPERATURE = "temperature"
    """Temperature of skin and body."""

    STRESS = "stress"
    """Scores of stress and vitality."""

    MOOD = "mood"
    """Moods."""

    ECG = "ecg"
    """Electrocardiograms."""

    GAME = "game"
    """Scores of games played on the watch."""


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

    @property
    def monotone(self) -> bool:
        """Whether it is a running total: within the period that its reading begins, `state` never
        goes back, even if the device does (it was restarted), since Home Assistant would count
        everything again. The reading itself is published as it was told."""
        return self.state_class == "total_increasing"


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
    derived_from: str | None = None
    """Name of the kind that the gateway works it out from; None for what devices tell."""

    @property
    def fields(self) -> tuple[str, ...]:
        """What a reading of this kind says beside its times and whether it is verified."""
        beside = (self.start, self.end, "verified")
        return tuple(name for name in self.type._fields if name not in beside)

    @property
    def derived(self) -> bool:
        """Whether the gateway worked it out. Each such reading says so: `"derived": true`."""
        return self.derived_from is not None

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


def told(name: str) -> Callable[[Any], float | str | None]:
    """A measure's value: that field of the reading."""

    def value(reading: object) -> float | str | None:
        found: float | str | None = getattr(reading, name)
        return found

    return value


def credible(name: str) -> Callable[[Any], float | str | None]:
    """Likewise, but what cannot be meant as it stands (255 % of oxygen) is stored and not shown."""

    def value(reading: Any) -> float | str | None:
        found: float | str | None = getattr(reading, name)
        return found if reading.verified else None

    return value
