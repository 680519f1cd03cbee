"""From a notification's last byte to the PUBLISH handed to the socket, commit to disk included.

`python -m tests.bench.latency`. The whole gateway (`gatewayd.app.run`) with a direct radio, a store
on disk and mosquitto; the watch tells live heart rates. Measured from the entry of the radio's
callback to the return of `send` on the broker's socket. Runs with and without the sync of the disk
alternate.
"""

import asyncio
import gc
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import paho.mqtt.client as paho

from gatewayd import app, logs
from gatewayd.config_models import Config, DeviceConfig, LogConfig, MqttConfig, StoreConfig
from gatewayd.store.database import Sync
from gatewayd.store.store import SqliteStore
from protocols.model.catalog import Category
from protocols.model.events import Event, SyncFinished
from protocols.testing.virtual_watch import VirtualWatch, build_history
from tests.bench.broker import mosquitto
from tests.bench.direct_radio import DirectRadio
from tests.bench.disk import directory_on_disk, file_system, floor_ms
from tests.bench.figures import Figure, median, percentile, run

EVENTS: Final = {20: 100, 100: 300}
"""Rate per second, and how many events make a run."""

RUNS: Final = 5
GOAL_P50_MS: Final = 2.0
GOAL_P99_MS: Final = 6.0
_HEART_RATE: Final = re.compile(rb'/reading/heart_rate.*"start":"([0-9TZ:-]+)"', re.DOTALL)


def measure() -> Iterator[Figure]:
    """p50 and p99 at each rate, each the median over the runs."""
    logs.configure(LogConfig(level="error"))
    gc.freeze()  # as `gatewayd run` does
    with directory_on_disk() as directory:
        kind = file_system(directory)
        for rate in EVENTS:
            durable: list[list[float]] = []
            unsynced: list[list[float]] = []
            floor: list[list[float]] = []
            for number in range(RUNS):
                store = directory / f"{rate}-{number}"
                durable.append(asyncio.run(_one_run(store / "full", rate)))
                with _without_sync():
                    unsynced.append(asyncio.run(_one_run(store / "none", rate)))
                floor.append(floor_ms(directory, rate, count=EVENTS[rate]))
            for percent, goal in ((50, GOAL_P50_MS), (99, GOAL_P99_MS)):
                bare, least = _over_runs(unsynced, percent), _over_runs(floor, percent)
                yield Figure(
                    f"notification → PUBLISH, {rate}/s: p{percent}",
                    _over_runs(durable, percent),
                    "ms",
                    goal,
                    reference=f"no fsync {bare:.2f}; bare thread + fsync on {kind} {least:.2f}",
                )


def _over_runs(runs: list[list[float]], percent: float) -> float:
    return median([percentile(values, percent) for values in runs])


async def _one_run(directory: Path, rate: int) -> list[float]:
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)  # a watch face has no zone
    watch = VirtualWatch(build_history(now, days=1))
    radio = DirectRadio(watch)
    synchronised = asyncio.Event()
    stop = asyncio.Event()

    def happened(_: str, event: Event) -> None:
        if isinstance(event, SyncFinished):
            synchronised.set()

    async with mosquitto() as broker:
        config = _config(directory, broker.port, watch)
        async with asyncio.TaskGroup() as group:
            group.create_task(app.run(config, until=stop, radio=radio, on_event=happened))
            try:
                await synchronised.wait()
                return await _live(watch, radio, now, rate)
            finally:
                stop.set()


async def _live(watch: VirtualWatch, radio: DirectRadio, now: datetime, rate: int) -> list[float]:
    link = radio.link
    if link is None:
        raise AssertionError("it has synchronised")
    arrivals: dict[str, float] = {}
    with _sends() as sends:
        for number in range(EVENTS[rate]):
            at = now + timedelta(seconds=number + 1)  # each one changes the state, too
            last = 0.0

            def notified(moment: float) -> None:
                nonlocal last
                last = moment

            link.notified = notified
            due = time.monotonic() + 1 / rate
            watch.measure_heart_rate(at, 60 + number % 60, time.monotonic())
            link.drain()
            arrivals[_utc(at)] = last
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        link.notified = None
        async with asyncio.timeout(10):
            while not arrivals.keys() <= sends.at.keys():
                sends.another.clear()
                await sends.another.wait()
    return [(sends.at[start] - moment) * 1000 for start, moment in arrivals.items()]


class _Sends:
    """`at`: by a reading's start, when its PUBLISH had been given to the socket."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self.another = asyncio.Event()


@contextmanager
def _sends() -> Iterator[_Sends]:
    """Watches the socket."""
    sends = _Sends()
    send: Callable[[Any, bytes], int] = paho.Client._sock_send

    def stamped(client: paho.Client, data: bytes) -> int:
        size = send(client, data)
        moment = time.perf_counter()
        if (found := _HEART_RATE.search(data)) is not None:
            sends.at.setdefault(found[1].decode(), moment)
            sends.another.set()
        return size

    with patch.object(paho.Client, "_sock_send", stamped):
        yield sends


@contextmanager
def _without_sync() -> Iterator[None]:
    """Commits return once the log is written, wherever it is."""
    write: Any = SqliteStore._write

    def unsynced(store: SqliteStore, _: Sync, work: object) -> object:
        return write(store, Sync.NORMAL, work)

    with patch.object(SqliteStore, "_write", unsynced):
        yield


def _utc(at: datetime) -> str:
    return at.isoformat() + "Z"  # the configuration says that the owner lives in UTC


def _config(directory: Path, port: int, watch: VirtualWatch) -> Config:
    device = DeviceConfig(
        address=watch.advertisement.address,
        name="bench-watch",
        collect=frozenset(Category),
        protocol="fitcloud",
        may_bind=True,
        timezone="UTC",
    )
    return Config(
        store=StoreConfig(directory / "gatewayd.db"),
        mqtt=MqttConfig(host="127.0.0.1", port=port),
        devices=(device,),
    )


if __name__ == "__main__":
    run(measure)
