"""The engine, driven through the playbook where a script is enough, by hand where order matters."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import pytest

from protocols.engine import MAX_WAITING, Engine
from protocols.errors import (
    DeviceRefused,
    LimitExceeded,
    LinkClosed,
    MessageError,
    ProtocolError,
    SessionTimeout,
    Unacknowledged,
    WrongState,
)
from protocols.model.events import SyncWanted
from protocols.model.readings import HeartRate
from protocols.model.time import DeviceTime, Moment
from protocols.procedure import Procedure, ask, emit, enable, expect, pause, persist, tell
from protocols.session import (
    Anomaly,
    AnomalyKind,
    Batch,
    Commit,
    Effect,
    Raise,
    Receipt,
    Subscribe,
    Write,
)
from protocols.testing.playbook import Playbook

HR_72 = HeartRate(DeviceTime(800_000_000), 72)
BATCH = Batch((HR_72,))
CHARACTERISTIC = "00002a37-0000-1000-8000-00805f9b34fb"


@pytest.fixture
def play() -> Iterator[Playbook[str]]:
    with Playbook[str]() as playbook:
        yield playbook


def answer(prefix: str) -> Callable[[str], str | None]:
    return lambda message: message if message.startswith(prefix) else None


# --- steps --------------------------------------------------------------------------------------


def test_ask_returns_what_the_acceptor_makes_of_the_answer(play: Playbook[str]) -> None:
    def length(message: str) -> int | None:
        return len(message) if message.startswith("pong") else None

    play.start(ask("ping", length, what="pong")).wrote("ping").reply("pong!").returned(5)


def test_an_answer_may_be_falsy_and_still_be_one(play: Playbook[str]) -> None:
    play.start(ask("ping", lambda _: 0, what="pong")).wrote("ping").reply("x").returned(0)


def test_messages_that_nobody_asked_for_are_handed_on(play: Playbook[str]) -> None:
    play.start(ask("ping", answer("pong"), what="pong")).wrote("ping").reply("news").wrote_nothing()
    play.reply("pong").returned("pong")
    play.reply("more news")
    assert play.unsolicited == ["news", "more news"]


def test_a_message_that_comes_while_nothing_is_expected_is_handed_on(play: Playbook[str]) -> None:
    play.start(tell("hello")).wrote("hello", acknowledged=False).reply("pong").wrote_nothing()
    play.acknowledge().returned()
    assert play.unsolicited == ["pong"]


def test_tell_returns_with_the_acknowledgement_and_not_before(play: Playbook[str]) -> None:
    play.start(tell("hello")).wrote("hello", acknowledged=False).passes(3600).wrote_nothing()
    play.acknowledge().returned()


def test_an_answer_before_the_acknowledgement_counts(play: Playbook[str]) -> None:
    def both() -> Procedure[str]:
        first = yield from ask("ping", answer("pong"), what="pong")
        second = yield from ask("ping 2", answer("pong"), what="pong")
        return first + second

    play.start(both()).wrote("ping", acknowledged=False).reply("pong 1")
    play.wrote("ping 2").reply("pong 2").returned("pong 1pong 2")


def test_the_time_out_of_a_question_runs_from_its_acknowledgement(play: Playbook[str]) -> None:
    play.start(ask("ping", answer("pong"), what="pong", timeout_s=10))
    play.wrote("ping", acknowledged=False).passes(60).wrote_nothing().acknowledge()
    play.passes(9.9).wrote_nothing().passes(0.1)
    assert str(play.raised(SessionTimeout)) == "no pong within 10 s"


def test_other_messages_do_not_extend_the_time_out(play: Playbook[str]) -> None:
    play.start(ask("ping", answer("pong"), what="pong", timeout_s=10)).wrote("ping")
    play.passes(6).reply("news").passes(4).raised(SessionTimeout)


def test_expect_waits_without_sending(play: Playbook[str]) -> None:
    play.start(expect(answer("page"), what="page")).wrote_nothing().reply("page 1")
    play.returned("page 1")


def test_expect_raises_when_nothing_comes(play: Playbook[str]) -> None:
    play.start(expect(answer("page"), what="page", timeout_s=15)).passes(15)
    play.raised(SessionTimeout, "no page within 15 s")


def test_messages_of_one_notification_feed_successive_expectations(play: Playbook[str]) -> None:
    def pages() -> Procedure[list[str]]:
        found = [(yield from ask("read", answer("page"), what="page"))]
        while found[-1] != "page end":
            found.append((yield from expect(answer("page"), what="page")))
        return found

    play.start(pages()).wrote("read", acknowledged=False)
    play.reply("page 1", "news", "page 2", "page end")
    play.returned(["page 1", "page 2", "page end"])
    assert play.unsolicited == ["news"]


def test_persist_resumes_only_after_confirm(play: Playbook[str]) -> None:
    def fetch() -> Procedure[None]:
        yield from persist(BATCH)
        yield from tell("erase")

    play.start(fetch()).committed(HR_72).passes(86_400).wrote_nothing().reply("erase now")
    play.wrote_nothing().confirm().wrote("erase").returned()
    assert play.unsolicited == ["erase now"]


def test_enable_resumes_once_notifications_are_on(play: Playbook[str]) -> None:
    def hello() -> Procedure[None]:
        yield from enable(CHARACTERISTIC)
        yield from tell("hello")

    play.start(hello()).subscribed(CHARACTERISTIC).wrote("hello").returned()


def test_enable_raises_what_the_link_says(play: Playbook[str]) -> None:
    play.start(enable(CHARACTERISTIC)).subscribed(CHARACTERISTIC, error=LinkClosed("gone"))
    play.raised(LinkClosed, "gone")


def test_pause_lets_exactly_that_time_pass(play: Playbook[str]) -> None:
    def slow() -> Procedure[None]:
        yield from pause(3)
        yield from tell("late")

    play.start(slow()).passes(2.9).wrote_nothing().passes(0.1).wrote("late").returned()


def test_emit_needs_no_answer_and_keeps_its_place(play: Playbook[str]) -> None:
    def report() -> Procedure[None]:
        yield from emit(Raise(SyncWanted()))
        yield from tell("done")
        yield from emit(Anomaly(AnomalyKind.DUPLICATE, "x"))

    play.start(report()).emitted(Raise(SyncWanted())).wrote("done")
    play.emitted(Anomaly(AnomalyKind.DUPLICATE, "x")).returned()


# --- errors -------------------------------------------------------------------------------------


def test_an_acceptor_may_refuse_the_answer(play: Playbook[str]) -> None:
    def refuse(message: str) -> str | None:
        raise MessageError(f"cannot read {message}")

    play.start(ask("ping", refuse, what="pong")).wrote("ping").reply("junk")
    play.raised(MessageError, "cannot read junk")


def test_a_refused_answer_settles_the_question_too(play: Playbook[str]) -> None:
    def refuse(_: str) -> str | None:
        raise MessageError("unreadable")

    def twice() -> Procedure[str]:
        try:
            yield from ask("ping", refuse, what="pong")
        except MessageError:
            return (yield from ask("ping 2", answer("pong"), what="pong"))
        raise AssertionError

    play.start(twice()).wrote("ping", acknowledged=False).reply("junk")
    play.wrote("ping 2").reply("pong").returned("pong")


def test_a_procedure_may_catch_an_error_and_try_again(play: Playbook[str]) -> None:
    def stubborn() -> Procedure[str]:
        for _ in range(2):
            try:
                return (yield from ask("ping", answer("pong"), what="pong", timeout_s=5))
            except SessionTimeout:
                yield from pause(3)
        raise DeviceRefused("silent", reason="unknown")

    play.start(stubborn()).wrote("ping").passes(5).wrote_nothing().passes(3)
    play.wrote("ping").reply("pong").returned("pong")


def test_an_unacknowledged_message_raises_where_it_was_sent(play: Playbook[str]) -> None:
    play.start(tell("hello")).wrote("hello", acknowledged=False).lose()
    play.raised(Unacknowledged)


def test_a_message_that_cannot_be_framed_raises_where_it_was_sent() -> None:
    wire = Wire()
    wire.refusal = LimitExceeded("too long")
    engine: Engine[str] = Engine(wire, ignore)
    outcome = Outcome()

    def careful() -> Procedure[str]:
        try:
            yield from tell("a long message")
        except LimitExceeded:
            wire.refusal = None
            yield from tell("short")
        return "sent"

    engine.run(careful(), outcome, NOW)
    assert wire.sent == ["short"]
    wire.result = True
    engine.tick(NOW)
    assert outcome.result == "sent"


def test_a_message_that_cannot_be_framed_does_not_haunt_the_next_procedure() -> None:
    wire = Wire()
    wire.refusal = LimitExceeded("too long")
    unsolicited: list[str] = []
    engine: Engine[str] = Engine(wire, lambda message, _: unsolicited.append(message))
    outcome = Outcome()
    engine.run(ask("a long message", answer("pong"), what="pong"), outcome, NOW)
    assert isinstance(outcome.error, LimitExceeded)
    wire.inbox.append("pong")
    engine.received("", b"", NOW)
    assert unsolicited == ["pong"]


def test_a_bug_in_a_procedure_is_not_swallowed(play: Playbook[str]) -> None:
    def broken() -> Procedure[None]:
        yield from tell("hello")
        raise ZeroDivisionError

    play.start(broken())
    with pytest.raises(ZeroDivisionError):
        play.wrote("hello")
    play._running = 0


# --- order --------------------------------------------------------------------------------------


def test_procedures_run_one_after_the_other(play: Playbook[str]) -> None:
    play.start(tell("first")).wrote("first", acknowledged=False)
    play.start(tell("second")).wrote_nothing().acknowledge().returned().wrote("second").returned()


def test_a_failed_procedure_does_not_stop_the_next(play: Playbook[str]) -> None:
    play.start(tell("first")).wrote("first", acknowledged=False).start(tell("second"))
    play.lose().raised(Unacknowledged)
    play.wrote("second").returned()


def test_a_procedure_may_end_without_a_single_step(play: Playbook[str]) -> None:
    def nothing() -> Procedure[str]:
        return "at once"
        yield

    play.start(nothing()).returned("at once")


NOW = Moment(10.0, DeviceTime(0))


def ignore(_: str, __: Moment) -> None:
    """What comes by itself does not matter here."""


class Wire:
    """A transport whose every move the test makes by hand."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.settled = 0
        self.inbox: deque[str] = deque()
        self.effects: deque[Effect] = deque()
        self.result: bool | ProtocolError | None = None
        self.refusal: ProtocolError | None = None
        self.due: float | None = None
        self.on_written: bool | None = None

    def send(self, message: str, now: Moment) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.sent.append(message)
        self.effects.append(Write("", message.encode(), response=True))

    def settle(self) -> None:
        self.settled += 1
        self.result = None

    def outcome(self) -> bool | ProtocolError | None:
        result, self.result = self.result, None
        return result

    def received(self, characteristic: str, data: bytes, now: Moment) -> Iterable[str]:
        while self.inbox:
            yield self.inbox.popleft()

    def written(self, now: Moment) -> None:
        self.result = self.on_written

    def failed(self, error: ProtocolError) -> None:
        self.result = error

    def tick(self, now: Moment) -> None:
        """Time makes no difference to it."""

    def deadline(self) -> float | None:
        return self.due

    def next_effect(self) -> Effect | None:
        return self.effects.popleft() if self.effects else None


