"""The outbox pump with a line and a store that do only what the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gatewayd.core.ports import Outgoing
from gatewayd.errors import StoreFull
from gatewayd.mqtt.client import Done
from gatewayd.mqtt.outbox import OutboxPump


def row(sequence: int) -> Outgoing:
    return Outgoing(sequence, "alice", f"id{sequence}", "steps", 0, None, 0, "{}", True, 1, 0.0)


class FakeLine:
    receive_maximum = 65_535

    def __init__(self) -> None:
        self.under_way: dict[int, Done] = {}
        self.sent: list[int] = []

    def post(self, topic: str, payload: bytes, *, retain: bool, done: Done) -> None:
        assert not retain
        self.sent.append(int(payload))
        self.under_way[int(payload)] = done

    def flush(self) -> None:
        pass

    def acknowledge(self, sequence: int, reason: int = 0) -> None:
        self.under_way.pop(sequence)(reason)


class FakeStore:
    """Holds rows; `gate` closed makes a page wait after it has been read."""

    def __init__(self, *rows: Outgoing) -> None:
        self.rows = {one.sequence: one for one in rows}
        self.gate = asyncio.Event()
        self.gate.set()
        self.reading = asyncio.Event()
        self.batches: list[list[int]] = []
        self.full = False

    async def pending(self, after: int, limit: int) -> list[Outgoing]:
        page = [one for number, one in sorted(self.rows.items()) if number > after][:limit]
        self.reading.set()
        await self.gate.wait()
        return page

    async def delivered(self, sequences: list[int]) -> None:
        if self.full:
            raise StoreFull("No space")
        self.batches.append(list(sequences))
        for sequence in sequences:
            del self.rows[sequence]

    def commit(self, sequence: int) -> list[Outgoing]:
        self.rows[sequence] = row(sequence)
        return [self.rows[sequence]]


class Rig:
    def __init__(self, store: FakeStore, window: int = 3) -> None:
        self.store = store
        self.refusals: list[tuple[str, int]] = []
        self.pump = OutboxPump(
            store,  # type: ignore[arg-type]
            lambda out: (f"t/{out.kind}", str(out.sequence).encode()),
            window,
        )
        self.line = FakeLine()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeLine]:
        self.line = FakeLine()

        def refused(topic: str, reason: int) -> None:
            self.refusals.append((topic, reason))

        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.pump.run(self.line, refused))  # type: ignore[arg-type]
            await settle()
            yield self.line
            task.cancel()


async def settle() -> None:
    """Every task has done what it can without news from outside."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_first_goes_alone_then_the_window_slides() -> None:
    rig = Rig(FakeStore(*(row(n) for n in range(1, 8))))
    async with rig.running() as line:
        assert line.sent == [1]
        line.acknowledge(1)
        await settle()
        assert line.sent == [1, 2, 3, 4]
        line.acknowledge(3)  # any PUBACK makes room
        await settle()
        assert line.sent == [1, 2, 3, 4, 5]
    assert sorted(rig.store.rows) == [2, 4, 5, 6, 7]


async def test_window_respects_what_the_broker_receives() -> None:
    rig = Rig(FakeStore(*(row(n) for n in range(1, 8))), window=10)
    async with rig.running() as line:
        line.receive_maximum = 2
        line.acknowledge(1)
        await settle()
        assert line.sent == [1, 2, 3]


async def test_offered_row_goes_out_in_the_same_turn_when_nothing_waits() -> None:
    rig = Rig(FakeStore())
    async with rig.running() as line:
        rig.pump.offer(rig.store.commit(1))
        await settle()
        assert line.sent == [1]
        line.acknowledge(1)
        rig.pump.offer(rig.store.commit(2))
        assert line.sent == [1, 2]


async def test_row_that_is_offered_while_its_page_is_read_goes_out_once() -> None:
    rig = Rig(FakeStore(row(1)))
    rig.store.gate.clear()
    async with rig.running() as line:
        await rig.store.reading.wait()
        rig.pump.offer(rig.store.commit(2))  # not in the page that is under way
        rig.store.gate.set()
        await settle()
        line.acknowledge(1)
        await settle()
        assert line.sent == [1, 2]
        line.acknowledge(2)
        for n in (3, 4, 5):
            rig.pump.offer(rig.store.commit(n))
        await settle()
        assert line.sent == [1, 2, 3, 4, 5]


async def test_refused_row_stays_and_is_told() -> None:
    rig = Rig(FakeStore(row(1), row(2)))
    async with rig.running() as line:
        line.acknowledge(1, 0x87)
        await settle()
    assert rig.refusals == [("t/steps", 0x87)]
    assert sorted(rig.store.rows) == [1, 2]
    assert rig.store.batches == []


async def test_no_matching_subscribers_is_no_refusal() -> None:
    rig = Rig(FakeStore(row(1)))
    async with rig.running() as line:
        line.acknowledge(1, 0x10)
        await settle()
    assert rig.store.rows == {}
    assert rig.refusals == []


async def test_next_connection_begins_at_the_oldest_that_was_not_acknowledged() -> None:
    rig = Rig(FakeStore(*(row(n) for n in range(1, 6))))
    async with rig.running() as line:
        line.acknowledge(1)
        await settle()
        line.acknowledge(2)
        old = line.under_way
        await settle()
    async with rig.running() as line:
        old[4](0)  # the old connection has nothing to say any more
        await settle()
        assert line.sent == [3]
    assert sorted(rig.store.rows) == [3, 4, 5]


async def test_acknowledgements_survive_a_store_that_is_full() -> None:
    rig = Rig(FakeStore(row(1), row(2)))
    rig.store.full = True

    async def acknowledge() -> None:
        async with rig.running() as line:
            line.acknowledge(1)
            await settle()

    with pytest.raises(ExceptionGroup) as caught:
        await acknowledge()
    assert caught.group_contains(StoreFull)
    rig.store.full = False
    async with rig.running() as line:
        assert line.sent == [2]
    assert rig.store.batches == [[1]]


async def test_acknowledgements_that_come_together_are_forgotten_together() -> None:
    rig = Rig(FakeStore(*(row(n) for n in range(1, 12))), window=10)
    async with rig.running() as line:
        line.acknowledge(1)
        await settle()
        for n in range(2, 12):
            line.acknowledge(n)
        await settle()
    assert rig.store.batches == [[1], list(range(2, 12))]


async def test_settling_waits_for_what_is_under_way_and_sends_nothing_new() -> None:
    rig = Rig(FakeStore(*(row(n) for n in range(1, 10))))
    async with rig.running() as line:
        line.acknowledge(1)
        await settle()
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.pump.settle(5.0))
            await settle()
            for n in (2, 3, 4):
                line.acknowledge(n)
                await settle()
        assert line.sent == [1, 2, 3, 4]
    assert sorted(rig.store.rows) == [5, 6, 7, 8, 9]


async def test_settling_gives_up_in_time() -> None:
    rig = Rig(FakeStore(row(1)))
    async with rig.running():
        await rig.pump.settle(0.0)
    assert sorted(rig.store.rows) == [1]


async def test_many_rows_are_read_in_pages_and_none_is_skipped() -> None:
    rig = Rig(FakeStore(*(row(n) for n in range(1, 2_001))), window=50)
    async with rig.running() as line:
        while line.under_way:
            line.acknowledge(next(iter(line.under_way)))
            await settle()
    assert line.sent == list(range(1, 2_001))
    assert rig.store.rows == {}
