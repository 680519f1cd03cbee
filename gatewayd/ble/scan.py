"""One scan for all who listen: started for the first of them, stopped after the last."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final, NamedTuple

from bleak import BleakScanner
from bleak.args.bluez import BlueZScannerArgs
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner

from gatewayd.ble.failures import FAILURES, Doing, explain
from protocols.spec import Advertisement

QUEUE_LIMIT: Final = 256
"""Advertisements kept for a slow listener; the oldest are dropped, since newer ones repeat them."""

DEVICE_LIMIT: Final = 1024
"""Devices remembered. Phones change their address every quarter of an hour, so there is no end."""

_RSSI_UNKNOWN: Final = -127


class Seen(NamedTuple):
    """A device, and the monotonic second of its last advertisement."""

    device: BLEDevice
    at: float


class Listener:
    """One listener's advertisements, in order of arrival. Ends when the radio is closed."""

    def __init__(self, scan: "SharedScan") -> None:
        self._scan = scan
        self._queue: asyncio.Queue[Advertisement | None] = asyncio.Queue(QUEUE_LIMIT)

    def __aiter__(self) -> AsyncIterator[Advertisement]:
        return self

    async def __anext__(self) -> Advertisement:
        """Raises AdapterMissing, AdapterOff or PermissionRefused when the scan cannot go on."""
        while True:
            try:
                async with asyncio.timeout(self._scan.quiet_s):
                    advertisement = await self._queue.get()
            except TimeoutError:
                # BlueZ does not say when a scan has ended: the adapter was unplugged or switched
                # off and on again, or bluetoothd restarted. Only starting anew finds out.
                await self._scan.revive()
                continue
            if advertisement is None:
                raise StopAsyncIteration
            return advertisement

    def put(self, advertisement: Advertisement | None) -> None:
        """Queue an advertisement, at the cost of the oldest; None ends the iteration."""
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(advertisement)


class SharedScan:
    """The scanner, its listeners and what it has seen.

    `quiet_s` is how long the air may be silent before the scan is started anew, `stop_s` how long
    stopping it may take.
    """

    def __init__(
        self,
        adapter: str | None,
        backend: type[BaseBleakScanner] | None,
        *,
        quiet_s: float,
        stop_s: float,
    ) -> None:
        self.quiet_s = quiet_s
        self._adapter = adapter
        self._backend = backend
        self._stop_s = stop_s
        self._scanner: BleakScanner | None = None
        self._listeners: set[Listener] = set()
        self._lock = asyncio.Lock()
        self._seen: dict[str, Seen] = {}
        self._heard_at = 0.0
        self._closed = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Listener]:
        """Listen for as long as the context is open.

        Raises AdapterMissing, AdapterOff, PermissionRefused; LinkLost when BlueZ refuses to scan.
        """
        listener = Listener(self)
        if self._closed:
            listener.put(None)
        self._listeners.add(listener)
        try:
            async with self._lock:
                if self._scanner is None and not self._closed:
                    await self._start()
            yield listener
        finally:
            self._listeners.discard(listener)
            async with self._lock:
                if not self._listeners:
                    await self._stop()

    def seen(self, address: str) -> Seen | None:
        """The device of that (upper-case) address, when it was on air during this scan."""
        return self._seen.get(address)

    async def revive(self) -> None:
        """Start the scan anew when the whole air has been silent for too long."""
        async with self._lock:
            silent_s = asyncio.get_running_loop().time() - self._heard_at
            if self._closed or silent_s < self.quiet_s:
                return
            await self._stop()
            await self._start()

    async def close(self) -> None:
        """Stop scanning for good; every listener's iteration ends."""
        self._closed = True
        for listener in self._listeners:
            listener.put(None)
        async with self._lock:
            await self._stop()

    async def _start(self) -> None:
        scanner = BleakScanner(
            self._detected,
            bluez=BlueZScannerArgs(adapter=self._adapter) if self._adapter else {},
            backend=self._backend,
        )
        self._seen.clear()
        try:
            await scanner.start()
        except FAILURES as error:
            raise explain(error, Doing.SCANNING, adapter=self._adapter) from error
        self._heard_at = asyncio.get_running_loop().time()
        self._scanner = scanner

    async def _stop(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is None:
            return
        try:
            async with asyncio.timeout(self._stop_s):
                await scanner.stop()
        except FAILURES:
            # A scan that cannot be stopped has ended with its adapter, its daemon or its bus;
            # whoever starts the next one is told which.
            return

    def _detected(self, device: BLEDevice, data: AdvertisementData) -> None:
        now = asyncio.get_running_loop().time()
        address = device.address.upper()
        self._heard_at = now
        self._seen.pop(address, None)
        self._seen[address] = Seen(device, now)
        if len(self._seen) > DEVICE_LIMIT:
            del self._seen[next(iter(self._seen))]
        advertisement = Advertisement(
            address=address,
            name=data.local_name or device.name,
            rssi_dbm=None if data.rssi == _RSSI_UNKNOWN else data.rssi,
            service_uuids=frozenset(uuid.lower() for uuid in data.service_uuids),
            manufacturer_data=MappingProxyType(dict(data.manufacturer_data)),
        )
        for listener in self._listeners:
            listener.put(advertisement)
