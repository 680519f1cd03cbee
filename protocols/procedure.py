"""Procedures: multi-step exchanges written as generators.

A procedure yields *steps* and is resumed with their results, or with a `ProtocolError` thrown into
it, by `protocols.engine`. These helpers are what procedures are written with:

    level = yield from ask(Packet(0x02, 0x1B), battery_level, what="battery level")
    yield from persist(Batch((level,)))
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from protocols.session import Batch, Effect

R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """Send `message` (if any), then wait for a message that `accept` takes (if any).

    `accept` returns None for a message that is not the one; it may raise RemoteProtocolError.
    """

    message: Any
    accept: Callable[[Any], Any] | None
    timeout_s: float
    what: str


@dataclass(frozen=True, slots=True)
class Persist:
    """Wait until a batch is durable."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Enable:
    """Wait until notifications of a characteristic are on."""

    characteristic: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


Step = Ask | Persist | Enable | Pause | Effect
Procedure: TypeAlias = Generator[Step, Any, T]

RESPONSE_TIMEOUT_S: Final = 15.0


def tell(message: object) -> Procedure[None]:
    """Send; returns when the peer's transport has acknowledged it."""
    yield Ask(message, None, 0.0, "acknowledgement")


def ask(
    message: object,
    accept: Callable[[Any], R | None],
    *,
    what: str,
    timeout_s: float = RESPONSE_TIMEOUT_S,
) -> Procedure[R]:
    """Send, and return what `accept` makes of the answer. Raises SessionTimeout without one."""
    answer: R = yield Ask(message, accept, timeout_s, what)
    return answer


def expect(
    accept: Callable[[Any], R | None], *, what: str, timeout_s: float = RESPONSE_TIMEOUT_S
) -> Procedure[R]:
    """Wait for a message that comes by itself. Raises SessionTimeout when it does not."""
    answer: R = yield Ask(None, accept, timeout_s, what)
    return answer


def persist(batch: Batch) -> Procedure[None]:
    """Returns once the batch is durable, never before."""
    yield Persist(batch)


def enable(characteristic: str) -> Procedure[None]:
    """Switch a characteristic's notifications on."""
    yield Enable(characteristic)


def pause(seconds: float) -> Procedure[None]:
    """Let time pass."""
    yield Pause(seconds)


def emit(effect: Effect) -> Procedure[None]:
    """Queue an effect that needs no answer."""
    yield effect
