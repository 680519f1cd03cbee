"""What remains of a reading when only some categories may be collected.

Some records of one category carry values of another: a day's totals hold sleep and heart rate, a
workout holds a heart-rate curve, a cuff's blood pressure a heart rate. Those parts are taken out,
not merely left unpublished.
"""

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

from protocols.model.catalog import KINDS, Category, kind_of
from protocols.model.readings import BloodPressure, DayTotals, Reading, Workout

ALSO_HOLDS: Final[dict[type[Reading], frozenset[Category]]] = {
    DayTotals: frozenset({Category.SLEEP, Category.HEART}),
    Workout: frozenset({Category.HEART}),
    BloodPressure: frozenset({Category.HEART}),
}
"""Kinds whose record carries values of further categories."""


def permitted(reading: Reading, consent: Collection[Category]) -> Reading | None:
    """The reading without what may not be collected, or None when nothing of it may."""
    category = kind_of(reading).category
    if category is not Category.DEVICE and category not in consent:
        return None
    if isinstance(reading, DayTotals):
        if Category.SLEEP not in consent:
            reading = reading._replace(deep_sleep_min=None, light_sleep_min=None)
        if Category.HEART not in consent:
            reading = reading._replace(mean_heart_rate_bpm=None)
    elif isinstance(reading, BloodPressure) and Category.HEART not in consent:
        reading = reading._replace(bpm=None)
    elif isinstance(reading, Workout) and Category.HEART not in consent:
        summary = reading.summary
        if summary is not None:
            summary = summary._replace(
                mean_bpm=None, max_bpm=None, min_bpm=None, effort_durations_s=None, zones=None
            )
        samples = tuple(sample._replace(bpm=None) for sample in reading.samples)
        reading = reading._replace(heart_rates=(), samples=samples, summary=summary)
    return reading


def all_permitted(
    readings: Iterable[Reading], consent: Collection[Category]
) -> tuple[Reading, ...]:
    """What `permitted` leaves of each reading, without those of which nothing is left."""
    readings = tuple(readings)
    # mostly nothing is taken out, which one look at the kinds tells
    if set(map(type, readings)) <= _untouched(frozenset(consent)):
        return readings
    kept = (permitted(reading, consent) for reading in readings)
    return tuple(reading for reading in kept if reading is not None)


def wholly_permitted(kind: type[Reading], consent: Collection[Category]) -> bool:
    """Whether every category that a kind's raw record carries may be collected."""
    return all(category in consent for category in ALSO_HOLDS.get(kind, frozenset()))


@lru_cache(maxsize=16)
def _untouched(consent: frozenset[Category]) -> frozenset[type[Reading]]:
    return frozenset(
        kind.type
        for kind in KINDS
        if (kind.category is Category.DEVICE or kind.category in consent)
        and wholly_permitted(kind.type, consent)
    )
