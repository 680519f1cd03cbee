"""What a device may be asked to do. A session answers each with `Settled`."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Sync:
    """Hand over everything that is stored, of the categories that the owner has switched on."""


@dataclass(frozen=True, slots=True)
class ReadBattery:
    """Ask for the battery level; the answer comes as a `BatteryLevel` reading."""


@dataclass(frozen=True, slots=True)
class SetTime:
    """Set the watch to the owner's local time."""


@dataclass(frozen=True, slots=True)
class Unbind:
    """Give the watch free for another app. What it still holds is lost: synchronise first."""


class Measurable(StrEnum):
    """What can be measured on demand, by the catalogue's name of its readings."""

    HEART_RATE = "heart_rate"
    OXYGEN_SATURATION = "oxygen_saturation"
    BLOOD_PRESSURE = "blood_pressure"
    RESPIRATORY_RATE = "respiratory_rate"
    TEMPERATURE = "temperature"
    STRESS = "stress"
    ECG = "ecg"


@dataclass(frozen=True, slots=True)
class Measure:
    """Measure now, for `duration_s` seconds; values come as readings of `Method.LIVE`.

    An ECG takes as long as the watch wants. Other intents wait until it is over.
    """

    quantity: Measurable
    duration_s: float = 60.0


Intent = Sync | ReadBattery | SetTime | Unbind | Measure
