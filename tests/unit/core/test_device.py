"""One connection's life: what it tells the world, and what its errors mean to an owner."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from zoneinfo import ZoneInfo

import pytest

from gatewayd.core.clock import Clock
from gatewayd.core.device import REFUSALS, Device, Watch
from gatewayd.core.ingest import Ingest
from gatewayd.core.ports import KnownDevice
from gatewayd.core.timeline import Timeline
from gatewayd.errors import BondRefused, ClockNotSet, LinkLost, ProtocolMismatch, StoreFull
from protocols.errors import (
    DeviceRefused,
    LinkClosed,
    NotThisProtocol,
    ProtocolError,
    SessionTimeout,
)
from protocols.model.capabilities import Description
from protocols.model.catalog import Category
from protocols.model.events import Event, SyncFinished, SyncWanted
from protocols.model.intents import ReadBattery, Sync
from protocols.model.readings import BatteryLevel
from protocols.model.time import DeviceTime
from protocols.session import (
    Batch,
    Close,
    Commit,
    Describe,
    LinkFacts,
    Raise,
    Receipt,
    SessionSettings,
    Settled,
    Ticket,
)
from protocols.spec import Advertisement, ProtocolSpec
from tests.unit.core.fakes import FakeBroker, FakeStore
from tests.unit.core.link import FACTS, SERVICE, FakeLink, ScriptedSession

KNOWN = KnownDevice(1, FACTS.address, "alice")
READY = Describe(Description("fitcloud"))


class FakeRadio:
    """Gives out links; `is_deaf_to_cancellation` as some libraries are."""

    def __init__(self, link: FakeLink) -> None:
        self.link = link
        self.may_connect = asyncio.Event()
        self.may_connect.set()
        self.connecting = asyncio.Event()
        self.is_deaf_to_cancellation = False

    def advertisements(self) -> AbstractAsyncContextManager[AsyncIterator[Advertisement]]:
        raise AssertionError("nobody scans here")

    async def connect(self, address: str) -> FakeLink:
        assert address == FACTS.address
        self.connecting.set()
        try:
            await self.may_connect.wait()
        except asyncio.CancelledError:
            if not self.is_deaf_to_cancellation:
                raise
        return self.link

    async def close(self) -> None:
        """Nothing is open."""


class Stage:
    """A device with everything around it."""

    def __init__(self, facts: LinkFacts = FACTS) -> None:
        self.session = ScriptedSession()
        self.link = FakeLink(facts)
        self.radio = FakeRadio(self.link)
        self.store = FakeStore()
        self.broker = FakeBroker()
        self.events: list[Event] = []
        self.ups = 0
        clock = Clock(Timeline(ZoneInfo("UTC")))
        spec = ProtocolSpec(
            "fitcloud", "FitCloud", lambda _: None, self._open, frozenset({SERVICE})
        )
        settings = SessionSettings("me", consent=frozenset(Category))
        self.device = Device(
            Watch(FACTS.address, KNOWN, "Alice", spec, settings),
            self.radio,
            Ingest(
                self.store,
                self.broker,
                KNOWN,
                clock.timeline,
                frozenset(Category),
                clock.unix_s,
            ),
            self.broker,
            clock,
            self.events.append,
        )

    def up(self) -> None:
        self.ups += 1

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["asyncio.Task[None]"]:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            task = group.create_task(self.device.serve(self.up))
            yield task
            task.cancel()

    async def fails(self, error: ProtocolError) -> None:
        self.session.on("opened", Close(error))
        async with asyncio.timeout(5):
            await self.device.serve(self.up)

    def _open(self, settings: SessionSettings) -> ScriptedSession:
        assert settings.user_id == "me"
        return self.session


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def test_a_watch_that_answers_is_announced_online_and_asked_for_battery_then_history(
    stage: Stage,
) -> None:
    session = stage.session.on("opened", READY)
    session.on("submit ReadBattery", Settled(Ticket(1))).on("submit Sync", Settled(Ticket(2)))
    async with stage.serving():
        await session.until(lambda: len(session.intents) == 2)
        assert stage.broker.announced == ["alice"]
        assert stage.broker.availabilities == [True]
        assert stage.ups == 1
    assert session.intents == [ReadBattery(), Sync()]
    assert stage.broker.availabilities == [True, False]
    assert stage.link.closed
    assert "last_sync" in stage.store.values


async def test_asking_twice_before_it_connects_is_asking_once(stage: Stage) -> None:
    for _ in range(3):
        stage.device.request(Sync)
    session = stage.session
    session.on("submit Sync", Settled(Ticket(1)))
    async with stage.serving():
        await session.until(lambda: session.intents)
    assert session.intents == [Sync()]


async def test_what_was_asked_for_when_the_link_broke_is_asked_for_on_the_next_one(
    stage: Stage,
) -> None:
    stage.device.request(Sync)
    session = stage.session
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:

        async def lose() -> None:
            await session.until(lambda: session.intents)
            stage.link.lost.set()

        group.create_task(lose())
        with pytest.raises(LinkLost):
            await stage.device.serve(stage.up)
    again = stage.session = ScriptedSession()
    stage.radio.link = FakeLink()
    async with stage.serving():
        await again.until(lambda: again.intents)
    assert again.intents == [Sync()]


async def test_a_request_that_fails_does_not_end_the_connection(stage: Stage) -> None:
    session = stage.session.on("opened", READY)
    session.on("submit ReadBattery", Settled(Ticket(1), SessionTimeout("no answer")))
    session.on("submit Sync", Settled(Ticket(2), DeviceRefused("busy", reason="busy")))
    async with stage.serving() as task:
        await session.until(lambda: len(session.intents) == 2)
        assert not task.done()
    assert "last_sync" not in stage.store.values


async def test_a_hint_of_new_records_is_a_reason_to_synchronise(stage: Stage) -> None:
    session = stage.session.on("opened", Raise(SyncWanted()), Raise(SyncFinished(3, 40)))
    async with stage.serving():
        await session.until(lambda: session.intents)
    assert session.intents == [Sync()]
    assert stage.events == [SyncWanted(), SyncFinished(3, 40)]


async def test_a_batch_goes_to_the_store_before_the_session_is_told(stage: Stage) -> None:
    batch = Batch((BatteryLevel(DeviceTime(0), 80, charging=False),))
    session = stage.session.on("opened", Commit(Receipt(5), batch))
    async with stage.serving():
        await session.until(lambda: "confirm 5" in session.inputs)
        assert [row.kind for row in stage.store.rows] == ["battery"]


async def test_a_full_disk_ends_the_connection_with_the_stores_own_error(stage: Stage) -> None:
    stage.store.failing = StoreFull("no space")
    stage.session.on("opened", Commit(Receipt(5), Batch(())))
    with pytest.raises(StoreFull):
        await stage.device.serve(stage.up)
    assert "confirm 5" not in stage.session.inputs


@pytest.mark.parametrize("reason", [*REFUSALS, "unknown"])
async def test_a_refusal_tells_the_owner_what_can_be_done(stage: Stage, reason: str) -> None:
    with pytest.raises(BondRefused) as raised:
        await stage.fails(DeviceRefused("the watch said no", reason=reason))
    assert raised.value.remedy == REFUSALS.get(reason, raised.value.remedy)
    assert "alice" in raised.value.summary
    assert raised.value.remedy


async def test_a_stranger_is_not_tried_again_and_silence_is(stage: Stage) -> None:
    with pytest.raises(ProtocolMismatch) as raised:
        await stage.fails(NotThisProtocol("another family"))
    assert not raised.value.retry
    stage.session = ScriptedSession()
    with pytest.raises(LinkLost) as lost:
        await stage.fails(SessionTimeout("silence"))
    assert lost.value.retry
    stage.session = ScriptedSession()
    with pytest.raises(LinkLost):
        await stage.fails(LinkClosed("gone"))


async def test_a_device_without_the_protocols_service_is_a_stranger() -> None:
    stage = Stage(LinkFacts(FACTS.address, None, 20))
    with pytest.raises(ProtocolMismatch, match="lacks the service"):
        await stage.device.serve(stage.up)
    assert stage.link.closed
    assert stage.broker.availabilities == [False]
    assert stage.session.inputs == []


async def test_it_ends_when_asked_even_if_the_radio_forgets_the_cancellation(
    stage: Stage,
) -> None:
    stage.radio.may_connect.clear()
    stage.radio.is_deaf_to_cancellation = True
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(stage.device.serve(stage.up))
        await stage.radio.connecting.wait()
        task.cancel()
    assert task.cancelled()
    assert stage.link.closed
    assert stage.session.inputs == []


async def test_no_watch_is_connected_by_a_clock_that_was_never_set(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 60.0)
    with pytest.raises(ClockNotSet):
        await stage.device.serve(stage.up)
    assert not stage.radio.connecting.is_set()
