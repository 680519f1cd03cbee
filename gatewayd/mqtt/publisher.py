"""The publishing side: everything that the gateway tells the world by MQTT."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import uniform
from types import MappingProxyType
from typing import Final, Never

from gatewayd.core.ports import Outgoing, StateValue, Store
from gatewayd.errors import GatewayError
from gatewayd.mqtt import discovery, payloads
from gatewayd.mqtt.address import Address, Will
from gatewayd.mqtt.client import Incoming, Line, connect
from gatewayd.mqtt.outbox import OutboxPump
from gatewayd.mqtt.payloads import Announced
from gatewayd.mqtt.probe import prove_publishing
from gatewayd.mqtt.retained import RetainedTopics
from gatewayd.mqtt.topics import OFFLINE, ONLINE, Topics, matches
from protocols.model.capabilities import Description
from protocols.model.catalog import Measure

_PROBE_TIMEOUT_S: Final = 5.0
_SETTLE_S: Final = 1.0
_FAREWELL_S: Final = 2.0
_BIRTH_DELAY_S: Final = 5.0

Listener = Callable[[Incoming], None]


def _birth_delay_s() -> float:
    """Home Assistant asks for a random delay, so that not all devices announce at once."""
    return uniform(0.0, _BIRTH_DELAY_S)  # noqa: S311 - spread, not a key


@dataclass(frozen=True, slots=True)
class PublisherSettings:
    """How to publish. `info` is the content of `bridge/info`; `derived` are measures that the
    gateway works out itself, by the kind that they come from."""

    version: str
    topics: Topics = field(default_factory=Topics)
    discovery: bool = True
    window: int = 20
    """QoS 1 publishes of readings under way at a time; the broker's receive maximum also holds."""

    info: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    derived: Mapping[str, Sequence[Measure]] = field(default_factory=lambda: MappingProxyType({}))
    birth_delay_s: Callable[[], float] = _birth_delay_s


