"""Sport records of the history: spliced from the vectors' one-minute slices. Source: spec 9.9."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from protocols.testing.virtual_watch.entry import Entry
from protocols.testing.virtual_watch.profile import WatchProfile
from protocols.testing.virtual_watch.samples import display_list, dmin4, workout_slices

_SLICE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Plan:
    """A workout to build: slices of `metres` (inclusive) are taken in turn for `minutes`.

    `extra` is the block behind every item. The vectors' own extra blocks are random numbers (one
    swims 37836 laps), so these few bytes follow the layout of 9.9 instead.
    """

    sport: int
    minutes: int
    metres: tuple[int, int]
    extra: bytes = b""


OUTDOOR_RUN: Final = Plan(5, 32, (78, 300))
POOL_SWIM: Final = Plan(469, 40, (11, 63), bytes.fromhex("01003c049c001d002d"))
"""Freestyle, 60 laps, 1180 strokes, 29 a minute, SWOLF 45."""
JUMP_ROPE: Final = Plan(49, 15, (11, 40), bytes.fromhex("022600040078"))
"""550 jumps, 4 interruptions, longest run 120."""


def build_workout(start: datetime, plan: Plan, profile: WatchProfile) -> tuple[bytes, Entry]:
    """One record and what it holds: value = sport, details = steps, metres, cal, seconds."""
    extra = plan.extra if profile.supports(546) else b""
    pool = [item for item in workout_slices() if plan.metres[0] <= _metres(item) <= plan.metres[1]]
    record = bytearray(plan.minutes.to_bytes(2, "big") + dmin4(start))
    record += len(extra).to_bytes(2, "big")
    if profile.supports(530):
        record += display_list()
    steps = metres = calories = 0
    for minute in range(plan.minutes):
        piece = pool[minute % len(pool)]
        elapsed = (minute + 1) * _SLICE_S
        record += plan.sport.to_bytes(2, "big") + elapsed.to_bytes(2, "big")
        record += piece if profile.supports(9) else piece[:8]
        record += extra
        steps += int.from_bytes(piece[:2], "big")
        metres += _metres(piece)
        calories += int.from_bytes(piece[4:6], "big")
    seconds = plan.minutes * _SLICE_S
    end = start + timedelta(seconds=seconds)
    details = (steps, metres, calories, seconds)
    return bytes(record), Entry("workout", start, plan.sport, end, details)


def _metres(piece: bytes) -> int:
    return int.from_bytes(piece[2:4], "big")
