"""What a device may be asked to do. A session answers each with `Settled`."""

from dataclasses import dataclass


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


Intent = Sync | ReadBattery | SetTime | Unbind
