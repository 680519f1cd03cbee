"""What remains of a reading when only some categories may be collected.

Some records of one category carry values of another: a day's totals hold sleep and heart rate, a
workout holds a heart-rate curve. Those parts are taken out, not merely left unpublished.
"""

from collections.abc import Collection
from typing import Final

from protocols.model.catalog import Category, kind_of
from protocols.model.readings import DayTotals, Reading, Workout

ALSO_HOLDS: Final[dict[type[Reading], frozenset[Category]]] = {
    DayTotals: frozenset({Category.SLEEP, Category.HEART}),
    Workout: frozenset({Category.HEART}),
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
    elif isinstance(reading, Workout) and Category.HEART not in consent:
        summary = reading.summary
        if summary is not None:
            summary = summary._replace(
                mean_bpm=None, max_bpm=None, min_bpm=None, effort_durations_s=None, zones=None
            )
        samples = tuple(sample._replace(bpm=None) for sample in reading.samples)
        reading = reading._replace(heart_rates=(), samples=samples, summary=summary)
    return reading


def wholly_permitted(kind: type[Reading], consent: Collection[Category]) -> bool:
    """Whether every category that a kind's raw record carries may be collected."""
    return all(category in consent for category in ALSO_HOLDS.get(kind, frozenset()))
