"""What happens on the watch, 02/CA. Source: transport-and-data §7.3; vectors data-messages."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from protocols.fitcloud.messages.battery import Battery, decode_battery
from protocols.fitcloud.messages.clock import stamp
from protocols.model.readings import HeartRate, Method


class EventKind(IntEnum):
    """First byte of the event."""

    BATTERY_CHANGED = 1
    WORKOUT_FINISHED = 2
    DIAL_SWITCHED = 3
    HEART_RATE_MEASURED = 4
    FIND_DEVICE_STOPPED = 5
    SPORT_STATE_CHANGED = 6
    MEASUREMENT_STOPPED = 7
    DIAL_DELETED = 8
    BATTERY_LOW = 9


@dataclass(frozen=True, slots=True)
class SportState:
    """A sport was started, paused and so on; `state` is the watch's own number."""

    sport_code: int
    state: int


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """`data` belongs to `kind`: Battery (1, 9), HeartRate (4), SportState (6), else None."""

    kind: EventKind
    data: Battery | HeartRate | SportState | None = None


_KINDS: Final = frozenset(EventKind)
_DATA_BYTES: Final = {
    EventKind.BATTERY_CHANGED: 3,
    EventKind.BATTERY_LOW: 3,
    EventKind.HEART_RATE_MEASURED: 5,
    EventKind.SPORT_STATE_CHANGED: 3,
}


def decode_event(value: bytes) -> WatchEvent | None:
    """None for an unknown, short or impossible event: those are to be ignored. Raises nothing."""
    if not value or value[0] not in _KINDS:
        return None
    kind = EventKind(value[0])
    data = value[2 : 2 + value[1]] if len(value) > 1 else b""
    if len(data) < _DATA_BYTES.get(kind, 0):
        return None
    match kind:
        case EventKind.BATTERY_CHANGED | EventKind.BATTERY_LOW:
            return WatchEvent(kind, decode_battery(data))
        case EventKind.HEART_RATE_MEASURED:
            at = stamp(int.from_bytes(data[:4], "big"))
            return None if at is None else WatchEvent(kind, HeartRate(at, data[4], Method.SPOT))
        case EventKind.SPORT_STATE_CHANGED:
            return WatchEvent(kind, SportState(int.from_bytes(data[:2], "big"), data[2]))
        case _:
            return WatchEvent(kind)
