"""Pumps one session over one link.

The session decides; this module carries out: it writes, subscribes, commits and tells the time.
Bytes from the radio go into the session in the very callback that brings them, so that nothing
waits for a task switch on the way to the store.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Protocol, TypeVar

from gatewayd.causes import cause
from gatewayd.core.ports import Link
from gatewayd.errors import LinkLost, StoreError
from gatewayd.logs import get_logger
from protocols.errors import LinkClosed, ProtocolError
from protocols.model.capabilities import Description
from protocols.model.events import Event
from protocols.model.intents import Intent
from protocols.model.time import Moment
from protocols.session import (
    Anomaly,
    AnomalyKind,
    Batch,
    Close,
    Commit,
    Describe,
    Raise,
    Read,
    Receipt,
    Session,
    Settled,
    Subscribe,
    Ticket,
    Write,
)

_log = get_logger()
_T = TypeVar("_T")


class Owner(Protocol):
    """Whoever runs a driver: gets what the session tells."""

    async def take(self, batch: Batch) -> object:
        """Make a batch durable; raises StoreError when that is impossible."""

    def described(self, description: Description) -> None:
        """The device is ready."""

    def happened(self, event: Event) -> None:
        """The session raised an event."""


class Driver:
    """One connection, from open link to loss."""

    def __init__(
        self, session: Session, link: Link, owner: Owner, clock: Callable[[], Moment], name: str
    ) -> None:
        self.anomalies: Counter[AnomalyKind] = Counter()
        self._session = session
        self._link = link
        self._owner = owner
        self._clock = clock
        self._name = name
        self._io: deque[Subscribe | Read | Write] = deque()
        self._commits: deque[Commit] = deque()
        self._io_ready = asyncio.Event()
        self._commit_ready = asyncio.Event()
        self._tickets: dict[Ticket, asyncio.Future[None]] = {}
        self._next_ticket = 0
        self._timer: asyncio.TimerHandle | None = None
        self._ended: asyncio.Future[ProtocolError | None] | None = None

    async def run(self) -> None:
        """Serve until the link is lost or the session ends it.

        Raises LinkLost for a lost link, the session's ProtocolError when it gave up, StoreError
        when a batch could not be made durable (the device keeps it).
        """
        ended = self._ended = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._carry_out_io(), name=f"{self._name} io"),
                    group.create_task(self._commit(), name=f"{self._name} commits"),
                    group.create_task(self._notice_loss(), name=f"{self._name} loss"),
                ]
                self._input(lambda: self._session.opened(self._link.facts, self._clock()))
                error = await ended
                for task in tasks:
                    task.cancel()
            if error is not None:
                raise error
        except BaseExceptionGroup as failures:
            raise cause(failures) from failures
        finally:
            self._close()

    async def request(self, intent: Intent) -> None:
        """Have an intent carried out. Raises the ProtocolError that ended it."""
        if self._ended is None or self._ended.done():
            raise LinkClosed("the device is not connected")
        self._next_ticket += 1
        ticket = Ticket(self._next_ticket)
        future = self._tickets[ticket] = asyncio.get_running_loop().create_future()
        self._input(lambda: self._session.submit(ticket, intent, self._clock()))
        try:
            await future
        finally:
            self._tickets.pop(ticket, None)

    # --- inputs -------------------------------------------------------------------------------

    def _received(self, characteristic: str, data: bytes) -> None:
        self._input(lambda: self._session.received(characteristic, data, self._clock()))

    def _tick(self) -> None:
        self._timer = None
        self._input(lambda: self._session.tick(self._clock()))

    def _input(self, feed: Callable[[], None]) -> None:
        """Feed the session and drain it. Callbacks of the loop end here, so whatever goes wrong is
        carried over to `run`."""
        if self._ended is None or self._ended.done():
            return
        try:
            feed()
            self._drain()
        except Exception as error:  # noqa: BLE001 - handed to run(), which raises it
            self._ended.set_exception(error)

    def _drain(self) -> None:
        while (effect := self._session.next_effect()) is not None:
            match effect:
                case Subscribe() | Read() | Write():
                    self._io.append(effect)
                    self._io_ready.set()
                case Commit():
                    self._commits.append(effect)
                    self._commit_ready.set()
                case Raise(event=event):
                    self._owner.happened(event)
                case Describe(description=description):
                    self._owner.described(description)
                case Settled(ticket=ticket, error=error):
                    self._settle(ticket, error)
                case Anomaly(kind=kind, detail=detail):
                    self._note(kind, detail)
                case Close(error=error):
                    self._end(error)
        self._rearm()

    def _note(self, kind: AnomalyKind, detail: str) -> None:
        """A watch that sends nothing but rubbish must not fill the log: the 1st, 2nd, 4th, 8th …
        of a kind are told."""
        self.anomalies[kind] += 1
        count = self.anomalies[kind]
        if count & (count - 1) == 0:
            _log.info("anomaly", device=self._name, kind=kind.value, detail=detail, count=count)

    def _rearm(self) -> None:
        deadline = self._session.deadline()
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                # an early tick is harmless; re-arming for each notification is not free
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(deadline, self._tick)

    def _settle(self, ticket: Ticket, error: ProtocolError | None) -> None:
        future = self._tickets.get(ticket)
        if future is None or future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def _end(self, error: ProtocolError | None) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(error)

    # --- what takes time ----------------------------------------------------------------------

    async def _carry_out_io(self) -> None:
        task = asyncio.current_task()
        # The libraries beneath a link use `wait_for`, which before Python 3.12 returns a result
        # that comes together with a cancellation, and forgets the cancellation.
        while task is None or not task.cancelling():
            effect = await _next(self._io, self._io_ready)
            try:
                match effect:
                    case Subscribe(characteristic=characteristic):
                        await self._link.subscribe(characteristic, self._received)
                        self._input(lambda: self._session.written(self._clock()))
                    case Write(characteristic=characteristic, data=data, response=response):
                        await self._link.write(characteristic, data, response=response)
                        self._input(lambda: self._session.written(self._clock()))
                    case Read(characteristic=characteristic):
                        self._received(characteristic, await self._link.read(characteristic))
            except LinkLost as error:
                self._failed(LinkClosed(error.summary))
                raise

    async def _notice_loss(self) -> None:
        await self._link.lost.wait()
        raise LinkLost(f"the connection to {self._name} was lost", "It will be made again.")

    async def _commit(self) -> None:
        while True:
            commit = await _next(self._commits, self._commit_ready)
            try:
                await self._owner.take(commit.batch)
            except StoreError:
                _log.error("readings_not_stored", device=self._name, kept="by the device")
                raise
            self._confirm(commit.receipt)

    def _confirm(self, receipt: Receipt) -> None:
        self._input(lambda: self._session.confirm(receipt, self._clock()))

    def _failed(self, error: ProtocolError) -> None:
        self._input(lambda: self._session.failed(error, self._clock()))

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._session.closed(self._clock())
        while (effect := self._session.next_effect()) is not None:
            if isinstance(effect, Settled):
                self._settle(effect.ticket, effect.error)
        for future in self._tickets.values():
            if not future.done():
                future.set_exception(LinkClosed("the device is not connected"))


async def _next(queue: deque[_T], ready: asyncio.Event) -> _T:
    while not queue:
        ready.clear()
        await ready.wait()
    return queue.popleft()
