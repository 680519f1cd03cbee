# ruff: noqa: N802 - the names are BlueZ's
"""A virtual watch behind a fake BlueZ: what a gateway on real hardware talks to, by D-Bus."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from dbus_fast import BusType, PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBytes, DBusDict, DBusObjectPath, DBusStr
from dbus_fast.service import dbus_method, dbus_property

from protocols.testing.virtual_watch import NOTIFY_UUID, SERVICE_UUID, WRITE_UUID, VirtualWatch
from protocols.testing.virtual_watch.effects import Notify
from tests.bench.direct_radio import MTU
from tests.fake_bluez import (
    ADAPTER,
    ADDRESS,
    DEVICE,
    SERVICE,
    Adapter,
    Blobs,
    Characteristic,
    Device,
    Service,
    Strings,
)

READ: Final = PropertyAccess.READ
WATCH_ADDRESS: Final = ADDRESS


@asynccontextmanager
async def watch_behind_bluez(bus_address: str, watch: VirtualWatch) -> AsyncIterator[None]:
    """Serve `org.bluez` with that watch on a private bus for as long as the context is open."""
    bus: Any = await MessageBus(bus_address=bus_address, bus_type=BusType.SYSTEM).connect()
    host = _Host(watch)
    adapter = Adapter()
    adapter.device = host.device
    try:
        bus.export(ADAPTER, adapter)
        bus.export(DEVICE, host.device)
        bus.export(SERVICE, _Service())
        bus.export(f"{SERVICE}/char0011", host.commands)
        bus.export(f"{SERVICE}/char0013", host.notifications)
        await bus.request_name("org.bluez")
        yield
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()


class _Host:
    """Carries between BlueZ's objects and the watch."""

    def __init__(self, watch: VirtualWatch) -> None:
        self.watch = watch
        self.device = _Device(self)
        self.commands = _Commands(self)
        self.notifications = _Notifications(self)

    def carry(self) -> None:
        """Hand over what the watch has to say, and look again when it wants that."""
        while (effect := self.watch.next_effect()) is not None:
            if isinstance(effect, Notify):
                self.notifications.notify(effect.data)
        deadline = self.watch.deadline()
        if deadline is not None:
            delay_s = max(0.0, deadline - time.monotonic())
            asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        deadline = self.watch.deadline()
        if deadline is not None and deadline <= time.monotonic():
            self.watch.tick(time.monotonic())
            self.carry()


class _Device(Device):
    def __init__(self, host: _Host) -> None:
        super().__init__()
        self._host = host

    @dbus_property(READ)
    def UUIDs(self) -> Strings:
        return [SERVICE_UUID]

    @dbus_property(READ)
    def ManufacturerData(self) -> Blobs:
        said = self._host.watch.advertisement
        return {said.company_id: Variant("ay", said.manufacturer_data)}

    @dbus_method()
    def Connect(self) -> None:
        self._host.watch.connected(MTU, time.monotonic())
        self.set_connected(connected=True)

    @dbus_method()
    def Disconnect(self) -> None:
        self._host.watch.disconnected(time.monotonic())
        self.set_connected(connected=False)


class _Service(Service):
    @dbus_property(READ)
    def UUID(self) -> DBusStr:
        return SERVICE_UUID


class _Commands(Characteristic):
    def __init__(self, host: _Host) -> None:
        super().__init__()
        self._host = host

    @dbus_property(READ)
    def UUID(self) -> DBusStr:
        return WRITE_UUID

    @dbus_property(READ)
    def Service(self) -> DBusObjectPath:
        return SERVICE

    @dbus_property(READ)
    def Flags(self) -> Strings:
        return ["write", "write-without-response"]

    @dbus_method()
    def WriteValue(self, value: DBusBytes, options: DBusDict) -> None:
        self._host.watch.written(WRITE_UUID, bytes(value), time.monotonic())
        asyncio.get_running_loop().call_soon(self._host.carry)


class _Notifications(Characteristic):
    def __init__(self, host: _Host) -> None:
        super().__init__()
        self._host = host

    @dbus_property(READ)
    def UUID(self) -> DBusStr:
        return NOTIFY_UUID

    @dbus_property(READ)
    def Service(self) -> DBusObjectPath:
        return SERVICE

    @dbus_property(READ)
    def Flags(self) -> Strings:
        return ["notify"]

    @dbus_method()
    def StartNotify(self) -> None:
        self._host.watch.subscribed()
        asyncio.get_running_loop().call_soon(self._host.carry)

    @dbus_method()
    def StopNotify(self) -> None:
        return

    def notify(self, data: bytes) -> None:
        """One notification."""
        self.value = data
        self.emit_properties_changed({"Value": data})
