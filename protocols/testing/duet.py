"""Any session against any virtual peripheral: no radio, no event loop, no real time.

    duet = Duet(session, watch, facts)
    ticket = duet.submit(Sync())
    duet.run(until=lambda: ticket in duet.settled)
    assert duet.readings == ...

One `step` delivers one thing: a write to the peripheral, a notification to the session, a
confirmation, or (when nothing else is left) the time of the next deadline. So a link can be cut
after every single step, and `choose` can try any interleaving. Everything is recorded, and every
block that the peripheral forgot is checked against the raw bytes that were durable at that moment
(which needs an owner who collects whole records: parts that are left out cannot be compared).
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from protocols.errors import ProtocolError
from protocols.model.capabilities import Description
from protocols.model.events import Event
from protocols.model.intents import Intent
from protocols.model.readings import Reading
from protocols.model.time import DeviceTime, Moment
from protocols.session import (
    Anomaly,
    Close,
    Commit,
    Describe,
    LinkFacts,
    Raise,
    Raw,
    Read,
    Session,
    Settled,
    Subscribe,
    Ticket,
    Write,
)
from protocols.testing.virtual_watch.effects import Drop, Effect, Notify
from protocols.testing.virtual_watch.held import Erased, EraseReason

ATT_HEADER_BYTES: Final = 3
MAX_STEPS: Final = 200_000
START: Final = Moment(100.0, DeviceTime(0))


class Peripheral(Protocol):
    """What a virtual watch offers; see `protocols.testing.virtual_watch`."""

    @property
    def erased(self) -> Sequence[Erased]:
        """The blocks that it forgot, in order."""

    def connected(self, mtu: int, now: float) -> None:
        """A central connected."""

    def subscribed(self) -> None:
        """Notifications were enabled."""

    def written(self, characteristic: str, data: bytes, now: float) -> None:
        """The central wrote."""

    def tick(self, now: float) -> None:
        """Time has passed."""

    def disconnected(self, now: float) -> None:
        """The link is gone."""

    def deadline(self) -> float | None:
        """When it wants a tick."""

    def next_effect(self) -> Effect | None:
        """The next notification, or the end of the link."""


class Action(Enum):
    """What the next step may be."""

    NOTIFY = auto()
    """The session receives the oldest notification."""
    WRITE = auto()
    """The outstanding write or subscription reaches the peripheral."""
    CONFIRM = auto()
    """The oldest batch becomes durable and is confirmed."""
    WAIT = auto()
    """Time passes until the next deadline of either side."""


@dataclass(frozen=True, slots=True)
class EarlyErasure:
    """The peripheral was told to forget bytes that were not durable."""

    kind: int
    size: int


class Stuck(AssertionError):
    """More steps than an exchange can honestly need."""


def in_order(actions: Sequence[Action]) -> Action:
    """The default choice: what is on its way first, then time."""
    return actions[0]


class Duet:
    """One connection. What is public is for tests to look at."""

    def __init__(
        self,
        session: Session,
        peripheral: Peripheral,
        facts: LinkFacts,
        *,
        start: Moment = START,
        choose: Callable[[Sequence[Action]], Action] = in_order,
        auto_confirm: bool = True,
    ) -> None:
        self.session = session
        self.peripheral = peripheral
        self.facts = facts
        self.now = start
        self.auto_confirm = auto_confirm
        self.readings: list[Reading] = []
        """Of the batches that are durable, in order."""

        self.raws: list[Raw] = []
        self.commits: deque[Commit] = deque()
        """Batches that are not durable yet."""

        self.events: list[Event] = []
        self.anomalies: list[Anomaly] = []
        self.settled: dict[Ticket, ProtocolError | None] = {}
        self.description: Description | None = None
        self.ended: Close | None = None
        """How the link ended; None while it is open."""

        self.writes: list[bytes] = []
        self.early_erasures: list[EarlyErasure] = []
        self.steps = 0
        self._choose = choose
        self._outstanding: Subscribe | Read | Write | None = None
        self._notifications: deque[Notify] = deque()
        self._erased = len(peripheral.erased)
        self._tickets = 0
        peripheral.connected(facts.write_size + ATT_HEADER_BYTES, self.now.seconds)
        session.opened(facts, self.now)
        self._drain()

    # --- inputs -------------------------------------------------------------------------------

    def submit(self, intent: Intent) -> Ticket:
        """Ask the session for something."""
        self._tickets += 1
        ticket = Ticket(self._tickets)
        self.session.submit(ticket, intent, self.now)
        self._drain()
        return ticket

    def inject(self, characteristic: str, data: bytes) -> None:
        """A notification that the peripheral never sent."""
        self.session.received(characteristic, data, self.now)
        self._drain()

    def confirm(self) -> None:
        """Make the oldest batch durable and confirm it."""
        commit = self.commits.popleft()
        self._store(commit)
        self.session.confirm(commit.receipt, self.now)
        self._drain()

    def fail(self, error: ProtocolError) -> None:
        """The outstanding write or subscription cannot be carried out."""
        self._outstanding = None
        self.session.failed(error, self.now)
        self._drain()

    def wait(self, seconds: float) -> None:
        """Let time pass without delivering anything."""
        self._pass(self.now.seconds + seconds)

    def cut(self, *, stored: bool = False) -> None:
        """Lose the link with everything that is in the air. With `stored` the pending batches
        became durable just before, and their confirmations did not come through."""
        if self.ended is None:
            self.peripheral.disconnected(self.now.seconds)
            self._lose()
        while stored and self.commits:
            self._store(self.commits.popleft())
        self.commits.clear()

    # --- the exchange -------------------------------------------------------------------------

    def step(self) -> bool:
        """Do one thing; False when there is nothing left to do or the link has ended."""
        actions = list(self._actions())
        if not actions:
            return False
        self.steps += 1
        match self._choose(actions):
            case Action.NOTIFY:
                notification = self._notifications.popleft()
                self.inject(notification.characteristic, notification.data)
            case Action.WRITE:
                self._carry_out()
            case Action.CONFIRM:
                self.confirm()
            case Action.WAIT:
                self._pass(self._deadline() or self.now.seconds)
        return True

    def run(self, until: Callable[[], bool] = lambda: False, *, steps: int = MAX_STEPS) -> bool:
        """Step until a condition holds, nothing is left to do, or `steps` are done; says whether
        the condition holds. Raises Stuck after `MAX_STEPS`."""
        for _ in range(steps):
            if until() or not self.step():
                return until()
        if steps >= MAX_STEPS:
            raise Stuck(f"no end after {steps} steps, at {self.now.seconds:g} s")
        return until()

    # --- inside -------------------------------------------------------------------------------

    def _actions(self) -> Iterator[Action]:
        if self.ended is not None:
            return
        if self._notifications:
            yield Action.NOTIFY
        if self._outstanding is not None:
            yield Action.WRITE
        if self.commits and self.auto_confirm:
            yield Action.CONFIRM
        if self._deadline() is not None:
            yield Action.WAIT

    def _deadline(self) -> float | None:
        due = (self.session.deadline(), self.peripheral.deadline())
        return min((at for at in due if at is not None), default=None)

    def _pass(self, until: float) -> None:
        seconds = max(until, self.now.seconds)
        whole = int(seconds) - int(self.now.seconds)
        self.now = Moment(seconds, DeviceTime(self.now.local + whole))
        self.peripheral.tick(seconds)
        self._collect()
        if self.ended is None:
            self.session.tick(self.now)
            self._drain()

    def _carry_out(self) -> None:
        effect, self._outstanding = self._outstanding, None
        match effect:
            case Subscribe():
                self.peripheral.subscribed()
            case Write(characteristic=characteristic, data=data):
                self.writes.append(data)
                self.peripheral.written(characteristic, data, self.now.seconds)
            case _:
                raise Stuck(f"a virtual peripheral cannot carry out {effect}")
        self._check_erased()
        self._collect()
        if self.ended is None:
            self.session.written(self.now)
            self._drain()

    def _collect(self) -> None:
        while (effect := self.peripheral.next_effect()) is not None:
            match effect:
                case Notify():
                    self._notifications.append(effect)
                case Drop():
                    self._lose()

    def _lose(self) -> None:
        self.ended = self.ended or Close()
        self._forget()
        self._drain()

    def _drain(self) -> None:
        while (effect := self.session.next_effect()) is not None:
            match effect:
                case Subscribe() | Read() | Write():
                    if self._outstanding is not None or self.ended is not None:
                        raise Stuck(f"{effect} while {self._outstanding or self.ended} stands")
                    self._outstanding = effect
                case Commit():
                    self.commits.append(effect)
                case Raise(event=event):
                    self.events.append(event)
                case Anomaly():
                    self.anomalies.append(effect)
                case Describe(description=description):
                    self.description = description
                case Settled(ticket=ticket, error=error):
                    self.settled[ticket] = error
                case Close():
                    self._close(effect)

    def _close(self, close: Close) -> None:
        if self.ended is None:
            self.ended = close
            self.peripheral.disconnected(self.now.seconds)
            self._forget()

    def _forget(self) -> None:
        self._notifications.clear()
        self._outstanding = None
        self.session.closed(self.now)

    def _store(self, commit: Commit) -> None:
        self.readings.extend(commit.batch.readings)
        if commit.batch.raw is not None:
            self.raws.append(commit.batch.raw)

    def _check_erased(self) -> None:
        erased = self.peripheral.erased
        for block in erased[self._erased :]:
            durable = any(block.data in raw.data for raw in self.raws)
            if block.reason is EraseReason.CONFIRMED and not durable:
                self.early_erasures.append(EarlyErasure(block.kind, len(block.data)))
        self._erased = len(erased)
