"""Stored readings to the broker: 50,000 in the outbox, mosquitto, QoS 1.

`python -m tests.bench.backfill`. Beside it, in turn with it: bare aiomqtt with the same payloads,
one by one and with 50 in flight. One further run, not timed, has a subscriber that checks the order
per device.
"""

import asyncio
import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import aiomqtt

from gatewayd import logs
from gatewayd.config_models import LogConfig
from gatewayd.core.ports import Outgoing, Row
from gatewayd.mqtt import payloads
from gatewayd.mqtt.address import Address, Will
from gatewayd.mqtt.client import Incoming, connect
from gatewayd.mqtt.publisher import Publisher, PublisherSettings
from gatewayd.mqtt.topics import Topics
from gatewayd.store.database import Database
from gatewayd.store.store import SqliteStore
from gatewayd.store.worker import Worker
from protocols.model.catalog import Merge
from tests.bench.broker import mosquitto
from tests.bench.disk import directory_on_disk
from tests.bench.figures import Figure, median, run

COUNT: Final = 50_000
RUNS: Final = 5
BARE_COUNT: Final = 10_000
"""Messages of a bare run; their rate does not depend on it."""

IN_FLIGHT: Final = 50
GOAL_PER_S: Final = 6_000
START_UTC_S: Final = 1_767_225_600
DEVICES: Final = ("alice", "bob")


def measure() -> Iterator[Figure]:
    """Readings a second, and the bare client's."""
    logs.configure(LogConfig(level="error"))
    ours: list[float] = []
    single: list[float] = []
    window: list[float] = []
    with directory_on_disk() as directory:
        full = directory / "full.db"
        asyncio.run(_fill(full))
        asyncio.run(_check_order(_copy(full)))
        for _ in range(RUNS):
            ours.append(asyncio.run(_deliver(_copy(full))))
            single.append(asyncio.run(_bare(full, 1)))
            window.append(asyncio.run(_bare(full, IN_FLIGHT)))
    yield Figure(
        "back-fill from the outbox",
        median(ours),
        "1/s",
        GOAL_PER_S,
        at_most=False,
        reference=f"{median(ours) / median(window):.2f} × bare aiomqtt, {IN_FLIGHT} in flight",
    )
    yield Figure("bare aiomqtt, one by one", median(single), "1/s")
    yield Figure(f"bare aiomqtt, {IN_FLIGHT} in flight", median(window), "1/s")


# --- ours -------------------------------------------------------------------------------------


async def _fill(path: Path) -> None:
    store = await SqliteStore.open(path)
    devices = [await store.know(f"AA:BB:CC:00:00:{n:02X}", n_, "x") for n, n_ in enumerate(DEVICES)]
    for first in range(0, COUNT, 1000):
        for device in devices:
            rows = [
                _row(number)
                for number in range(first, first + 1000)
                if devices[number % len(devices)] is device
            ]
            await store.commit(device, rows, (), None, START_UTC_S + first)
    await store.close()


def _row(number: int) -> Row:
    return Row(
        kind="heart_rate",
        key=f"{number}|periodic",
        merge=Merge.IMMUTABLE,
        start_utc_s=START_UTC_S + number * 60,
        end_utc_s=None,
        utc_offset_s=3600,
        values=f'{{"bpm":{50 + number % 100},"method":"periodic"}}',
        verified=True,
    )


def _copy(full: Path) -> Path:
    copy = full.with_name("copy.db")
    for stale in full.parent.glob("copy.db*"):
        stale.unlink()
    shutil.copy(full, copy)
    return copy


async def _deliver(path: Path) -> float:
    """Readings a second, from the beginning of the connection to an empty outbox."""
    async with mosquitto() as broker:
        store = await _Store.open(path)
        try:
            started = time.perf_counter()
            await _until_delivered(store, broker.port)
            return COUNT / (time.perf_counter() - started)
        finally:
            await store.close()


class _Store(SqliteStore):
    """The store, which also tells when `COUNT` readings have left the outbox."""

    def __init__(self, database: Database, writer: Worker) -> None:
        super().__init__(database, writer)
        self.empty = asyncio.Event()
        self._left = COUNT

    async def delivered(self, sequences: Sequence[int]) -> None:
        await super().delivered(sequences)
        self._left -= len(sequences)
        if not self._left:
            self.empty.set()


async def _until_delivered(store: _Store, port: int) -> None:
    publisher = Publisher(
        Address("127.0.0.1", port, client_id="bench"), store, PublisherSettings("0", Topics())
    )
    async with asyncio.TaskGroup() as group:
        publishing = group.create_task(publisher.run())
        await store.empty.wait()
        publishing.cancel()


async def _check_order(path: Path) -> None:
    """Raises AssertionError when a device's readings arrive in another order, or not all."""
    async with mosquitto() as broker:
        store = await _Store.open(path)
        starts: dict[str, list[str]] = {device: [] for device in DEVICES}
        all_there = asyncio.Event()

        def heard(incoming: Incoming) -> None:
            parts = incoming.topic.split("/")
            if parts[2:3] == ["reading"]:
                starts[parts[1]].append(json.loads(incoming.payload)["start"])
                if sum(map(len, starts.values())) == COUNT:
                    all_there.set()

        subscriber = Address("127.0.0.1", broker.port, client_id="bench-ear")
        try:
            async with connect(subscriber, Will("bench/ear", b"offline")) as line:
                line.listen(heard)
                await line.subscribe("gatewayd/#")
                await _until_delivered(store, broker.port)
                async with asyncio.timeout(30):
                    await all_there.wait()
        finally:
            await store.close()
        for device, seen in starts.items():
            if seen != sorted(set(seen)):
                raise AssertionError(f"readings of {device} arrived out of order, or twice")


# --- bare -------------------------------------------------------------------------------------


async def _bare(full: Path, in_flight: int) -> float:
    messages = await _messages(full)
    async with mosquitto() as broker:
        client = aiomqtt.Client(
            "127.0.0.1",
            broker.port,
            protocol=aiomqtt.ProtocolVersion.V5,
            max_concurrent_outgoing_calls=in_flight,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        async with client:
            started = time.perf_counter()
            if in_flight == 1:
                for topic, payload in messages:
                    await client.publish(topic, payload, qos=1)
            else:
                await _in_flight(client, messages, in_flight)
            return len(messages) / (time.perf_counter() - started)


async def _in_flight(
    client: aiomqtt.Client, messages: Sequence[tuple[str, bytes]], in_flight: int
) -> None:
    waiting = iter(messages)

    async def publish() -> None:
        for topic, payload in waiting:
            await client.publish(topic, payload, qos=1)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(publish())


async def _messages(full: Path) -> list[tuple[str, bytes]]:
    encode: Callable[[Outgoing], bytes] = payloads.reading
    topics = Topics()
    store = await SqliteStore.open(_copy(full))
    try:
        return [
            (topics.reading(outgoing.slug, outgoing.kind), encode(outgoing))
            for outgoing in await store.pending(0, BARE_COUNT)
        ]
    finally:
        await store.close()


if __name__ == "__main__":
    run(measure)
