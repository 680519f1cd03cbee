"""The smallest watch there is: it echoes, sends as much as is asked, and hangs up on demand."""

import asyncio
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from protocols.testing.virtual_watch.effects import Drop, Effect, Notify
from protocols.testing.virtual_watch.gatt import Advertisement, Characteristic, Service

SERVICE: Final = "a0000001-5e1f-4ac8-9d3c-2f6f2a3d7b10"
CONTROL: Final = "a0000002-5e1f-4ac8-9d3c-2f6f2a3d7b10"
DATA: Final = "a0000003-5e1f-4ac8-9d3c-2f6f2a3d7b10"
DEVICE_NAME: Final = "00002a00-0000-1000-8000-00805f9b34fb"

SERVICES: Final = (
    Service(
        SERVICE,
        (
            Characteristic(CONTROL, frozenset({"write", "write-without-response"})),
            Characteristic(DATA, frozenset({"notify"})),
        ),
    ),
)

WATCH: Final = Advertisement("C0:00:00:00:00:01", "Echo One", 0x1234)
OTHER: Final = Advertisement("C0:00:00:00:00:02", "Echo Two", 0x1234)

SEND: Final = b"\x01"
DROP: Final = b"\x02"
SEND_AND_DROP: Final = b"\x03"
WAIT: Final = b"\x04"
FAIL: Final = b"\x05"


def order(command: bytes, count: int = 0, size: int = 4) -> bytes:
    """Ask for `count` notifications of `size` bytes (or `count` milliseconds of waiting)."""
    return command + struct.pack("<IH", count, size)


def numbered(count: int, size: int) -> Iterator[bytes]:
    """What the watch then sends: a running number and padding."""
    return (struct.pack("<I", number).ljust(size, b"\xa5") for number in range(count))


@dataclass
class EchoWatch:
    """Remembers what happened to it; anything but an order is echoed."""

    mtu: int = 0
    connections: int = 0
    disconnections: int = 0
    is_subscribed: bool = False

    def __post_init__(self) -> None:
        self.received: list[bytes] = []
        self._effects: Iterator[Effect] = iter(())
        self._changed = asyncio.Event()
        self._due: float | None = None

    async def until(self, condition: Callable[["EchoWatch"], object]) -> None:
        """Wait until something has happened to the watch."""
        async with asyncio.timeout(20):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    def connected(self, mtu: int, now: float) -> None:
        self.mtu = mtu
        self.connections += 1
        self.is_subscribed = False
        self._changed.set()

    def subscribed(self) -> None:
        self.is_subscribed = True

    def written(self, characteristic: str, data: bytes, now: float) -> None:
        assert characteristic == CONTROL
        self.received.append(data)
        self._changed.set()
        count, size = struct.unpack("<IH", data[1:]) if len(data) == 7 else (0, 0)
        match data[:1] if len(data) == 7 else b"":
            case b"\x01":
                self._later(Notify(DATA, item) for item in numbered(count, size))
            case b"\x02":
                self._later([Drop()])
            case b"\x03":
                self._later(chain((Notify(DATA, item) for item in numbered(count, size)), [Drop()]))
            case b"\x04":
                self._due = now + count / 1000
            case b"\x05":
                raise RuntimeError("the watch is broken")
            case _:
                self._later([Notify(DATA, data)])

    def tick(self, now: float) -> None:
        if self._due is not None and now >= self._due:
            self._due = None
            self._later([Notify(DATA, b"tick")])

    def disconnected(self, now: float) -> None:
        self.disconnections += 1
        self._changed.set()
        self._effects = iter(())
        self._due = None

    def say(self, data: bytes) -> None:
        """Of its own accord."""
        self._later([Notify(DATA, data)])

    def deadline(self) -> float | None:
        return self._due

    def next_effect(self) -> Effect | None:
        return next(self._effects, None)

    def _later(self, effects: Iterable[Effect]) -> None:
        self._effects = chain(self._effects, effects)
