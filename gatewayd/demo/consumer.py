"""A subscriber that sees what a home-automation system would see."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gatewayd.mqtt.address import Address, Will
from gatewayd.mqtt.client import Incoming, connect

Seen = dict[str, object]


@dataclass(slots=True)
class Consumer:
    """Counts readings by kind and remembers their ids. `on_reading` is told of each new one."""

    base: str
    on_reading: Callable[[Seen], None] | None = None
    readings: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    state: Seen = field(default_factory=dict)
    discovered: dict[str, Seen] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _ids: set[str] = field(default_factory=set)

    @property
    def synchronised(self) -> int:
        """Readings that came out of the watch's memory, as far as one can tell."""
        return self.readings.total() - self.readings["battery"]

    def take(self, incoming: Incoming) -> None:
        """One message from the broker; topics that were not asked for are ignored."""
        parts = incoming.topic.split("/")
        if parts[0] == "homeassistant" and parts[-1] == "config" and incoming.payload:
            self.discovered[parts[-2]] = json.loads(incoming.payload)
        elif parts[0] == self.base and parts[2:3] == ["reading"]:
            self._reading(json.loads(incoming.payload))
        elif parts[0] == self.base and parts[2:] == ["state"]:
            self.state = json.loads(incoming.payload)
        self.arrived.set()

    def _reading(self, reading: Seen) -> None:
        identifier = str(reading["id"])
        if identifier in self._ids:
            self.repeats += 1
            return
        self._ids.add(identifier)
        self.readings[str(reading["kind"])] += 1
        if self.on_reading is not None:
            self.on_reading(reading)

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for messages until the condition holds; False when it does not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self.arrived.clear()
                    await self.arrived.wait()
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def consuming(address: Address, consumer: Consumer) -> AsyncIterator[None]:
    """Subscribed for as long as the context is open.

    In a thread of its own: a broker drops what a slow subscriber leaves lying (mosquitto keeps a
    thousand messages), and this one must not be slowed down by the gateway in the same process.
    """
    ear = _Ear(address, consumer)
    listening = asyncio.get_running_loop().run_in_executor(None, asyncio.run, ear.listen())
    await asyncio.wait((ear.subscribed, listening), return_when=asyncio.FIRST_COMPLETED)
    try:
        if not listening.done():
            yield
    finally:
        ear.stop()
        await listening


class _Ear:
    """Carries messages from its thread to the loop of whoever made it."""

    def __init__(self, address: Address, consumer: Consumer) -> None:
        self._address = address
        self._consumer = consumer
        self._home = asyncio.get_running_loop()
        self.subscribed: asyncio.Future[None] = self._home.create_future()
        self._away: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None

    async def listen(self) -> None:
        """Runs in the thread. Raises BrokerUnreachable, BrokerRefused."""
        self._away = asyncio.get_running_loop()
        self._end = asyncio.Event()
        base = self._consumer.base
        async with connect(self._address, Will(f"{base}-demo/status", b"offline")) as line:
            line.listen(self._heard)
            await line.subscribe(f"{base}/#")
            await line.subscribe("homeassistant/device/+/config")
            self._home.call_soon_threadsafe(self.subscribed.set_result, None)
            await self._end.wait()

    def stop(self) -> None:
        """Ends `listen`; harmless when it has ended."""
        if self._away is not None and self._end is not None and not self._away.is_closed():
            self._away.call_soon_threadsafe(self._end.set)

    def _heard(self, incoming: Incoming) -> None:
        self._home.call_soon_threadsafe(self._consumer.take, incoming)
