"""Opening, migrating, locking, damage and a full disk."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gatewayd.core.ports import Row, StateValue
from gatewayd.errors import (
    PermissionRefused,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreNewer,
)
from gatewayd.store import SqliteStore
from gatewayd.store.database import Database, Migration, Sync, migrations
from protocols.model.catalog import Merge
from protocols.session import Raw

DATABASES = Path(__file__).parent / "databases"
NOW = 1_764_000_000.0


def row(key: str, values: str = '{"bpm":60}') -> Row:
    return Row("heart_rate", key, Merge.IMMUTABLE, 1_763_900_000, None, 3600, values, verified=True)


def old_database(path: Path) -> None:
    """Version 1 as gatewayd 0.1 wrote it."""
    connection = sqlite3.connect(path)
    connection.executescript((DATABASES / "version1.sql").read_text())
    connection.close()


def test_migrations_are_numbered_without_gaps() -> None:
    assert [step.version for step in migrations()] == list(range(1, len(migrations()) + 1))


async def test_new_database_has_the_newest_schema(tmp_path: Path) -> None:
    await (await SqliteStore.open(tmp_path / "deep" / "store.db")).close()
    connection = sqlite3.connect(tmp_path / "deep" / "store.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (migrations()[-1].version,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


async def test_old_database_is_read_and_written(tmp_path: Path) -> None:
    old_database(tmp_path / "store.db")
    store = await SqliteStore.open(tmp_path / "store.db")
    watch = await store.know("aa:bb", "alice", "fitcloud")
    assert watch.number == 1
    assert [out.sequence for out in await store.pending(0, 10)] == [2]
    assert await store.state(watch) == {"heart_rate_bpm": StateValue("heart_rate_bpm", 61, 200)}
    done = await store.commit(watch, [row("k1"), row("k3")], [], None, NOW)
    assert (done.duplicates, [out.sequence for out in done.outgoing]) == (1, [3])
    await store.close()


async def test_steps_that_are_missing_are_applied_to_old_data(tmp_path: Path) -> None:
    old_database(tmp_path / "store.db")
    later = Migration(2, "ALTER TABLE device ADD COLUMN note TEXT NOT NULL DEFAULT 'x';")
    store = await SqliteStore.open(tmp_path / "store.db", (*migrations()[:1], later))
    await store.close()
    connection = sqlite3.connect(tmp_path / "store.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    assert connection.execute("SELECT slug, note FROM device").fetchall() == [("alice", "x")]
    connection.close()


async def test_failing_step_leaves_the_old_version_as_it_was(tmp_path: Path) -> None:
    old_database(tmp_path / "store.db")
    steps = (
        *migrations()[:1],
        Migration(2, "ALTER TABLE device ADD COLUMN note TEXT;"),
        Migration(3, "INSERT INTO nowhere VALUES (1);"),
    )
    with pytest.raises(StoreError, match="nowhere"):
        await SqliteStore.open(tmp_path / "store.db", steps)
    store = await SqliteStore.open(tmp_path / "store.db", migrations()[:1])
    assert len(await store.pending(0, 10)) == 1
    await store.close()


async def test_newer_database_is_refused_untouched(tmp_path: Path) -> None:
    old_database(tmp_path / "store.db")
    connection = sqlite3.connect(tmp_path / "store.db")
    connection.execute("PRAGMA user_version = 900")
    connection.close()
    with pytest.raises(StoreNewer, match=r"schema 900.*Install that version again"):
        await SqliteStore.open(tmp_path / "store.db")


@pytest.mark.parametrize("content", [b"this is a text file, not a database", b"SQL"])
async def test_file_that_is_no_database_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store.db").write_bytes(content)
    with pytest.raises(StoreDamaged, match="not a database"):
        await SqliteStore.open(tmp_path / "store.db")
    assert (tmp_path / "store.db").read_bytes() == content


async def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "store.db")
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(StoreDamaged, match="another program"):
        await SqliteStore.open(tmp_path / "store.db")


async def filled(path: Path) -> None:
    store = await SqliteStore.open(path)
    watch = await store.know("aa:bb", "alice", "fitcloud")
    await store.commit(watch, [row(f"k{n}") for n in range(2_000)], [], None, NOW)
    await store.close()


async def test_database_that_was_cut_short_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await filled(path)
    path.write_bytes(path.read_bytes()[:-8192])
    with pytest.raises(StoreDamaged, match=r"damaged \(.*Move it away"):
        await SqliteStore.open(path)


async def test_damage_inside_is_reported_where_it_is_met(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await filled(path)
    content = bytearray(path.read_bytes())
    for start in range(4096 * 12, len(content), 4096):
        content[start : start + 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    store = await SqliteStore.open(path)
    with pytest.raises(StoreDamaged):
        await store.pending(0, 5_000)
    await store.close()


async def test_second_process_is_locked_out(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    script = (
        "import asyncio, sys, pathlib\n"
        "from gatewayd.errors import StoreLocked\n"
        "from gatewayd.store import SqliteStore\n"
        "try:\n"
        "    asyncio.run(SqliteStore.open(pathlib.Path(sys.argv[1])))\n"
        "except StoreLocked as error:\n"
        "    print(error)\n"
    )
    call = [sys.executable, "-c", script, str(path)]
    told = subprocess.run(call, capture_output=True, text=True, check=True, cwd=Path.cwd())  # noqa: ASYNC221
    assert "Another gatewayd is using the store" in told.stdout
    await store.close()
    await (await SqliteStore.open(path)).close()


async def test_second_store_in_this_process_is_locked_out_too(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    with pytest.raises(StoreLocked):
        await SqliteStore.open(tmp_path / "store.db")
    await store.close()


async def test_full_disk_stores_nothing_and_the_store_goes_on(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    watch = await store.know("aa:bb", "alice", "fitcloud")
    connection = store._database.connection
    (pages,) = await store._look(lambda _: connection.execute("PRAGMA page_count").fetchone())
    await store._look(lambda _: connection.execute(f"PRAGMA max_page_count = {pages + 4}"))
    big = [row(f"k{n}") for n in range(500)]
    with pytest.raises(StoreFull, match="No space left"):
        await store.commit(
            watch, big, [StateValue("heart_rate_bpm", 60, 1)], Raw("x", b"y" * 9_000), NOW
        )
    assert list(await store.pending(0, 10)) == []
    assert await store.state(watch) == {}
    assert list(await store.readings(watch, "heart_rate", 0, 2_000_000_000)) == []
    done = await store.commit(watch, big[:3], [], None, NOW)
    assert [out.sequence for out in done.outgoing] == [1, 2, 3]
    await store._look(lambda _: connection.execute("PRAGMA max_page_count = 100000"))
    done = await store.commit(watch, big, [], None, NOW)
    assert (len(done.outgoing), done.duplicates) == (497, 3)
    await store.close()


async def test_directory_that_is_not_ours_is_a_question_of_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("gatewayd.store.database.os.open", refuse)
    with pytest.raises(PermissionRefused, match="cannot be written"):
        await SqliteStore.open(tmp_path / "store.db")


async def test_path_that_is_a_directory_is_an_error_with_a_name(tmp_path: Path) -> None:
    (tmp_path / "store.db").mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        await SqliteStore.open(tmp_path / "store.db")


def test_readings_are_synced_and_acknowledgements_are_not(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db")
    seen = []

    def look(connection: sqlite3.Connection) -> None:
        seen.append(connection.execute("PRAGMA synchronous").fetchone()[0])

    for sync in (Sync.FULL, Sync.NORMAL, Sync.FULL):
        database.transact(sync, look)
    database.close()
    assert seen == [2, 1, 2]
