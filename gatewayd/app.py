"""The daemon, put together: opens everything, runs it, closes it in order.

Start: store → protocols → radio → READY; neither a missing adapter nor a missing broker stops it.
Stop: watches are let go → the broker is told → the store is closed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import blake2b
from importlib.metadata import version
from zoneinfo import ZoneInfo

from gatewayd import identity
from gatewayd.config_models import Config, DeviceConfig, MqttConfig
from gatewayd.core.clock import Clock
from gatewayd.core.derived import SLEEP_MEASURES
from gatewayd.core.device import Device, Watch
from gatewayd.core.ingest import Ingest
from gatewayd.core.ports import Broker, Radio, Store
from gatewayd.core.recognition import recognise
from gatewayd.core.recording import Recorder, RecordingRadio
from gatewayd.core.timeline import Timeline
from gatewayd.errors import ProtocolMismatch
from gatewayd.lifecycle import Backoff, Systemd, end, feed_watchdog, supervise
from gatewayd.logs import get_logger
from gatewayd.mqtt.address import Address, Tls
from gatewayd.mqtt.publisher import Publisher, PublisherSettings
from gatewayd.mqtt.topics import Topics
from gatewayd.plugins import PluginRecord, discover, find, ready
from gatewayd.radio import open_radio
from gatewayd.schedule.jobs import Scheduled, schedule
from gatewayd.store.store import SqliteStore
from protocols.model.events import Event
from protocols.session import SessionSettings
from protocols.spec import ProtocolSpec

_log = get_logger()
_BROKER_CAP_S = 60.0
_DEVICE_CAP_S = 300.0


async def run(
    config: Config,
    *,
    until: asyncio.Event,
    radio: Radio | None = None,
    recorder: Recorder | None = None,
    on_event: Callable[[str, Event], None] | None = None,
) -> None:
    """Serve until the event is set. `radio` replaces the configured one; `recorder` is told all
    that passes over it.

    Raises StoreError, ConfigError, PluginError before anything runs, and afterwards whatever no
    retry can mend.
    """
    systemd = Systemd.from_environment()
    async with AsyncExitStack() as stack:
        store = await SqliteStore.open(config.store.path)
        stack.push_async_callback(store.close)
        protocols = discover()
        for record in protocols:
            if record.spec is None:
                _log.warning("protocol_unusable", protocol=record.name, reason=record.reason)
        if radio is None:
            radio = await stack.enter_async_context(open_radio(config.bluetooth))
        if recorder is not None:
            radio = RecordingRadio(radio, recorder)
        user_id = config.user_id or identity.user_id(config.store.path.parent)
        publisher = _publisher(config, store, user_id)
        gateway = _Gateway(config, user_id, store, radio, publisher, protocols, on_event)
        await gateway.prepare()
        systemd.ready(f"{len(config.devices)} devices configured")
        _log.info("ready", devices=len(config.devices), store=str(config.store.path))

        async def stop() -> None:
            await until.wait()
            systemd.stopping()

        async with _background(feed_watchdog(systemd)), _background(_publish(publisher)):
            await gateway.serve(stop())


class _Gateway:
    """The watches of one configuration."""

    def __init__(
        self,
        config: Config,
        user_id: str,
        store: Store,
        radio: Radio,
        broker: Broker,
        protocols: Sequence[PluginRecord],
        on_event: Callable[[str, Event], None] | None,
    ) -> None:
        self._config = config
        self._store = store
        self._radio = radio
        self._broker = broker
        self._protocols = protocols
        self._on_event = on_event
        self._user_id = user_id
        for device in config.devices:
            if device.protocol is not None:
                find(device.protocol, protocols)

    async def prepare(self) -> None:
        """What is known of the configured watches is known to the broker before they appear."""
        for device in self._config.devices:
            known = await self._store.know(device.address, device.name, device.protocol or "")
            self._broker.availability(known.slug, online=False)
            state = await self._store.state(known)
            if state:
                self._broker.state(known.slug, state)

    async def serve(self, until: Awaitable[None]) -> None:
        """Supervise every watch until then."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._supervise(device), name=device.name)
                for device in self._config.devices
            ]
            await until
            await end(*tasks)

    async def _supervise(self, device: DeviceConfig) -> None:
        named = device.timezone
        timeline = Timeline(ZoneInfo(named)) if named else Timeline.of_system()
        clock = Clock(timeline)
        serving: Device | None = None

        async def serve(up: Callable[[], None]) -> None:
            nonlocal serving
            if serving is None:
                serving = await self._device(device, clock)
            await serving.serve(up)

        def request(intent: type) -> None:
            if serving is not None:
                serving.request(intent)

        config = self._config.schedule
        with schedule(
            [Scheduled(request, timeline.zone)],
            sync_every_min=config.sync_every_min,
            battery_every_min=config.battery_every_min,
        ):
            try:
                await supervise(device.name, serve, Backoff(cap_s=_DEVICE_CAP_S))
            except ProtocolMismatch as error:
                _log.error(
                    "given_up", device=device.name, reason=error.summary, remedy=error.remedy
                )

    async def _device(self, device: DeviceConfig, clock: Clock) -> Device:
        spec = await self._spec(device)
        known = await self._store.know(device.address, device.name, spec.name)
        watch = Watch(
            address=device.address,
            known=known,
            name=device.name,
            spec=spec,
            settings=SessionSettings(
                user_id=self._user_id,
                may_bind=device.may_bind,
                pairing_code=device.pairing_code,
                consent=device.collect,
                wearer=device.wearer,
            ),
        )
        ingest = Ingest(
            self._store, self._broker, known, clock.timeline, device.collect, clock.unix_s
        )
        tell = self._on_event
        on_event = None if tell is None else (lambda event: tell(device.name, event))
        return Device(watch, self._radio, ingest, self._broker, clock, on_event)

    async def _spec(self, device: DeviceConfig) -> ProtocolSpec:
        if device.protocol is not None:
            return find(device.protocol, self._protocols)
        return await recognise(device.address, self._radio, ready(self._protocols))


