"""Sleep sessions: against the golden vectors, against an oracle, and however the stages come."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.core.ingest import Ingest
from gatewayd.core.ports import KnownDevice, Row
from gatewayd.core.rows import row_of
from gatewayd.core.sleep import Session, sessions, undone
from gatewayd.core.timeline import Timeline
from gatewayd.store import SqliteStore
from protocols.fitcloud.features import Feature
from protocols.fitcloud.records import sleep as sleep_records
from protocols.fitcloud.records.context import RecordContext
from protocols.model.catalog import Category
from protocols.model.readings import SleepStage, Stage
from protocols.model.sleep import SleepSession, SleepType
from protocols.model.time import DeviceTime, device_time, midnight
from protocols.session import Batch
from tests.unit.core.fakes import FakeBroker

VECTORS = Path(__file__).parents[3] / "protocols/fitcloud/vectors/data-sleep.jsonl"
CASES = [json.loads(line) for line in VECTORS.read_text().splitlines()]
STATUS = {1: "deep_s", 2: "light_s", 3: "awake_s", 4: "rem_s"}
BERLIN = Timeline(ZoneInfo("Europe/Berlin"))
DAY = date(2026, 7, 2)
MIDNIGHT = midnight(DAY)
EVENING = DeviceTime(MIDNIGHT - 2 * 3600)


def stage(start_min: int, end_min: int, what: Stage, night: DeviceTime = MIDNIGHT) -> SleepStage:
    """Minutes count from the night's midnight."""
    begin = night + start_min * 60
    return SleepStage(DeviceTime(begin), DeviceTime(night + end_min * 60), what, night)


def rows(stages: Iterable[SleepStage], line: Timeline = BERLIN) -> list[Row]:
    return [row_of(one, line) for one in stages]


def found(*stages: SleepStage, naps: bool = True) -> list[SleepSession]:
    return [one.reading for one in sessions(rows(stages), naps=naps)]


def bounds(*stages: SleepStage, naps: bool = True) -> list[tuple[str, int, int]]:
    """What, and from which to which minute of the day."""
    return [
        (
            one.session.value,
            (one.start - MIDNIGHT) // 60,
            (one.start - MIDNIGHT + one.in_bed_s) // 60,
        )
        for one in found(*stages, naps=naps)
    ]


# --- golden vectors ---------------------------------------------------------------------------


def from_vector(case: dict[str, Any]) -> tuple[list[Row], bool]:
    features = frozenset(case["params"]["features"])
    stream = b"".join(map(bytes.fromhex, case["hex"]))
    if isinstance(case["hex"], str):
        stream = bytes.fromhex(case["hex"])
    decoded = sleep_records.decode(stream, RecordContext(features))
    line = Timeline(ZoneInfo(case["params"]["tz"]))
    stages = [one for one in decoded.readings if isinstance(one, SleepStage)]
    return rows(stages, line), Feature.SLEEP_NAP in features


def told_by_vendor(items: Sequence[dict[str, int]]) -> dict[str, int]:
    """The vendor's helper: time awake at either end is not counted."""
    asleep = [k for k, item in enumerate(items) if item["status"] != 3]
    totals = dict.fromkeys(STATUS.values(), 0)
    for item in items[asleep[0] : asleep[-1] + 1] if asleep else ():
        totals[STATUS[item["status"]]] += (item["endTime"] - item["startTime"]) // 1000
    return totals


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["op"] == "sync_data"], ids=lambda case: case["name"]
)
def test_a_day_as_one_night_has_the_totals_of_the_vendors_helper(case: dict[str, Any]) -> None:
    stages, _ = from_vector(case)
    nights = {one.reading.night: one for one in sessions(stages, naps=False)}
    line = Timeline(ZoneInfo(case["params"]["tz"]))
    expected = {}
    for day in case["expect"] or ():
        totals = told_by_vendor(day["items"])
        if sum(totals.values()):
            expected[day["timestamp"] // 1000] = totals
    assert {
        line.utc_s(night): {name: getattr(one.reading, name) for name in STATUS.values()}
        for night, one in nights.items()
    } == expected
    for one in nights.values():
        assert one.reading.awake_s + one.reading.asleep_s == one.reading.in_bed_s


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["op"] == "sync_data"], ids=lambda case: case["name"]
)
def test_vectors_are_split_as_the_oracle_splits_them(case: dict[str, Any]) -> None:
    stages, naps = from_vector(case)
    assert summary(sessions(stages, naps=naps)) == oracle(stages, naps=naps)


# --- an oracle that looks at each minute ------------------------------------------------------


