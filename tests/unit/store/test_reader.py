"""A store that is read from outside, also while it is written to."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gatewayd.core.ports import Row
from gatewayd.errors import PermissionRefused, StoreDamaged, StoreError, StoreNewer
from gatewayd.mqtt import payloads
from gatewayd.store import SqliteStore
from gatewayd.store.database import migrations
from gatewayd.store.reader import StoreReader, Wanted
from protocols.model.catalog import Merge
from tests.unit.stored import RECEIVED_UTC_S, RUN_UTC_S, filled

DATABASES = Path(__file__).parent / "databases"


async def test_it_reads_what_is_committed_while_the_gateway_has_the_store_open(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    store = await filled(path)
    with StoreReader.open(path) as reader:
        alice, bob = reader.devices()
        assert (alice.known.slug, alice.protocol, alice.last_received_utc_s) == (
            "alice",
            "fitcloud",
            RECEIVED_UTC_S,
        )
        assert {tally.kind: tally.count for tally in bob.tallies} == {"battery": 1}
        # it keeps its view, and nobody waits for it
        watch = await store.know("AA:BB:CC:00:00:03", "bob", "fitcloud")
        row = Row("steps", "1", Merge.IMMUTABLE, 1, None, 0, '{"steps":1}', verified=True)
        await store.commit(watch, [row], [], None, 2.0)
        assert len([*reader.readings(Wanted(devices=["bob"]))]) == 1
    with StoreReader.open(path) as reader:
        assert len([*reader.readings(Wanted(devices=["bob"]))]) == 2
    await store.close()


async def test_a_reading_is_the_one_that_was_published(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await filled(path)
    waiting = {out.reading_id: payloads.reading(out) for out in await store.pending(0, 1_000)}
    with StoreReader.open(path) as reader:
        found = {
            one.reading_id: payloads.reading(one) for one in reader.readings(Wanted(revisions=True))
        }
    assert waiting.items() <= found.items()
    assert len(found) - len(waiting) == 3  # were delivered
    await store.close()


async def test_it_chooses(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await (await filled(path)).close()

    def chosen(**wanted: object) -> list[tuple[str, int]]:
        with StoreReader.open(path) as reader:
            return [(one.kind, one.start_utc_s) for one in reader.readings(Wanted(**wanted))]  # type: ignore[arg-type]

    everything = chosen()
    assert everything == sorted(everything, key=lambda one: one[1])
    assert len(everything) == 18  # the sleep session, the battery, and 16 that were handed over
    assert len(chosen(revisions=True)) == 19
    assert [kind for kind, _ in chosen(kinds=["steps", "battery"])] == ["battery", "steps"]
    assert [kind for kind, _ in chosen(devices=["bob"])] == ["battery"]
    assert chosen(devices=[]) == []
    assert [kind for kind, _ in chosen(since_utc_s=RUN_UTC_S)] == [
        "workout",
        "gps_track",
        "workout",
    ]
    assert [kind for kind, _ in chosen(since_utc_s=RUN_UTC_S, until_utc_s=RUN_UTC_S + 1)] == [
        "workout",
        "gps_track",
    ]
    assert chosen(latest=2) == everything[-2:]
    assert (
        chosen(latest=1, kinds=["heart_rate"])
        == [one for one in everything if one[0] == "heart_rate"][-1:]
    )


async def test_conflicts_and_raw_bytes_are_there_too(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await (await filled(path)).close()
    with StoreReader.open(path) as reader:
        (conflict,) = reader.conflicts()
        (raw,) = reader.raw()
        assert reader.schema == migrations()[-1].version
    assert (conflict.kind, conflict.fields) == ("heart_rate", '{"bpm":99,"method":"periodic"}')
    assert (raw.source, raw.context, raw.data) == (
        "fitcloud/item/3",
        '{"features":"1 5"}',
        b"\x01\xff",
    )


async def test_counting_takes_as_long_as_there_are_readings(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    watch = await store.know("aa:bb", "alice", "fitcloud")
    rows = [
        Row("steps", str(n), Merge.IMMUTABLE, n, None, 0, '{"steps":1}', verified=True)
        for n in range(3_000)
    ]
    await store.commit(watch, rows, [], None, 1.0)
    thousands_of_steps = 0

    def count() -> None:
        nonlocal thousands_of_steps
        thousands_of_steps += 1

    with StoreReader.open(path) as reader:
        reader._connection.set_progress_handler(count, 1_000)
        (device,) = reader.devices()
    assert device.tallies[0].waiting == 3_000
    # some dozens for each reading, and not some for each pair of them
    assert thousands_of_steps < 300
    await store.close()


def test_there_is_nothing_to_read_without_a_store(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="There is no store at"),
        StoreReader.open(tmp_path / "none.db"),
    ):
        pass
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("content", [b"this is a text file, not a database", b"", b"SQL"])
def test_another_file_is_no_store(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store.db").write_bytes(content)
    with pytest.raises(StoreDamaged), StoreReader.open(tmp_path / "store.db"):
        pass


def test_another_programs_database_is_no_store(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "store.db")
    connection.execute("CREATE TABLE t (a)")
    connection.commit()
    connection.close()
    with (
        pytest.raises(StoreDamaged, match="is not a store of gatewayd"),
        StoreReader.open(tmp_path / "store.db"),
    ):
        pass


def test_an_older_store_is_read_and_a_newer_one_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "store.db")
    connection.executescript((DATABASES / "version1.sql").read_text())
    with StoreReader.open(tmp_path / "store.db") as reader:
        assert reader.schema == 1
        assert [*reader.readings(Wanted())]
        assert reader.devices()
    connection.execute("PRAGMA user_version = 900")
    connection.close()
    with pytest.raises(StoreNewer), StoreReader.open(tmp_path / "store.db"):
        pass


async def test_it_leaves_no_trace_and_takes_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await (await filled(path)).close()
    before = path.read_bytes()
    with StoreReader.open(path) as reader:
        assert [*reader.readings(Wanted())]
        # the gateway starts meanwhile
        store = await SqliteStore.open(path)
        await store.close()
    assert path.read_bytes() == before


def as_nobody(does: Callable[[], bool]) -> bool:
    """What it returns to somebody without rights."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            os.setuid(65_534)
            status = 0 if does() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def show(store: Path, folder: Path) -> None:
    """A copy that everybody may read, in a folder that nobody else may write to."""
    folder.chmod(0o755)
    shutil.copy(store, folder / "store.db")
    (folder / "store.db").chmod(0o644)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")


@as_root
async def test_somebody_elses_store_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await (await filled(path)).close()

    def refused() -> bool:
        try:
            with StoreReader.open(path):
                return False
        except PermissionRefused as error:
            return "as the user that gatewayd runs as" in error.remedy

    assert as_nobody(refused)


@as_root
async def test_a_store_in_a_folder_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await (await filled(path)).close()

    def read() -> bool:
        with StoreReader.open(public / "store.db") as reader:
            return len([*reader.readings(Wanted())]) == 18

    # pytest's own folders let nobody in
    with TemporaryDirectory() as folder:
        public = Path(folder)
        show(path, public)
        assert as_nobody(read)
