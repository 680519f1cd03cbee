"""Which items a synchronisation asks for, and in which order.
Source: transport-and-data.md §8.1, §8.4; vectors sync-plan-*."""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from protocols.fitcloud.features import Feature, Features
from protocols.model.catalog import Category

STEPS: Final = 1
SLEEP: Final = 2
HEART_RATE: Final = 3
OXYGEN: Final = 4
BLOOD_PRESSURE: Final = 5
RESPIRATION: Final = 6
ECG: Final = 7
GPS: Final = 10
SPORT: Final = 16
TEMPERATURE: Final = 17
STRESS: Final = 18
GAME: Final = 19
MOOD: Final = 20
VITALITY: Final = 21
SLEEP_SCORE: Final = 22
HRV: Final = 23
HEART_RATE_SPOT: Final = 131
OXYGEN_SPOT: Final = 132
BLOOD_PRESSURE_SPOT: Final = 133
RESPIRATION_SPOT: Final = 134
TEMPERATURE_SPOT: Final = 145
STRESS_SPOT: Final = 146
DAILY_HRV: Final = 253
RESTING_HEART_RATE: Final = 254
DAY_TOTALS: Final = 255


class Item(NamedTuple):
    """One item of the plan. `needs` are the features that must all be present.

    `stored` items are transferred only when the watch says that bytes are waiting.
    """

    type_id: int
    needs: frozenset[int]
    category: Category

    stored: bool = True


def _item(type_id: int, *needs: Feature, category: Category, stored: bool = True) -> Item:
    return Item(type_id, frozenset(needs), category, stored)


ITEMS: Final[tuple[Item, ...]] = (
    _item(STEPS, category=Category.ACTIVITY),
    _item(SLEEP_SCORE, Feature.SLEEP_SCORE, category=Category.SLEEP),
    _item(SLEEP, category=Category.SLEEP),
    _item(HEART_RATE, Feature.HEART_RATE, category=Category.HEART),
    _item(
        HEART_RATE_SPOT,
        Feature.HEART_RATE,
        Feature.MEASURE_DATA_SYNCABLE,
        category=Category.HEART,
    ),
    _item(OXYGEN, Feature.OXYGEN, category=Category.OXYGEN),
    _item(OXYGEN_SPOT, Feature.OXYGEN, Feature.MEASURE_DATA_SYNCABLE, category=Category.OXYGEN),
    _item(BLOOD_PRESSURE, Feature.BLOOD_PRESSURE, category=Category.BLOOD_PRESSURE),
    _item(
        BLOOD_PRESSURE_SPOT,
        Feature.BLOOD_PRESSURE,
        Feature.MEASURE_DATA_SYNCABLE,
        category=Category.BLOOD_PRESSURE,
    ),
    _item(RESPIRATION, Feature.RESPIRATORY_RATE, category=Category.RESPIRATION),
    _item(
        RESPIRATION_SPOT,
        Feature.RESPIRATORY_RATE,
        Feature.MEASURE_DATA_SYNCABLE,
        category=Category.RESPIRATION,
    ),
    _item(SPORT, Feature.SPORT, category=Category.WORKOUT),
    _item(GPS, Feature.GPS, category=Category.LOCATION),
    _item(TEMPERATURE, Feature.TEMPERATURE, category=Category.TEMPERATURE),
    _item(
        TEMPERATURE_SPOT,
        Feature.TEMPERATURE,
        Feature.MEASURE_DATA_SYNCABLE,
        category=Category.TEMPERATURE,
    ),
    _item(STRESS, Feature.PRESSURE, category=Category.STRESS),
    _item(STRESS_SPOT, Feature.PRESSURE, Feature.MEASURE_DATA_SYNCABLE, category=Category.STRESS),
    _item(MOOD, Feature.MOOD, category=Category.MOOD),
    _item(GAME, Feature.GAME, category=Category.GAME),
    _item(RESTING_HEART_RATE, Feature.HEART_RATE_RESTING, category=Category.HEART, stored=False),
    _item(VITALITY, Feature.VITALITY, category=Category.STRESS),
    _item(HRV, Feature.HRV, category=Category.HEART),
    _item(DAILY_HRV, Feature.HRV, category=Category.HEART, stored=False),
    _item(DAY_TOTALS, category=Category.ACTIVITY, stored=False),
    _item(ECG, Feature.ECG, category=Category.ECG),
)
"""In the vendor's order; the sleep score comes before the sleep that it judges."""


def plan(features: Features, waiting_bytes: int) -> Iterator[Item]:
    """The items that the vendor's own app would ask for."""
    for item in ITEMS:
        if all(need in features for need in item.needs) and (waiting_bytes or not item.stored):
            yield item


def permitted_plan(
    features: Features, waiting_bytes: int, consent: Collection[Category]
) -> Iterator[Item]:
    """The items of the plan that the owner wants collected.

    What is left out stays on the watch: it is neither read nor erased.
    """
    for item in plan(features, waiting_bytes):
        if item.category in consent:
            yield item
