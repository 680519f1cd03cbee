"""Runs procedures (`protocols.procedure`), and owns their order and time-outs.

Framing, acknowledgement and retransmission belong to the family's `Transport`. One procedure runs
at a time; the others wait in order.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from protocols.errors import (
    LimitExceeded,
    LinkClosed,
    ProtocolError,
    RemoteProtocolError,
    SessionTimeout,
    WrongState,
)
from protocols.model.time import Moment
from protocols.procedure import Ask, Enable, Pause, Persist, Procedure, Step
from protocols.session import Batch, Commit, Effect, Receipt, Subscribe, Write

M = TypeVar("M")
T = TypeVar("T")

MAX_WAITING: Final = 64
"""Procedures that may wait. More means that somebody submits faster than a watch can answer."""


class Transport(Protocol[M]):
    """A family's framing: messages to writes, notifications to messages. One send at a time."""

    def send(self, message: M, now: Moment) -> None:
        """Begin to send; `outcome()` becomes non-None when it is over."""

    def settle(self) -> None:
        """The peer has answered what is being sent, so it has evidently arrived."""

    def outcome(self) -> bool | ProtocolError | None:
        """Takes the result of the last `send`: True, why it failed, or None while it goes on."""

    def received(self, characteristic: str, data: bytes, now: Moment) -> Iterable[M]:
        """Messages completed by these bytes."""

    def written(self, now: Moment) -> None:
        """The outstanding write was carried out."""

    def failed(self, error: ProtocolError) -> None:
        """The outstanding write was not carried out."""

    def tick(self, now: Moment) -> None:
        """Time has passed."""

    def deadline(self) -> float | None:
        """When it wants the next tick."""

    def next_effect(self) -> Effect | None:
        """The next write or anomaly. Not called while a write is outstanding."""


_Resume: TypeAlias = Callable[[Procedure[Any]], Step]


@dataclass(slots=True)
class _Job:
    procedure: Procedure[Any]
    done: Callable[[Any, ProtocolError | None], None]


