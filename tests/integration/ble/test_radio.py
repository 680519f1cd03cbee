"""The production radio over a Bluetooth stack of software."""

import asyncio
import gc
from typing import Any

import pytest
from bumble import hci

from gatewayd.ble.bluez import BleakLink, BleakRadio, Limits
from gatewayd.errors import AdapterMissing, DeviceNotFound, LinkLost
from gatewayd.virtual.air import Air
from gatewayd.virtual.backend import Central, attach
from gatewayd.virtual.peripheral import Peripheral, on_air
from protocols.session import Property
from tests.integration.ble.echo import (
    CONTROL,
    DATA,
    DEVICE_NAME,
    DROP,
    FAIL,
    OTHER,
    SEND,
    SEND_AND_DROP,
    SERVICE,
    SERVICES,
    WAIT,
    WATCH,
    EchoWatch,
    numbered,
    order,
)

ON_AIR = pytest.mark.usefixtures("peripheral")


class Inbox:
    """Notifications in order of arrival."""

    def __init__(self) -> None:
        self.items: list[bytes] = []
        self._grown = asyncio.Event()

    def __call__(self, characteristic: str, data: bytes) -> None:
        assert characteristic == DATA
        self.items.append(data)
        self._grown.set()

    async def until(self, count: int) -> list[bytes]:
        async with asyncio.timeout(30):
            while len(self.items) < count:
                self._grown.clear()
                await self._grown.wait()
        return self.items


async def opened(radio: BleakRadio, address: str = WATCH.address) -> tuple[BleakLink, Inbox]:
    link, inbox = await radio.connect(address), Inbox()
    await link.subscribe(DATA, inbox)
    return link, inbox


@ON_AIR
async def test_a_scan_finds_the_watch_with_name_and_manufacturer_data(radio: BleakRadio) -> None:
    async with radio.advertisements() as advertisements, asyncio.timeout(5):
        seen = await anext(advertisements)
    assert seen.address == WATCH.address
    assert seen.name == "Echo One"
    assert seen.manufacturer_data == {0x1234: WATCH.manufacturer_data}
    assert seen.rssi_dbm == -50


@ON_AIR
async def test_scanning_starts_with_the_first_listener_and_stops_with_the_last(
    radio: BleakRadio, central: Central
) -> None:
    assert not central.device.is_scanning
    async with radio.advertisements() as one:
        async with radio.advertisements() as two, asyncio.timeout(5):
            assert (await anext(one)).address == (await anext(two)).address == WATCH.address
        assert central.device.is_scanning
    assert not central.device.is_scanning


