"""What a synchronisation asks for. Source: §8.1; the vendor's own order is in data-sync-flow."""

import json
from importlib.resources import files
from itertools import combinations

import pytest

from protocols.fitcloud.features import Feature, Features
from protocols.fitcloud.plan import ITEMS, Item, permitted_plan, plan
from protocols.fitcloud.records.table import SUPPORTED
from protocols.model.catalog import Category

VECTORS = [
    row
    for row in map(
        json.loads,
        files("protocols.fitcloud")
        .joinpath("vectors", "data-sync-flow.jsonl")
        .read_text(encoding="utf-8")
        .splitlines(),
    )
    if row["op"] == "sync_type_order"
]
EVERYTHING = Features(frozenset(Feature))
HEALTH = frozenset(Category) - {Category.DEVICE}


def types(items: "list[Item]") -> list[int]:
    return [item.type_id for item in items]


@pytest.mark.parametrize("vector", VECTORS, ids=[row["name"] for row in VECTORS])
def test_the_plan_is_the_vendors(vector: dict[str, dict[str, list[int]]]) -> None:
    params = vector["params"]
    features = Features(frozenset(params["features"]))
    assert types(list(plan(features, params["total_size"]))) == vector["expect"]  # type: ignore[arg-type]


def test_nothing_is_asked_for_twice() -> None:
    assert len({item.type_id for item in ITEMS}) == len(ITEMS)


def test_nothing_waiting_means_no_stored_item() -> None:
    assert types(list(plan(EVERYTHING, 0))) == [254, 253, 255]


def test_an_amount_that_the_vendor_reads_as_negative_is_not_nothing() -> None:
    assert list(plan(EVERYTHING, -1)) == list(plan(EVERYTHING, 1))


def test_what_cannot_be_decoded_is_left_on_the_watch() -> None:
    asked = list(permitted_plan(EVERYTHING, 1, HEALTH))
    assert {item.type_id for item in asked if item.stored} <= set(SUPPORTED)
    assert {item.type_id for item in asked if not item.stored} == {253, 254, 255}


def test_what_is_permitted_is_a_part_of_the_plan_in_its_order() -> None:
    whole = list(plan(EVERYTHING, 1))
    for size in (0, 1, 2, len(Category) - 1, len(Category)):
        for consent in map(frozenset, combinations(Category, size)):
            asked = list(permitted_plan(EVERYTHING, 1, consent))
            assert asked == [item for item in whole if item.category in consent]


def test_without_consent_nothing_is_asked_for() -> None:
    assert list(permitted_plan(EVERYTHING, 1, frozenset())) == []


def test_the_sleep_score_comes_before_the_sleep() -> None:
    asked = types(list(permitted_plan(EVERYTHING, 1, {Category.SLEEP})))
    assert asked == [22, 2]
