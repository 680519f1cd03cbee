"""A radio without a radio: the production core talks to a virtual watch in the same process.

`on_air` is told the moment at which the callback for a notification is entered.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final

from gatewayd.core.ports import OnData
from protocols.session import LinkFacts, Property
from protocols.spec import Advertisement
from protocols.testing.virtual_watch import (
    NOTIFY_UUID,
    SERVICE_UUID,
    WRITE_UUID,
    Notify,
    VirtualWatch,
)

MTU: Final = 247


def link_facts(watch: VirtualWatch, mtu: int) -> LinkFacts:
    """What a connection to the watch would tell."""
    return LinkFacts(
        address=watch.advertisement.address,
        name=watch.advertisement.name,
        write_size=mtu - 3,
        services=frozenset({SERVICE_UUID}),
        characteristics=MappingProxyType(
            {WRITE_UUID: Property.WRITE, NOTIFY_UUID: Property.NOTIFY}
        ),
    )


class DirectLink:
    """Implements `gatewayd.core.ports.Link`: what is written reaches the watch at once."""

    def __init__(self, watch: VirtualWatch) -> None:
        self.facts = link_facts(watch, MTU)
        self.lost = asyncio.Event()
        self.notified: Callable[[float], None] | None = None
        self._watch = watch
        self._on_data: OnData | None = None
        watch.connected(MTU, time.monotonic())

    async def subscribe(self, characteristic: str, on_data: OnData) -> None:
        self._on_data = on_data
        self._watch.subscribed()

    async def read(self, characteristic: str) -> bytes:
        raise AssertionError(f"{characteristic} is not for reading")

    async def write(self, characteristic: str, data: bytes, *, response: bool) -> None:
        self._watch.written(characteristic, data, time.monotonic())
        asyncio.get_running_loop().call_soon(self.drain)

    async def close(self) -> None:
        if not self.lost.is_set():
            self.lost.set()
            self._watch.disconnected(time.monotonic())

    def drain(self) -> None:
        """Hand over what the watch has to say."""
        while (effect := self._watch.next_effect()) is not None:
            if isinstance(effect, Notify) and self._on_data is not None:
                if self.notified is not None:
                    self.notified(time.perf_counter())
                self._on_data(effect.characteristic, effect.data)


class DirectRadio:
    """Implements `gatewayd.core.ports.Radio`. `link` is the connection once there is one."""

    def __init__(self, watch: VirtualWatch) -> None:
        self.link: DirectLink | None = None
        self._watch = watch

    @asynccontextmanager
    async def advertisements(self) -> AsyncIterator[AsyncIterator[Advertisement]]:
        yield self._advertise()

    async def connect(self, address: str) -> DirectLink:
        self.link = DirectLink(self._watch)
        return self.link

    async def close(self) -> None:
        return

    async def _advertise(self) -> AsyncIterator[Advertisement]:
        said = self._watch.advertisement
        yield Advertisement(
            address=said.address,
            name=said.name,
            rssi_dbm=-60,
            service_uuids=frozenset({SERVICE_UUID}),
            manufacturer_data=MappingProxyType({}),
        )
