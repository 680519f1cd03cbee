"""The exercise goal, 02/06 and 02/9A. Source: transport-and-data §4.6; vectors data-connect."""

from dataclasses import dataclass

from protocols.codec import Reader, Writer
from protocols.fitcloud.messages.clock import encode_ts4, stamp
from protocols.model.time import DeviceTime


@dataclass(frozen=True, slots=True)
class ExerciseGoal:
    """`set_at` is when the goal was set; None is unknown, and encodes the older short form."""

    steps: int
    distance_cm: int
    energy_cal: int
    set_at: DeviceTime | None = None
    active_min: int = 0


def decode_goal(value: bytes) -> ExerciseGoal:
    """02/9A. Raises MessageError below 16 bytes; the minutes may be absent."""
    body = Reader(value)
    steps, distance_cm, energy_cal, raw_time = (body.u32() for _ in range(4))
    active_min = body.u16() if body.remaining >= 2 else 0
    return ExerciseGoal(steps, distance_cm, energy_cal, stamp(raw_time), active_min)


def encode_goal(goal: ExerciseGoal) -> bytes:
    """02/06: 18 bytes, or 12 without a time. Raises LimitExceeded for numbers that do not fit."""
    value = Writer().u32(goal.steps).u32(goal.distance_cm).u32(goal.energy_cal)
    if goal.set_at is not None:
        value.raw(encode_ts4(goal.set_at)).u16(goal.active_min)
    return value.build()