class Engine(Generic[M]):
    """Drives procedures over one transport."""

    def __init__(self, transport: Transport[M], unsolicited: Callable[[M, Moment], None]) -> None:
        self._transport = transport
        self._unsolicited = unsolicited
        self._effects: deque[Effect] = deque()
        self._subscribe: Subscribe | None = None
        self._outstanding: Subscribe | Write | None = None
        self._waiting: deque[_Job] = deque()
        self._job: _Job | None = None
        self._step: Step | None = None
        self._sending = False
        self._expires: float | None = None
        self._receipt: Receipt | None = None
        self._detached: set[Receipt] = set()
        self._receipts = 0
        self._closed = False

    def run(
        self,
        procedure: Procedure[T],
        done: Callable[[T | None, ProtocolError | None], None],
        now: Moment,
    ) -> None:
        """Run a procedure after those that wait; `done(result, error)` is called at its end."""
        if self._closed:
            done(None, LinkClosed("the link is closed"))
        elif len(self._waiting) >= MAX_WAITING:
            done(None, LimitExceeded(f"{MAX_WAITING} requests are waiting for this device already"))
        else:
            self._waiting.append(_Job(procedure, done))
            self._next_job(now)

    def emit(self, effect: Effect) -> None:
        """Queue an effect on nobody's behalf."""
        self._effects.append(effect)

    def commit(self, batch: Batch) -> None:
        """Have a batch made durable that no procedure waits for."""
        self._detached.add(self._commit(batch))

    def received(self, characteristic: str, data: bytes, now: Moment) -> None:
        """Feed bytes from the peer."""
        if self._closed:
            return
        for message in self._transport.received(characteristic, data, now):
            self._dispatch(message, now)
        self._check_sent(now)

    def written(self, now: Moment) -> None:
        """An `Enable`'s subscription, or a write of the transport, was carried out."""
        done, self._outstanding = self._outstanding, None
        if isinstance(done, Subscribe):
            self._resume(None, now)
        elif done is not None:
            self._transport.written(now)
            self._check_sent(now)

    def failed(self, error: ProtocolError, now: Moment) -> None:
        """An `Enable`'s subscription, or a write of the transport, could not be carried out."""
        done, self._outstanding = self._outstanding, None
        if isinstance(done, Subscribe):
            self._throw(error, now)
        elif done is not None:
            self._transport.failed(error)
            self._check_sent(now)

    def confirm(self, receipt: Receipt, now: Moment) -> None:
        """A commit is durable. Raises WrongState when nobody waits for that receipt."""
        if receipt in self._detached:
            self._detached.remove(receipt)
            return
        if self._receipt is None or receipt != self._receipt:
            raise WrongState(f"receipt {receipt} is not outstanding")
        self._receipt = None
        self._resume(None, now)

    def tick(self, now: Moment) -> None:
        """Let time-outs happen."""
        if self._closed:
            return
        self._transport.tick(now)
        self._check_sent(now)
        if self._expires is None or now.seconds < self._expires:
            return
        step = self._step
        if isinstance(step, Ask):
            self._throw(SessionTimeout(f"no {step.what} within {step.timeout_s:g} s"), now)
        else:
            self._resume(None, now)

    def deadline(self) -> float | None:
        """When `tick` is wanted."""
        times = () if self._closed else (self._expires, self._transport.deadline())
        return min((t for t in times if t is not None), default=None)

    def close(self, now: Moment) -> None:
        """The link is gone: whatever runs or waits ends with `LinkClosed`.

        A commit that is under way may still be confirmed; nothing comes of it.
        """
        if self._closed:
            return
        self._closed = True
        self._sending = False
        if self._receipt is not None:
            self._detached.add(self._receipt)
        jobs = [job for job in (self._job, *self._waiting) if job is not None]
        self._waiting.clear()
        self._job = self._step = self._expires = self._receipt = None
        for job in jobs:
            job.procedure.close()
            job.done(None, LinkClosed("the link was lost"))

    def next_effect(self) -> Effect | None:
        """The next effect. Subscriptions and writes are handed out one at a time."""
        if self._effects:
            return self._effects.popleft()
        if self._closed or self._outstanding is not None:
            return None
        if self._subscribe is not None:
            self._outstanding, self._subscribe = self._subscribe, None
            return self._outstanding
        next_effect = self._transport.next_effect()
        if isinstance(next_effect, Write):
            self._outstanding = next_effect
        return next_effect

    # --- inside -------------------------------------------------------------------------------

    def _commit(self, batch: Batch) -> Receipt:
        self._receipts += 1
        receipt = Receipt(self._receipts)
        self._effects.append(Commit(receipt, batch))
        return receipt

    def _dispatch(self, message: M, now: Moment) -> None:
        step = self._step
        if isinstance(step, Ask) and step.accept is not None:
            try:
                answer = step.accept(message)
            except RemoteProtocolError as error:
                self._answered()
                self._throw(error, now)
                return
            if answer is not None:
                self._answered()
                self._resume(answer, now)
                return
        self._unsolicited(message, now)

    def _answered(self) -> None:
        """An answer proves that our message arrived, even if its acknowledgement did not."""
        if self._sending:
            self._sending = False
            self._transport.settle()

    def _check_sent(self, now: Moment) -> None:
        if not self._sending:
            return
        outcome = self._transport.outcome()
        if outcome is None:
            return
        self._sending = False
        if isinstance(outcome, ProtocolError):
            self._throw(outcome, now)
        elif isinstance(step := self._step, Ask) and step.accept is not None:
            self._expires = now.seconds + step.timeout_s
        else:
            self._resume(None, now)

    def _next_job(self, now: Moment) -> None:
        if self._job is None and self._waiting:
            self._job = self._waiting.popleft()
            self._resume(None, now)

    def _resume(self, value: object, now: Moment) -> None:
        self._advance(_sending(value), now)

    def _throw(self, error: ProtocolError, now: Moment) -> None:
        self._advance(_throwing(error), now)

    def _advance(self, resume: _Resume, now: Moment) -> None:
        job = self._job
        if job is None:
            return
        self._step = None
        self._expires = None
        resumption: _Resume | None = resume
        try:
            while resumption is not None:
                resumption = self._begin(resumption(job.procedure), now)
        except StopIteration as stop:
            self._job = None
            job.done(stop.value, None)
        except ProtocolError as error:
            self._job = None
            job.done(None, error)
        self._next_job(now)

    def _begin(self, step: Step, now: Moment) -> _Resume | None:
        """Start a step. Says how to go on at once, or None when there is something to wait for."""
        match step:
            case Ask(message=None, timeout_s=timeout_s):
                self._expires = now.seconds + timeout_s
            case Ask(message=message):
                try:
                    self._transport.send(message, now)
                except ProtocolError as error:
                    return _throwing(error)
                self._sending = True
            case Persist(batch=batch):
                self._receipt = self._commit(batch)
            case Enable(characteristic=characteristic):
                self._subscribe = Subscribe(characteristic)
            case Pause(seconds=seconds):
                self._expires = now.seconds + seconds
            case effect:
                self._effects.append(effect)
                return _sending(None)
        self._step = step
        return None


def _sending(value: object) -> _Resume:
    return lambda procedure: procedure.send(value)


def _throwing(error: ProtocolError) -> _Resume:
    return lambda procedure: procedure.throw(error)