class Outcome:
    """Keeps how a procedure ended."""

    def __init__(self) -> None:
        self.calls = 0
        self.result: object = None
        self.error: ProtocolError | None = None

    def __call__(self, result: object, error: ProtocolError | None) -> None:
        self.calls += 1
        self.result, self.error = result, error


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def engine(wire: Wire) -> Engine[str]:
    return Engine(wire, ignore)


def at(seconds: float) -> Moment:
    return Moment(seconds, DeviceTime(0))


def test_writes_are_handed_out_one_at_a_time(engine: Engine[str], wire: Wire) -> None:
    wire.effects.extend(Write("", bytes((n,)), response=True) for n in range(2))
    assert engine.next_effect() == Write("", b"\0", response=True)
    assert engine.next_effect() is None
    engine.written(NOW)
    assert engine.next_effect() == Write("", b"\1", response=True)


def test_anomalies_of_the_transport_do_not_wait_for_an_answer(
    engine: Engine[str], wire: Wire
) -> None:
    oddity = Anomaly(AnomalyKind.BAD_FRAME, "3 bytes")
    wire.effects.extend([oddity, Write("", b"", response=True)])
    assert engine.next_effect() == oddity
    assert isinstance(engine.next_effect(), Write)


def test_a_subscription_waits_for_the_write_that_is_under_way(
    engine: Engine[str], wire: Wire
) -> None:
    wire.effects.append(Write("", b"ack", response=True))
    assert isinstance(engine.next_effect(), Write)
    engine.run(enable(CHARACTERISTIC), Outcome(), NOW)
    assert engine.next_effect() is None
    engine.written(NOW)
    assert engine.next_effect() == Subscribe(CHARACTERISTIC)
    wire.effects.append(Write("", b"ack", response=True))
    assert engine.next_effect() is None
    engine.written(NOW)
    assert isinstance(engine.next_effect(), Write)


