"""Bumble as a bleak backend, so that the production radio runs on a Bluetooth stack of software.

async with attach("tcp-client:127.0.0.1:9001") as central:
    radio = BleakRadio(
        scanner_backend=central.scanner_backend, client_backend=central.client_backend
    )
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

from bleak.args import SizedBuffer
from bleak.assigned_numbers import CharacteristicPropertyName
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import (
    BleakDeviceNotFoundError,
    BleakError,
)
from bumble import core, hci
from bumble.core import AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt import Characteristic
from bumble.gatt_client import CharacteristicProxy, DescriptorProxy, ServiceProxy
from bumble.transport import open_transport
from bumble.transport.common import TransportSource

from gatewayd.errors import AdapterMissing
from gatewayd.virtual.stack import Stack, as_bleak, hang_up, new_device

MTU: Final = 517
"""What we offer: the largest that BlueZ offers, too."""

CENTRAL_ADDRESS: Final = "F0:F1:F2:F3:F4:F5"

UNSENT_LIMIT: Final = 32
"""Write commands on their way to the controller before a writer has to wait."""


class Central(Stack):
    """A Bumble device in the central role, as a pair of bleak backends."""

    def __init__(self, device: Device, source: TransportSource) -> None:
        super().__init__(device, source)

        class Scanner(BumbleScanner):
            stack: ClassVar[Stack] = self

        class Client(BumbleClient):
            stack: ClassVar[Stack] = self

        self.scanner_backend: type[BaseBleakScanner] = Scanner
        self.client_backend: type[BaseBleakClient] = Client


@asynccontextmanager
async def attach(transport: str, *, address: str = CENTRAL_ADDRESS) -> AsyncIterator[Central]:
    """Be the host of a controller for as long as the context is open.

    `transport` is Bumble's name of it: `tcp-client:127.0.0.1:9001` for one that another process
    serves (`gatewayd.virtual.air`), `usb:0` or `hci-socket:0` for a real one driven from user
    space, without BlueZ. `address` is our random static address.

    Raises AdapterMissing when there is no controller.
    """
    try:
        opened = await open_transport(transport)
    except (OSError, core.BaseBumbleError, ImportError) as error:
        raise AdapterMissing(
            f"The controller {transport} cannot be opened", "Start it, or correct its name"
        ) from error
    async with opened, hosted(opened.source, opened.sink, address=address) as central:
        yield central


@asynccontextmanager
async def hosted(
    source: Any, sink: Any, *, address: str = CENTRAL_ADDRESS
) -> AsyncIterator[Central]:
    """The same on an HCI source and sink that are already open."""
    device = new_device("gatewayd", address, source, sink)
    try:
        await device.power_on()
    except core.BaseBumbleError as error:
        raise AdapterMissing(
            "The controller does not start", "Reset it, and end other programs that use it"
        ) from error
    central = Central(device, source)
    try:
        yield central
    finally:
        if not source.terminated.done():
            for connection in tuple(device.connections.values()):
                await hang_up(connection)
        await device.power_off()


class BumbleScanner(BaseBleakScanner):
    """Scanning, by the stack of the subclass."""

    stack: ClassVar[Stack]

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: Literal["active", "passive"],
        **_: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._active = scanning_mode == "active"

    async def start(self) -> None:
        """Start scanning."""
        self.stack.check()
        self.seen_devices = {}
        device = self.stack.device
        device.on(Device.EVENT_ADVERTISEMENT, self._advertised)
        with as_bleak():
            await device.start_scanning(active=self._active)

    async def stop(self) -> None:
        """Stop scanning."""
        device = self.stack.device
        device.remove_listener(Device.EVENT_ADVERTISEMENT, self._advertised)
        self.stack.check()
        with as_bleak():
            await device.stop_scanning()

    def _advertised(self, advertisement: Advertisement) -> None:
        data = advertisement.data
        uuids = list(dict.fromkeys(_service_uuids(data)))
        if not self.is_allowed_uuid(uuids):
            return
        name = data.get(AdvertisingData.Type.COMPLETE_LOCAL_NAME) or data.get(
            AdvertisingData.Type.SHORTENED_LOCAL_NAME
        )
        address = advertisement.address.to_string(with_type_qualifier=False)
        adv = AdvertisementData(
            local_name=name,
            manufacturer_data=dict(data.get_all(AdvertisingData.Type.MANUFACTURER_SPECIFIC_DATA)),
            service_data={
                _uuid(uuid): value
                for uuid, value in data.get_all(AdvertisingData.Type.SERVICE_DATA_16_BIT_UUID)
            },
            service_uuids=uuids,
            tx_power=data.get(AdvertisingData.Type.TX_POWER_LEVEL),
            rssi=advertisement.rssi,
            platform_data=(advertisement,),
        )
        device = self.create_or_update_device(address, address, name, advertisement.address, adv)
        self.call_detection_callbacks(device, adv)


class BumbleClient(BaseBleakClient):
    """A connection, by the stack of the subclass."""

    stack: ClassVar[Stack]

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        services: set[str] | None = None,
        *,
        disconnected_callback: Callable[[], None] | None,
        timeout: float,
        **_: Any,
    ) -> None:
        super().__init__(
            address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout
        )
        if not isinstance(address_or_ble_device, BLEDevice):
            raise BleakDeviceNotFoundError(self.address, "only a scanned device can be connected")
        self._address: hci.Address = address_or_ble_device.details
        self._name = address_or_ble_device.name
        self._requested = services
        self._connection: Connection | None = None

    @property
    def name(self) -> str:
        """The advertised name, or the address."""
        return self._name or self.address

    @property
    def mtu_size(self) -> int:
        """The negotiated ATT_MTU."""
        return self._connection.att_mtu if self._connection else 23

    @property
    def is_connected(self) -> bool:
        """Whether the link is up."""
        return self._connection is not None

    async def connect(self, pair: bool, **kwargs: Any) -> None:  # noqa: FBT001 - bleak's signature
        """Connect, negotiate the MTU and discover everything."""
        self.stack.check()
        if self.is_connected:
            raise BleakError("already connected")
        async with self.stack.connecting:
            connection = await self._initiate(kwargs.get("timeout", self._timeout))
        self._connection = connection
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnected)
        try:
            with as_bleak(self):
                if pair:
                    await connection.pair()
                peer = Peer(connection)
                await peer.request_mtu(MTU)
                self.services = await _discover(peer, self._requested)
        except BaseException:
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        """Disconnect; nothing happens when there is no connection."""
        if self._connection is not None:
            await hang_up(self._connection)

    async def pair(self, *_: Any, **__: Any) -> None:
        """Pair without any input or output (just works)."""
        with as_bleak(self):
            await self._link().pair()

    async def unpair(self) -> None:
        """Forget the bond and disconnect."""
        keystore = self.stack.device.keystore
        if keystore is not None:
            try:
                await keystore.delete(str(self._address))
            except KeyError as error:
                raise BleakDeviceNotFoundError(self.address, "not paired") from error
        await self.disconnect()

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        """Read a characteristic from the device; there is no cache."""
        return await self._read(characteristic.obj)

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        """Read a descriptor from the device; there is no cache."""
        return await self._read(descriptor.obj)

    async def write_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        data: SizedBuffer,
        response: bool,  # noqa: FBT001 - bleak's signature
    ) -> None:
        """Write; without response it waits only for room on the way to the controller."""
        connection = self._link()
        with as_bleak(self):
            await characteristic.obj.write_value(bytes(data), with_response=response)
            queue = connection.data_packet_queue
            if not response and queue is not None and queue.pending > UNSENT_LIMIT:
                await connection.drain()

    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        """Write a descriptor, with response."""
        self._link()
        with as_bleak(self):
            await descriptor.obj.write_value(bytes(data), with_response=True)

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_: Any
    ) -> None:
        """Subscribe; notifications are preferred over indications."""
        self._link()
        with as_bleak(self):
            await characteristic.obj.subscribe(lambda value: callback(bytearray(value)))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe."""
        self._link()
        with as_bleak(self):
            await characteristic.obj.unsubscribe()

    async def _read(self, proxy: "CharacteristicProxy[bytes] | DescriptorProxy") -> bytearray:
        self._link()
        with as_bleak(self):
            return bytearray(await proxy.read_value())

    async def _initiate(self, timeout_s: float) -> Connection:
        try:
            async with asyncio.timeout(timeout_s):
                with as_bleak(self):
                    return await self.stack.device.connect_le(self._address, timeout=None)
        except BaseException:
            await self._abandon()
            raise

    async def _abandon(self) -> None:
        """Cancel a connection in the making, or end it if it was made in the meantime."""
        device = self.stack.device
        if self.stack.is_gone:
            return
        # Bumble forgets it with the attempt, but needs it if the connection comes after all.
        device.connect_own_address_type = hci.OwnAddressType.RANDOM
        with suppress(core.BaseBumbleError):
            await device.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command())
        connection = device.find_connection_by_bd_addr(self._address)
        if connection is not None:
            await hang_up(connection)

    def _link(self) -> Connection:
        if self._connection is None:
            raise BleakError("not connected")
        return self._connection

    def _on_disconnected(self, _: int) -> None:
        self._connection = None
        self.services = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()


