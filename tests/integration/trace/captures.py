"""A real conversation, captured: the virtual watch synchronises over Bumble, whose own snooper
writes down what passes between the host and its controller."""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bumble.snoop import BtSnooper

from gatewayd.ble.bluez import BleakRadio
from gatewayd.core.clock import Clock
from gatewayd.core.driver import Driver
from gatewayd.core.timeline import Timeline, system_zone
from gatewayd.virtual.air import Air
from gatewayd.virtual.peripheral import on_air
from protocols.fitcloud.session import FitCloudSession
from protocols.model.capabilities import Description
from protocols.model.catalog import Category
from protocols.model.events import Event
from protocols.model.intents import ReadBattery, Sync
from protocols.model.readings import Reading
from protocols.session import Batch, SessionSettings
from protocols.testing.virtual_watch import Entry, VirtualWatch, build_history

USER = "trace-of-tests-0001"


@dataclass(frozen=True)
class Capture:
    """What was captured, what the watch held, and what the gateway made of it."""

    btsnoop: bytes
    held: tuple[Entry, ...]
    readings: tuple[Reading, ...]
    address: str
    events: tuple[Event, ...]


class Owner:
    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.events: list[Event] = []
        self.ready = asyncio.Event()

    async def take(self, batch: Batch) -> object:
        self.readings += batch.readings
        return None

    def described(self, description: Description) -> None:
        self.ready.set()

    def happened(self, event: Event) -> None:
        self.events.append(event)


def capture(*, days: int = 2, connections: int = 1, bpm: Sequence[int] = (71, 72)) -> Capture:
    """Bind, synchronise, measure a little; then, if wanted, connect again and again."""
    return asyncio.run(_capture(days, connections, bpm))


async def _capture(days: int, connections: int, bpm: Sequence[int]) -> Capture:
    now = datetime.now().replace(microsecond=0)  # noqa: DTZ005 - a watch knows no time zone
    history = build_history(now, days=days)
    watch = VirtualWatch(history, bound_user=None)
    written = io.BytesIO()
    owner = Owner()
    clock = Clock(Timeline(system_zone()))
    settings = SessionSettings(USER, may_bind=True, consent=frozenset(Category))
    air = Air()
    async with (
        on_air(air, watch, watch.advertisement) as peripheral,
        air.central() as central,
        asyncio.timeout(60),
    ):
        central.device.host.snooper = BtSnooper(written)
        radio = BleakRadio(
            scanner_backend=central.scanner_backend, client_backend=central.client_backend
        )
        for number in range(connections):
            owner.ready.clear()
            link = await radio.connect(watch.advertisement.address)
            driver = Driver(FitCloudSession(settings), link, owner, clock.now, "traced")
            async with asyncio.TaskGroup() as group:
                running = group.create_task(driver.run())
                await owner.ready.wait()
                await driver.request(Sync())
                for offset, rate in enumerate(bpm):
                    at = now + timedelta(minutes=10 * number, seconds=offset)
                    watch.measure_heart_rate(at, rate, asyncio.get_running_loop().time())
                    peripheral.wake()
                await driver.request(ReadBattery())
                running.cancel()
            await link.close()
        await radio.close()
    return Capture(
        written.getvalue(),
        history.entries,
        tuple(owner.readings),
        watch.advertisement.address,
        tuple(owner.events),
    )