def _publisher(config: Config, store: Store, user_id: str) -> Publisher:
    settings = PublisherSettings(
        version=version("gatewayd"),
        topics=Topics(config.mqtt.base_topic, config.home_assistant.prefix),
        discovery=config.home_assistant.discovery,
        derived={"sleep_stage": SLEEP_MEASURES},
    )
    return Publisher(_address(config.mqtt, user_id), store, settings)


def _address(mqtt: MqttConfig, user_id: str) -> Address:
    """The client id is constant, and differs between gateways on one broker."""
    tls = Tls(mqtt.ca_file, mqtt.cert_file, mqtt.key_file) if mqtt.tls else None
    return Address(
        host=mqtt.host,
        port=mqtt.port,
        username=mqtt.username,
        password=mqtt.password,
        tls=tls,
        client_id=mqtt.client_id
        or f"gatewayd-{blake2b(user_id.encode(), digest_size=4).hexdigest()}",
        keepalive_s=mqtt.keepalive_s,
        mqtt5=mqtt.protocol != "3.1.1",
    )


async def _publish(publisher: Publisher) -> None:
    async def serve(up: Callable[[], None]) -> None:
        async def tell() -> None:
            await publisher.connected.wait()
            up()

        async with _background(tell()):
            await publisher.run()

    await supervise("mqtt", serve, Backoff(cap_s=_BROKER_CAP_S))


@asynccontextmanager
async def _background(work: Awaitable[None]) -> AsyncIterator[None]:
    """Work beside the body: its failure ends the body, and the body's end ends it."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_awaited(work))
        yield
        await end(task)


async def _awaited(work: Awaitable[None]) -> None:
    await work
