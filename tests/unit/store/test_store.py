"""Merge rules, outbox, state and devices of the store."""

import asyncio
import json
import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from hashlib import blake2b
from pathlib import Path

import pytest

from gatewayd.core.ports import KnownDevice, Row, StateValue, Tally
from gatewayd.errors import StoreError
from gatewayd.store import SqliteStore
from protocols.model.catalog import Merge
from protocols.session import Raw

NOW = 1_764_000_000.25


def row(
    key: str = "a",
    bpm: int = 60,
    *,
    kind: str = "heart_rate",
    merge: Merge = Merge.IMMUTABLE,
    start: int = 1_763_900_000,
    end: int | None = None,
    verified: bool = True,
) -> Row:
    return Row(kind, key, merge, start, end, 3600, json.dumps({"bpm": bpm}), verified)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(tmp_path / "store.db")
    yield opened
    await opened.close()


@pytest.fixture
async def watch(store: SqliteStore) -> KnownDevice:
    return await store.know("aa:bb", "alice", "fitcloud")


async def test_new_reading_is_stored_queued_and_found_again(
    store: SqliteStore, watch: KnownDevice
) -> None:
    done = await store.commit(watch, [row(end=1_763_900_060)], [], None, NOW)
    assert (done.duplicates, done.conflicts, done.state) == (0, 0, None)
    (out,) = done.outgoing
    assert (out.sequence, out.slug, out.kind, out.revision) == (1, "alice", "heart_rate", 1)
    assert (out.end_utc_s, out.utc_offset_s, out.received_utc_s) == (1_763_900_060, 3600, NOW)
    assert list(await store.pending(0, 10)) == [out]
    assert list(await store.readings(watch, "heart_rate", 0, 2_000_000_000)) == [
        row(end=1_763_900_060)
    ]


async def test_same_reading_again_is_a_duplicate(store: SqliteStore, watch: KnownDevice) -> None:
    await store.commit(watch, [row()], [], None, NOW)
    again = await store.commit(watch, [row()], [], None, NOW + 1)
    assert (again.outgoing, again.duplicates) == ((), 1)


async def test_other_value_of_an_immutable_reading_is_kept_aside_once(
    store: SqliteStore, watch: KnownDevice, tmp_path: Path
) -> None:
    await store.commit(watch, [row(bpm=60)], [], None, NOW)
    for _ in range(2):
        other = await store.commit(watch, [row(bpm=61)], [], None, NOW)
        assert (other.outgoing, other.conflicts) == ((), 1)
    assert list(await store.readings(watch, "heart_rate", 0, 2_000_000_000)) == [row(bpm=60)]
    with sqlite3.connect(tmp_path / "store.db") as raw:
        assert raw.execute("SELECT fields FROM conflict").fetchall() == [('{"bpm": 61}',)]
    raw.close()


@pytest.mark.parametrize(
    "other",
    [
        row(bpm=61, merge=Merge.REVISABLE),
        row(merge=Merge.REVISABLE, end=1_763_900_001),
        row(merge=Merge.REVISABLE, verified=False),
    ],
)
async def test_other_value_of_a_revisable_reading_is_its_next_revision(
    store: SqliteStore, watch: KnownDevice, other: Row
) -> None:
    first = await store.commit(watch, [row(merge=Merge.REVISABLE)], [], None, NOW)
    second = await store.commit(watch, [other], [], None, NOW)
    assert second.outgoing[0].revision == 2
    stem, _, revision = second.outgoing[0].reading_id.rpartition(".")
    assert (first.outgoing[0].reading_id, revision) == (f"{stem}.1", "2")
    assert list(await store.readings(watch, "heart_rate", 0, 2_000_000_000)) == [other]


async def test_same_key_twice_in_a_batch_merges_in_order(
    store: SqliteStore, watch: KnownDevice
) -> None:
    rows = [row(bpm=bpm, merge=Merge.REVISABLE) for bpm in (60, 60, 61, 60)]
    done = await store.commit(watch, rows, [], None, NOW)
    assert done.duplicates == 1
    assert [json.loads(out.values)["bpm"] for out in done.outgoing] == [60, 61, 60]
    assert [out.revision for out in done.outgoing] == [1, 2, 3]