def oracle(stages: Sequence[Row], *, naps: bool) -> list[tuple[str, int, int, int]]:
    """(what, start, end, seconds asleep), from a list of minutes: slow, and plainly §9.4."""
    days: dict[date, dict[int, tuple[str, str]]] = {}
    latest = {row.key: row for row in stages}
    for row in sorted(latest.values(), key=lambda row: (row.start_utc_s, row.end_utc_s)):
        values = json.loads(row.values)
        minutes = days.setdefault(date.fromisoformat(values["night"]), {})
        # what was there first stays; a stage behind one that outlasts it does not come back
        reached = max(minutes, default=-1)
        for minute in range(row.start_utc_s // 60, (row.end_utc_s or 0) // 60):
            if minute > reached:
                minutes[minute] = (values["stage"], row.key)
    result = []
    for day, minutes in sorted(days.items()):
        asleep = [minute for minute in sorted(minutes) if minutes[minute][0] != "awake"]
        if not asleep:
            continue
        if not naps:
            result.append(("night", asleep[0] * 60, asleep[-1] * 60 + 60, len(asleep) * 60))
            continue
        offset = latest[min(latest)].utc_offset_s
        nine = int(datetime(day.year, day.month, day.day, 9, tzinfo=UTC).timestamp()) - offset
        blocks = [[asleep[0]]]
        for before, minute in pairwise(asleep):
            # a stage is one piece for the cut at nine
            begins = minutes[minute][1] != minutes[before][1]
            cut = blocks[-1][0] * 60 < nine <= minute * 60 and begins
            if minute - before - 1 >= 30 or cut:
                blocks.append([])
            blocks[-1].append(minute)
        night = [minute for block in blocks if block[0] * 60 < nine for minute in block]
        if night:
            result.append(("night", night[0] * 60, night[-1] * 60 + 60, len(night) * 60))
        for block in blocks:
            length = block[-1] + 1 - block[0]
            if block[0] * 60 >= nine and 20 < length <= 180:
                result.append(("nap", block[0] * 60, block[-1] * 60 + 60, len(block) * 60))
    return result


def summary(of: Iterable[Session]) -> list[tuple[str, int, int, int]]:
    return [
        (one.reading.session.value, one.start_utc_s, one.end_utc_s, one.reading.asleep_s)
        for one in of
    ]


# --- rules ------------------------------------------------------------------------------------


def test_a_night_tells_its_bounds_its_stages_and_its_interruptions() -> None:
    (night,) = found(
        stage(-120, -100, Stage.AWAKE),
        stage(-100, 0, Stage.LIGHT),
        stage(0, 60, Stage.DEEP),
        stage(60, 70, Stage.AWAKE),
        stage(70, 75, Stage.AWAKE),
        stage(75, 105, Stage.REM),
        stage(115, 400, Stage.LIGHT),
        stage(400, 430, Stage.AWAKE),
    )
    assert night == SleepSession(
        start=DeviceTime(MIDNIGHT - 100 * 60),
        end=DeviceTime(MIDNIGHT + 400 * 60),
        night=MIDNIGHT,
        session=SleepType.NIGHT,
        in_bed_s=500 * 60,
        asleep_s=475 * 60,
        deep_s=60 * 60,
        light_s=385 * 60,
        rem_s=30 * 60,
        awake_s=25 * 60,
        interruptions=2,
        efficiency_pct=95.0,
        latency_s=20 * 60,
    )


def test_without_time_awake_noted_before_it_the_latency_is_unknown() -> None:
    (one,) = found(stage(0, 60, Stage.DEEP))
    assert one.latency_s is None
    (other,) = found(stage(-60, -50, Stage.AWAKE), stage(0, 60, Stage.DEEP))
    assert other.latency_s is None  # nothing is told of the ten minutes between


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        # a gap below half an hour belongs to the block, and one block in the morning is the night
        ([(0, 300), (329, 400)], [("night", 0, 400)]),
        ([(0, 300), (330, 400)], [("night", 0, 400)]),
        # what begins at nine is not of the night, even without a gap
        ([(0, 540), (540, 570)], [("night", 0, 540), ("nap", 540, 570)]),
        ([(0, 530), (539, 600)], [("night", 0, 600)]),
        # a nap lasts more than 20 minutes and at most three hours, its interruptions included
        ([(0, 300), (700, 720)], [("night", 0, 300)]),
        ([(0, 300), (700, 721)], [("night", 0, 300), ("nap", 700, 721)]),
        ([(0, 300), (700, 880)], [("night", 0, 300), ("nap", 700, 880)]),
        ([(0, 300), (700, 881)], [("night", 0, 300)]),
        ([(700, 711), (740, 750)], [("nap", 700, 750)]),
        ([(700, 711), (741, 752)], []),
        ([(600, 630), (660, 690)], [("nap", 600, 630), ("nap", 660, 690)]),
        # an evening counts to the next day
        ([(-240, -200), (100, 300)], [("night", -240, 300)]),
    ],
)
def test_blocks_of_a_day(
    stages: list[tuple[int, int]], expected: list[tuple[str, int, int]]
) -> None:
    assert bounds(*(stage(start, end, Stage.LIGHT) for start, end in stages)) == expected


