"""A batch becomes durable, and only then counts."""

import json
from zoneinfo import ZoneInfo

import pytest

from gatewayd.core.ingest import Ingest
from gatewayd.core.latest import latest_values
from gatewayd.core.ports import KnownDevice
from gatewayd.core.rows import row_of
from gatewayd.core.timeline import Timeline
from gatewayd.errors import StoreFull
from protocols.model.catalog import Category
from protocols.model.readings import (
    BatteryLevel,
    DayTotals,
    HeartRate,
    Method,
    Reading,
    SleepStage,
    Stage,
    StepInterval,
)
from protocols.model.time import DeviceTime, device_time
from protocols.session import Batch, Raw
from tests.unit.core.fakes import FakeBroker, FakeStore

LINE = Timeline(ZoneInfo("Europe/Berlin"))
NOON = device_time(2026, 7, 1, 12)
NIGHT = device_time(2026, 7, 1)
WATCH = KnownDevice(1, "C0:FF:EE:00:00:01", "alice")
ALL = frozenset(Category)


def later(minutes: int) -> DeviceTime:
    return DeviceTime(NOON + minutes * 60)


def sleep(start_min: int, end_min: int, stage: Stage) -> SleepStage:
    return SleepStage(
        DeviceTime(NIGHT + start_min * 60), DeviceTime(NIGHT + end_min * 60), stage, NIGHT
    )


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


def ingest(store: FakeStore, broker: FakeBroker, consent: frozenset[Category] = ALL) -> Ingest:
    return Ingest(store, broker, WATCH, LINE, consent, lambda: 1_782_900_000.5)


async def test_readings_and_raw_bytes_are_committed_before_the_broker_hears_of_them(
    store: FakeStore,
) -> None:
    committed: list[int] = []
    broker = FakeBroker(lambda: committed.append(len(store.rows)))
    raw = Raw("layout", b"bytes")
    await ingest(store, broker).take(Batch((HeartRate(NOON, 61), HeartRate(later(5), 62)), raw))
    assert committed == [2]
    assert [row.kind for row in store.rows] == ["heart_rate", "heart_rate"]
    assert store.raws == [raw]
    assert [outgoing.sequence for outgoing in broker.offered] == [1, 2]
    assert broker.states[-1]["heart_rate_bpm"].value == 62


async def test_what_could_not_be_stored_is_told_to_nobody(
    store: FakeStore, broker: FakeBroker
) -> None:
    store.failing = StoreFull("full")
    with pytest.raises(StoreFull):
        await ingest(store, broker).take(Batch((HeartRate(NOON, 61),)))
    assert not broker.offered
    assert not broker.states


async def test_what_is_not_collected_is_not_stored_even_if_a_protocol_hands_it_over(
    store: FakeStore, broker: FakeBroker
) -> None:
    batch: tuple[Reading, ...] = (
        HeartRate(NOON, 61),
        StepInterval(NOON, 300, 40),
        BatteryLevel(NOON, 80, charging=False),
        sleep(0, 30, Stage.DEEP),
        DayTotals(NIGHT, 40, 1.0, 2.0, 60, 300, 66),
    )
    only = frozenset({Category.DEVICE, Category.ACTIVITY})
    await ingest(store, broker, only).take(Batch(batch))
    assert [row.kind for row in store.rows] == ["steps", "battery", "day_totals"]
    totals = json.loads(store.rows[-1].values)
    assert not {"deep_sleep_min", "light_sleep_min", "mean_heart_rate_bpm"} & set(totals)
    assert not [key for key in store.values if "sleep" in key or "heart" in key]


async def test_a_night_that_comes_in_two_transfers_is_one_night(
    store: FakeStore, broker: FakeBroker
) -> None:
    taken = ingest(store, broker)
    await taken.take(Batch((sleep(0, 60, Stage.LIGHT), sleep(60, 90, Stage.DEEP))))
    assert store.values["sleep_asleep_min"].value == 90
    await taken.take(Batch((sleep(90, 100, Stage.AWAKE), sleep(100, 160, Stage.REM))))
    assert store.values["sleep_asleep_min"].value == 150
    assert store.values["sleep_awake_min"].value == 10
    # the rest of it once more, cut elsewhere
    await taken.take(Batch((sleep(90, 100, Stage.AWAKE), sleep(100, 170, Stage.REM))))
    assert store.values["sleep_asleep_min"].value == 160


async def test_the_end_of_a_synchronisation_is_in_the_state(
    store: FakeStore, broker: FakeBroker
) -> None:
    await ingest(store, broker).synchronised()
    assert store.values["last_sync"].at_utc_s == 1_782_900_000
    assert not broker.offered
    assert "last_sync" in broker.states[-1]


async def test_an_unchanged_state_is_not_told_again(store: FakeStore, broker: FakeBroker) -> None:
    await ingest(store, broker).take(Batch((StepInterval(NOON, 300, 1),)))
    assert broker.states == []
    assert len(broker.offered) == 1


def test_the_newest_value_of_each_measure_wins_whatever_the_order() -> None:
    readings = (
        HeartRate(later(5), 70),
        HeartRate(NOON, 61, Method.SPOT),
        BatteryLevel(NOON, 80, charging=False),
    )
    rows = [row_of(reading, LINE) for reading in readings]
    values = {value.key: value.value for value in latest_values(readings, rows)}
    assert values == {"heart_rate_bpm": 70, "battery_pct": 80}