def test_commits_and_events_do_not_wait_for_a_write(engine: Engine[str], wire: Wire) -> None:
    wire.effects.append(Write("", b"ack", response=True))
    engine.next_effect()
    engine.commit(BATCH)
    engine.emit(Raise(SyncWanted()))
    assert engine.next_effect() == Commit(Receipt(1), BATCH)
    assert engine.next_effect() == Raise(SyncWanted())


def test_a_transport_may_be_done_as_soon_as_its_write_is(engine: Engine[str], wire: Wire) -> None:
    wire.on_written = True
    outcome = Outcome()
    engine.run(tell("hello"), outcome, NOW)
    engine.next_effect()
    engine.written(NOW)
    assert outcome.calls == 1


def test_an_answer_tells_the_transport_that_the_message_arrived(
    engine: Engine[str], wire: Wire
) -> None:
    outcome = Outcome()
    engine.run(ask("ping", answer("pong"), what="pong"), outcome, NOW)
    wire.inbox.append("pong")
    engine.received("", b"", NOW)
    assert (wire.settled, outcome.result) == (1, "pong")


def test_an_answer_after_the_acknowledgement_settles_nothing(
    engine: Engine[str], wire: Wire
) -> None:
    engine.run(ask("ping", answer("pong"), what="pong"), Outcome(), NOW)
    wire.result = True
    engine.tick(NOW)
    wire.inbox.append("pong")
    engine.received("", b"", NOW)
    assert wire.settled == 0


