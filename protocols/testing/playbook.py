"""A scripted exchange with one procedure: what it is told, and what it must do about it.

    def test_page_is_erased_only_after_commit(play: Playbook[Message]) -> None:
        play.start(sync_heart_rate(T0)).wrote(ReadHeartRate(T0)).reply(Page((HR_72,)))
        play.committed(HR_72).wrote_nothing().confirm().wrote(EraseThrough(HR_72.at))
        play.reply(Page(())).returned(1)

It drives the real `protocols.engine.Engine`; only the framing is left out, so it serves every
family. Whatever the procedure does must be named in the script, in order: a difference, a leftover
or a script that ends before its procedure is a `PlaybookError`, with the whole exchange so far.
Use it as a context manager, or call `finish` from a fixture's end.
"""

from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from protocols.engine import Engine
from protocols.errors import ProtocolError, Unacknowledged
from protocols.model.readings import Reading
from protocols.model.time import DeviceTime, Moment
from protocols.procedure import Procedure
from protocols.session import Commit, Effect, Raw, Receipt, Subscribe, Write

M = TypeVar("M")

START: Final = Moment(1000.0, DeviceTime(800_000_000))
"""Now, unless told otherwise."""

_MAX_TICKS: Final = 10_000


class PlaybookError(AssertionError):
    """The exchange did not go as written."""


