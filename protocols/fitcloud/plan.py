"""Which items a synchronisation asks for, and in which order.
Source: transport-and-data.md §8.1, §8.4; vectors sync-plan-*."""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from protocols.fitcloud.features import Feature, Features
from protocols.model.catalog import Category

STEPS: Final = 1
SLEEP: Final = 2
HEART_RATE: Final = 3
ECG: Final = 7
SPORT: Final = 16
SLEEP_SCORE: Final = 22
HEART_RATE_SPOT: Final = 131
DAILY_HRV: Final = 253
RESTING_HEART_RATE: Final = 254
DAY_TOTALS: Final = 255


class Item(NamedTuple):
    """One item of the plan. `needs` are the features that must all be present.

    `stored` items are transferred only when the watch says that bytes are waiting.
    """

    type_id: int
    needs: frozenset[int]
    category: Category | None
    """None for what this gateway has no reading for yet."""

    stored: bool = True


def _item(
    type_id: int, *needs: Feature, category: Category | None = None, stored: bool = True
) -> Item:
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
    _item(4, Feature.OXYGEN),
    _item(132, Feature.OXYGEN, Feature.MEASURE_DATA_SYNCABLE),
    _item(5, Feature.BLOOD_PRESSURE),
    _item(133, Feature.BLOOD_PRESSURE, Feature.MEASURE_DATA_SYNCABLE),
    _item(6, Feature.RESPIRATORY_RATE),
    _item(134, Feature.RESPIRATORY_RATE, Feature.MEASURE_DATA_SYNCABLE),
    _item(SPORT, Feature.SPORT, category=Category.WORKOUT),
    _item(10, Feature.GPS),
    _item(17, Feature.TEMPERATURE),
    _item(145, Feature.TEMPERATURE, Feature.MEASURE_DATA_SYNCABLE),
    _item(18, Feature.PRESSURE),
    _item(146, Feature.PRESSURE, Feature.MEASURE_DATA_SYNCABLE),
    _item(20, Feature.MOOD),
    _item(19, Feature.GAME),
    _item(RESTING_HEART_RATE, Feature.HEART_RATE_RESTING, category=Category.HEART, stored=False),
    _item(21, Feature.VITALITY),
    _item(23, Feature.HRV),
    _item(DAILY_HRV, Feature.HRV, stored=False),
    _item(DAY_TOTALS, category=Category.ACTIVITY, stored=False),
    _item(ECG, Feature.ECG),
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
    """The items of the plan that this gateway can decode and its owner wants collected.

    What is left out stays on the watch: it is neither read nor erased.
    """
    for item in plan(features, waiting_bytes):
        if item.category is not None and item.category in consent:
            yield item