def test_a_failed_write_fails_what_was_being_sent(engine: Engine[str]) -> None:
    outcome = Outcome()
    engine.run(tell("hello"), outcome, NOW)
    engine.next_effect()
    engine.failed(LinkClosed("no such characteristic"), NOW)
    assert str(outcome.error) == "no such characteristic"


def test_answers_to_writes_that_were_never_handed_out_are_ignored(engine: Engine[str]) -> None:
    engine.written(NOW)
    engine.failed(LinkClosed("nothing"), NOW)
    assert engine.next_effect() is None


def test_the_deadline_is_the_earlier_of_both(engine: Engine[str], wire: Wire) -> None:
    assert engine.deadline() is None
    wire.due = 40.0
    assert engine.deadline() == 40.0
    engine.run(pause(5), Outcome(), NOW)
    assert engine.deadline() == 15.0
    wire.due = 12.0
    assert engine.deadline() == 12.0


def test_nothing_happens_before_its_time(engine: Engine[str]) -> None:
    outcome = Outcome()
    engine.run(pause(5), outcome, NOW)
    engine.tick(at(14.99))
    assert outcome.calls == 0
    engine.tick(at(15.0))
    assert outcome.calls == 1
    engine.tick(at(16.0))
    assert outcome.calls == 1


def test_so_many_procedures_may_wait_and_no_more(engine: Engine[str]) -> None:
    running, outcomes = Outcome(), [Outcome() for _ in range(MAX_WAITING)]
    engine.run(tell("running"), running, NOW)
    for outcome in outcomes:
        engine.run(tell("waiting"), outcome, NOW)
    rejected = Outcome()
    engine.run(tell("too many"), rejected, NOW)
    assert isinstance(rejected.error, LimitExceeded)
    engine.close(NOW)
    ended = [running, *outcomes]
    assert [type(outcome.error) for outcome in ended] == [LinkClosed] * (MAX_WAITING + 1)
    assert {outcome.calls for outcome in (*ended, rejected)} == {1}


def test_a_procedure_may_be_started_from_the_end_of_another(
    engine: Engine[str], wire: Wire
) -> None:
    last = Outcome()
    engine.run(tell("first"), lambda _, __: engine.run(tell("second"), last, NOW), NOW)
    wire.result = True
    engine.tick(NOW)
    assert wire.sent == ["first", "second"]
    wire.result = True
    engine.tick(NOW)
    assert last.calls == 1


