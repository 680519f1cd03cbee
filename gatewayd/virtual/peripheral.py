"""Hosts a sans-IO virtual watch on a Bumble device: GATT server, advertising, time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

from bumble.att import ATT_READ_NOT_PERMITTED_ERROR, ATT_Error, AttributeValue
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, Service

from gatewayd.virtual.air import Air
from gatewayd.virtual.stack import hang_up
from protocols.testing.virtual_watch import effects, gatt

ADVERTISING_INTERVAL_MS: Final = 100.0

UNSENT_LIMIT: Final = 32
"""Notifications on their way to the controller before the watch has to wait."""


class VirtualPeripheral(Protocol):
    """A watch without input and output. Seconds are monotonic; only differences matter."""

    def connected(self, mtu: int, now: float) -> None:
        """A central is connected; `mtu` is the ATT_MTU in force."""

    def subscribed(self) -> None:
        """The central enabled notifications."""

    def written(self, characteristic: str, data: bytes, now: float) -> None:
        """The central wrote a characteristic."""

    def tick(self, now: float) -> None:
        """Time has passed; called at or after `deadline()`."""

    def disconnected(self, now: float) -> None:
        """The central is gone."""

    def deadline(self) -> float | None:
        """Monotonic second of the next `tick`, or None."""

    def next_effect(self) -> effects.Effect | None:
        """The next effect in order, or None when everything has been drained."""


@asynccontextmanager
async def on_air(
    air: Air,
    watch: VirtualPeripheral,
    advertisement: gatt.Advertisement,
    *,
    services: Sequence[gatt.Service] = gatt.SERVICES,
) -> AsyncIterator["Peripheral"]:
    """A watch with a controller of its own, on air for as long as the context is open.

    What the watch raises leaves through the context's end.
    """
    async with (
        air.device(advertisement.name, advertisement.address) as device,
        serving(device, watch, advertisement, services=services, flowing=air.flowing) as peripheral,
    ):
        yield peripheral


@asynccontextmanager
async def serving(
    device: Device,
    watch: VirtualPeripheral,
    advertisement: gatt.Advertisement,
    *,
    services: Sequence[gatt.Service] = gatt.SERVICES,
    flowing: asyncio.Event | None = None,
) -> AsyncIterator["Peripheral"]:
    """The same on a powered Bumble device, which may have a real controller.

    The watch sends nothing while `flowing` is cleared.
    """
    peripheral = Peripheral(device, watch, advertisement, services, flowing)
    await peripheral.advertise()
    # A TaskGroup would wrap whatever leaves the caller's block; this task is awaited below.
    running = asyncio.create_task(peripheral.run())  # noqa: TID251
    try:
        yield peripheral
    finally:
        await peripheral.stop()
        await running


class Peripheral:
    """A watch on its device. At most one central at a time; not advertising while connected.

    The watch learns of a connection once the central has negotiated the MTU, or has subscribed or
    written without that: a real one sizes its notifications no earlier.
    """

    def __init__(
        self,
        device: Device,
        watch: VirtualPeripheral,
        advertisement: gatt.Advertisement,
        services: Sequence[gatt.Service],
        flowing: asyncio.Event | None,
    ) -> None:
        self._device = device
        self._watch = watch
        self._advertising_data = advertisement.advertising_data()
        self._flowing = flowing
        self._clock = asyncio.get_running_loop().time
        # Inputs wait for `run`, so that what the watch raises is not swallowed by Bumble.
        self._inputs: deque[Callable[[], None]] = deque()
        self._wake = asyncio.Event()
        self._connection: Connection | None = None
        self._is_introduced = False
        self._is_advertising = False
        self._is_stopping = False
        self._blocked: asyncio.Timeout | None = None
        self._characteristics: dict[str, Characteristic[bytes]] = {}
        device.add_services([self._service(service) for service in services])
        device.on(Device.EVENT_CONNECTION, self._on_connected)

    @property
    def is_connected(self) -> bool:
        """Whether a central is connected."""
        return self._connection is not None

    def wake(self) -> None:
        """Something happened on the wrist: look at the watch's effects and deadline again."""
        self._wake.set()

    async def advertise(self) -> None:
        """Start advertising."""
        self._is_advertising = True
        await self._device.start_advertising(
            advertising_data=self._advertising_data,
            advertising_interval_min=ADVERTISING_INTERVAL_MS,
            advertising_interval_max=ADVERTISING_INTERVAL_MS,
        )

    async def drop(self) -> None:
        """End the connection from the watch's side, if there is one."""
        if self._connection is not None:
            await hang_up(self._connection)

    async def stop(self) -> None:
        """Hang up and let `run` end. It is not cancelled: Bumble's procedures come in steps."""
        self._is_stopping = True
        self._wake.set()
        await self.drop()
        self._unblock()

    async def run(self) -> None:
        """Serve until stopped; the watch leaves the air on the way out."""
        try:
            while not self._is_stopping:
                self._wake.clear()
                await self._drain()
                if self._connection is None and not self._is_advertising:
                    await self.advertise()
                await self._sleep()
        finally:
            self._device.remove_listener(Device.EVENT_CONNECTION, self._on_connected)
            await self.drop()
            await self._device.stop_advertising()

    async def _drain(self) -> None:
        while not self._is_stopping:
            while self._inputs:
                self._inputs.popleft()()
            match self._watch.next_effect():
                case effects.Notify(characteristic=uuid, data=data):
                    await self._notify(self._characteristics[uuid.lower()], data)
                case effects.Drop():
                    await self.drop()
                case None:
                    return

    async def _notify(self, characteristic: Characteristic[bytes], data: bytes) -> None:
        connection = self._connection
        if connection is None:
            await asyncio.sleep(0)
            return  # what a watch says into the void is lost
        await self._device.gatt_server.notify_subscriber(connection, characteristic, data)
        # Bumble queues without end: let it hand this one over before the next.
        await asyncio.sleep(0)
        queue = connection.data_packet_queue
        if queue is not None and queue.pending > UNSENT_LIMIT:
            await connection.drain()
        if self._flowing is not None and not self._flowing.is_set():
            await self._wait_for_room(self._flowing)

    async def _wait_for_room(self, flowing: asyncio.Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as blocked:
                self._blocked = blocked
                try:
                    await flowing.wait()
                finally:
                    self._blocked = None

    def _unblock(self) -> None:
        """The link has ended: nobody needs the room any more."""
        if self._blocked is not None:
            self._blocked.reschedule(0)
            self._blocked = None

    async def _sleep(self) -> None:
        deadline = self._watch.deadline()
        left_s = None if deadline is None else max(0.0, deadline - self._clock())
        try:
            async with asyncio.timeout(left_s):
                await self._wake.wait()
        except TimeoutError:
            self._watch.tick(self._clock())

    def _service(self, facts: gatt.Service) -> Service:
        return Service(facts.uuid, [self._characteristic(item) for item in facts.characteristics])

    def _characteristic(self, facts: gatt.Characteristic) -> Characteristic[bytes]:
        allowed = Characteristic.Properties(0)
        for name in facts.properties:
            allowed |= Characteristic.Properties[name.upper().replace("-", "_")]
        uuid = facts.uuid.lower()

        def written(_: Connection, data: bytes) -> None:
            self._introduce()
            self._input(lambda: self._watch.written(uuid, data, self._clock()))

        characteristic = Characteristic[bytes](
            uuid,
            allowed,
            Characteristic.Permissions.READABLE | Characteristic.Permissions.WRITEABLE,
            AttributeValue[bytes](read=_unreadable, write=written),
        )
        characteristic.on(Characteristic.EVENT_SUBSCRIPTION, self._on_subscribed)
        self._characteristics[uuid] = characteristic
        return characteristic

    def _input(self, carry_in: Callable[[], None]) -> None:
        self._inputs.append(carry_in)
        self._wake.set()

    def _introduce(self) -> None:
        connection = self._connection
        if connection is not None and not self._is_introduced:
            self._is_introduced = True
            mtu = connection.att_mtu
            self._input(lambda: self._watch.connected(mtu, self._clock()))

    def _on_connected(self, connection: Connection) -> None:
        self._connection = connection
        self._is_introduced = False
        self._is_advertising = False
        connection.on(Connection.EVENT_CONNECTION_ATT_MTU_UPDATE, self._introduce)
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnected)

    def _on_subscribed(self, _: Connection, notify: bool, indicate: bool) -> None:  # noqa: FBT001 - Bumble calls it so
        if notify or indicate:
            self._introduce()
            self._input(self._watch.subscribed)

    def _on_disconnected(self, _: int) -> None:
        self._connection = None
        self._unblock()
        if self._is_introduced:
            self._input(lambda: self._watch.disconnected(self._clock()))
        self._wake.set()


# --- inside -----------------------------------------------------------------------------------


def _unreadable(_: Connection) -> bytes:
    """Virtual watches say what they have to say in notifications."""
    raise ATT_Error(ATT_READ_NOT_PERMITTED_ERROR)
