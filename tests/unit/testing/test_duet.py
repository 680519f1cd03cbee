"""The duet delivers, loses, records, and notices what must not happen."""

from collections import deque
from collections.abc import Sequence

import pytest

from protocols.errors import LinkClosed, ProtocolError
from protocols.model.events import SyncWanted
from protocols.model.intents import Intent, Sync
from protocols.model.readings import HeartRate
from protocols.model.time import DeviceTime, Moment
from protocols.session import (
    Batch,
    Close,
    Commit,
    Effect,
    LinkFacts,
    Raise,
    Raw,
    Read,
    Receipt,
    Settled,
    Subscribe,
    Ticket,
    Write,
)
from protocols.testing.duet import Action, Duet, EarlyErasure, Stuck
from protocols.testing.virtual_watch.effects import Drop, Notify
from protocols.testing.virtual_watch.effects import Effect as WatchEffect
from protocols.testing.virtual_watch.held import Erased, EraseReason

FACTS = LinkFacts("C0:FF:EE:00:00:01", None, 20)
BATCH = Batch((HeartRate(DeviceTime(0), 72),), Raw("test", b"bytes"))


class Script:
    """A session that does what the test puts into its queue, and keeps what it is told."""

    def __init__(self, *effects: Effect) -> None:
        self.effects = deque(effects)
        self.told: list[str] = []
        self.due: float | None = None

    def opened(self, facts: LinkFacts, now: Moment) -> None:
        self.told.append("opened")

    def received(self, characteristic: str, data: bytes, now: Moment) -> None:
        self.told.append(f"received {data.decode()}")

    def written(self, now: Moment) -> None:
        self.told.append("written")

    def failed(self, error: ProtocolError, now: Moment) -> None:
        self.told.append("failed")

    def submit(self, ticket: Ticket, intent: Intent, now: Moment) -> None:
        self.effects.append(Settled(ticket, LinkClosed("no")))

    def confirm(self, receipt: Receipt, now: Moment) -> None:
        self.told.append(f"confirm {receipt}")

    def tick(self, now: Moment) -> None:
        self.told.append(f"tick {now.seconds:g}")
        self.due = None

    def closed(self, now: Moment) -> None:
        self.told.append("closed")

    def deadline(self) -> float | None:
        return self.due

    def next_effect(self) -> Effect | None:
        return self.effects.popleft() if self.effects else None


class Echo:
    """A peripheral that notifies what is written to it; `forget` erases, `drop` ends the link."""

    def __init__(self) -> None:
        self.erased: list[Erased] = []
        self.effects: deque[WatchEffect] = deque()
        self.told: list[str] = []

    def connected(self, mtu: int, now: float) -> None:
        self.told.append(f"connected {mtu}")

    def subscribed(self) -> None:
        self.told.append("subscribed")

    def written(self, characteristic: str, data: bytes, now: float) -> None:
        if data == b"forget":
            self.erased.append(Erased(1, b"byte", (), now, EraseReason.CONFIRMED))
        self.effects.append(Notify("", data))
        if data == b"drop":
            self.effects.append(Drop())

    def tick(self, now: float) -> None:
        """Time makes no difference to it."""

    def disconnected(self, now: float) -> None:
        self.told.append("disconnected")

    def deadline(self) -> float | None:
        return None

    def next_effect(self) -> WatchEffect | None:
        return self.effects.popleft() if self.effects else None


def write(data: str) -> Write:
    return Write("", data.encode(), response=True)


def test_a_step_delivers_one_thing() -> None:
    session, echo = Script(Subscribe("")), Echo()
    duet = Duet(session, echo, FACTS)
    assert echo.told == ["connected 23"]
    assert duet.step()
    assert echo.told[-1] == "subscribed"
    session.effects.append(write("hello"))
    session.due = 130.0
    duet.inject("", b"x")
    session.told.clear()
    assert [duet.step() for _ in range(4)] == [True, True, True, False]
    assert session.told == ["written", "received hello", "tick 130"]
    assert duet.now == Moment(130.0, DeviceTime(30))
    assert duet.steps == 4


