"""How much the watch holds: entry C9 of the configuration block.

Source: transport-and-data §6.5; vectors data-device-info (capability-limits), push-ability.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from protocols.fitcloud.features import Feature, Features

MAX_VALUE_BYTES: Final = 499
_OVERHEAD: Final = 13
_NO_VALUES: Final[Mapping[int, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers by id as the watch gave them, and what they mean; defaults where it is silent."""

    values: Mapping[int, int] = field(default_factory=lambda: _NO_VALUES)
    listed: tuple[int, ...] | None = None
    """The single-byte values of ids 11–26, in order; their meaning is not known."""

    @property
    def value_bytes(self) -> int | None:
        """Most value bytes per key, None when the watch does not say; never above 499."""
        raw = self.values.get(1)
        return None if raw is None else min(raw - _OVERHEAD, MAX_VALUE_BYTES)

    @property
    def max_alarms(self) -> int:
        """How many alarms fit."""
        return self.values.get(2, 5)

    @property
    def max_schedules(self) -> int:
        """How many schedule entries fit."""
        return self.values.get(3, 10)

    @property
    def max_weather_code(self) -> int:
        """The highest weather code that the watch can draw."""
        return self.values.get(5, 13)

    @property
    def max_custom_reminders(self) -> int:
        """How many reminders of the owner's own making fit."""
        return self.values.get(10, 0)

    @property
    def heart_rate_bytes_per_sport_item(self) -> int | None:
        """None, also for the watch's 0, when feature 9 decides instead (§9.9)."""
        return self.values.get(27) or None

    @property
    def max_weather_hours(self) -> int:
        """How many hours of hourly weather fit."""
        return self.values.get(34, 0)

    def max_contacts(self, features: Features) -> int:
        """How many contacts fit."""
        if 4 in self.values:
            return self.values[4]
        if Feature.CONTACTS not in features:
            return 0
        return 100 if Feature.CONTACTS_100 in features else 10


def decode_limits(value: bytes) -> Limits:
    """Entries of id and number; an incomplete one at the end is ignored. Raises nothing."""
    values: dict[int, int] = {}
    listed: list[int] | None = None
    for at in range(0, len(value) - 2, 3):
        number, pair = value[at], value[at + 1 : at + 3]
        if number == 11:
            listed = list(pair)
        elif 11 < number <= 26:
            if listed is not None:
                listed += pair
        else:
            values[number] = int.from_bytes(pair, "big")
    return Limits(MappingProxyType(values), None if listed is None else tuple(listed))