# --- inside -----------------------------------------------------------------------------------

_NAMES: Final[dict[Characteristic.Properties, CharacteristicPropertyName]] = {
    Characteristic.Properties.BROADCAST: "broadcast",
    Characteristic.Properties.READ: "read",
    Characteristic.Properties.WRITE_WITHOUT_RESPONSE: "write-without-response",
    Characteristic.Properties.WRITE: "write",
    Characteristic.Properties.NOTIFY: "notify",
    Characteristic.Properties.INDICATE: "indicate",
    Characteristic.Properties.AUTHENTICATED_SIGNED_WRITES: "authenticated-signed-writes",
    Characteristic.Properties.EXTENDED_PROPERTIES: "extended-properties",
}


async def _discover(peer: Peer, requested: set[str] | None) -> BleakGATTServiceCollection:
    found = BleakGATTServiceCollection()
    for service_proxy in await peer.discover_services():
        service = BleakGATTService(service_proxy, service_proxy.handle, _uuid(service_proxy.uuid))
        if requested is not None and service.uuid not in requested:
            continue
        found.add_service(service)
        await _discover_characteristics(peer, service_proxy, service, found)
    return found


async def _discover_characteristics(
    peer: Peer,
    service_proxy: ServiceProxy,
    service: BleakGATTService,
    found: BleakGATTServiceCollection,
) -> None:
    for proxy in await service_proxy.discover_characteristics():
        characteristic = BleakGATTCharacteristic(
            proxy,
            proxy.handle,
            _uuid(proxy.uuid),
            [name for flag, name in _NAMES.items() if proxy.properties & flag],
            lambda: peer.connection.att_mtu - 3,
            service,
        )
        found.add_characteristic(characteristic)
        for descriptor in await proxy.discover_descriptors():
            found.add_descriptor(
                BleakGATTDescriptor(
                    descriptor, descriptor.handle, _uuid(descriptor.type), characteristic
                )
            )


def _service_uuids(data: AdvertisingData) -> Iterator[str]:
    for kind in (
        AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
        AdvertisingData.Type.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
        AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
        AdvertisingData.Type.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    ):
        for uuids in data.get_all(kind):
            yield from map(_uuid, uuids)


def _uuid(uuid: core.UUID) -> str:
    """The lower-case 128-bit form with dashes."""
    return str(UUID(bytes=bytes(reversed(uuid.uuid_128_bytes))))