# --- receipts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("receipt", [0, 2, 99])
def test_confirming_an_unknown_receipt_is_an_error(engine: Engine[str], receipt: int) -> None:
    engine.run(persist(BATCH), Outcome(), NOW)
    with pytest.raises(WrongState):
        engine.confirm(Receipt(receipt), NOW)


def test_a_receipt_is_good_for_one_confirmation(engine: Engine[str]) -> None:
    engine.run(persist(BATCH), Outcome(), NOW)
    engine.commit(BATCH)
    for receipt in (Receipt(2), Receipt(1)):
        engine.confirm(receipt, NOW)
        with pytest.raises(WrongState):
            engine.confirm(receipt, NOW)


def test_a_detached_commit_resumes_nobody(engine: Engine[str]) -> None:
    outcome = Outcome()
    engine.run(persist(BATCH), outcome, NOW)
    engine.commit(BATCH)
    engine.confirm(Receipt(2), NOW)
    assert outcome.calls == 0
    engine.confirm(Receipt(1), NOW)
    assert outcome.calls == 1


# --- the end of the link ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "procedure",
    [
        lambda: tell("x"),
        lambda: ask("x", answer("y"), what="y"),
        lambda: expect(answer("y"), what="y"),
        lambda: persist(BATCH),
        lambda: enable(CHARACTERISTIC),
        lambda: pause(5),
    ],
    ids=["tell", "ask", "expect", "persist", "enable", "pause"],
)
def test_close_ends_whatever_a_procedure_waits_for(
    engine: Engine[str], wire: Wire, procedure: Callable[[], Procedure[object]]
) -> None:
    outcome, waiting = Outcome(), Outcome()
    engine.run(procedure(), outcome, NOW)
    engine.run(tell("waiting"), waiting, NOW)
    engine.next_effect()
    engine.close(NOW)
    engine.close(NOW)
    assert isinstance(outcome.error, LinkClosed)
    assert isinstance(waiting.error, LinkClosed)
    # nothing brings it back to life
    wire.result = True
    wire.inbox.append("y")
    wire.due = 11.0
    wire.effects.append(Write("", b"", response=True))
    engine.received("", b"", NOW)
    engine.written(NOW)
    engine.failed(LinkClosed("again"), NOW)
    engine.tick(at(1000.0))
    assert (outcome.calls, waiting.calls) == (1, 1)
    assert engine.deadline() is None
    assert all(not isinstance(effect, Write | Subscribe) for effect in drain(engine))


def drain(engine: Engine[str]) -> list[Effect]:
    effects = []
    while (effect := engine.next_effect()) is not None:
        effects.append(effect)
    return effects


def test_close_runs_the_procedures_own_end() -> None:
    trace = []

    def tidy() -> Procedure[None]:
        try:
            yield from pause(5)
        finally:
            trace.append("tidied")

    engine: Engine[str] = Engine(Wire(), ignore)
    engine.run(tidy(), Outcome(), NOW)
    engine.close(NOW)
    assert trace == ["tidied"]


def test_close_without_anything_running_is_quiet(engine: Engine[str]) -> None:
    engine.close(NOW)
    assert drain(engine) == []


def test_after_the_end_a_procedure_is_refused(engine: Engine[str], wire: Wire) -> None:
    engine.close(NOW)
    outcome = Outcome()
    engine.run(tell("hello"), outcome, NOW)
    assert isinstance(outcome.error, LinkClosed)
    assert wire.sent == []


def test_a_batch_under_way_may_still_be_confirmed_after_the_end(engine: Engine[str]) -> None:
    outcome = Outcome()
    engine.run(persist(BATCH), outcome, NOW)
    engine.close(NOW)
    assert drain(engine) == [Commit(Receipt(1), BATCH)]
    engine.confirm(Receipt(1), NOW)
    with pytest.raises(WrongState):
        engine.confirm(Receipt(1), NOW)
    assert outcome.calls == 1


def test_an_answer_that_comes_while_the_subscription_is_under_way_is_handed_on() -> None:
    unsolicited: list[str] = []
    wire = Wire()
    engine: Engine[str] = Engine(wire, lambda message, _: unsolicited.append(message))
    engine.run(enable(CHARACTERISTIC), Outcome(), NOW)
    engine.next_effect()
    wire.inbox.append("early")
    engine.received(CHARACTERISTIC, b"", NOW)
    assert unsolicited == ["early"]
