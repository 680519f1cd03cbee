"""Time as a watch face shows it, and the moment that is handed to a session with every input.

Wearables keep local wall-clock time and know no zone. `DeviceTime` says exactly that much; turning
it into UTC needs the owner's zone and is the gateway's work (`gatewayd.core.timeline`).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NewType

from protocols.errors import MessageError

DeviceTime = NewType("DeviceTime", int)
"""Seconds on the watch's own face since 2000-01-01T00:00:00; zone-less, may be negative.

An integer, because a night's history is thousands of them: adding an interval is one addition.
"""

EPOCH: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a watch face has no zone
DAY_S: Final = 86_400
_EPOCH_ORDINAL: Final = date(2000, 1, 1).toordinal()


def device_time(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0
) -> DeviceTime:
    """The wall-clock fields as a `DeviceTime`.

    Raises MessageError when they are no time that a clock can show (month 0, hour 24 …): a device
    that sends such a time has no valid time, and none is invented for it.
    """
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        raise MessageError(f"no such time of day: {hour:02}:{minute:02}:{second:02}")
    try:
        ordinal = date(year, month, day).toordinal()
    except ValueError as error:
        raise MessageError(f"no such date: {year:04}-{month:02}-{day:02}") from error
    return DeviceTime((ordinal - _EPOCH_ORDINAL) * DAY_S + hour * 3600 + minute * 60 + second)


def from_datetime(wall_clock: datetime) -> DeviceTime:
    """A naive or aware datetime's own wall-clock fields; its zone, if any, is dropped."""
    return DeviceTime(
        (wall_clock.toordinal() - _EPOCH_ORDINAL) * DAY_S
        + wall_clock.hour * 3600
        + wall_clock.minute * 60
        + wall_clock.second
    )


def to_datetime(at: DeviceTime) -> datetime:
    """The same wall-clock time as a naive datetime."""
    return EPOCH + timedelta(seconds=at)


def date_of(at: DeviceTime) -> date:
    """The calendar day that the watch shows at that time."""
    return date.fromordinal(at // DAY_S + _EPOCH_ORDINAL)


def midnight(day: date) -> DeviceTime:
    """The first second of a calendar day."""
    return DeviceTime((day.toordinal() - _EPOCH_ORDINAL) * DAY_S)


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, twice: a steady clock for time-outs and the wall clock for what the watch is told."""

    seconds: float
    """Monotonic seconds; only differences have a meaning."""

    local: DeviceTime
    """The owner's local wall-clock time."""
