# ruff: noqa: N802 - the names are BlueZ's
"""A BlueZ of a few objects on a private bus, for what a real one can hardly be made to do."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

from dbus_fast import BusType, DBusError, PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import (
    DBusBool,
    DBusBytes,
    DBusDict,
    DBusInt16,
    DBusObjectPath,
    DBusSignature,
    DBusStr,
    DBusUInt16,
)
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

ADAPTER: Final = "/org/bluez/hci0"
DEVICE: Final = f"{ADAPTER}/dev_C0_00_00_00_00_01"
SERVICE: Final = f"{DEVICE}/service0010"
CHARACTERISTIC: Final = f"{SERVICE}/char0011"

ADDRESS: Final = "C0:00:00:00:00:01"
SERVICE_UUID: Final = "0000180d-0000-1000-8000-00805f9b34fb"
CHARACTERISTIC_UUID: Final = "00002a37-0000-1000-8000-00805f9b34fb"

Strings = Annotated[list[str], DBusSignature("as")]
Blobs = Annotated[dict[int, Variant], DBusSignature("a{qv}")]
READ: Final = PropertyAccess.READ


class Faulty(ServiceInterface):
    """Methods that fail once for every D-Bus error name queued under theirs."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.faults: dict[str, list[str]] = {}
        self.calls: list[str] = []

    def called(self, method: str) -> None:
        self.calls.append(method)
        if self.faults.get(method):
            raise DBusError(self.faults[method].pop(0), "as the test wants it")


class Adapter(Faulty):
    def __init__(self) -> None:
        super().__init__("org.bluez.Adapter1")
        self.powered = True
        self.device: Device | None = None

    @dbus_property(READ)
    def Address(self) -> DBusStr:
        return "00:11:22:33:44:55"

    @dbus_property(READ)
    def Powered(self) -> DBusBool:
        return self.powered

    @dbus_property(READ)
    def Roles(self) -> Strings:
        return ["central", "peripheral"]

    @dbus_method()
    def SetDiscoveryFilter(self, _: DBusDict) -> None:
        self.called("SetDiscoveryFilter")

    @dbus_method()
    def StartDiscovery(self) -> None:
        self.called("StartDiscovery")
        if not self.powered:
            raise DBusError("org.bluez.Error.NotReady", "Resource Not Ready")
        if self.device is not None:
            self.device.advertise()

    @dbus_method()
    def StopDiscovery(self) -> None:
        self.called("StopDiscovery")


class Device(Faulty):
    def __init__(self) -> None:
        super().__init__("org.bluez.Device1")
        self.connected = False
        self.rssi = -60

    def advertise(self) -> None:
        if not self.connected:
            self.rssi -= 1
            self.emit_properties_changed({"RSSI": self.rssi})

    def set_connected(self, *, connected: bool) -> None:
        self.connected = connected
        self.emit_properties_changed({"Connected": connected, "ServicesResolved": connected})

    @dbus_property(READ)
    def Address(self) -> DBusStr:
        return ADDRESS

    @dbus_property(READ)
    def Alias(self) -> DBusStr:
        return "Fake Watch"

    @dbus_property(READ)
    def Name(self) -> DBusStr:
        return "Fake Watch"

    @dbus_property(READ)
    def Adapter(self) -> DBusObjectPath:
        return ADAPTER

    @dbus_property(READ)
    def Connected(self) -> DBusBool:
        return self.connected

    @dbus_property(READ)
    def ServicesResolved(self) -> DBusBool:
        return self.connected

    @dbus_property(READ)
    def Paired(self) -> DBusBool:
        return False

    @dbus_property(READ)
    def RSSI(self) -> DBusInt16:
        return self.rssi

    @dbus_property(READ)
    def UUIDs(self) -> Strings:
        return [SERVICE_UUID.upper()]

    @dbus_property(READ)
    def ManufacturerData(self) -> Blobs:
        return {0x1234: Variant("ay", b"\x01\x02")}

    @dbus_method()
    def Connect(self) -> None:
        self.called("Connect")
        self.set_connected(connected=True)

    @dbus_method()
    def Disconnect(self) -> None:
        self.called("Disconnect")
        self.set_connected(connected=False)
        self.advertise()


class Service(ServiceInterface):
    def __init__(self) -> None:
        super().__init__("org.bluez.GattService1")

    @dbus_property(READ)
    def UUID(self) -> DBusStr:
        return SERVICE_UUID

    @dbus_property(READ)
    def Device(self) -> DBusObjectPath:
        return DEVICE

    @dbus_property(READ)
    def Primary(self) -> DBusBool:
        return True


class Characteristic(Faulty):
    """Whatever is written is notified."""

    def __init__(self) -> None:
        super().__init__("org.bluez.GattCharacteristic1")
        self.written: list[tuple[bytes, str]] = []
        self.value = b""
        self.notifying = False

    @dbus_property(READ)
    def UUID(self) -> DBusStr:
        return CHARACTERISTIC_UUID.upper()

    @dbus_property(READ)
    def Service(self) -> DBusObjectPath:
        return SERVICE

    @dbus_property(READ)
    def Flags(self) -> Strings:
        return ["read", "write", "write-without-response", "notify", "extended-properties"]

    @dbus_property(READ)
    def MTU(self) -> DBusUInt16:
        return 247

    @dbus_property(READ)
    def Value(self) -> DBusBytes:
        return self.value

    @dbus_method()
    def StartNotify(self) -> None:
        self.called("StartNotify")
        self.notifying = True

    @dbus_method()
    def ReadValue(self, _: DBusDict) -> DBusBytes:
        self.called("ReadValue")
        return b"\x2a"

    @dbus_method()
    def WriteValue(self, value: DBusBytes, options: DBusDict) -> None:
        self.called("WriteValue")
        self.written.append((bytes(value), str(options["type"].value)))
        if self.notifying:
            self.value = bytes(value)
            self.emit_properties_changed({"Value": self.value})


class FakeBlueZ:
    """bluetoothd with one adapter and one watch; `adapter=False` leaves both out."""

    def __init__(self, bus: MessageBus, *, adapter: bool) -> None:
        self.bus = bus
        self.adapter, self.device = Adapter(), Device()
        self.service, self.characteristic = Service(), Characteristic()
        self.adapter.device = self.device
        if adapter:
            bus.export(ADAPTER, self.adapter)
            bus.export(DEVICE, self.device)
            bus.export(SERVICE, self.service)
            bus.export(CHARACTERISTIC, self.characteristic)


@asynccontextmanager
async def private_bus(directory: Path) -> AsyncIterator[str]:
    """A message bus of our own, as `DBUS_SYSTEM_BUS_ADDRESS` wants it."""
    process = await asyncio.create_subprocess_exec(
        "dbus-daemon",
        "--session",
        "--nofork",
        "--nopidfile",
        "--print-address",
        f"--address=unix:path={directory / 'bus'}",
        stdout=PIPE,
        stderr=DEVNULL,
        env={"PATH": os.environ["PATH"]},
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def fake_bluez(address: str, *, adapter: bool = True) -> AsyncIterator[FakeBlueZ]:
    """Serve `org.bluez` on that bus for as long as the context is open."""
    bus: Any = await MessageBus(bus_address=address, bus_type=BusType.SYSTEM).connect()
    try:
        bluez = FakeBlueZ(bus, adapter=adapter)
        await bus.request_name("org.bluez")
        yield bluez
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()
