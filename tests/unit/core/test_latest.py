"""How `state` moves: forward in time, and a day's totals never back within their day."""

from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.ingest import Ingest
from gatewayd.core.latest import advanced, latest_values
from gatewayd.core.ports import StateValue
from gatewayd.core.rows import row_of
from gatewayd.core.timeline import Timeline
from gatewayd.store import SqliteStore
from protocols.model.catalog import KINDS, Category
from protocols.model.readings import DayTotals
from protocols.model.time import DAY_S, DeviceTime, device_time
from protocols.session import Batch
from tests.unit.core.fakes import FakeBroker

TODAY = device_time(2026, 7, 2)
YESTERDAY = DeviceTime(TODAY - DAY_S)
TOMORROW = DeviceTime(TODAY + DAY_S)
ALL = frozenset(Category)


def totals(day: DeviceTime, steps: int) -> DayTotals:
    return DayTotals(day, steps, steps * 0.7, steps * 0.04, None, None, None)


class House:
    """One watch's way into a real store, in a zone that may change."""

    def __init__(self, store: SqliteStore, broker: FakeBroker) -> None:
        self.store = store
        self.broker = broker
        self.zone = "Europe/Berlin"

    async def told(self, *readings: DayTotals) -> tuple[int, float]:
        """Steps and energy in the state after a batch."""
        watch = await self.store.know("aa:bb", "alice", "fitcloud")
        line = Timeline(ZoneInfo(self.zone))
        await Ingest(self.store, self.broker, watch, line, ALL, lambda: 1.5).take(Batch(readings))
        state = await self.store.state(watch)
        return int(str(state["steps_today"].value)), float(str(state["energy_today_kcal"].value))

    def published(self) -> list[tuple[int, str]]:
        return [(one.revision, one.values.split(",")[0]) for one in self.broker.offered]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = await SqliteStore.open(tmp_path / "store.db")
    yield House(store, FakeBroker())
    await store.close()


async def test_after_a_restart_at_noon_the_total_waits_until_it_is_reached_again(
    house: House,
) -> None:
    assert (await house.told(totals(TODAY, 6_000)))[0] == 6_000
    assert await house.told(totals(TODAY, 40)) == (6_000, 240.0)
    assert (await house.told(totals(TODAY, 5_999)))[0] == 6_000
    assert await house.told(totals(TODAY, 6_001)) == (6_001, 240.04)
    # what the watch said is published as it was said
    assert house.published() == [
        (1, '{"steps":6000'),
        (2, '{"steps":40'),
        (3, '{"steps":5999'),
        (4, '{"steps":6001'),
    ]


async def test_at_midnight_it_starts_again(house: House) -> None:
    await house.told(totals(TODAY, 9_000))
    assert (await house.told(totals(TOMORROW, 3)))[0] == 3


async def test_yesterday_delivered_late_changes_nothing_today(house: House) -> None:
    await house.told(totals(TODAY, 100))
    assert (await house.told(totals(YESTERDAY, 12_000)))[0] == 100
    # nor does it in one batch with today, in whichever order
    assert (await house.told(totals(TODAY, 120), totals(YESTERDAY, 12_001)))[0] == 120
    assert (await house.told(totals(YESTERDAY, 12_002), totals(TODAY, 130)))[0] == 130


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles", "Pacific/Kiritimati"])
async def test_travel_does_not_stop_the_day(house: House, zone: str) -> None:
    await house.told(totals(TODAY, 1_000))
    house.zone = zone
    assert (await house.told(totals(TODAY, 1_500)))[0] == 1_500
    assert (await house.told(totals(TODAY, 200)))[0] == 1_500
    assert (await house.told(totals(TOMORROW, 7)))[0] == 7


def test_within_a_batch_the_rule_is_the_same() -> None:
    line = Timeline(ZoneInfo("UTC"))
    readings = [totals(TODAY, steps) for steps in (500, 20, 510, 30)]
    values = latest_values(readings, [row_of(reading, line) for reading in readings])
    assert {value.key: value.value for value in values}["steps_today"] == 510


def test_running_totals_are_what_home_assistant_is_told_increases() -> None:
    running = {measure.key for kind in KINDS for measure in kind.measures if measure.monotone}
    assert running == {"steps_today", "distance_today_m", "energy_today_kcal"}


def test_what_belongs_to_a_period_without_running_on_is_replaced_within_it() -> None:
    night = StateValue("sleep", 400, 2_000, period=10)
    assert advanced(night, shorter := StateValue("sleep", 300, 1_000, period=10)) is shorter
    assert advanced(night, StateValue("sleep", 500, 3_000, period=9)) is night


def test_a_value_from_before_periods_were_kept_gives_way_to_a_newer_one() -> None:
    old = StateValue("steps_today", 900, 100)
    new = StateValue("steps_today", 5, 100, period=7, monotone=True)
    assert advanced(old, new) is new
    assert advanced(old, StateValue("steps_today", 5, 99, period=6, monotone=True)) is old


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 100)), min_size=1, max_size=30))
def test_within_a_day_it_never_goes_down_and_ends_at_its_highest(
    told: list[tuple[int, int]],
) -> None:
    current = None
    for day, steps in told:
        new = StateValue("steps_today", steps, day * DAY_S, period=day, monotone=True)
        before, current = current, new if current is None else advanced(current, new)
        if before is not None:
            assert (current.period or 0) >= (before.period or 0)
            if current.period == before.period:
                assert float(str(current.value)) >= float(str(before.value))
    assert current is not None
    last = max(day for day, _ in told)
    assert current == StateValue(
        "steps_today", max(steps for day, steps in told if day == last), last * DAY_S, last
    )
