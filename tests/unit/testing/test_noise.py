"""Noise finds what a protocol may not do; a check that cannot fail would be worthless."""

import itertools
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from protocols.errors import FrameError
from protocols.fitcloud.conformance import rehearsal
from protocols.fitcloud.observer import FitCloudObserver
from protocols.fitcloud.session import FitCloudSession
from protocols.model.readings import HeartRate
from protocols.model.time import DeviceTime, Moment
from protocols.observer import Said
from protocols.session import (
    Anomaly,
    AnomalyKind,
    Batch,
    Close,
    Commit,
    Effect,
    LinkFacts,
    Read,
    Receipt,
    Subscribe,
    Write,
)
from protocols.testing.noise import OutOfBounds, disturb, overhear, scrub
from protocols.testing.virtual_watch import NOTIFY_UUID, WRITE_UUID

FACTS = LinkFacts("C0:FF:EE:00:00:01", None, 20)


class Listener:
    """A session that subscribes, and does to what it hears what the test says."""

    def __init__(self, hear: Callable[["Listener", bytes], object]) -> None:
        self.hear = hear
        self.effects: deque[Effect] = deque()
        self.kept: list[bytes] = []
        self.due: float | None = None
        self.confirmed: list[Receipt] = []
        self.was_closed = False

    def opened(self, facts: LinkFacts, now: Moment) -> None:
        self.effects.append(Subscribe("a"))

    def received(self, characteristic: str, data: bytes, now: Moment) -> None:
        self.hear(self, data)

    def written(self, now: Moment) -> None: ...

    def failed(self, error: object, now: Moment) -> None: ...

    def submit(self, *_: object) -> None: ...

    def confirm(self, receipt: Receipt, now: Moment) -> None:
        self.confirmed.append(receipt)

    def tick(self, now: Moment) -> None: ...

    def closed(self, now: Moment) -> None:
        self.was_closed = True

    def deadline(self) -> float | None:
        return self.due

    def next_effect(self) -> Effect | None:
        return self.effects.popleft() if self.effects else None


def heard(hear: Callable[[Listener, bytes], object]) -> Listener:
    session = Listener(hear)
    disturb(session, FACTS, seed=1)
    return session


def test_a_session_hears_noise_of_all_lengths_the_same_for_the_same_seed() -> None:
    one, two = (heard(lambda session, data: session.kept.append(data)) for _ in range(2))
    assert one.kept == two.kept
    assert {len(data) for data in one.kept} >= {0, 1, 20, 512}
    assert one.was_closed
    assert heard(lambda session, _: session.effects.append(Close())).was_closed


def test_a_remote_protocol_error_is_allowed_and_ends_it() -> None:
    def refuse(session: Listener, data: bytes) -> None:
        session.kept.append(data)
        raise FrameError("no frame")

    assert len(heard(refuse).kept) == 1


def test_batches_are_confirmed_and_their_readings_told() -> None:
    numbers = itertools.count()
    batch = Batch((HeartRate(DeviceTime(0), 72),))
    session = Listener(
        lambda session, _: session.effects.append(Commit(Receipt(next(numbers)), batch))
    )
    result = disturb(session, FACTS, seed=1)
    assert len(result.readings) == result.heard > 50
    assert session.confirmed[:3] == [0, 1, 2]
    assert result.characteristics == {"a"}


@pytest.mark.parametrize(
    ("hear", "says"),
    [
        (lambda s, _: s.effects.append(Write("a", bytes(21), response=True)), "21 bytes where 20"),
        (lambda s, _: s.effects.extend([Read("a"), Read("a")]), "is not answered"),
        (
            lambda s, _: s.effects.extend([Anomaly(AnomalyKind.BAD_FRAME, "")] * 10_000),
            "more than 10000 effects",
        ),
        (lambda s, _: setattr(s, "due", 0.0), "ticks in a row"),
        (lambda s, _: s.kept.append(bytes(1_000_000)), "bytes are still held"),
    ],
)
def test_what_is_out_of_bounds_is_found(
    hear: Callable[[Listener, bytes], object], says: str
) -> None:
    with pytest.raises(OutOfBounds, match=says):
        heard(hear)


def test_any_other_error_is_the_sessions_own() -> None:
    with pytest.raises(ZeroDivisionError):
        heard(lambda _, data: 1 // (len(data) - 1))


class Eavesdropper:
    """An observer that takes everything."""

    def __init__(self, seen: object, times: int = 1) -> None:
        self.seen = deque([seen] * times)

    def opened(self, address: str | None, at: Moment) -> None: ...

    def written(self, characteristic: str, data: bytes, at: Moment) -> bool:
        return True

    def notified(self, characteristic: str, data: bytes, at: Moment) -> bool:
        return False

    def closed(self, at: Moment) -> None: ...

    def next_observation(self) -> Any:
        return self.seen.popleft() if self.seen else None

    def unread(self) -> Mapping[str, int]:
        return {}


def test_an_observer_hears_both_sides() -> None:
    result = overhear(Eavesdropper(Batch((HeartRate(DeviceTime(0), 72),))), ["a"], 1)
    assert 50 < result.heard < 150
    assert len(result.readings) == 1
    with pytest.raises(OutOfBounds, match="more than 10000 observations"):
        overhear(Eavesdropper(1, 10_001), ["a"], 1)


class Censor:
    """A scrubber that blanks what it hears, or does what the test says."""

    def __init__(self, clean: Callable[[Said], Said]) -> None:
        self.clean = clean
        self.said: deque[Said] = deque()

    def opened(self, address: str | None) -> None: ...

    def take(self, said: Said) -> bool:
        self.said.append(self.clean(said))
        return True

    def close(self) -> None: ...

    def next_said(self) -> Said | None:
        return self.said.popleft() if self.said else None


def test_a_scrubber_that_changes_lengths_or_never_ends_is_found() -> None:
    assert scrub(lambda: Censor(lambda s: s._replace(data=bytes(len(s.data)))), ["a"], 1) == 300
    with pytest.raises(OutOfBounds, match="changed a length"):
        scrub(lambda: Censor(lambda s: s._replace(data=b"")), ["a"], 1)
    with pytest.raises(OutOfBounds, match="scrubbing again changed"):
        scrub(lambda: Censor(lambda s: s._replace(data=s.data[::-1])), ["a"], 1)


def test_our_own_session_and_observer_hear_it_and_bear_it() -> None:
    stage = rehearsal()
    result = disturb(FitCloudSession(stage.settings), stage.facts, seed=3)
    assert result.heard > 10
    assert result.characteristics == {NOTIFY_UUID}
    assert overhear(FitCloudObserver(), [NOTIFY_UUID, WRITE_UUID], 3).heard > 100
