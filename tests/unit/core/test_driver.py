"""The driver carries out what a session wants, in order, and carries back what became of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gatewayd.core.driver import Driver
from gatewayd.errors import LinkLost, StoreFull
from protocols.errors import DeviceRefused, LinkClosed, SessionTimeout, UnsupportedIntent
from protocols.model.capabilities import Description
from protocols.model.events import Event, SyncWanted
from protocols.model.intents import Sync
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
    Settled,
    Ticket,
)
from tests.unit.core.link import SUBSCRIBE, FakeLink, ScriptedSession, moment, write

BATCH = Batch(())


class Owner:
    """`may_store` holds commits back; `failing` is raised instead."""

    def __init__(self) -> None:
        self.taken: list[Batch] = []
        self.events: list[Event] = []
        self.descriptions: list[Description] = []
        self.may_store = asyncio.Event()
        self.may_store.set()
        self.failing: Exception | None = None

    async def take(self, batch: Batch) -> object:
        await self.may_store.wait()
        if self.failing is not None:
            raise self.failing
        self.taken.append(batch)
        return None

    def described(self, description: Description) -> None:
        self.descriptions.append(description)

    def happened(self, event: Event) -> None:
        self.events.append(event)


@pytest.fixture
def session() -> ScriptedSession:
    return ScriptedSession()


@pytest.fixture
def link() -> FakeLink:
    return FakeLink()


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def driver(session: ScriptedSession, link: FakeLink, owner: Owner) -> Driver:
    return Driver(session, link, owner, moment, "alice")


@asynccontextmanager
async def running(driver: Driver) -> AsyncIterator["asyncio.Task[None]"]:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(driver.run())
        yield task
        task.cancel()


async def test_writes_are_carried_out_one_by_one_and_each_is_answered(
    driver: Driver, session: ScriptedSession, link: FakeLink
) -> None:
    session.on("opened", SUBSCRIBE, write(b"one")).on("written").on("written", write(b"two"))
    link.held.clear()
    async with running(driver):
        await session.until(lambda: "written" in session.inputs)  # the subscription
        assert link.writes == []
        link.held.set()
        await session.until(lambda: session.inputs.count("written") == 3)
        assert link.writes == [b"one", b"two"]


async def test_what_is_notified_reaches_the_session_in_the_same_callback(
    driver: Driver, session: ScriptedSession, link: FakeLink
) -> None:
    session.on("opened", SUBSCRIBE)
    async with running(driver):
        await link.subscribed.wait()
        link.notify(b"\x01")
        assert session.inputs[-1] == "received 01"


async def test_a_read_comes_back_as_what_was_received(
    driver: Driver, session: ScriptedSession, link: FakeLink
) -> None:
    link.values["battery"] = b"\x50"
    session.on("opened", Read("battery"))
    async with running(driver):
        await session.until(lambda: "received 50" in session.inputs)


async def test_a_batch_is_confirmed_only_after_it_is_durable(
    driver: Driver, session: ScriptedSession, link: FakeLink, owner: Owner
) -> None:
    owner.may_store.clear()
    session.on("opened", Commit(Receipt(7), BATCH), write(b"meanwhile"))
    session.on("confirm 7", write(b"forget it"))
    async with running(driver):
        await session.until(lambda: "written" in session.inputs)
        assert link.writes == [b"meanwhile"]  # the link does not wait for the disk
        assert "confirm 7" not in session.inputs
        owner.may_store.set()
        await session.until(lambda: session.inputs.count("written") == 2)
        assert link.writes == [b"meanwhile", b"forget it"]


async def test_a_batch_that_cannot_be_stored_is_never_confirmed_and_ends_the_connection(
    driver: Driver, session: ScriptedSession, owner: Owner
) -> None:
    owner.failing = StoreFull("no space")
    session.on("opened", Commit(Receipt(7), BATCH))
    with pytest.raises(StoreFull):
        await driver.run()
    assert "confirm 7" not in session.inputs
    assert session.inputs[-1] == "closed"


async def test_a_lost_link_ends_it_and_whoever_waits_is_told(
    driver: Driver, session: ScriptedSession, link: FakeLink
) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        run = group.create_task(_raising(driver.run(), LinkLost))
        await session.until(lambda: session.inputs)
        asked = group.create_task(_raising(driver.request(Sync()), LinkClosed))
        await session.until(lambda: session.intents)
        link.lost.set()
        await run
        await asked
    assert session.inputs[-1] == "closed"


async def test_a_write_on_a_lost_link_is_a_failure_for_the_session(
    driver: Driver, session: ScriptedSession, link: FakeLink
) -> None:
    session.on("opened", SUBSCRIBE).on("received 01", write(b"too late"))

    async def lose() -> None:
        await link.subscribed.wait()
        link.lost.set()
        link.notify(b"\x01")

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(lose())
        await _raising(driver.run(), LinkLost)
    assert link.writes == []


async def test_the_session_can_end_it_with_its_own_error_or_with_none(
    session: ScriptedSession, link: FakeLink, owner: Owner
) -> None:
    session.on("opened", Close(SessionTimeout("silence")))
    with pytest.raises(SessionTimeout):
        await Driver(session, link, owner, moment, "alice").run()
    session = ScriptedSession().on("opened", Close())
    await Driver(session, link, owner, moment, "alice").run()


async def test_a_bug_in_a_session_comes_out_of_run_whichever_callback_it_strikes(
    session: ScriptedSession, link: FakeLink, driver: Driver
) -> None:
    session.on("opened", SUBSCRIBE).on_raise("received 01", ZeroDivisionError("bug"))

    async def strike() -> None:
        await link.subscribed.wait()
        link.notify(b"\x01")
        link.notify(b"\x02")

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(strike())
        await _raising(driver.run(), ZeroDivisionError)
    assert "received 02" not in session.inputs


async def test_requests_are_settled_by_their_tickets(
    driver: Driver, session: ScriptedSession
) -> None:
    refused = UnsupportedIntent("not this one")
    session.on("submit Sync", Settled(Ticket(1), refused)).on("submit Sync", Settled(Ticket(2)))
    async with running(driver):
        await session.until(lambda: session.inputs)
        with pytest.raises(UnsupportedIntent):
            await driver.request(Sync())
        await driver.request(Sync())
    assert session.tickets == [1, 2]


async def test_a_request_without_a_connection_is_refused_at_once(
    driver: Driver, session: ScriptedSession
) -> None:
    with pytest.raises(LinkClosed):
        await driver.request(Sync())
    session.on("opened", Close())
    await driver.run()
    with pytest.raises(LinkClosed):
        await driver.request(Sync())
    assert not session.intents


async def test_events_and_descriptions_go_to_the_owner(
    driver: Driver, session: ScriptedSession, owner: Owner
) -> None:
    described = Description("fitcloud")
    session.on("opened", Raise(SyncWanted()), Describe(described), Close())
    await driver.run()
    assert owner.events == [SyncWanted()]
    assert owner.descriptions == [described]


async def test_the_session_is_ticked_at_its_deadline_and_an_earlier_one_replaces_it(
    driver: Driver, session: ScriptedSession, link: FakeLink
) -> None:
    loop = asyncio.get_running_loop()
    session.on("opened", SUBSCRIBE)
    session.due = loop.time() + 3600
    async with running(driver):
        await link.subscribed.wait()
        session.due = due = loop.time() + 0.01
        link.notify(b"\x01")
        await session.until(lambda: "tick" in session.inputs)
        assert loop.time() >= due - 0.002


async def test_rubbish_is_counted_and_told_ever_more_rarely(
    driver: Driver, session: ScriptedSession, caplog: pytest.LogCaptureFixture
) -> None:
    oddity = Anomaly(AnomalyKind.BAD_FRAME, "8 bytes")
    session.on("opened", *[oddity] * 100, Close())
    await driver.run()
    assert driver.anomalies == {AnomalyKind.BAD_FRAME: 100}


async def test_it_ends_when_asked_even_if_the_link_forgets_the_cancellation(
    driver: Driver, session: ScriptedSession, link: FakeLink
) -> None:
    # asyncio.wait_for before Python 3.12 does that when the result comes at the same time
    link.is_deaf_to_cancellation = True
    link.held.clear()
    session.on("opened", write(b"under way"))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(driver.run())
        await session.until(lambda: session.inputs)
        await asyncio.wait([group.create_task(_soon())])
        task.cancel()
    assert task.cancelled()
    assert link.writes == [b"under way"]


async def test_a_refusal_that_ends_the_session_is_not_masked_by_the_loss_that_follows(
    driver: Driver, session: ScriptedSession, link: FakeLink
) -> None:
    session.on("opened", SUBSCRIBE)
    session.on("received 01", Close(DeviceRefused("no", reason="not_bound")))

    async def refuse_and_go() -> None:
        await link.subscribed.wait()
        link.notify(b"\x01")
        link.lost.set()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(refuse_and_go())
        await _raising(driver.run(), DeviceRefused)


async def _soon() -> None:
    """A turn of the event loop, in which the driver gets to its write."""


async def _raising(work: "asyncio.Future[None] | object", kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        await work  # type: ignore[misc]