@ON_AIR
async def test_a_slow_listener_gets_the_newest_and_memory_stays_bounded(
    radio: BleakRadio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewayd.ble.scan.QUEUE_LIMIT", 2)
    async with radio.advertisements() as slow, radio.advertisements() as quick:
        async with asyncio.timeout(5):
            for _ in range(8):
                await anext(quick)
            await anext(slow)
            await anext(slow)
            pending = asyncio.timeout(0.01)
            with pytest.raises(TimeoutError):
                async with pending:
                    await anext(slow)


@ON_AIR
async def test_the_facts_of_a_link_tell_what_was_discovered(
    radio: BleakRadio, watch: EchoWatch
) -> None:
    link = await radio.connect(WATCH.address.lower())
    assert link.facts.address == WATCH.address
    assert link.facts.name == "Echo One"
    assert SERVICE in link.facts.services
    assert link.facts.characteristics[CONTROL] == Property.WRITE | Property.WRITE_WITHOUT_RESPONSE
    assert link.facts.characteristics[DATA] == Property.NOTIFY
    assert link.facts.write_size == 512  # MTU 517 holds 514, but no value is longer than 512
    assert not link.lost.is_set()
    await watch.until(lambda watch: watch.mtu == 517)


@ON_AIR
async def test_what_is_written_either_way_arrives_and_comes_back(
    radio: BleakRadio, watch: EchoWatch
) -> None:
    link, inbox = await opened(radio)
    await link.write(CONTROL, b"with response", response=True)
    await link.write(CONTROL, b"without response", response=False)
    await link.write(CONTROL, bytes(link.facts.write_size), response=False)
    await link.write(CONTROL, bytes(link.facts.write_size), response=True)
    sent = [b"with response", b"without response", bytes(512), bytes(512)]
    assert await inbox.until(4) == sent
    assert watch.received == sent
    assert watch.is_subscribed


@ON_AIR
async def test_a_value_is_read(radio: BleakRadio) -> None:
    link = await radio.connect(WATCH.address)
    assert await link.read(DEVICE_NAME) == b"Echo One"


@ON_AIR
async def test_a_refused_read_is_reported_and_leaves_the_link_up(radio: BleakRadio) -> None:
    link = await radio.connect(WATCH.address)
    with pytest.raises(LinkLost, match="READ_NOT_PERMITTED"):
        await link.read(CONTROL)
    assert not link.lost.is_set()
    assert await link.read(DEVICE_NAME) == b"Echo One"


@ON_AIR
async def test_an_unknown_characteristic_is_reported(radio: BleakRadio) -> None:
    link = await radio.connect(WATCH.address)
    with pytest.raises(LinkLost, match="no characteristic"):
        await link.read("0000ffff-0000-1000-8000-00805f9b34fb")


@ON_AIR
async def test_a_timer_of_the_watch_runs(radio: BleakRadio) -> None:
    link, inbox = await opened(radio)
    await link.write(CONTROL, order(WAIT, 50), response=True)
    assert await inbox.until(1) == [b"tick"]


async def test_a_watch_that_speaks_of_its_own_accord_is_heard_when_woken(
    radio: BleakRadio, peripheral: Peripheral, watch: EchoWatch
) -> None:
    _, inbox = await opened(radio)
    watch.say(b"battery low")
    peripheral.wake()
    assert await inbox.until(1) == [b"battery low"]


@ON_AIR
async def test_200_kilobytes_of_notifications_arrive_whole_and_in_order(radio: BleakRadio) -> None:
    link, inbox = await opened(radio)
    await link.write(CONTROL, order(SEND, 1112, 180), response=True)
    assert await inbox.until(1112) == list(numbered(1112, 180))


@ON_AIR
async def test_200_kilobytes_of_write_commands_arrive_whole_and_in_order(
    radio: BleakRadio, watch: EchoWatch
) -> None:
    link = await radio.connect(WATCH.address)
    for item in numbered(1112, 180):
        await link.write(CONTROL, item, response=False)
    await watch.until(lambda watch: len(watch.received) == 1112)
    assert watch.received == list(numbered(1112, 180))


@ON_AIR
async def test_the_watch_hanging_up_sets_lost_and_later_calls_say_so(radio: BleakRadio) -> None:
    link, _ = await opened(radio)
    await link.write(CONTROL, order(DROP), response=False)
    async with asyncio.timeout(5):
        await link.lost.wait()
    with pytest.raises(LinkLost):
        await link.write(CONTROL, b"late", response=True)
    await link.close()


@ON_AIR
async def test_what_was_sent_before_the_watch_hung_up_arrives(radio: BleakRadio) -> None:
    link, inbox = await opened(radio)
    await link.write(CONTROL, order(SEND_AND_DROP, 100, 180), response=False)
    async with asyncio.timeout(5):
        await link.lost.wait()
    assert inbox.items == list(numbered(100, 180))


def stuck(central: Central, limits: Limits) -> BleakRadio:
    """A radio whose writes with response are never answered."""

    class Stuck(central.client_backend):  # type: ignore[name-defined,misc]
        async def write_gatt_char(self, *_: Any) -> None:
            await asyncio.Event().wait()

    return BleakRadio(scanner_backend=central.scanner_backend, client_backend=Stuck, limits=limits)


async def test_a_pending_call_ends_when_the_link_is_lost(
    central: Central, peripheral: Peripheral
) -> None:
    radio = stuck(central, Limits(find_s=3, call_s=30))
    link = await radio.connect(WATCH.address)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(peripheral.drop())
        with pytest.raises(LinkLost, match="broke"):
            await link.write(CONTROL, b"never answered", response=True)
    assert link.lost.is_set()
    await radio.close()


async def reading(link: BleakLink) -> None:
    while True:
        await link.read(DEVICE_NAME)


async def test_an_att_request_in_flight_ends_when_the_watch_hangs_up(
    radio: BleakRadio, peripheral: Peripheral
) -> None:
    link = await radio.connect(WATCH.address)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(peripheral.drop())
        with pytest.raises(LinkLost):
            await reading(link)
    assert link.lost.is_set()


@ON_AIR
async def test_a_call_that_is_never_answered_costs_the_link(
    central: Central, watch: EchoWatch
) -> None:
    radio = stuck(central, Limits(find_s=3, call_s=0.05))
    link = await radio.connect(WATCH.address)
    with pytest.raises(LinkLost, match=r"within 0\.05 s"):
        await link.write(CONTROL, b"never answered", response=True)
    assert link.lost.is_set()
    await watch.until(lambda watch: watch.disconnections == 1)
    await radio.close()


@ON_AIR
async def test_cancelling_a_call_is_cancellation_and_keeps_the_link(central: Central) -> None:
    radio = stuck(central, Limits(find_s=3, call_s=30))
    link = await radio.connect(WATCH.address)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await link.write(CONTROL, b"never answered", response=True)
    assert not link.lost.is_set()
    assert await link.read(DEVICE_NAME) == b"Echo One"
    await radio.close()


@ON_AIR
async def test_closing_sets_lost_disconnects_the_watch_and_may_be_repeated(
    radio: BleakRadio, watch: EchoWatch
) -> None:
    link = await radio.connect(WATCH.address)
    await link.close()
    assert link.lost.is_set()
    await link.close()
    await watch.until(lambda watch: watch.disconnections == 1)
    with pytest.raises(LinkLost):
        await link.read(DEVICE_NAME)


@ON_AIR
async def test_closing_the_radio_closes_its_links_and_ends_every_scan(
    radio: BleakRadio, central: Central
) -> None:
    link = await radio.connect(WATCH.address)
    async with radio.advertisements() as advertisements:
        await radio.close()
        assert [item async for item in advertisements if item.address != WATCH.address] == []
    assert link.lost.is_set()
    assert not central.device.is_scanning


@ON_AIR
async def test_a_watch_does_not_advertise_while_connected_and_does_so_again_afterwards(
    radio: BleakRadio,
) -> None:
    link = await radio.connect(WATCH.address)
    async with radio.advertisements() as advertisements:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(advertisements)
        await link.close()
        async with asyncio.timeout(5):
            assert (await anext(advertisements)).address == WATCH.address


@ON_AIR
async def test_twenty_reconnects_leave_nothing_behind(
    radio: BleakRadio, central: Central, watch: EchoWatch
) -> None:
    async def visit() -> None:
        link, inbox = await opened(radio)
        await link.write(CONTROL, b"hello", response=True)
        assert await inbox.until(1) == [b"hello"]
        await link.close()

    await visit()
    gc.collect()
    clients = sum(isinstance(item, BleakLink) for item in gc.get_objects())
    for _ in range(20):
        await visit()
    await watch.until(lambda watch: watch.disconnections == 21)
    gc.collect()
    assert watch.connections == 21
    for _ in range(100):  # Bumble answers in tasks of its own
        await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 2  # this test and the watch
    assert sum(isinstance(item, BleakLink) for item in gc.get_objects()) <= clients
    assert not central.device.connections


@ON_AIR
async def test_two_watches_are_served_at_once(radio: BleakRadio, air: Air) -> None:
    second = EchoWatch()
    async with on_air(air, second, OTHER, services=SERVICES):
        async with asyncio.TaskGroup() as tasks:
            one = tasks.create_task(opened(radio, WATCH.address))
            two = tasks.create_task(opened(radio, OTHER.address))
        (link, inbox), (other_link, other_inbox) = one.result(), two.result()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(link.write(CONTROL, order(SEND, 300, 180), response=True))
            tasks.create_task(other_link.write(CONTROL, order(SEND, 200, 60), response=True))
        assert await inbox.until(300) == list(numbered(300, 180))
        assert await other_inbox.until(200) == list(numbered(200, 60))
        await link.close()
        assert not other_link.lost.is_set()
        await other_link.close()


async def test_a_watch_that_is_not_on_air_is_not_found(central: Central) -> None:
    radio = BleakRadio(
        scanner_backend=central.scanner_backend,
        client_backend=central.client_backend,
        limits=Limits(find_s=0.1),
    )
    with pytest.raises(DeviceNotFound, match=r"00:01 was not seen.*out of range, or a phone"):
        await radio.connect(WATCH.address)
    assert not central.device.is_scanning


@ON_AIR
async def test_a_watch_that_walks_away_before_the_connection_does_not_block_the_next(
    air: Air, central: Central
) -> None:
    radio = BleakRadio(
        scanner_backend=central.scanner_backend,
        client_backend=central.client_backend,
        limits=Limits(find_s=3, connect_s=0.3),
    )
    async with radio.advertisements() as advertisements:
        async with on_air(air, EchoWatch(), OTHER, services=SERVICES), asyncio.timeout(5):
            while (await anext(advertisements)).address != OTHER.address:
                pass
        with pytest.raises(LinkLost, match="could not be connected"):
            await radio.connect(OTHER.address)
        link = await radio.connect(WATCH.address)
    await link.close()


async def test_a_silent_scan_is_started_anew(central: Central, air: Air) -> None:
    radio = BleakRadio(
        scanner_backend=central.scanner_backend,
        client_backend=central.client_backend,
        limits=Limits(quiet_s=0.05),
    )
    async with radio.advertisements() as advertisements:
        # as when an adapter is switched off and on: nobody tells us that the scan has ended
        await central.device.send_sync_command(
            hci.HCI_LE_Set_Extended_Scan_Enable_Command(
                enable=0, filter_duplicates=0, duration=0, period=0
            )
        )
        async with on_air(air, EchoWatch(), WATCH, services=SERVICES), asyncio.timeout(5):
            assert (await anext(advertisements)).address == WATCH.address


async def test_what_a_virtual_watch_raises_is_not_swallowed(air: Air, radio: BleakRadio) -> None:
    on = on_air(air, EchoWatch(), WATCH, services=SERVICES)
    await on.__aenter__()
    link = await radio.connect(WATCH.address)
    await link.write(CONTROL, order(FAIL), response=True)
    async with asyncio.timeout(5):
        await link.lost.wait()
    with pytest.raises(RuntimeError, match="the watch is broken"):
        await on.__aexit__(None, None, None)


async def test_a_transport_without_a_controller_is_a_missing_adapter(
    unused_tcp_port: int,
) -> None:
    with pytest.raises(AdapterMissing, match="cannot be opened"):
        async with attach(f"tcp-client:127.0.0.1:{unused_tcp_port}"):
            pytest.fail("there is nobody to attach to")