def test_a_batch_is_durable_before_it_is_confirmed() -> None:
    session = Script(Commit(Receipt(1), BATCH))
    duet = Duet(session, Echo(), FACTS)
    assert duet.readings == []
    duet.step()
    assert duet.readings == list(BATCH.readings)
    assert session.told[-1] == "confirm 1"


def test_what_is_erased_before_it_is_durable_is_noticed() -> None:
    session = Script(write("forget"), Commit(Receipt(1), BATCH))
    duet = Duet(session, Echo(), FACTS)
    duet.step()
    assert duet.early_erasures == [EarlyErasure(1, 4)]


def test_what_is_erased_afterwards_is_fine() -> None:
    session = Script(Commit(Receipt(1), BATCH), write("forget"))
    duet = Duet(session, Echo(), FACTS, choose=lambda actions: actions[-1])
    duet.run()
    assert duet.early_erasures == []


def test_a_choice_decides_the_order() -> None:
    seen: list[Sequence[Action]] = []

    def choose(actions: Sequence[Action]) -> Action:
        seen.append(actions)
        return actions[0]

    session = Script(Commit(Receipt(1), BATCH), write("hello"))
    session.due = 101.0
    Duet(session, Echo(), FACTS, choose=choose).step()
    assert seen == [[Action.WRITE, Action.CONFIRM, Action.WAIT]]


@pytest.mark.parametrize("stored", [False, True])
def test_a_cut_loses_what_is_in_the_air(stored: bool) -> None:
    session, echo = Script(write("hello"), Commit(Receipt(1), BATCH)), Echo()
    duet = Duet(session, echo, FACTS)
    duet.step()
    duet.cut(stored=stored)
    assert "received hello" not in session.told
    assert session.told[-1] == "closed"
    assert echo.told[-1] == "disconnected"
    assert len(duet.readings) == stored
    assert not duet.step()


def test_a_write_may_fail() -> None:
    session, echo = Script(write("forget")), Echo()
    duet = Duet(session, echo, FACTS)
    duet.fail(LinkClosed("not permitted"))
    assert session.told == ["opened", "failed"]
    assert echo.erased == []
    assert not duet.step()


def test_a_peripheral_may_end_the_link() -> None:
    session = Script(write("drop"))
    duet = Duet(session, Echo(), FACTS)
    duet.run()
    assert session.told == ["opened", "closed"]
    assert duet.ended == Close()


def test_a_session_may_end_the_link() -> None:
    close = Close(LinkClosed("enough"))
    session, echo = Script(close), Echo()
    duet = Duet(session, echo, FACTS)
    assert duet.ended == close
    assert session.told == ["opened", "closed"]
    assert echo.told[-1] == "disconnected"


def test_everything_is_recorded() -> None:
    duet = Duet(Script(Raise(SyncWanted())), Echo(), FACTS)
    ticket = duet.submit(Sync())
    assert duet.events == [SyncWanted()]
    assert isinstance(duet.settled[ticket], LinkClosed)


def test_two_writes_at_a_time_are_against_the_contract() -> None:
    with pytest.raises(Stuck, match="stands"):
        Duet(Script(write("a"), write("b")), Echo(), FACTS)


def test_a_write_after_the_end_is_against_the_contract() -> None:
    session = Script()
    duet = Duet(session, Echo(), FACTS)
    session.effects.append(write("too late"))
    with pytest.raises(Stuck):
        duet.cut()


def test_a_read_cannot_be_carried_out_by_a_watch_that_has_none() -> None:
    duet = Duet(Script(Read("")), Echo(), FACTS)
    with pytest.raises(Stuck, match="cannot carry out"):
        duet.step()


def test_an_exchange_without_end_is_stopped() -> None:
    class Restless(Script):
        def tick(self, now: Moment) -> None:
            self.due = now.seconds

    session = Restless()
    session.due = 0.0
    with pytest.raises(Stuck, match="no end"):
        Duet(session, Echo(), FACTS).run()
