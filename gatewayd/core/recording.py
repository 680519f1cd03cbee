"""A radio that tells a recorder everything that passes over its links.

It wraps any `Radio`, so that what is recorded is what the gateway and the device said to each
other, above the Bluetooth stack and below every protocol. A recorder that fails must not show it:
the link matters more.
"""

import time
from asyncio import Event
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import NamedTuple, Protocol

from gatewayd.core.ports import Link, OnData, Radio
from protocols.session import LinkFacts, Property
from protocols.spec import Advertisement


class Passage(StrEnum):
    """What passes over a link."""

    SUBSCRIBE = "subscribe"
    READ = "read"
    WRITE = "write"
    WRITE_COMMAND = "write_command"
    NOTIFICATION = "notification"
    INDICATION = "indication"


class Step(NamedTuple):
    """One passage. `at_ns` counts from 1970 in UTC and never runs backwards within a link.

    A subscription, a read or a write with response is two steps: asked, and once it has succeeded
    `answered`. `data` is what was written when asked, and what was read when answered.
    """

    at_ns: int
    passage: Passage
    characteristic: str
    data: bytes = b""
    answered: bool = False


class Tape(Protocol):
    """Takes what passes over one link, in order. Nothing here raises or waits."""

    def add(self, step: Step) -> None:
        """Something passed."""

    def end(self, at_ns: int, *, lost: bool) -> None:
        """The link is gone: `lost`, or closed by us. Called once, last."""


class Recorder(Protocol):
    """Makes tapes. Nothing here raises or waits."""

    def begin(self, facts: LinkFacts, at_ns: int) -> Tape:
        """A link is open."""


def steady_clock() -> Callable[[], int]:
    """A clock for one link, in nanoseconds since 1970: a system clock that is set meanwhile does
    not move it."""
    offset_ns = time.time_ns() - time.monotonic_ns()
    return lambda: time.monotonic_ns() + offset_ns


class RecordingRadio:
    """A radio whose links are recorded. See `gatewayd.core.ports.Radio`."""

    def __init__(
        self,
        radio: Radio,
        recorder: Recorder,
        new_clock: Callable[[], Callable[[], int]] = steady_clock,
    ) -> None:
        self._radio = radio
        self._recorder = recorder
        self._new_clock = new_clock
        self._links: set[RecordingLink] = set()

    def advertisements(self) -> AbstractAsyncContextManager[AsyncIterator[Advertisement]]:
        """The radio's own; advertisements are not recorded."""
        return self._radio.advertisements()

    async def connect(self, address: str) -> "RecordingLink":
        """As the radio's own; a link that comes about is on tape from its first moment."""
        link = await self._radio.connect(address)
        clock = self._new_clock()
        tape = self._recorder.begin(link.facts, clock())
        recorded = RecordingLink(link, tape, clock, self._links.discard)
        self._links.add(recorded)
        return recorded

    async def close(self) -> None:
        """Release the adapter, and end the tapes of links that are still open."""
        await self._radio.close()
        for link in tuple(self._links):
            await link.close()


class RecordingLink:
    """A link with its tape. See `gatewayd.core.ports.Link`."""

    def __init__(
        self,
        link: Link,
        tape: Tape,
        clock: Callable[[], int],
        on_end: Callable[["RecordingLink"], None],
    ) -> None:
        self._link = link
        self._tape = tape
        self._clock = clock
        self._on_end = on_end
        self._is_over = False

    @property
    def facts(self) -> LinkFacts:
        """What is known of the link; constant."""
        return self._link.facts

    @property
    def lost(self) -> Event:
        """Set once the connection is gone, whoever ended it."""
        return self._link.lost

    async def subscribe(self, characteristic: str, on_data: OnData) -> None:
        """Enable notifications or indications; they are on tape before `on_data` hears of them."""
        allowed = self.facts.characteristics.get(characteristic.lower(), Property.NOTIFY)
        # where a device offers both, notifications are what is switched on
        passage = Passage.NOTIFICATION if allowed & Property.NOTIFY else Passage.INDICATION

        def heard(uuid: str, data: bytes) -> None:
            self._add(passage, uuid, data)
            on_data(uuid, data)

        self._add(Passage.SUBSCRIBE, characteristic)
        await self._link.subscribe(characteristic, heard)
        self._add(Passage.SUBSCRIBE, characteristic, answered=True)

    async def read(self, characteristic: str) -> bytes:
        """The characteristic's value."""
        self._add(Passage.READ, characteristic)
        data = await self._link.read(characteristic)
        self._add(Passage.READ, characteristic, data, answered=True)
        return data

    async def write(self, characteristic: str, data: bytes, *, response: bool) -> None:
        """Write a value. It is on tape before it is sent: the device may answer by a notification
        before the write itself is over."""
        if not response:
            self._add(Passage.WRITE_COMMAND, characteristic, data)
            await self._link.write(characteristic, data, response=False)
            return
        self._add(Passage.WRITE, characteristic, data)
        await self._link.write(characteristic, data, response=True)
        self._add(Passage.WRITE, characteristic, answered=True)

    async def close(self) -> None:
        """Disconnect, and end the tape."""
        lost = self._link.lost.is_set()
        try:
            await self._link.close()
        finally:
            if not self._is_over:
                self._is_over = True
                self._tape.end(self._clock(), lost=lost)
                self._on_end(self)

    def _add(
        self, passage: Passage, characteristic: str, data: bytes = b"", *, answered: bool = False
    ) -> None:
        if not self._is_over:
            self._tape.add(Step(self._clock(), passage, characteristic.lower(), data, answered))
