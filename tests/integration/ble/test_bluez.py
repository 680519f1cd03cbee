"""bleak's real BlueZ backend against a BlueZ that does as it is told."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bleak.backends.bluezdbus.manager import _global_instances

from gatewayd.ble.bluez import BleakRadio, Limits
from gatewayd.errors import AdapterMissing, AdapterOff, GatewayError, LinkLost, PermissionRefused
from protocols.session import Property
from tests.fake_bluez import (
    ADDRESS,
    CHARACTERISTIC_UUID,
    SERVICE_UUID,
    FakeBlueZ,
    fake_bluez,
    private_bus,
)

LIMITS = Limits(find_s=3, connect_s=10, call_s=3, close_s=1)


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async with private_bus(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield address
        manager = _global_instances.pop(asyncio.get_running_loop(), None)
        if manager is not None and manager._bus is not None:
            manager._bus.disconnect()
            await manager._bus.wait_for_disconnect()


@pytest.fixture
async def bluez(bus: str) -> AsyncIterator[FakeBlueZ]:
    async with fake_bluez(bus) as bluez:
        yield bluez


@pytest.fixture
async def radio() -> AsyncIterator[BleakRadio]:
    radio = BleakRadio(limits=LIMITS)
    yield radio
    await radio.close()


async def failure(radio: BleakRadio) -> GatewayError:
    """What a scan runs into."""
    with pytest.raises(GatewayError) as caught:
        async with radio.advertisements():
            pass
    assert caught.value.__cause__ is not None
    assert "\n" not in str(caught.value)
    return caught.value


async def test_a_scan_reports_what_bluez_has_found(radio: BleakRadio, bluez: FakeBlueZ) -> None:
    async with radio.advertisements() as advertisements, asyncio.timeout(5):
        seen = await anext(advertisements)
    assert seen.address == ADDRESS
    assert seen.name == "Fake Watch"
    assert seen.rssi_dbm == -61
    assert seen.service_uuids == {SERVICE_UUID}
    assert seen.manufacturer_data == {0x1234: b"\x01\x02"}
    assert bluez.adapter.calls.count("StopDiscovery") == 1


async def test_a_link_over_bluez_subscribes_writes_reads_and_closes(
    radio: BleakRadio, bluez: FakeBlueZ
) -> None:
    received: list[tuple[str, bytes]] = []
    echoed = asyncio.Event()

    def on_data(characteristic: str, data: bytes) -> None:
        received.append((characteristic, data))
        if len(received) == 2:
            echoed.set()

    link = await radio.connect(ADDRESS)
    assert link.facts.name == "Fake Watch"
    assert link.facts.write_size == 244
    assert link.facts.services == {SERVICE_UUID}
    assert link.facts.characteristics == {
        CHARACTERISTIC_UUID: Property.READ
        | Property.WRITE
        | Property.WRITE_WITHOUT_RESPONSE
        | Property.NOTIFY
    }
    await link.subscribe(CHARACTERISTIC_UUID, on_data)
    await link.write(CHARACTERISTIC_UUID, b"one", response=True)
    await link.write(CHARACTERISTIC_UUID, b"two", response=False)
    async with asyncio.timeout(5):
        await echoed.wait()
    assert received == [(CHARACTERISTIC_UUID, b"one"), (CHARACTERISTIC_UUID, b"two")]
    assert bluez.characteristic.written == [(b"one", "request"), (b"two", "command")]
    assert await link.read(CHARACTERISTIC_UUID) == b"\x2a"
    await link.close()
    assert link.lost.is_set()
    assert bluez.device.calls == ["Connect", "Disconnect"]


async def test_a_dropped_connection_is_a_lost_link(radio: BleakRadio, bluez: FakeBlueZ) -> None:
    link = await radio.connect(ADDRESS)
    bluez.device.set_connected(connected=False)
    async with asyncio.timeout(5):
        await link.lost.wait()
    with pytest.raises(LinkLost):
        await link.write(CHARACTERISTIC_UUID, b"late", response=True)
    await link.close()


async def test_a_write_that_bluez_is_too_busy_for_is_repeated(
    radio: BleakRadio, bluez: FakeBlueZ
) -> None:
    link = await radio.connect(ADDRESS)
    bluez.characteristic.faults["WriteValue"] = ["org.bluez.Error.InProgress"] * 2
    await link.write(CHARACTERISTIC_UUID, b"patience", response=True)
    assert bluez.characteristic.written == [(b"patience", "request")]


async def test_a_busy_bluez_costs_the_link_in_the_end(bus: str) -> None:
    radio = BleakRadio(limits=Limits(find_s=3, call_s=0.2, close_s=1))
    async with fake_bluez(bus) as bluez:
        link = await radio.connect(ADDRESS)
        bluez.characteristic.faults["WriteValue"] = ["org.bluez.Error.InProgress"] * 10_000
        with pytest.raises(LinkLost, match="did not answer"):
            await link.write(CHARACTERISTIC_UUID, b"for ever", response=True)
        assert link.lost.is_set()
        assert not bluez.device.connected
        await radio.close()


async def test_a_write_that_needs_a_bond_says_so(radio: BleakRadio, bluez: FakeBlueZ) -> None:
    link = await radio.connect(ADDRESS)
    bluez.characteristic.faults["WriteValue"] = ["org.bluez.Error.NotAuthorized"]
    with pytest.raises(LinkLost, match="paired first"):
        await link.write(CHARACTERISTIC_UUID, b"secret", response=True)


async def test_a_bluez_that_dies_is_a_lost_link(radio: BleakRadio, bus: str) -> None:
    async with fake_bluez(bus):
        link = await radio.connect(ADDRESS)
    with pytest.raises(LinkLost, match="BlueZ is not running"):
        await link.write(CHARACTERISTIC_UUID, b"late", response=True)
    await link.close()
    assert link.lost.is_set()


async def test_a_bus_that_dies_is_a_lost_link(
    radio: BleakRadio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with private_bus(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        async with fake_bluez(address):
            link = await radio.connect(ADDRESS)
    async with asyncio.timeout(5):
        await link.lost.wait()
    await link.close()
    assert isinstance(await failure(radio), AdapterMissing)


async def test_a_connection_left_behind_by_a_killed_gateway_is_cleared_away(
    radio: BleakRadio, bluez: FakeBlueZ
) -> None:
    bluez.device.connected = True
    link = await radio.connect(ADDRESS)
    assert bluez.device.calls == ["Disconnect", "Connect"]
    await link.close()


async def test_a_refused_connection_is_tried_again(radio: BleakRadio, bluez: FakeBlueZ) -> None:
    bluez.device.faults["Connect"] = ["org.bluez.Error.Failed"] * 2
    link = await radio.connect(ADDRESS)
    assert bluez.device.calls.count("Connect") == 3
    assert not link.lost.is_set()


async def test_an_adapter_switched_off_says_so(radio: BleakRadio, bluez: FakeBlueZ) -> None:
    bluez.adapter.powered = False
    error = await failure(radio)
    assert isinstance(error, AdapterOff)
    assert "bluetoothctl power on" in error.remedy
    with pytest.raises(AdapterOff):
        await radio.connect(ADDRESS)


async def test_a_named_adapter_switched_off_says_so(bluez: FakeBlueZ) -> None:
    bluez.adapter.powered = False
    error = await failure(BleakRadio("hci0", limits=LIMITS))
    assert isinstance(error, AdapterOff)
    assert "hci0" in error.summary


@pytest.mark.usefixtures("bluez")
async def test_a_named_adapter_that_does_not_exist_is_missing() -> None:
    error = await failure(BleakRadio("hci7", limits=LIMITS))
    assert isinstance(error, AdapterMissing)
    assert "hci7" in error.summary


async def test_no_adapter_is_missing(radio: BleakRadio, bus: str) -> None:
    async with fake_bluez(bus, adapter=False):
        assert isinstance(await failure(radio), AdapterMissing)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("org.freedesktop.DBus.Error.AccessDenied", PermissionRefused),
        ("org.bluez.Error.InProgress", LinkLost),
        ("org.bluez.Error.NotReady", AdapterOff),
        ("org.bluez.Error.Failed", LinkLost),
    ],
)
async def test_a_refused_scan_is_told_by_the_name_of_the_error(
    radio: BleakRadio, bluez: FakeBlueZ, name: str, expected: type[GatewayError]
) -> None:
    bluez.adapter.faults["StartDiscovery"] = [name]
    assert type(await failure(radio)) is expected
    async with radio.advertisements() as advertisements, asyncio.timeout(5):
        assert (await anext(advertisements)).address == ADDRESS  # and the next attempt works


@pytest.mark.usefixtures("bus")
async def test_a_bus_without_bluez_says_how_to_start_it(radio: BleakRadio) -> None:
    error = await failure(radio)
    assert isinstance(error, AdapterMissing)
    assert "systemctl start bluetooth" in error.remedy


async def test_no_bus_at_all_says_so(
    radio: BleakRadio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'nowhere'}")
    error = await failure(radio)
    assert isinstance(error, AdapterMissing)
    assert "system bus" in error.summary
    with pytest.raises(AdapterMissing):
        await radio.connect(ADDRESS)


async def test_a_bus_that_nobody_listens_on_says_so(
    radio: BleakRadio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deaf"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
    assert isinstance(await failure(radio), AdapterMissing)
