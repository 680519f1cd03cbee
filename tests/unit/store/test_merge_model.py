"""The merge rules against a dictionary that says the same in a few lines."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.core.ports import KnownDevice, Row
from gatewayd.store import SqliteStore
from protocols.model.catalog import Merge

Key = tuple[str, str]
Said = tuple[str, int | None, bool]


class Model:
    """History of each key, newest last; and the order in which things went out."""

    def __init__(self) -> None:
        self.history: dict[Key, list[Said]] = {}
        self.sent: list[tuple[str, str, int]] = []

    def commit(self, rows: list[Row]) -> tuple[int, int]:
        duplicates = conflicts = 0
        for row in rows:
            said = (row.values, row.end_utc_s, row.verified)
            history = self.history.setdefault((row.kind, row.key), [])
            if history and history[-1] == said:
                duplicates += 1
            elif history and row.merge is Merge.IMMUTABLE:
                conflicts += 1
            else:
                history.append(said)
                self.sent.append((row.kind, row.values, len(history)))
        return duplicates, conflicts


KINDS = {"heart_rate": Merge.IMMUTABLE, "day_totals": Merge.REVISABLE}

ROWS = st.builds(
    lambda kind, key, value, end, verified: Row(
        kind, key, KINDS[kind], 1_000 + int(key), end, 0, f'{{"v":{value}}}', verified
    ),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(["1", "2", "3"]),
    st.integers(0, 2),
    st.sampled_from([None, 2_000]),
    st.booleans(),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.lists(ROWS, max_size=8), st.booleans()), max_size=8))
def test_store_and_model_agree(batches: list[tuple[list[Row], bool]]) -> None:
    asyncio.run(compare(batches))


async def compare(batches: list[tuple[list[Row], bool]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "store.db"
        store = await SqliteStore.open(path)
        watch = await store.know("aa:bb", "alice", "fitcloud")
        model = Model()
        for rows, reopen in batches:
            if reopen:
                await store.close()
                store = await SqliteStore.open(path)
            done = await store.commit(watch, rows, [], None, 1.5)
            assert (done.duplicates, done.conflicts) == model.commit(rows)
        await check(store, watch, model)
        await store.close()


async def check(store: SqliteStore, watch: KnownDevice, model: Model) -> None:
    waiting = await store.pending(0, 1_000)
    assert [(out.kind, out.values, out.revision) for out in waiting] == model.sent
    assert [out.sequence for out in waiting] == list(range(1, len(waiting) + 1))
    assert len({out.reading_id for out in waiting}) == len(waiting)
    for kind in KINDS:
        stored = {
            (kind, row.key): (row.values, row.end_utc_s, row.verified)
            for row in await store.readings(watch, kind, 0, 10_000)
        }
        assert stored == {
            key: history[-1] for key, history in model.history.items() if key[0] == kind
        }