def test_a_device_that_knows_no_naps_has_one_night_a_day() -> None:
    stages = (stage(0, 300, Stage.LIGHT), stage(700, 1000, Stage.LIGHT))
    assert bounds(*stages, naps=False) == [("night", 0, 1000)]
    (night,) = found(*stages, naps=False)
    assert (night.asleep_s, night.awake_s, night.interruptions) == (36_000, 24_000, 1)


def test_nine_is_nine_on_the_owners_clock() -> None:
    kathmandu = Timeline(ZoneInfo("Asia/Kathmandu"))
    stages = [stage(0, 300, Stage.DEEP), stage(541, 600, Stage.DEEP)]
    got = sessions(rows(stages, kathmandu), naps=True)
    assert [one.reading.session for one in got] == ["night", "nap"]


def test_a_night_of_a_clock_change_lasts_as_long_as_it_lasted() -> None:
    autumn = device_time(2026, 10, 25)
    (night,) = found(stage(60, 300, Stage.DEEP, autumn))
    assert night.in_bed_s == 5 * 3600  # four on the face
    spring = device_time(2026, 3, 29)
    (night,) = found(stage(60, 300, Stage.DEEP, spring))
    assert night.in_bed_s == 3 * 3600


def test_an_unverified_stage_makes_an_unverified_session() -> None:
    (one,) = found(stage(0, 60, Stage.DEEP)._replace(verified=False), stage(60, 90, Stage.REM))
    assert not one.verified


def test_a_stored_session_that_is_none_any_more_is_revised_to_nothing() -> None:
    (night, nap) = [
        one.row(BERLIN)
        for one in sessions(
            rows([stage(0, 60, Stage.DEEP), stage(700, 750, Stage.LIGHT)]), naps=True
        )
    ]
    (gone,) = undone([night, nap], {night.key}, BERLIN)
    assert (gone.key, gone.start_utc_s, gone.end_utc_s) == (
        nap.key,
        nap.start_utc_s,
        nap.start_utc_s,
    )
    values = json.loads(gone.values)
    assert (values["session"], values["in_bed_s"], values["asleep_s"]) == ("nap", 0, 0)
    assert values["derived"] is True
    assert undone([night, gone], {night.key}, BERLIN) == []


# --- however they come ------------------------------------------------------------------------

STAGES = st.lists(
    st.tuples(st.integers(-300, 1_300), st.integers(1, 240), st.sampled_from(Stage)),
    min_size=1,
    max_size=25,
    unique_by=lambda part: part[0],
)


def several(parts: Iterable[tuple[int, int, Stage]]) -> list[SleepStage]:
    return [stage(start, start + length, what) for start, length, what in parts]


@given(STAGES, st.booleans())
def test_sums_are_whole_and_nothing_is_negative(
    parts: list[tuple[int, int, Stage]], naps: bool
) -> None:
    day = found(*several(parts), naps=naps)
    for one in day:
        assert one.deep_s + one.light_s + one.rem_s == one.asleep_s
        assert one.asleep_s + one.awake_s == one.in_bed_s == one.end - one.start
        assert min(one[4:12]) >= 0
        assert 0 < one.efficiency_pct <= 100
        assert (one.interruptions == 0) == (one.awake_s == 0)
    for before, after in pairwise(day):
        assert before.end <= after.start
    assert Counter(one.session for one in day)[SleepType.NIGHT] <= 1


@given(STAGES, st.booleans())
def test_sessions_are_those_of_the_oracle(parts: list[tuple[int, int, Stage]], naps: bool) -> None:
    stages = rows(several(parts))
    assert summary(sessions(stages, naps=naps)) == oracle(stages, naps=naps)


