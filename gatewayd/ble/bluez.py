"""Radio and link over bleak: BlueZ in production, any other bleak backend in tests and demo."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar
from weakref import WeakSet

from bleak import BleakClient
from bleak.args.bluez import BlueZClientArgs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import BaseBleakScanner
from bleak.backends.service import BleakGATTServiceCollection
from bleak_retry_connector import close_stale_connections_by_address, establish_connection

from gatewayd.ble.failures import FAILURES, Doing, explain, short
from gatewayd.ble.scan import Listener, SharedScan
from gatewayd.core.ports import OnData
from gatewayd.errors import DeviceNotFound, LinkLost
from protocols.session import LinkFacts, Property
from protocols.spec import Advertisement

SMALLEST_WRITE: Final = 20
"""What one write takes at the least: ATT_MTU 23 less the header (Core, Vol 3 Part F, 3.2.8)."""

LARGEST_VALUE: Final = 512
"""No attribute value is longer (Core, Vol 3 Part F, 3.2.9), whatever MTU was negotiated."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each step may take, in seconds.

    `find_s` until the device is on air, `connect_s` until it is connected and its services are
    known, all attempts included, `call_s` for one GATT call, `close_s` for a disconnect or the end
    of a scan. A device heard less than `fresh_s` ago is not waited for. After `quiet_s` of silence
    the scan is started anew.
    """

    find_s: float = 30.0
    connect_s: float = 75.0
    call_s: float = 20.0
    close_s: float = 5.0
    fresh_s: float = 20.0
    quiet_s: float = 90.0


class BleakLink:
    """One connection. See `gatewayd.core.ports.Link`."""

    def __init__(
        self, client: BleakClient, facts: LinkFacts, loss: "_Loss", limits: Limits
    ) -> None:
        self._client = client
        self._facts = facts
        self._loss = loss
        self._limits = limits
        self._characteristics = _by_uuid(client.services)

    @property
    def facts(self) -> LinkFacts:
        """What is known of the link; constant."""
        return self._facts

    @property
    def lost(self) -> asyncio.Event:
        """Set once the connection is gone, whoever ended it."""
        return self._loss.event

    async def subscribe(self, characteristic: str, on_data: OnData) -> None:
        """Enable notifications or indications; `on_data` runs in the event loop, at once."""
        target = self._resolve(characteristic)

        def notified(_: BleakGATTCharacteristic, data: bytearray) -> None:
            on_data(characteristic, bytes(data))

        await self._call(lambda: self._client.start_notify(target, notified))

    async def read(self, characteristic: str) -> bytes:
        """The characteristic's value."""
        target = self._resolve(characteristic)
        return bytes(await self._call(lambda: self._client.read_gatt_char(target)))

    async def write(self, characteristic: str, data: bytes, *, response: bool) -> None:
        """Write a value of at most `facts.write_size` bytes."""
        target = self._resolve(characteristic)
        await self._call(lambda: self._client.write_gatt_char(target, data, response=response))

    async def close(self) -> None:
        """Disconnect; never raises, and ends within `Limits.close_s`."""
        try:
            async with asyncio.timeout(self._limits.close_s):
                await self._client.disconnect()
        except FAILURES:
            # Whatever BlueZ says of a disconnect, this link is not used again; bleak has let go
            # of it, and the next connect clears away a connection that BlueZ still holds.
            return
        finally:
            self._loss.set()

    def _resolve(self, characteristic: str) -> BleakGATTCharacteristic:
        try:
            return self._characteristics[characteristic.lower()]
        except KeyError:
            raise LinkLost(
                f"The watch has no characteristic {characteristic}",
                "It may speak another protocol than the one chosen for it",
            ) from None

    async def _call(self, operation: Callable[[], Awaitable[_T]]) -> _T:
        if self.lost.is_set():
            raise LinkLost("The connection is gone", "Bring the watch closer")
        try:
            async with self._loss.limit(self._limits.call_s):
                return await operation()
        except TimeoutError as error:
            if self.lost.is_set():
                raise LinkLost("The connection broke", "Bring the watch closer") from error
            # BlueZ may wait for minutes on a link that is long useless, for instance when an
            # encrypted write meets no bond. Nothing sensible can follow on it.
            await self.close()
            raise LinkLost(
                f"The watch did not answer within {self._limits.call_s:g} s",
                "Bring it closer; if it asks to be paired, run: bluetoothctl pair",
            ) from error
        except FAILURES as error:
            if not self._client.is_connected:
                self._loss.set()
            raise explain(error, Doing.TALKING) from error


