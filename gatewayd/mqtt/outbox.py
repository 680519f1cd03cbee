"""The way of readings from the outbox to the broker: in order, and each at least once.

A sliding window of publishes is under way; a PUBACK at once makes room for the next one, since
sending a batch and waiting for all of it stalls with some brokers (mosquitto without
`set_tcp_nodelay`: 40 ms a batch). Rows leave the outbox only after a successful PUBACK, many in
one transaction when they come fast.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Never

from gatewayd.core.ports import Outgoing, Store
from gatewayd.mqtt.client import Line

_PAGE: Final = 500
"""Rows read from the store at a time; the next page is fetched while half of it still waits."""

_MEMORY_LIMIT: Final = 2_000
"""Rows kept in memory; beyond that the store remembers."""


class OutboxPump:
    """One for the life of the daemon; `run` is one connection.

    `encode` gives topic and payload. Rows come from `offer` while everything older has been sent,
    otherwise from the store, where every offered row is too.
    """

    def __init__(
        self, store: Store, encode: Callable[[Outgoing], tuple[str, bytes]], window: int
    ) -> None:
        self._store = store
        self._encode = encode
        self._window = window
        self._ready: deque[Outgoing] = deque()
        self._taken = 0
        """Sequence of the newest row that was put into `_ready`."""

        self._offered = 0
        self._caught_up = False
        self._under_way = 0
        self._acknowledged: list[int] = []
        self._line: Line | None = None
        self._refused: Callable[[str, int], None] = _nobody
        self._fill_due = False
        self._settling = False
        self._welcome = False
        self._hungry = asyncio.Event()
        self._to_forget = asyncio.Event()
        self._settled = asyncio.Event()
        self._forgetting = asyncio.Lock()

    def offer(self, outgoing: Sequence[Outgoing]) -> None:
        """Rows that were just committed; sent at once when nothing older waits."""
        if not outgoing:
            return
        self._offered = max(self._offered, outgoing[-1].sequence)
        if not self._caught_up:
            return  # the store has them, in their place
        if (
            outgoing[0].sequence != self._taken + 1
            or len(self._ready) + len(outgoing) > _MEMORY_LIMIT
        ):
            # some were fetched already, or are yet to be offered by another device's task
            self._caught_up = False
            self._hungry.set()
            return
        self._ready.extend(outgoing)
        self._taken = outgoing[-1].sequence
        self._fill()

    async def run(self, line: Line, refused: Callable[[str, int], None]) -> Never:
        """Send what waits, from the oldest on, until cancelled."""
        # acknowledged on the last connection, but perhaps not yet forgotten
        await self._forget()
        self._ready.clear()
        self._taken = 0
        self._caught_up = False
        self._under_way = 0
        self._settling = False
        self._welcome = False
        self._refused = refused
        self._line = line
        self._hungry.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._fetch_pages())
                group.create_task(self._forget_delivered())
        finally:
            self._line = None
            self._caught_up = False
        raise AssertionError("neither task ends by itself")

    async def settle(self, timeout_s: float) -> None:
        """Send nothing new; wait for the PUBACKs under way and forget what they cover."""
        self._settling = True
        # what is not acknowledged in time stays in the outbox and goes out again next time
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._under_way:
                    self._settled.clear()
                    await self._settled.wait()
        await self._forget()

    async def _fetch_pages(self) -> None:
        while True:
            await self._hungry.wait()
            self._hungry.clear()
            if self._caught_up:
                continue  # by the page before; and what is offered from now on comes by itself
            page = await self._store.pending(self._taken, _PAGE)
            self._ready.extend(page)
            if page:
                self._taken = page[-1].sequence
            self._caught_up = len(page) < _PAGE and self._offered <= self._taken
            if not page:
                # whatever was offered meanwhile has been delivered on an earlier connection
                self._taken = max(self._taken, self._offered)
                self._caught_up = True
            self._fill()

    async def _forget_delivered(self) -> None:
        while True:
            await self._to_forget.wait()
            self._to_forget.clear()
            await self._forget()

    async def _forget(self) -> None:
        async with self._forgetting:
            if batch := list(self._acknowledged):
                await self._store.delivered(batch)
                # only now: if the store could not, they are tried again
                del self._acknowledged[: len(batch)]

    def _fill(self) -> None:
        self._fill_due = False
        line = self._line
        if line is None or self._settling:
            return
        # The first one goes alone. Some brokers (mosquitto 2.0.11) close the connection right
        # after a PUBACK that refuses; if they had more of ours unread, the reset that follows
        # would take the PUBACK, and with it the reason, away from us.
        window = min(self._window, line.receive_maximum) if self._welcome else 1
        while self._ready and self._under_way < window:
            row = self._ready.popleft()
            topic, payload = self._encode(row)
            self._under_way += 1
            line.post(
                topic, payload, retain=False, done=partial(self._done, line, topic, row.sequence)
            )
        line.flush()
        if not self._caught_up and len(self._ready) < _PAGE // 2:
            self._hungry.set()

    def _done(self, line: Line, topic: str, sequence: int, reason: int) -> None:
        if line is not self._line:
            return
        self._under_way -= 1
        self._settled.set()
        if reason >= 0x80:
            self._refused(topic, reason)
            return
        self._welcome = True
        self._acknowledged.append(sequence)
        self._to_forget.set()
        if self._ready and not self._fill_due:
            # PUBACKs come several to a packet: refill once for all of them
            self._fill_due = True
            asyncio.get_running_loop().call_soon(self._fill)


def _nobody(_topic: str, _reason: int) -> None:
    """No connection, so nobody refuses."""
