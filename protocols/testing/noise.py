"""Random bytes against any protocol: what arrives may be nonsense, the answer may not.

A session, an observer or a scrubber that is fed noise raises nothing but `RemoteProtocolError` (the
latter two: nothing), answers each input with a bounded number of effects, writes no more than a
write takes, waits for something at a later time than now, and keeps a bounded amount of memory.
"""

import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Final

from protocols.errors import LinkClosed, RemoteProtocolError
from protocols.model.readings import Reading
from protocols.model.time import DeviceTime, Moment
from protocols.observer import Observer, Said, Scrubber
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
_CEILINGS: Final = tuple(bytes(n % ceiling for n in range(256)) for ceiling in (2, 16, 256, 256))
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


def scrub(
    make: Callable[[], Scrubber], characteristics: Sequence[str], seed: int, *, inputs: int = 300
) -> int:
    """Noise for a fresh scrubber, which may raise nothing, keeps lengths and order, and finds
    nothing left to do in what it made. Gives how many values it took. Raises OutOfBounds."""
    random = Random(seed)  # noqa: S311 - the same noise on every machine
    said = [
        Said(
            random.random() < 0.3,
            random.choice(characteristics),
            noise(random),
            Moment(_START.seconds + number, DeviceTime(_START.local + number)),
        )
        for number in range(inputs)
    ]
    with _bounded_memory():
        taken, once = _scrubbed(make(), said)
    if [_shape(item) for item in taken] != [_shape(item) for item in once]:
        raise OutOfBounds("scrubbing changed a length, the order or the number of values")
    _, twice = _scrubbed(make(), once)
    if once != twice:
        raise OutOfBounds("scrubbing again changed what was scrubbed")
    return len(taken)


def noise(random: Random) -> bytes:
    """Mostly short, now and then as long as a value gets, now and then with small numbers only."""
    size = random.choice((0, 1, 2, 4, 8, 20, 20, 60, 244, _LARGEST_VALUE))
    return random.randbytes(size).translate(random.choice(_CEILINGS))


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


def _scrubbed(scrubber: Scrubber, said: Iterable[Said]) -> tuple[list[Said], list[Said]]:
    """What it took, and what it made of that."""
    taken: list[Said] = []
    made: list[Said] = []
    scrubber.opened(None)
    for item in said:
        if scrubber.take(item):
            taken.append(item)
        made += iter(scrubber.next_said, None)
    scrubber.close()
    made += iter(scrubber.next_said, None)
    return taken, made


def _shape(said: Said) -> tuple[bool, str, int]:
    return said.to_device, said.characteristic, len(said.data)


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