class Publisher:
    """Implements `gatewayd.core.ports.Broker`; `run` is the life of one connection."""

    def __init__(self, address: Address, store: Store, settings: PublisherSettings) -> None:
        self._address = address
        self._settings = settings
        self._topics = settings.topics
        self._retained = RetainedTopics()
        self._pump = OutboxPump(store, self._encode, settings.window)
        self._announced: dict[str, Announced] = {}
        self._listeners: dict[str, Listener] = {}
        self._line: Line | None = None
        self._every_measure = discovery.every_measure(settings.derived)
        self._birth = asyncio.Event()
        self.connected = asyncio.Event()
        """Set while a connection is up and everything retained has been handed over to it."""

        topics = self._topics
        self._retained.want(topics.status, ONLINE)
        info = {"version": settings.version, **settings.info}
        self._retained.want(topics.info, payloads.encode(info))
        self._retained.want(topics.devices, payloads.devices(()))
        if settings.discovery:
            # before any device, which refers to it
            self._retained.want(
                topics.discovery(discovery.bridge_unique(topics.base)),
                discovery.bridge(topics, settings.version),
            )

    # --- Broker -------------------------------------------------------------------------------

    def offer(self, outgoing: Sequence[Outgoing]) -> None:
        self._pump.offer(outgoing)

    def announce(self, slug: str, identity: str, name: str, description: Description) -> None:
        unique = discovery.unique_of(identity)
        former = self._announced.get(unique)
        if former is not None and former.slug != slug:
            self._clear_device(former.slug)
        device = self._announced[unique] = Announced(slug, unique, name, description)
        self._want_devices()
        if self._settings.discovery:
            measures = discovery.measures_of(description.capabilities.kinds, self._settings.derived)
            self._retained.want(
                self._topics.discovery(unique),
                discovery.device(
                    self._topics, device, self._settings.version, measures, self._every_measure
                ),
            )

    def availability(self, slug: str, *, online: bool) -> None:
        self._retained.want(self._topics.availability(slug), ONLINE if online else OFFLINE)

    def state(self, slug: str, state: Mapping[str, StateValue]) -> None:
        self._retained.want(self._topics.state(slug), payloads.state(state))

    # --- beyond the port ----------------------------------------------------------------------

    def forget(self, slug: str, identity: str) -> None:
        """The device is no longer ours: its retained topics and its Home Assistant device go."""
        unique = discovery.unique_of(identity)
        self._announced.pop(unique, None)
        self._clear_device(slug)
        self._want_devices()
        if self._settings.discovery:
            self._retained.clear(self._topics.discovery(unique))

    def emit(self, topic: str, payload: bytes) -> None:
        """Something that matters now or never: published when connected, not retained."""
        if self._line is not None:
            self._line.post(topic, payload, retain=False, done=_take_note)

    def listen(self, topic_filter: str, listener: Listener) -> None:
        """Subscribe on every connection from the next one on. Call before `run`."""
        self._listeners[topic_filter] = listener

    async def run(self) -> Never:
        """Connect, make everything known, publish until the connection ends.

        Raises BrokerUnreachable or BrokerRefused; call it again then. When cancelled, it says
        `offline` for the gateway and its devices first, within bounds.
        """
        will = Will(self._topics.status, OFFLINE)
        async with connect(self._address, will) as line:
            probe = self._topics.probe(self._address.client_id)
            await prove_publishing(line, probe, _PROBE_TIMEOUT_S)
            line.listen(self._received)
            for topic_filter in self._listeners:
                await line.subscribe(topic_filter)
            if self._settings.discovery:
                await line.subscribe(self._topics.birth)
            try:
                await self._serve(line)
            finally:
                self.connected.clear()
                self._line = None
                self._retained.detach()
                await self._farewell(line)
        raise AssertionError("a connection ends with an error or by cancellation")

    # --- inside -------------------------------------------------------------------------------

    async def _serve(self, line: Line) -> Never:
        failed: asyncio.Future[GatewayError] = asyncio.get_running_loop().create_future()

        def refused(topic: str, reason: int) -> None:
            if not failed.done():
                failed.set_result(line.refusal(topic, reason))

        self._line = line
        self._retained.attach(line, refused)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._deliver(line, refused))
                group.create_task(self._announce_again_on_birth())
                try:
                    await asyncio.wait({failed, line.lost}, return_when=asyncio.FIRST_COMPLETED)
                except asyncio.CancelledError:
                    await self._pump.settle(_SETTLE_S)
                    raise
                raise failed.result() if failed.done() else line.lost.result()
        except BaseExceptionGroup as group_error:
            raise _first_cause(group_error) from group_error

    async def _deliver(self, line: Line, refused: Callable[[str, int], None]) -> Never:
        """Readings follow once everything is known that they refer to."""
        await self._retained.handed_over()
        self.connected.set()
        await self._pump.run(line, refused)

    async def _farewell(self, line: Line) -> None:
        """Say that nobody is there any more. An orderly end keeps the will from being published."""
        if line.lost.done():
            return
        # a broker that is gone or does not want it leaves nothing more to do
        with suppress(TimeoutError, GatewayError):
            async with asyncio.timeout(_FAREWELL_S):
                for device in self._announced.values():
                    await line.publish(self._topics.availability(device.slug), OFFLINE, retain=True)
                await line.publish(self._topics.status, OFFLINE, retain=True)

    async def _announce_again_on_birth(self) -> None:
        while True:
            await self._birth.wait()
            self._birth.clear()
            await asyncio.sleep(self._settings.birth_delay_s())
            self._retained.again()

    def _received(self, incoming: Incoming) -> None:
        # a retained birth is as old as the subscription: everything is being announced anyway
        if incoming.topic == self._topics.birth:
            if incoming.payload == ONLINE and not incoming.retained:
                self._birth.set()
            return
        for topic_filter, listener in self._listeners.items():
            if matches(topic_filter, incoming.topic):
                listener(incoming)
                return

    def _encode(self, outgoing: Outgoing) -> tuple[str, bytes]:
        return self._topics.reading(outgoing.slug, outgoing.kind), payloads.reading(outgoing)

    def _want_devices(self) -> None:
        self._retained.want(self._topics.devices, payloads.devices(list(self._announced.values())))

    def _clear_device(self, slug: str) -> None:
        self._retained.clear(self._topics.availability(slug))
        self._retained.clear(self._topics.state(slug))


def _first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended the others."""
    first = group.exceptions[0]
    return _first_cause(first) if isinstance(first, BaseExceptionGroup) else first


def _take_note(_reason: int) -> None:
    """A passing event that the broker did not want is not tried again."""
