"""A whole synchronisation: seconds, and what it costs the gateway's process.

`python -m tests.bench.sync`. Once over Bumble, with the watch and both controllers in another
process (Bumble's host stack is part of the gateway's CPU time then), once over the direct radio,
which leaves what is ours: protocol, decoding, store and publishing. From the first request to the
last receipt; `delivered` is when the outbox is empty, too.
"""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from gatewayd import app, logs
from gatewayd.config import load
from gatewayd.config_models import LogConfig
from gatewayd.core.ports import Radio
from protocols.model.events import Event, SyncFinished, SyncStarted
from protocols.testing.virtual_watch import Advertisement, VirtualWatch, build_history
from tests.bench.broker import mosquitto
from tests.bench.decode import LINK_BYTES_PER_S
from tests.bench.direct_radio import DirectRadio
from tests.bench.disk import directory_on_disk
from tests.bench.figures import Figure, median, run
from tests.bench.processes import ROOT, write_config

DAYS: Final = (7, 30)
RUNS: Final = 5


class Cost(NamedTuple):
    """One synchronisation."""

    took_s: float
    cpu_s: float
    size: int
    readings: int


def measure() -> "list[Figure]":
    """Each the median of the runs, which alternate."""
    logs.configure(LogConfig(level="error"))
    figures: list[Figure] = []
    for days in DAYS:
        bumble: list[Cost] = []
        direct: list[Cost] = []
        for _ in range(RUNS):
            with directory_on_disk() as directory:
                bumble.append(asyncio.run(_over_bumble(directory, days)))
            with directory_on_disk() as directory:
                direct.append(asyncio.run(_direct(directory, days)))
        size, readings = bumble[0].size, bumble[0].readings
        link_s = size / LINK_BYTES_PER_S
        for name, costs in (("Bumble", bumble), ("direct", direct)):
            took = median([cost.took_s for cost in costs])
            cpu = median([cost.cpu_s for cost in costs])
            figures += [
                Figure(
                    f"sync of {days} days, {name}",
                    took,
                    "s",
                    reference=f"{readings:,} readings; {size:,} B take a radio ≥ {link_s:.2f} s",
                ),
                Figure(f"sync of {days} days, {name}: CPU", cpu, "s"),
            ]
    return figures


async def _over_bumble(directory: Path, days: int) -> Cost:
    async with _watch_process(days) as transport:
        return await _synchronised(directory, Advertisement().address, transport, None)


async def _direct(directory: Path, days: int) -> Cost:
    now = datetime.now().replace(microsecond=0)  # noqa: DTZ005 - a watch face has no zone
    watch = VirtualWatch(build_history(now, days=days))
    watch.precompute()
    return await _synchronised(directory, watch.advertisement.address, None, DirectRadio(watch))


async def _synchronised(
    directory: Path, address: str, transport: str | None, radio: Radio | None
) -> Cost:
    stop = asyncio.Event()
    done = asyncio.Event()
    marks: list[tuple[float, float]] = []
    result: list[SyncFinished] = []

    def happened(_: str, event: Event) -> None:
        match event:
            case SyncStarted():
                marks.append((time.perf_counter(), time.process_time()))
            case SyncFinished():
                marks.append((time.perf_counter(), time.process_time()))
                result.append(event)
                done.set()
            case _:
                pass

    async with mosquitto() as broker:
        config = load(write_config(directory, broker.port, address, transport=transport))
        async with asyncio.TaskGroup() as group:
            group.create_task(app.run(config, until=stop, radio=radio, on_event=happened))
            try:
                async with asyncio.timeout(120):
                    await done.wait()
            finally:
                stop.set()
    (began, cpu_before), (ended, cpu_after) = marks[:2]
    return Cost(ended - began, cpu_after - cpu_before, result[0].received_bytes, result[0].readings)


@asynccontextmanager
async def _watch_process(days: int) -> AsyncIterator[str]:
    """Yields Bumble's name of the controller that the process serves."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.watch_process", str(days), cwd=ROOT, stdout=PIPE
    )
    try:
        if process.stdout is None:
            raise RuntimeError("its standard output is not a pipe")
        port = int(await process.stdout.readline())
        yield f"tcp-client:127.0.0.1:{port}"
    finally:
        process.kill()
        await process.communicate()


if __name__ == "__main__":
    run(measure)