@given(STAGES, st.integers(0, 25), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_in_which_stages_come_does_not_matter(
    parts: list[tuple[int, int, Stage]], cut: int, naps: bool, chance: Random
) -> None:
    stages = several(parts)
    shuffled = [*stages, *stages[:cut]]
    chance.shuffle(shuffled)
    assert found(*shuffled, naps=naps) == found(*stages, naps=naps)


@settings(max_examples=25, deadline=None)
@given(st.lists(STAGES, min_size=1, max_size=3), st.lists(st.integers(1, 6), max_size=12))
def test_however_the_stages_are_spread_over_transfers_the_store_ends_with_the_same_sessions(
    days: list[list[tuple[int, int, Stage]]], portions: list[int]
) -> None:
    stages = [
        SleepStage(
            DeviceTime(one.start + number * 86_400),
            DeviceTime(one.end + number * 86_400),
            one.stage,
            DeviceTime(one.night + number * 86_400),
        )
        for number, parts in enumerate(days)
        for one in several(parts)
    ]
    asyncio.run(spread(stages, portions))


async def spread(stages: Sequence[SleepStage], portions: Sequence[int]) -> None:
    whole = await stored_after([stages])
    assert {row.key for row in whole} == {
        one.row(BERLIN).key for one in sessions(rows(stages), naps=True)
    }
    cuts = [0]
    for portion in portions:
        cuts.append(min(cuts[-1] + portion, len(stages)))
    transfers = [stages[start:end] for start, end in pairwise([*cuts, len(stages)])]
    assert await stored_after(transfers) == whole
    # the last of them once more, as after a lost acknowledgement
    assert await stored_after([*transfers, transfers[-1]]) == whole


async def stored_after(transfers: Sequence[Sequence[SleepStage]]) -> list[Row]:
    with TemporaryDirectory() as directory:
        store = await SqliteStore.open(Path(directory) / "store.db")
        watch = await store.know("aa:bb", "alice", "fitcloud")
        ingest = Ingest(store, FakeBroker(), watch, BERLIN, frozenset(Category), lambda: 1.5)
        for transfer in transfers:
            await ingest.take(Batch(tuple(transfer), None, naps=True))
        kept = await store.readings(watch, "sleep_session", 0, 4_000_000_000)
        await store.close()
    return [row for row in kept if row.start_utc_s != row.end_utc_s]


async def test_sessions_are_committed_with_the_stages_that_caused_them(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    watch: KnownDevice = await store.know("aa:bb", "alice", "fitcloud")
    ingest = Ingest(store, FakeBroker(), watch, BERLIN, frozenset(Category), lambda: 1.5)
    first = (stage(0, 120, Stage.LIGHT), stage(700, 730, Stage.LIGHT))
    one = await ingest.take(Batch(first, None, naps=True))
    assert [out.kind for out in one.outgoing] == [*["sleep_stage"] * 2, *["sleep_session"] * 2]
    assert one.state is not None
    assert one.state["sleep_asleep_min"].value == 120
    # the nap goes on for hours: it was none; and the night's end came late
    second = (stage(120, 180, Stage.DEEP), stage(730, 900, Stage.DEEP))
    two = await ingest.take(Batch(second, None, naps=True))
    told = [
        (out.revision, json.loads(out.values)["session"], json.loads(out.values)["asleep_s"])
        for out in two.outgoing
        if out.kind == "sleep_session"
    ]
    assert told == [(2, "night", 180 * 60), (2, "nap", 0)]
    assert all(
        json.loads(out.values)["derived"] for out in two.outgoing if out.kind == "sleep_session"
    )
    assert two.state is not None
    assert two.state["sleep_asleep_min"].value == 180
    # the same once more is nothing new
    again = await ingest.take(Batch((*first, *second), None, naps=True))
    assert (again.outgoing, again.state) == ((), None)
    await store.close()


async def test_an_older_night_that_comes_late_does_not_replace_the_last_one(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    watch = await store.know("aa:bb", "alice", "fitcloud")
    ingest = Ingest(store, FakeBroker(), watch, BERLIN, frozenset(Category), lambda: 1.5)
    await ingest.take(Batch((stage(0, 400, Stage.DEEP),)))
    before = DeviceTime(MIDNIGHT - 86_400)
    await ingest.take(Batch((stage(0, 60, Stage.DEEP, before),)))
    assert (await store.state(watch))["sleep_deep_min"].value == 400
    # but the same night, cut shorter by the watch, does
    await ingest.take(Batch((stage(0, 300, Stage.DEEP),)))
    assert (await store.state(watch))["sleep_deep_min"].value == 300
    await store.close()


async def test_a_stage_that_moves_to_another_day_leaves_its_old_one(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    watch = await store.know("aa:bb", "alice", "fitcloud")
    ingest = Ingest(store, FakeBroker(), watch, BERLIN, frozenset(Category), lambda: 1.5)
    evening = stage(1_100, 1_140, Stage.DEEP)
    await ingest.take(Batch((evening,), None, naps=True))
    tomorrow = DeviceTime(MIDNIGHT + 86_400)
    await ingest.take(Batch((evening._replace(night=tomorrow),), None, naps=True))
    kept = await store.readings(watch, "sleep_session", 0, 4_000_000_000)
    nights = {json.loads(row.values)["night"]: json.loads(row.values)["asleep_s"] for row in kept}
    assert nights == {DAY.isoformat(): 0, (DAY + timedelta(days=1)).isoformat(): 2_400}
    await store.close()
