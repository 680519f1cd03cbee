"""The parts of a sport record that depend on the sport: its detail entries and its extra block.

Source: transport-and-data §9.9 (extra block), §9.11 (entries); vectors data-sport.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from protocols.errors import MessageError
from protocols.model.readings import (
    HeartRateZones,
    JumpRope,
    Strokes,
    Swim,
    SwimStroke,
    WorkoutSummary,
)

POOL_SWIM: Final = 469
OPEN_WATER_SWIM: Final = 473
JUMP_ROPE: Final = 49
ELLIPTICAL: Final = 37
ROWING: Final = 53

_STROKES: Final = MappingProxyType(
    {
        1: SwimStroke.FREESTYLE,
        2: SwimStroke.BREASTSTROKE,
        3: SwimStroke.BACKSTROKE,
        4: SwimStroke.BUTTERFLY,
    }
)

_FIELD_OF_ENTRY: Final[Mapping[int, str]] = MappingProxyType(
    {
        4: "mean_speed_raw",
        5: "max_speed_raw",
        6: "min_speed_raw",
        7: "mean_pace_raw",
        8: "fastest_pace_raw",
        9: "slowest_pace_raw",
        11: "mean_bpm",
        12: "max_bpm",
        13: "min_bpm",
        14: "mean_cadence_per_min",
        15: "max_cadence_per_min",
        16: "min_cadence_per_min",
        18: "mean_stride_cm",
        21: "vo2max",
    }
)
_TOTALS: Final = frozenset({1, 2, 3, 19, 20})
_EFFORTS: Final = 17
_ZONES: Final = 22


@dataclass(frozen=True, slots=True)
class SportDetail:
    """Totals of the record (0 where the watch is silent), and its summary."""

    steps: int = 0
    distance_m: int = 0
    energy_cal: int = 0
    duration_s: int = 0
    sport_code: int = 0
    summary: WorkoutSummary = field(default_factory=WorkoutSummary)


def decode_detail(entries: bytes) -> SportDetail:
    """What follows the first two bytes of the detail block; a truncated entry ends it.

    Raises MessageError for a negative length and for an integer wider than four bytes: the vendor
    rejects the stream then, and nothing after it can be trusted.
    """
    totals: dict[int, int] = {}
    numbers: dict[str, int] = {}
    efforts: tuple[int, ...] | None = None
    zones: HeartRateZones | None = None
    at = 0
    while at + 2 <= len(entries):
        kind, size = entries[at], entries[at + 1]
        if size > 0x7F:
            raise MessageError(f"sport detail {kind} has a negative length")
        value = entries[at + 2 : at + 2 + size]
        at += 2 + size
        if at > len(entries):
            break
        if kind in _TOTALS:
            totals[kind] = _number(kind, value)
        elif kind in _FIELD_OF_ENTRY:
            numbers[_FIELD_OF_ENTRY[kind]] = _number(kind, value)
        elif kind == _EFFORTS and size >= 20:
            efforts = _u32s(value[:20])
        elif kind == _ZONES and size >= 31:
            zones = HeartRateZones(tuple(value[:7]), _u32s(value[7:31]))
    return SportDetail(
        steps=totals.get(1, 0),
        distance_m=totals.get(2, 0),
        energy_cal=totals.get(3, 0),
        duration_s=totals.get(19, 0),
        sport_code=totals.get(20, 0),
        summary=WorkoutSummary(**numbers, effort_durations_s=efforts, zones=zones),
    )


def decode_extra(sport_code: int, extra: bytes) -> Swim | JumpRope | Strokes | None:
    """The extra block of a record's last item; None for a sport without one, or when empty.

    A field that the block is too short for is None (the vendor reads stale bytes there).
    """
    if not extra:
        return None
    match sport_code:
        case 469 | 473:
            numbers = _u16s(extra, 1, 4)
            return Swim(_STROKES.get(extra[0]), extra[0], *numbers)
        case 49:
            return JumpRope(*_u16s(extra, 0, 3))
        case 37 | 53:
            # The maximum and minimum come together or not at all.
            return Strokes(*_u16s(extra if len(extra) >= 8 else extra[:4], 0, 4))
        case _:
            return None


def _number(kind: int, value: bytes) -> int:
    if len(value) > 4:
        raise MessageError(f"sport detail {kind} is an integer of {len(value)} bytes")
    return int.from_bytes(value, "big")


def _u16s(data: bytes, start: int, count: int) -> tuple[int | None, ...]:
    parts = (data[at : at + 2] for at in range(start, start + 2 * count, 2))
    return tuple(int.from_bytes(part, "big") if len(part) == 2 else None for part in parts)


def _u32s(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4))