async def test_id_is_the_same_after_the_store_was_lost(tmp_path: Path) -> None:
    ids = []
    for name in ("one.db", "two.db"):
        store = await SqliteStore.open(tmp_path / name)
        if name == "two.db":  # another order of devices and readings
            await store.know("cc:dd", "bob", "fitcloud")
        watch = await store.know("aa:bb", "alice" if name == "one.db" else "renamed", "fitcloud")
        done = await store.commit(watch, [row("k7")], [], None, NOW)
        ids.append(done.outgoing[0].reading_id)
        await store.close()
    stem = blake2b(b"aa:bb|heart_rate|k7", digest_size=8).hexdigest()
    assert ids == [f"{stem}.1"] * 2


async def test_delivered_readings_wait_no_more(store: SqliteStore, watch: KnownDevice) -> None:
    await store.commit(watch, [row(str(n)) for n in range(5)], [], None, NOW)
    await store.delivered([1, 2, 4, 99])
    assert [out.sequence for out in await store.pending(0, 10)] == [3, 5]
    assert [out.sequence for out in await store.pending(3, 10)] == [5]
    assert [out.sequence for out in await store.pending(0, 1)] == [3]


async def test_sequence_is_never_given_twice(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    watch = await store.know("aa:bb", "alice", "fitcloud")
    await store.commit(watch, [row("a"), row("b")], [], None, NOW)
    await store.delivered([1, 2])
    await store.close()
    store = await SqliteStore.open(tmp_path / "store.db")
    done = await store.commit(watch, [row("c")], [], None, NOW)
    await store.close()
    assert done.outgoing[0].sequence == 3


async def test_state_moves_only_forward_in_time(store: SqliteStore, watch: KnownDevice) -> None:
    async def commit(key: str, value: float | str | None, at: int) -> object:
        return (await store.commit(watch, [], [StateValue(key, value, at)], None, NOW)).state

    assert await commit("bpm", 60, 100) == {"bpm": StateValue("bpm", 60, 100)}
    assert await commit("bpm", 50, 99) is None
    assert await commit("bpm", 60, 100) is None
    assert await commit("bpm", 61, 100) == {"bpm": StateValue("bpm", 61, 100)}
    assert await commit("sport", "run", 5) == {
        "bpm": StateValue("bpm", 61, 100),
        "sport": StateValue("sport", "run", 5),
    }
    assert await store.state(watch) == {
        "bpm": StateValue("bpm", 61, 100),
        "sport": StateValue("sport", "run", 5),
    }


async def test_newest_of_a_batch_becomes_the_state(store: SqliteStore, watch: KnownDevice) -> None:
    values = [StateValue("bpm", bpm, at) for bpm, at in ((60, 10), (62, 30), (61, 20))]
    done = await store.commit(watch, [], values, None, NOW)
    assert done.state == {"bpm": StateValue("bpm", 62, 30)}


async def test_raw_bytes_are_kept_once(
    store: SqliteStore, watch: KnownDevice, tmp_path: Path
) -> None:
    page = Raw("fitcloud/sync/3", b"\x01\x02", {"features": 7})
    await store.commit(watch, [row("a")], [], page, NOW)
    await store.commit(watch, [row("a")], [], page, NOW)
    await store.commit(watch, [row("b")], [], Raw("fitcloud/sync/3", b"\x01\x03"), NOW)
    raw = sqlite3.connect(tmp_path / "store.db")
    assert raw.execute("SELECT source, context, data FROM raw ORDER BY number").fetchall() == [
        ("fitcloud/sync/3", '{"features":7}', b"\x01\x02"),
        ("fitcloud/sync/3", "{}", b"\x01\x03"),
    ]
    assert raw.execute("SELECT key, raw FROM reading ORDER BY key").fetchall() == [
        ("a", 1),
        ("b", 2),
    ]
    raw.close()


async def test_device_is_found_by_identity_and_its_slug_follows(store: SqliteStore) -> None:
    first = await store.know("aa:bb", "alice", "fitcloud")
    renamed = await store.know("aa:bb", "alice-watch", "fitcloud")
    assert renamed == KnownDevice(first.number, "aa:bb", "alice-watch")
    await store.commit(first, [row()], [], None, NOW)
    assert (await store.pending(0, 1))[0].slug == "alice-watch"


async def test_slug_of_another_device_is_refused(store: SqliteStore, watch: KnownDevice) -> None:
    with pytest.raises(StoreError, match="The name alice belongs to another watch"):
        await store.know("cc:dd", "alice", "fitcloud")
    assert (await store.know("cc:dd", "bob", "fitcloud")).number != watch.number


async def test_two_devices_do_not_share_keys(store: SqliteStore, watch: KnownDevice) -> None:
    other = await store.know("cc:dd", "bob", "fitcloud")
    one = await store.commit(watch, [row()], [], None, NOW)
    two = await store.commit(other, [row(bpm=99)], [], None, NOW)
    assert two.outgoing[0].revision == 1
    assert two.outgoing[0].reading_id != one.outgoing[0].reading_id


async def test_interval_is_half_open_and_in_order(store: SqliteStore, watch: KnownDevice) -> None:
    rows = [row(str(at), start=at) for at in (300, 100, 200, 400)]
    await store.commit(watch, rows, [], None, NOW)
    found = await store.readings(watch, "heart_rate", 100, 400)
    assert [one.start_utc_s for one in found] == [100, 200, 300]


async def test_tallies_count_readings_and_what_waits(
    store: SqliteStore, watch: KnownDevice
) -> None:
    rows = [
        row("a", start=100),
        row("b", start=300),
        row("t", 1, kind="day_totals", merge=Merge.REVISABLE, start=50),
        row("t", 2, kind="day_totals", merge=Merge.REVISABLE, start=50),
    ]
    await store.commit(watch, rows, [], None, NOW)
    await store.delivered([1])
    assert list(await store.tallies(watch)) == [
        Tally("day_totals", 1, 50, 50, 2),
        Tally("heart_rate", 2, 100, 300, 1),
    ]


async def test_failed_commit_stores_nothing(store: SqliteStore, watch: KnownDevice) -> None:
    stranger = KnownDevice(77, "nobody", "nobody")
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        await store.commit(stranger, [row()], [StateValue("bpm", 1, 1)], Raw("x", b"y"), NOW)
    assert list(await store.pending(0, 10)) == []
    assert (await store.commit(watch, [row()], [], None, NOW)).outgoing[0].sequence == 1


async def test_commit_whose_caller_went_away_is_still_whole(
    store: SqliteStore, watch: KnownDevice
) -> None:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(store.commit(watch, [row("a"), row("b")], [], None, NOW))
        await asyncio.sleep(0)
        task.cancel()
    assert len(await store.pending(0, 10)) in {0, 2}
    assert len((await store.commit(watch, [row("c")], [], None, NOW)).outgoing) == 1


async def test_files_belong_to_the_owner_alone(
    store: SqliteStore, watch: KnownDevice, tmp_path: Path
) -> None:
    await store.commit(watch, [row()], [], None, NOW)
    with os.scandir(tmp_path) as files:
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files}
    assert set(modes) >= {"store.db", "store.db-wal", "store.db.lock"}
    assert set(modes.values()) == {0o600}


async def test_close_leaves_one_file_with_everything(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    watch = await store.know("aa:bb", "alice", "fitcloud")
    await store.commit(watch, [row()], [], None, NOW)
    await store.tallies(watch)
    await store.close()
    with os.scandir(tmp_path) as files:
        assert {file.name for file in files} == {"store.db", "store.db.lock"}
    again = await SqliteStore.open(tmp_path / "store.db")
    assert len(await again.pending(0, 10)) == 1
    await again.close()
