"""The demo: a virtual watch, a software radio, the real gateway, a broker and a subscriber.

Everything between the watch's bytes and the subscriber is what `gatewayd run` runs. Only the radio
underneath bleak is made of software, and the broker is embedded unless one is named.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gatewayd import app, logs
from gatewayd.ble.bluez import BleakRadio
from gatewayd.config import parse
from gatewayd.config_models import Config, DeviceConfig, LogConfig, MqttConfig, StoreConfig
from gatewayd.core.ports import Tally
from gatewayd.demo.consumer import Consumer, Seen, consuming
from gatewayd.demo.options import DemoOptions
from gatewayd.demo.view import View
from gatewayd.errors import GatewayError, MissingExtra
from gatewayd.mqtt.address import Address
from gatewayd.store.store import SqliteStore
from protocols.model.catalog import Category
from protocols.model.events import (
    ConfirmationNeeded,
    Event,
    SyncFinished,
    SyncProgress,
    SyncStarted,
)
from protocols.testing.virtual_watch import VirtualWatch, build_history

try:
    from gatewayd.demo.broker import embedded_broker
    from gatewayd.virtual.air import Air
    from gatewayd.virtual.peripheral import on_air
except ImportError as error:
    raise MissingExtra(
        f"the demo needs {error.name}, which is not installed", "Run: pip install 'gatewayd[demo]'"
    ) from error

SLUG: Final = "demo-watch"
BEAT_S: Final = 0.5
"""A live minute is shown in this many seconds per ten."""

LIVE: Final = (72, 75, 81, 90, 84, 77)
SYNC_LIMIT_S: Final = 120.0
DELIVERY_LIMIT_S: Final = 60.0


class DemoFailed(GatewayError):
    """The demo did not show what it promises."""

    exit_code = 70


def run_demo(options: DemoOptions) -> int:
    """Run to the end; returns 0. Raises GatewayError when something did not arrive."""
    logs.configure(LogConfig(level="error"))
    return asyncio.run(_Demo(options).run())


class _Demo:
    def __init__(self, options: DemoOptions) -> None:
        self._options = options
        self._view = View()
        self._synchronised = asyncio.Event()
        self._total = 0
        self._handed_over = 0

    async def run(self) -> int:
        view = self._view
        async with AsyncExitStack() as stack:
            mqtt = await stack.enter_async_context(self._broker())
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="gatewayd-demo-"))
            store_path = Path(directory) / "gatewayd.db"
            history = build_history(_now(), days=self._options.days)
            watch = VirtualWatch(history, bound_user=None)
            air = Air()
            peripheral = await stack.enter_async_context(on_air(air, watch, watch.advertisement))
            central = await stack.enter_async_context(air.central())
            radio = BleakRadio(
                scanner_backend=central.scanner_backend, client_backend=central.client_backend
            )
            stack.push_async_callback(radio.close)

            view.line(f"broker      mqtt://{mqtt.host}:{mqtt.port}")
            view.line(
                f"watch       {watch.advertisement.name}, {self._options.days} days of history"
            )
            view.line("path        watch → Bumble → bleak → gatewayd → SQLite → MQTT → subscriber")
            consumer = Consumer(mqtt.base_topic)
            await stack.enter_async_context(consuming(_address(mqtt, "demo-consumer"), consumer))
            stop = asyncio.Event()
            config = _config(mqtt, store_path, watch.advertisement.address)
            async with asyncio.TaskGroup() as group:
                gateway = group.create_task(
                    app.run(config, until=stop, radio=radio, on_event=self._happened)
                )
                try:
                    await self._show_history(watch, consumer)
                    await self._show_live(watch, consumer, peripheral.wake)
                    if self._options.keep:
                        view.line()
                        view.line(
                            f"Still running: mosquitto_sub -h {mqtt.host} -p {mqtt.port}"
                            f" -t '{mqtt.base_topic}/#' -v   (Ctrl-C ends it)"
                        )
                        await gateway
                finally:
                    stop.set()
            await self._show_result(store_path, config, consumer)
        return 0

    # --- scenes -------------------------------------------------------------------------------

    async def _show_history(self, watch: VirtualWatch, consumer: Consumer) -> None:
        view = self._view
        view.line()
        view.line("Synchronising what the watch has stored")
        started = time.monotonic()
        try:
            async with asyncio.timeout(SYNC_LIMIT_S):
                await self._synchronised.wait()
        except TimeoutError:
            raise DemoFailed("the synchronisation did not end in time") from None
        took = time.monotonic() - started
        erased = sum(len(block.data) for block in watch.erased)
        view.line(f"  done in {took:.1f} s; the watch forgot {erased:,} bytes, all of them stored")
        await consumer.until(lambda: consumer.synchronised >= self._handed_over, DELIVERY_LIMIT_S)
        view.line(f"  {consumer.synchronised:,} readings reached the subscriber")
        view.line()
        view.line(f"Home Assistant discovers {_entities(consumer)} entities; the state says")
        for key in ("steps_today", "heart_rate_bpm", "resting_heart_rate_bpm", "sleep_asleep_min"):
            if key in consumer.state:
                view.line(
                    f"  {key:<24}{consumer.state[key]!s:>8}   at {consumer.state[f'{key}_at']}"
                )

    async def _show_live(
        self, watch: VirtualWatch, consumer: Consumer, wake: Callable[[], None]
    ) -> None:
        view = self._view
        view.line()
        view.line("A live minute, in a few seconds")
        shown = asyncio.Queue[Seen]()
        consumer.on_reading = lambda reading: (
            shown.put_nowait(reading) if reading["kind"] in ("heart_rate", "battery") else None
        )
        loop = asyncio.get_running_loop()
        for number, bpm in enumerate(LIVE):
            pushed = loop.time()
            if number == len(LIVE) // 2:
                watch.set_battery(79, pushed)
            else:
                watch.measure_heart_rate(_now() + timedelta(seconds=number), bpm, pushed)
            wake()
            reading = await _next_live(shown)
            took_ms = (loop.time() - pushed) * 1000
            value = {key: reading[key] for key in ("bpm", "level_pct") if key in reading}
            topic = f"{consumer.base}/{SLUG}/reading/{reading['kind']}"
            view.line(f"  {topic}  {value}  after {took_ms:.1f} ms")
            await asyncio.sleep(BEAT_S)
        consumer.on_reading = None

    async def _show_result(self, store_path: Path, config: Config, consumer: Consumer) -> None:
        store = await SqliteStore.open(store_path)
        try:
            known = await store.know(config.devices[0].address, SLUG, "fitcloud")
            tallies = await store.tallies(known)
        finally:
            await store.close()
        stored = sum(tally.count for tally in tallies)
        await consumer.until(lambda: consumer.readings.total() >= stored, DELIVERY_LIMIT_S)
        self._view.line()
        self._view.table(tallies)
        _check(tallies, consumer)
        self._view.line()
        self._view.line(
            f"{stored:,} readings stored, {consumer.readings.total():,} received,"
            f" {consumer.repeats} received twice."
        )

    # --- wiring -------------------------------------------------------------------------------

    def _happened(self, _: str, event: Event) -> None:
        match event:
            case ConfirmationNeeded():
                self._view.line("  the watch asks its wearer, who accepts")
            case SyncStarted(total_bytes=total):
                self._total = total
            case SyncProgress(received_bytes=received):
                self._view.progress(received, self._total)
            case SyncFinished(readings=readings, received_bytes=received):
                self._view.progress(received, received)
                self._handed_over = readings
                self._synchronised.set()
            case _:
                pass

    @asynccontextmanager
    async def _broker(self) -> AsyncIterator[MqttConfig]:
        if self._options.broker is not None:
            text = f"[mqtt]\nurl = {json.dumps(self._options.broker)}\n"
            yield parse(text, Path("--broker")).mqtt
            return
        async with embedded_broker() as port:
            yield MqttConfig(host="127.0.0.1", port=port, protocol="3.1.1")


def _config(mqtt: MqttConfig, store: Path, address: str) -> Config:
    watch = DeviceConfig(
        address=address,
        name=SLUG,
        collect=frozenset(Category),
        may_bind=True,
    )
    return Config(store=StoreConfig(store), mqtt=mqtt, devices=(watch,))


def _address(mqtt: MqttConfig, client_id: str) -> Address:
    return Address(
        mqtt.host,
        mqtt.port,
        mqtt.username,
        mqtt.password,
        client_id=client_id,
        mqtt5=mqtt.protocol != "3.1.1",
    )


def _now() -> datetime:
    """The watch's face: the owner's local time, without a zone."""
    return datetime.now().replace(microsecond=0)  # noqa: DTZ005


async def _next_live(shown: "asyncio.Queue[Seen]") -> Seen:
    try:
        async with asyncio.timeout(DELIVERY_LIMIT_S):
            return await shown.get()
    except TimeoutError:
        raise DemoFailed("a live reading did not reach the subscriber") from None


def _entities(consumer: Consumer) -> int:
    components = [payload.get("components") for payload in consumer.discovered.values()]
    return sum(len(found) for found in components if isinstance(found, dict))


def _check(tallies: Sequence[Tally], consumer: Consumer) -> None:
    stored = {tally.kind: tally.count for tally in tallies}
    waiting = sum(tally.waiting for tally in tallies)
    if waiting or stored != dict(consumer.readings):
        raise DemoFailed(
            f"{sum(stored.values())} readings are stored, {waiting} wait for the broker,"
            f" {consumer.readings.total()} were received"
        )