class BleakRadio:
    """A Bluetooth LE central. See `gatewayd.core.ports.Radio`.

    `adapter` is BlueZ's name of it (`hci0`); None takes the first that is powered. The backends
    replace BlueZ by something else that bleak can drive; everything above them stays the same.
    """

    def __init__(
        self,
        adapter: str | None = None,
        *,
        scanner_backend: type[BaseBleakScanner] | None = None,
        client_backend: type[BaseBleakClient] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._adapter = adapter
        self._client_backend = client_backend
        self._limits = limits or Limits()
        self._scan = SharedScan(
            adapter,
            scanner_backend,
            quiet_s=self._limits.quiet_s,
            stop_s=self._limits.close_s,
        )
        self._links: WeakSet[BleakLink] = WeakSet()

    def advertisements(self) -> AbstractAsyncContextManager[AsyncIterator[Advertisement]]:
        """Scan for as long as the context is open.

        Entering and iterating raise AdapterMissing, AdapterOff, PermissionRefused.
        """
        return self._advertisements()

    async def connect(self, address: str) -> BleakLink:
        """Find the device on air, connect, discover its services.

        Raises AdapterMissing, AdapterOff, PermissionRefused, DeviceNotFound, LinkLost.
        """
        address = address.upper()
        # The scan goes on until the device is connected: BlueZ may forget a device that it has
        # never been connected to as soon as nobody scans.
        async with self._scan.listening() as listener:
            device = await self._find(address, listener)
            loss = _Loss()
            client = await self._establish(device, loss)
        try:
            facts = _facts(address, device, client.services)
            link = BleakLink(client, facts, loss, self._limits)
        except FAILURES as error:
            raise explain(error, Doing.CONNECTING, adapter=self._adapter) from error
        self._links.add(link)
        return link

    async def close(self) -> None:
        """Close the links that are open and stop scanning; never raises."""
        await asyncio.gather(*(link.close() for link in self._links if not link.lost.is_set()))
        await self._scan.close()

    @asynccontextmanager
    async def _advertisements(self) -> AsyncIterator[AsyncIterator[Advertisement]]:
        async with self._scan.listening() as listener:
            yield listener

    async def _find(self, address: str, listener: Listener) -> BLEDevice:
        if self._client_backend is None:
            # A gateway that was killed leaves its connection with BlueZ, and a connected watch
            # does not advertise.
            await close_stale_connections_by_address(address)
        now = asyncio.get_running_loop().time()
        seen = self._scan.seen(address)
        if seen is None or now - seen.at > self._limits.fresh_s:
            try:
                async with asyncio.timeout(self._limits.find_s):
                    async for advertisement in listener:
                        if advertisement.address == address:
                            break
            except TimeoutError:
                await self._scan.revive()
        # BlueZ reports a quiet device's advertisements only when they change: one that this scan
        # has seen is worth an attempt even if it said nothing lately.
        seen = self._scan.seen(address)
        if seen is None:
            raise DeviceNotFound(
                f"Watch {short(address)} was not seen on air within {self._limits.find_s:g} s",
                "It is out of range, or a phone holds its connection: switch Bluetooth off there",
            )
        return seen.device

    async def _establish(self, device: BLEDevice, loss: "_Loss") -> BleakClient:
        try:
            async with asyncio.timeout(self._limits.connect_s):
                client = await establish_connection(
                    BleakClient,
                    device,
                    short(device.address),
                    disconnected_callback=loss.set,
                    # a cached characteristic keeps the MTU of an earlier connection
                    use_services_cache=False,
                    bluez=BlueZClientArgs(adapter=self._adapter) if self._adapter else {},
                    backend=self._client_backend,
                )
        except TimeoutError as error:
            raise LinkLost(
                f"Watch {short(device.address)} could not be connected within"
                f" {self._limits.connect_s:g} s",
                "Bring it closer, and make sure that no phone is connected to it",
            ) from error
        except FAILURES as error:
            raise explain(error, Doing.CONNECTING, adapter=self._adapter) from error
        if client.is_connected:
            loss.event.clear()  # attempts that failed have set it
        return client


# --- inside -----------------------------------------------------------------------------------

_PROPERTIES: Final = {
    "read": Property.READ,
    "write": Property.WRITE,
    "write-without-response": Property.WRITE_WITHOUT_RESPONSE,
    "notify": Property.NOTIFY,
    "indicate": Property.INDICATE,
}
_WRITABLE: Final = Property.WRITE | Property.WRITE_WITHOUT_RESPONSE


class _Loss:
    """The end of a link: an event for those who wait, and a time-out for the calls in flight."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self._calls: set[asyncio.Timeout] = set()

    def set(self, _: BleakClient | None = None) -> None:
        """The link is gone."""
        self.event.set()
        for call in self._calls:
            if not call.expired():
                call.reschedule(0)

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[None]:
        """A time-out that also expires when the link is lost."""
        async with asyncio.timeout(seconds) as call:
            self._calls.add(call)
            try:
                yield
            finally:
                self._calls.discard(call)


def _by_uuid(services: BleakGATTServiceCollection) -> dict[str, BleakGATTCharacteristic]:
    """The first of each UUID by handle, as bleak cannot tell twins apart by UUID."""
    found: dict[str, BleakGATTCharacteristic] = {}
    for _, characteristic in sorted(services.characteristics.items()):
        found.setdefault(characteristic.uuid.lower(), characteristic)
    return found


def _facts(address: str, device: BLEDevice, services: BleakGATTServiceCollection) -> LinkFacts:
    characteristics = _by_uuid(services)
    properties = {uuid: _properties(item) for uuid, item in characteristics.items()}
    sizes = [
        characteristics[uuid].max_write_without_response_size
        for uuid, allowed in properties.items()
        if allowed & _WRITABLE
    ]
    return LinkFacts(
        address=address,
        name=device.name,
        write_size=min(max(SMALLEST_WRITE, min(sizes, default=SMALLEST_WRITE)), LARGEST_VALUE),
        services=frozenset(service.uuid.lower() for service in services),
        characteristics=MappingProxyType(properties),
        service_of=MappingProxyType(
            {uuid: item.service_uuid.lower() for uuid, item in characteristics.items()}
        ),
    )


def _properties(characteristic: BleakGATTCharacteristic) -> Property:
    allowed = Property.NONE
    for name in characteristic.properties:
        allowed |= _PROPERTIES.get(name, Property.NONE)
    return allowed
