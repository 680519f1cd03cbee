"""What comes again is recognised: in another order, in another portion, in another zone."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.core.ingest import Ingest
from gatewayd.core.ports import Outgoing, Row
from gatewayd.core.rows import row_of
from gatewayd.core.timeline import Timeline
from gatewayd.store import SqliteStore
from protocols.model.catalog import Category
from protocols.model.readings import (
    DayTotals,
    HeartRate,
    Method,
    Reading,
    SleepStage,
    Stage,
    StepInterval,
    Workout,
)
from protocols.model.time import DAY_S, DeviceTime, device_time
from protocols.session import Batch
from tests.unit.core.fakes import FakeBroker

ALL = frozenset(Category)
ZONES = ("Europe/Berlin", "Asia/Tokyo", "America/New_York", "Australia/Lord_Howe", "UTC")
FIRST = device_time(2026, 10, 24, 18)
"""The evening before a clock change in Berlin; a week later one in New York."""


def readings_at(slot: int) -> tuple[Reading, ...]:
    """A slot of ten minutes always holds the same."""
    at = DeviceTime(FIRST + slot * 600)
    day = DeviceTime(at - at % DAY_S)
    by_slot: tuple[Reading, ...] = (
        HeartRate(at, 50 + slot % 40),
        StepInterval(at, 600, slot, 1.5 * slot),
        HeartRate(at, 60, Method.SPOT),
        SleepStage(at, DeviceTime(at + 600), (*Stage,)[slot % 4], day),
        Workout(at, "outdoor_run", 5, 1_200, 100, 900, 80.5),
    )
    return by_slot[slot % 5 :]


SLOTS = st.integers(0, 80)
TRANSFERS = st.lists(
    st.tuples(st.lists(SLOTS, min_size=1, max_size=12), st.sampled_from(ZONES)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(TRANSFERS)
def test_each_reading_is_published_once_however_often_and_wherever_it_is_delivered(
    transfers: list[tuple[list[int], str]],
) -> None:
    asyncio.run(deliver(transfers))


async def deliver(transfers: Sequence[tuple[list[int], str]]) -> None:
    published, rows = await published_after(transfers)
    told = [one for one in published if one.kind != "sleep_session"]
    ids = [one.reading_id for one in told]
    assert len(ids) == len(set(ids))
    # nothing was revised, for nothing was told otherwise
    assert {one.revision for one in told} <= {1}
    expected = {
        row_of(reading, Timeline(ZoneInfo("UTC"))).key + reading.__class__.__name__
        for slots, _ in transfers
        for slot in slots
        for reading in readings_at(slot)
    }
    assert len(told) == len(expected)
    # a reading keeps the time that its first delivery was given
    first_zone: dict[int, str] = {}
    for slots, zone in transfers:
        for slot in slots:
            first_zone.setdefault(slot, zone)
    for row in rows:
        slot = (int(row.key.split("|")[0]) - FIRST) // 600
        line = Timeline(ZoneInfo(first_zone[slot]))
        assert row.start_utc_s == line.utc_s(DeviceTime(FIRST + slot * 600))


async def published_after(
    transfers: Sequence[tuple[list[int], str]],
) -> tuple[list[Outgoing], list[Row]]:
    broker = FakeBroker()
    with TemporaryDirectory() as directory:
        store = await SqliteStore.open(Path(directory) / "store.db")
        watch = await store.know("aa:bb", "alice", "fitcloud")
        for slots, zone in transfers:
            line = Timeline(ZoneInfo(zone))
            batch = Batch(tuple(one for slot in slots for one in readings_at(slot)), naps=True)
            await Ingest(store, broker, watch, line, ALL, lambda: 1.5).take(batch)
        kinds = ("heart_rate", "steps", "sleep_stage", "workout")
        rows = [
            row for kind in kinds for row in await store.readings(watch, kind, 0, 4_000_000_000)
        ]
        await store.close()
    return broker.offered, rows


async def test_a_revision_after_travel_keeps_the_day_where_it_was(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    watch = await store.know("aa:bb", "alice", "fitcloud")
    broker = FakeBroker()
    day = device_time(2026, 7, 1)
    for zone, steps in (("Europe/Berlin", 10), ("Asia/Tokyo", 10), ("Asia/Tokyo", 20)):
        totals = DayTotals(day, steps, 1.0, 1.0, None, None, None)
        ingest = Ingest(store, broker, watch, Timeline(ZoneInfo(zone)), ALL, lambda: 1.5)
        await ingest.take(Batch((totals,)))
    await store.close()
    assert [json.loads(one.values)["steps"] for one in broker.offered] == [10, 20]
    assert {one.utc_offset_s for one in broker.offered} == {7_200}
    assert len({one.start_utc_s for one in broker.offered}) == 1


async def test_a_stage_over_a_clock_change_is_known_again_where_there_was_none(
    tmp_path: Path,
) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    watch = await store.know("aa:bb", "alice", "fitcloud")
    broker = FakeBroker()
    night = device_time(2026, 10, 25)
    for zone, minutes in (("Europe/Berlin", 240), ("Asia/Tokyo", 240), ("Asia/Tokyo", 250)):
        stage = SleepStage(night, DeviceTime(night + minutes * 60), Stage.DEEP, night)
        ingest = Ingest(store, broker, watch, Timeline(ZoneInfo(zone)), ALL, lambda: 1.5)
        await ingest.take(Batch((stage,)))
    await store.close()
    stages = [one for one in broker.offered if one.kind == "sleep_stage"]
    assert [(one.end_utc_s or 0) - one.start_utc_s for one in stages] == [18_000, 15_000]
    assert len({one.start_utc_s for one in stages}) == 1


def test_a_duration_is_time_that_passed_even_over_a_clock_change() -> None:
    berlin = Timeline(ZoneInfo("Europe/Berlin"))
    for begin in (device_time(2026, 3, 29, 1), device_time(2026, 10, 25, 1)):
        row = row_of(Workout(begin, "outdoor_run", 5, 10_800, 0, 0, 0.0), berlin)
        assert row.end_utc_s == row.start_utc_s + 10_800


def test_a_group_that_goes_on_over_a_clock_change_is_resolved_item_by_item() -> None:
    berlin = Timeline(ZoneInfo("Europe/Berlin"))
    spring = [DeviceTime(device_time(2026, 3, 29, 1) + k * 1_800) for k in range(7)]
    utc = [berlin.utc_s(at) for at in spring]
    # 01:00, 01:30, then 02:00 and 02:30 (which no clock shows) as 03:00 and 03:30
    assert [at - utc[0] for at in utc] == [0, 1_800, 3_600, 5_400, 3_600, 5_400, 7_200]
    autumn = [DeviceTime(device_time(2026, 10, 25, 1) + k * 1_800) for k in range(5)]
    utc = [berlin.utc_s(at) for at in autumn]
    assert [at - utc[0] for at in utc] == [0, 1_800, 7_200, 9_000, 10_800]
