"""A recorded link behaves as the link itself, and its tape tells everything in order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from types import MappingProxyType

import pytest

from gatewayd.core.recording import Passage, RecordingRadio, Step, Tape, steady_clock
from gatewayd.errors import DeviceNotFound, LinkLost
from protocols.session import LinkFacts, Property
from protocols.spec import Advertisement
from tests.unit.core.link import IN, OUT, FakeLink

BOTH, ONLY_INDICATES = "both-ways", "only-indicates"
FACTS = LinkFacts(
    "C0:FF:EE:00:00:01",
    None,
    20,
    characteristics=MappingProxyType(
        {
            IN: Property.WRITE,
            OUT: Property.NOTIFY,
            BOTH: Property.NOTIFY | Property.INDICATE,
            ONLY_INDICATES: Property.INDICATE,
        }
    ),
)


class Tapes:
    """A recorder and its one tape."""

    def __init__(self) -> None:
        self.facts: list[LinkFacts] = []
        self.steps: list[Step] = []
        self.ends: list[tuple[int, bool]] = []

    def begin(self, facts: LinkFacts, at_ns: int) -> Tape:
        self.facts.append(facts)
        return self

    def add(self, step: Step) -> None:
        self.steps.append(step)

    def end(self, at_ns: int, *, lost: bool) -> None:
        self.ends.append((at_ns, lost))

    @property
    def passed(self) -> list[tuple[object, ...]]:
        return [tuple(step)[1:] for step in self.steps]


class FakeRadio:
    def __init__(self, link: FakeLink) -> None:
        self.link = link
        self.failing: Exception | None = None
        self.closed = 0

    @asynccontextmanager
    async def advertisements(self) -> AsyncIterator[AsyncIterator[Advertisement]]:
        async def heard() -> AsyncIterator[Advertisement]:
            yield Advertisement("C0:FF:EE:00:00:01")

        yield heard()

    async def connect(self, address: str) -> FakeLink:
        if self.failing is not None:
            raise self.failing
        return self.link

    async def close(self) -> None:
        self.closed += 1
        self.link.lost.set()


def ticking() -> Callable[[], int]:
    return count(100).__next__


@pytest.fixture
def link() -> FakeLink:
    return FakeLink(FACTS)


@pytest.fixture
def tapes() -> Tapes:
    return Tapes()


@pytest.fixture
def bare(link: FakeLink) -> FakeRadio:
    return FakeRadio(link)


@pytest.fixture
def radio(bare: FakeRadio, tapes: Tapes) -> RecordingRadio:
    return RecordingRadio(bare, tapes, ticking)


async def test_everything_that_passes_is_on_tape_in_order_and_reaches_its_goal(
    radio: RecordingRadio, link: FakeLink, tapes: Tapes
) -> None:
    link.values[OUT] = b"value"
    heard: list[tuple[str, bytes]] = []
    recorded = await radio.connect(FACTS.address)
    assert recorded.facts is FACTS
    await recorded.subscribe(OUT, lambda *item: heard.append(item))
    await recorded.write(IN, b"asked", response=True)
    await recorded.write(IN, b"told", response=False)
    link.notify(b"pushed")
    assert await recorded.read(OUT) == b"value"
    await recorded.close()

    assert link.writes == [b"asked", b"told"]
    assert heard == [(OUT, b"pushed")]
    assert tapes.facts == [FACTS]
    assert tapes.passed == [
        (Passage.SUBSCRIBE, OUT, b"", False),
        (Passage.SUBSCRIBE, OUT, b"", True),
        (Passage.WRITE, IN, b"asked", False),
        (Passage.WRITE, IN, b"", True),
        (Passage.WRITE_COMMAND, IN, b"told", False),
        (Passage.NOTIFICATION, OUT, b"pushed", False),
        (Passage.READ, OUT, b"", False),
        (Passage.READ, OUT, b"value", True),
    ]
    times = [step.at_ns for step in tapes.steps]
    assert times == sorted(set(times))
    assert tapes.ends == [(times[-1] + 1, False)]


async def test_an_answer_that_comes_before_the_write_is_over_stands_behind_it(
    radio: RecordingRadio, link: FakeLink, tapes: Tapes
) -> None:
    recorded = await radio.connect(FACTS.address)
    await recorded.subscribe(OUT, lambda *_: None)
    link.held.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(recorded.write(IN, b"question", response=True))
        await asyncio.sleep(0)
        link.notify(b"answer")
        link.held.set()
    assert tapes.passed[2:] == [
        (Passage.WRITE, IN, b"question", False),
        (Passage.NOTIFICATION, OUT, b"answer", False),
        (Passage.WRITE, IN, b"", True),
    ]


@pytest.mark.parametrize(
    ("characteristic", "passage"),
    [(BOTH, Passage.NOTIFICATION), (ONLY_INDICATES, Passage.INDICATION)],
)
async def test_a_push_is_named_by_what_the_characteristic_allows(
    radio: RecordingRadio, link: FakeLink, tapes: Tapes, characteristic: str, passage: Passage
) -> None:
    recorded = await radio.connect(FACTS.address)
    await recorded.subscribe(characteristic, lambda *_: None)
    link.notify(b"x", characteristic)
    assert tapes.passed[-1] == (passage, characteristic, b"x", False)


async def test_a_push_is_on_tape_even_if_whoever_hears_it_fails(
    radio: RecordingRadio, link: FakeLink, tapes: Tapes
) -> None:
    def fail(_: str, __: bytes) -> None:
        raise ZeroDivisionError

    recorded = await radio.connect(FACTS.address)
    await recorded.subscribe(OUT, fail)
    with pytest.raises(ZeroDivisionError):
        link.notify(b"x")
    assert tapes.passed[-1] == (Passage.NOTIFICATION, OUT, b"x", False)


async def test_a_write_that_failed_is_on_tape_without_an_answer_and_the_link_as_lost(
    radio: RecordingRadio, link: FakeLink, tapes: Tapes
) -> None:
    recorded = await radio.connect(FACTS.address)
    link.lost.set()
    assert recorded.lost is link.lost
    with pytest.raises(LinkLost):
        await recorded.write(IN, b"never", response=True)
    await recorded.close()
    assert tapes.passed == [(Passage.WRITE, IN, b"never", False)]
    assert [lost for _, lost in tapes.ends] == [True]


async def test_a_tape_ends_once_and_takes_nothing_afterwards(
    radio: RecordingRadio, bare: FakeRadio, link: FakeLink, tapes: Tapes
) -> None:
    recorded = await radio.connect(FACTS.address)
    await recorded.subscribe(OUT, lambda *_: None)
    await recorded.close()
    steps = len(tapes.steps)
    link.notify(b"late")
    await recorded.close()
    await radio.close()
    assert len(tapes.steps) == steps
    assert len(tapes.ends) == 1
    assert bare.closed == 1


async def test_closing_the_radio_ends_the_tapes_of_open_links(
    radio: RecordingRadio, tapes: Tapes
) -> None:
    await radio.connect(FACTS.address)
    await radio.close()
    assert len(tapes.ends) == 1


async def test_a_connection_that_does_not_come_about_leaves_no_tape(
    radio: RecordingRadio, bare: FakeRadio, tapes: Tapes
) -> None:
    bare.failing = DeviceNotFound("not there")
    with pytest.raises(DeviceNotFound):
        await radio.connect(FACTS.address)
    assert tapes.facts == []


async def test_advertisements_are_those_of_the_radio(radio: RecordingRadio) -> None:
    async with radio.advertisements() as heard:
        assert [item.address async for item in heard] == ["C0:FF:EE:00:00:01"]


def test_a_system_clock_that_is_set_does_not_move_a_link_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 10**18)
    clock = steady_clock()
    before = clock()
    monkeypatch.setattr("time.time_ns", lambda: 5)
    after = clock()
    assert 10**18 <= before <= after < 10**18 + 10**10
