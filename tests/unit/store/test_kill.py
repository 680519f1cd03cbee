"""kill -9 at any moment: what commit() returned is there, and every batch is whole."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gatewayd.store import SqliteStore

ROUNDS = 12
BATCH = 7

WRITER = f"""
import asyncio, pathlib, sys
from gatewayd.core.ports import Row, StateValue
from gatewayd.store import SqliteStore
from protocols.model.catalog import Merge
from protocols.session import Raw

async def main():
    store = await SqliteStore.open(pathlib.Path(sys.argv[1]))
    watch = await store.know("aa:bb", "alice", "fitcloud")
    batch = int(sys.argv[2])
    while True:
        rows = [
            Row("steps", f"{{batch}}.{{n}}", Merge.IMMUTABLE, batch, None, 0, '{{"steps":1}}', True)
            for n in range({BATCH})
        ]
        state = [StateValue("batch", batch, batch)]
        done = await store.commit(watch, rows, state, Raw("x", str(batch).encode()), 1.0)
        assert len(done.outgoing) == {BATCH}
        print(batch, flush=True)
        await store.delivered([done.outgoing[0].sequence])
        batch += 1

asyncio.run(main())
"""


def write_and_kill(path: Path, first: int, lines: int) -> list[int]:
    """Batches whose commit() returned, as the killed process reported them."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(first)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(lines)]
    # the writer is somewhere in the middle of its next transactions now
    os.kill(process.pid, signal.SIGKILL)
    told += [int(line) for line in process.stdout.read().splitlines() if line]
    process.wait()
    process.stdout.close()
    return told


async def test_killed_writer_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    chance = random.Random(20)
    told: list[int] = []
    first = 0
    for _ in range(ROUNDS):
        told += write_and_kill(path, first, chance.randint(1, 40))
        store = await SqliteStore.open(path)
        watch = await store.know("aa:bb", "alice", "fitcloud")
        rows = await store.readings(watch, "steps", 0, 1_000_000)
        newest = int(str((await store.state(watch))["batch"].value))
        waiting = await store.pending(0, 1_000_000)
        await store.close()
        # `told` are all there, each batch is whole, and state moved together with readings
        assert newest in {told[-1], told[-1] + 1}
        assert sorted(row.key for row in rows) == sorted(
            f"{batch}.{n}" for batch in range(newest + 1) for n in range(BATCH)
        )
        # only the first reading of a batch was ever acknowledged
        assert len(waiting) >= (newest + 1) * (BATCH - 1)
        first = newest + 1
    if first < ROUNDS:
        pytest.fail("the writer was killed before it wrote")
