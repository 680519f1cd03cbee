"""Random bytes against any protocol: what arrives may be nonsense, the answer may not.

A session or an observer that is fed noise raises nothing but `RemoteProtocolError`, answers each
input with a bounded number of effects, writes no more than a write takes, waits for something at a
later time than now, and keeps a bounded amount of memory.
"""

import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Final

from protocols.errors import LinkClosed, RemoteProtocolError
from protocols.model.readings import Reading
from protocols.model.time import DeviceTime, Moment
from protocols.observer import Observer
from protocols.session import (
    Batch,
    Close,
    Commit,
    Effect,
    LinkFacts,
    Read,
    Session,
    Subscribe,
    Write,
)

MAX_EFFECTS: Final = 10_000
"""Of one input. A value has at most 512 bytes, so this is far more than any can mean."""

MAX_KEPT_BYTES: Final = 8 * 1024 * 1024
"""What a session may hold on to; the largest message of a wearable is some hundred kilobytes."""

MAX_IDLE_TICKS: Final = 1000
"""Deadlines in a row that do not lie in the future."""

_LARGEST_VALUE: Final = 512
_START: Final = Moment(100.0, DeviceTime(826_491_600))


class OutOfBounds(AssertionError):
    """Noise made a protocol do what it may not; says what."""


@dataclass(slots=True)
class Disturbed:
    """What came of it. `heard` counts the inputs that reached the protocol."""

    heard: int = 0
    readings: tuple[Reading, ...] = ()
    characteristics: frozenset[str] = frozenset()


def disturb(session: Session, facts: LinkFacts, seed: int, *, inputs: int = 300) -> Disturbed:
    """Noise for a fresh session, until it closes or has had enough. Raises OutOfBounds, and
    whatever the session raises that it may not."""
    host = _Host(session, facts, Random(seed))  # noqa: S311 - the same noise on every machine
    with _bounded_memory():
        host.run(inputs)
    return host.result


def overhear(
    observer: Observer, characteristics: Sequence[str], seed: int, *, inputs: int = 300
) -> Disturbed:
    """Noise for a fresh observer, which may raise nothing at all. Raises OutOfBounds."""
    random = Random(seed)  # noqa: S311 - the same noise on every machine
    result = Disturbed(characteristics=frozenset(characteristics))
    with _bounded_memory():
        observer.opened(None, _START)
        for number in range(inputs):
            now = Moment(_START.seconds + number, DeviceTime(_START.local + number))
            feed = observer.written if random.random() < 0.3 else observer.notified
            result.heard += feed(random.choice(characteristics), noise(random), now)
            result.readings += tuple(_readings(_observed(observer)))
        observer.closed(Moment(_START.seconds + inputs, DeviceTime(_START.local + inputs)))
        result.readings += tuple(_readings(_observed(observer)))
    return result


def noise(random: Random) -> bytes:
    """Mostly short, now and then as long as a value gets, now and then with small numbers only."""
    size = random.choice((0, 1, 2, 4, 8, 20, 20, 60, 244, _LARGEST_VALUE))
    ceiling = random.choice((2, 16, 256, 256))
    return bytes(random.randrange(ceiling) for _ in range(size))


class _Host:
    """Carries out what a session wants, and lies to it."""

    def __init__(self, session: Session, facts: LinkFacts, random: Random) -> None:
        self.result = Disturbed()
        self._session = session
        self._facts = facts
        self._random = random
        self._now = _START
        self._outstanding: Subscribe | Read | Write | None = None
        self._listening: set[str] = set()
        self._commits: list[Commit] = []
        self._is_open = True

    def run(self, inputs: int) -> None:
        self._session.opened(self._facts, self._now)
        self._drain()
        for _ in range(inputs):
            if not self._is_open:
                break
            try:
                self._input()
            except RemoteProtocolError:
                break  # the one thing that a session may raise
            self._drain()
        self._session.closed(self._now)
        self._drain()
        self.result.characteristics = frozenset(self._listening)

    def _input(self) -> None:
        random, session = self._random, self._session
        if self._outstanding is not None and random.random() < 0.8:
            self._carry_out(self._outstanding)
        elif self._commits and random.random() < 0.5:
            session.confirm(self._commits.pop(0).receipt, self._now)
        elif self._listening and random.random() < 0.9:
            self.result.heard += 1
            session.received(random.choice(sorted(self._listening)), noise(random), self._now)
        else:
            self._wait()

    def _carry_out(self, effect: Subscribe | Read | Write) -> None:
        self._outstanding = None
        match effect:
            case Read(characteristic=characteristic):
                self.result.heard += 1
                self._session.received(characteristic, noise(self._random), self._now)
            case Write() if self._random.random() < 0.02:
                self._session.failed(LinkClosed("the write failed"), self._now)
            case Subscribe(characteristic=characteristic):
                self._listening.add(characteristic)
                self._session.written(self._now)
            case Write():
                self._session.written(self._now)

    def _wait(self) -> None:
        due = self._session.deadline()
        later = self._now.seconds + 1.0 if due is None else max(due, self._now.seconds)
        passed = int(later) - int(self._now.seconds)
        self._now = Moment(later, DeviceTime(self._now.local + passed))
        for _ in range(MAX_IDLE_TICKS):
            self._session.tick(self._now)
            self._drain()
            due = self._session.deadline()
            if due is None or due > later or not self._is_open:
                return
        raise OutOfBounds(f"{MAX_IDLE_TICKS} ticks in a row, and the deadline is still over")

    def _drain(self) -> None:
        for effect in _limited(self._session):
            match effect:
                case Write(data=data) if len(data) > self._facts.write_size:
                    raise OutOfBounds(
                        f"wrote {len(data)} bytes where {self._facts.write_size} fit in a write"
                    )
                case Subscribe() | Read() | Write():
                    if self._outstanding is not None:
                        raise OutOfBounds(f"{effect} while {self._outstanding} is not answered")
                    self._outstanding = effect
                case Commit(batch=batch):
                    self.result.readings += batch.readings
                    self._commits.append(effect)
                case Close():
                    self._is_open = False
                case _:
                    continue  # words to the owner


def _limited(session: Session) -> Iterator[Effect]:
    for _ in range(MAX_EFFECTS):
        effect = session.next_effect()
        if effect is None:
            return
        yield effect
    raise OutOfBounds(f"more than {MAX_EFFECTS} effects of one input")


def _observed(observer: Observer) -> Iterator[object]:
    for _ in range(MAX_EFFECTS):
        seen = observer.next_observation()
        if seen is None:
            return
        yield seen
    raise OutOfBounds(f"more than {MAX_EFFECTS} observations of one input")


def _readings(observations: Iterable[object]) -> Iterator[Reading]:
    for seen in observations:
        if isinstance(seen, Batch):
            yield from seen.readings


@contextmanager
def _bounded_memory() -> Iterator[None]:
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    try:
        yield
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        if not was_tracing:
            tracemalloc.stop()
    if kept > MAX_KEPT_BYTES:
        raise OutOfBounds(f"{kept:,} bytes are still held after the noise")