class Playbook(Generic[M]):
    """One exchange. Methods that act or assert give the playbook back, so that they chain."""

    def __init__(self, now: Moment = START) -> None:
        self.now = now
        self.unsolicited: list[M] = []
        """Messages that the procedure did not want."""

        self._wire: _Wire[M] = _Wire()
        self._engine: Engine[M] = Engine(self._wire, self._unwanted)
        self._seen: deque[tuple[str, object]] = deque()
        self._lines: list[str] = []
        self._receipt: Receipt | None = None
        self._running = 0
        self._has_failed = False

    def clock(self) -> DeviceTime:
        """The local time, for procedures that take a clock."""
        return self.now.local

    # --- what happens to the procedure --------------------------------------------------------

    def start(self, procedure: Procedure[Any]) -> Self:
        """Run a procedure. A second one waits for the first, as in the engine."""
        self._told("start", getattr(procedure, "__name__", "a procedure"))
        self._running += 1
        self._engine.run(procedure, self._done, self.now)
        return self._drain()

    def reply(self, *messages: M) -> Self:
        """The device sends messages, in one notification."""
        for message in messages:
            self._told("reply", message)
        self._wire.inbox.extend(messages)
        self._engine.received("", b"", self.now)
        return self._drain()

    def acknowledge(self) -> Self:
        """The device's transport acknowledges what was written with `acknowledged=False`."""
        self._told("acknowledge", "")
        self._wire.result = True
        self._engine.received("", b"", self.now)
        return self._drain()

    def lose(self, error: ProtocolError | None = None) -> Self:
        """What was written with `acknowledged=False` gets no acknowledgement after all."""
        self._wire.result = error or Unacknowledged("nothing was acknowledged")
        self._told("lose", self._wire.result)
        self._engine.tick(self.now)
        return self._drain()

    def confirm(self, receipt: Receipt | None = None) -> Self:
        """The last batch (or that of a receipt) is durable."""
        receipt = self._receipt if receipt is None else receipt
        if receipt is None:
            raise self._failure("there is no commit to confirm")
        self._told("confirm", receipt)
        self._engine.confirm(receipt, self.now)
        return self._drain()

    def passes(self, seconds: float) -> Self:
        """Time passes; whatever falls due in between happens at its time."""
        self._told("passes", f"{seconds:g} s")
        end = self.now.seconds + seconds
        for _ in range(_MAX_TICKS):
            due = self._engine.deadline()
            self._move_to(end if due is None else min(end, due))
            if due is None or due > end:
                return self
            self._engine.tick(self.now)
            self._drain()
        raise self._failure(f"{_MAX_TICKS} deadlines fell due within {seconds:g} s")

    def close(self) -> Self:
        """The link is lost."""
        self._told("close", "")
        self._engine.close(self.now)
        return self._drain()

    # --- what the procedure must do -----------------------------------------------------------

    def wrote(self, message: M, *, acknowledged: bool = True) -> Self:
        """It sent this message next. Without `acknowledged` the sending is not over yet."""
        self._expect("wrote", message)
        if acknowledged:
            self._wire.result = True
            self._engine.received("", b"", self.now)
            self._drain()
        return self

    def subscribed(self, characteristic: str, *, error: ProtocolError | None = None) -> Self:
        """It switched notifications on, which worked unless there is an `error`."""
        self._expect("subscribed", characteristic)
        if error is None:
            self._engine.written(self.now)
        else:
            self._engine.failed(error, self.now)
        return self._drain()

    def committed(self, *readings: Reading, raw: Raw | None = None) -> Self:
        """It asked for these readings to be made durable, and (if given) for these bytes."""
        batch = self._next_batch()
        if batch.batch.readings != readings or (raw is not None and batch.batch.raw != raw):
            raise self._difference("committed", (readings, raw), ("committed", batch.batch))
        self._receipt = batch.receipt
        self._lines.append(f"    committed {len(readings)} readings, receipt {batch.receipt}")
        return self

    def emitted(self, *effects: Effect) -> Self:
        """It emitted these effects next."""
        for effect in effects:
            self._expect("emitted", effect)
        return self

    def wrote_nothing(self) -> Self:
        """It has done nothing more than what the script named so far, and is not over."""
        if self._seen:
            raise self._difference("nothing", "", self._seen[0])
        return self

    def returned(self, value: object = None) -> Self:
        """It is over, with this result."""
        self._expect("returned", value)
        return self

    def raised(self, error: type[ProtocolError], text: str = "") -> ProtocolError:
        """It is over, with an error of this type whose message holds `text`; gives the error."""
        happened = self._take("raised", error.__name__)
        found = happened[1]
        if happened[0] != "raised" or not isinstance(found, error) or text not in str(found):
            raise self._difference("raised", f"{error.__name__} {text}", happened)
        self._lines.append(f"    raised {found!r}")
        return found

    # --- the end ------------------------------------------------------------------------------

    def finish(self) -> None:
        """Raises PlaybookError unless everything that happened is in the script, and is over.

        Quiet after a PlaybookError: the first difference is the one to read.
        """
        if self._has_failed:
            return
        if self._seen:
            raise self._difference("the end", "", self._seen[0])
        if self._running:
            raise self._failure("the script is over, its procedure is not")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()

    # --- inside -------------------------------------------------------------------------------

    def _unwanted(self, message: M, _: Moment) -> None:
        self.unsolicited.append(message)

    def _done(self, result: object, error: ProtocolError | None) -> None:
        self._drain()
        self._running -= 1
        self._seen.append(("returned", result) if error is None else ("raised", error))

    def _drain(self) -> Self:
        while (effect := self._engine.next_effect()) is not None:
            match effect:
                case Write():
                    self._seen.append(("wrote", self._wire.outbox.popleft()))
                    self._engine.written(self.now)
                case Subscribe(characteristic=characteristic):
                    self._seen.append(("subscribed", characteristic))
                case Commit():
                    self._seen.append(("committed", effect))
                case _:
                    self._seen.append(("emitted", effect))
        return self

    def _move_to(self, seconds: float) -> None:
        whole = int(seconds) - int(self.now.seconds)
        self.now = Moment(seconds, DeviceTime(self.now.local + whole))

    def _told(self, what: str, content: object) -> None:
        if self._seen:
            raise self._difference(f"nothing before the script goes on: {what}", content)
        self._lines.append(f"  > {what} {content}".rstrip())

    def _take(self, what: str, content: object) -> tuple[str, object]:
        if not self._seen:
            raise self._difference(what, content)
        return self._seen.popleft()

    def _expect(self, what: str, content: object) -> None:
        happened = self._take(what, content)
        if happened != (what, content):
            raise self._difference(what, content, happened)
        self._lines.append(f"    {what} {content}")

    def _next_batch(self) -> Commit:
        happened = self._take("committed", "")
        if not isinstance(happened[1], Commit):
            raise self._difference("committed", "", happened)
        return happened[1]

    def _difference(
        self, what: str, content: object, happened: tuple[str, object] | None = None
    ) -> PlaybookError:
        found, detail = happened or (self._seen[0] if self._seen else ("nothing", ""))
        shown = repr(detail) if isinstance(detail, ProtocolError) else detail
        lines = (
            f"  - {what} {content}".rstrip() + "   (in the script)",
            f"  + {found} {shown}".rstrip() + "   (happened)",
        )
        return self._failure("the exchange differs from its script", lines)

    def _failure(self, summary: str, lines: Iterable[str] = ()) -> PlaybookError:
        self._has_failed = True
        return PlaybookError("\n".join((summary, *self._lines, *lines)))


class _Wire(Generic[M]):
    """Whole messages instead of frames. Implements `protocols.engine.Transport[M]`."""

    def __init__(self) -> None:
        self.inbox: deque[M] = deque()
        self.outbox: deque[M] = deque()
        self.result: bool | ProtocolError | None = None

    def send(self, message: M, now: Moment) -> None:
        self.result = None
        self.outbox.append(message)

    def settle(self) -> None:
        self.result = None

    def outcome(self) -> bool | ProtocolError | None:
        result, self.result = self.result, None
        return result

    def received(self, characteristic: str, data: bytes, now: Moment) -> Iterable[M]:
        while self.inbox:
            yield self.inbox.popleft()

    def written(self, now: Moment) -> None:
        """Nothing: the script says when a message counts as acknowledged."""

    def failed(self, error: ProtocolError) -> None:
        self.result = error

    def tick(self, now: Moment) -> None:
        """Nothing falls due here."""

    def deadline(self) -> float | None:
        return None

    def next_effect(self) -> Effect | None:
        return Write("", b"", response=True) if self.outbox else None
