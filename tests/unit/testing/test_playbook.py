"""The playbook passes what goes as written, and says plainly what does not."""

import pytest

from protocols.errors import DeviceRefused, LinkClosed, SessionTimeout
from protocols.model.events import SyncWanted
from protocols.model.readings import HeartRate
from protocols.model.time import DeviceTime
from protocols.procedure import Procedure, ask, emit, pause, persist, tell
from protocols.session import Batch, Raise, Raw
from protocols.testing.playbook import START, Playbook, PlaybookError

HR = HeartRate(DeviceTime(1), 72)
RAW = Raw("test", b"bytes")


def fetch() -> Procedure[int]:
    page = yield from ask("read", lambda message: message or None, what="page")
    yield from persist(Batch((HR,), RAW))
    yield from tell(f"erase {page}")
    yield from emit(Raise(SyncWanted()))
    return 1


@pytest.fixture
def play() -> Playbook[str]:
    return Playbook()


def complaint(error: pytest.ExceptionInfo[PlaybookError]) -> list[str]:
    return [line.strip() for line in str(error.value).splitlines()]


def test_an_exchange_that_goes_as_written_passes() -> None:
    with Playbook[str]() as play:
        play.start(fetch()).wrote("read").reply("page 1").committed(HR, raw=RAW).wrote_nothing()
        play.confirm().wrote("erase page 1").emitted(Raise(SyncWanted())).returned(1)


def test_a_difference_shows_the_exchange_and_both_sides(play: Playbook[str]) -> None:
    play.start(fetch()).wrote("read").reply("page 1").committed(HR).confirm()
    with pytest.raises(PlaybookError) as error:
        play.wrote("erase page 2")
    assert complaint(error) == [
        "the exchange differs from its script",
        "> start fetch",
        "wrote read",
        "> reply page 1",
        "committed 1 readings, receipt 1",
        "> confirm 1",
        "- wrote erase page 2   (in the script)",
        "+ wrote erase page 1   (happened)",
    ]


def test_what_does_not_happen_is_a_difference(play: Playbook[str]) -> None:
    with pytest.raises(PlaybookError) as error:
        play.start(fetch()).wrote("read").committed(HR)
    assert complaint(error)[-2:] == ["- committed   (in the script)", "+ nothing   (happened)"]


@pytest.mark.parametrize(
    ("readings", "raw"), [((), None), ((HR, HR), None), ((HR,), Raw("test", b"other"))]
)
def test_another_batch_is_a_difference(
    play: Playbook[str], readings: tuple[HeartRate, ...], raw: Raw | None
) -> None:
    play.start(fetch()).wrote("read").reply("page 1")
    with pytest.raises(PlaybookError, match="differs"):
        play.committed(*readings, raw=raw)


def test_nothing_means_nothing(play: Playbook[str]) -> None:
    with pytest.raises(PlaybookError, match="differs"):
        play.start(fetch()).wrote_nothing()


def test_the_script_goes_on_only_after_naming_what_happened(play: Playbook[str]) -> None:
    with pytest.raises(PlaybookError, match="nothing before the script goes on: reply"):
        play.start(fetch()).reply("page 1")


def test_a_result_must_be_the_one_in_the_script(play: Playbook[str]) -> None:
    with pytest.raises(PlaybookError, match="returned None"):
        play.start(pause(1)).passes(1).returned(5)


@pytest.mark.parametrize(("error", "text"), [(SessionTimeout, ""), (LinkClosed, "something else")])
def test_an_error_must_be_the_one_in_the_script(
    play: Playbook[str], error: type[SessionTimeout | LinkClosed], text: str
) -> None:
    play.start(tell("hello")).wrote("hello", acknowledged=False).close()
    with pytest.raises(PlaybookError, match="LinkClosed"):
        play.raised(error, text)


def test_an_error_may_be_looked_at(play: Playbook[str]) -> None:
    play.start(tell("hello")).wrote("hello", acknowledged=False)
    error = DeviceRefused("no", reason="busy")
    assert play.lose(error).raised(DeviceRefused) is error


def test_confirming_without_a_commit_is_a_mistake_of_the_script(play: Playbook[str]) -> None:
    with pytest.raises(PlaybookError, match="no commit"):
        play.confirm()


def test_a_script_that_ends_before_its_procedure_fails() -> None:
    with pytest.raises(PlaybookError, match="its procedure is not"), Playbook[str]() as play:
        play.start(pause(10))


def test_a_script_that_leaves_something_out_fails() -> None:
    with pytest.raises(PlaybookError, match="the end"), Playbook[str]() as play:
        play.start(fetch())


def test_the_first_difference_is_the_one_that_is_told() -> None:
    with pytest.raises(PlaybookError, match="wrote write"), Playbook[str]() as play:
        play.start(fetch()).wrote("write")
    play.finish()


def test_another_exception_is_not_hidden_by_an_unfinished_script() -> None:
    def broken() -> Procedure[None]:
        yield from tell("hello")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Playbook[str]() as play:
        play.start(broken()).wrote("hello")


def test_time_passes_deadline_by_deadline(play: Playbook[str]) -> None:
    def twice() -> Procedure[tuple[int, int]]:
        yield from pause(5)
        first = play.clock()
        yield from pause(5)
        return first - START.local, play.clock() - START.local

    play.start(twice()).passes(60).returned((5, 10))
    assert play.clock() == START.local + 60


def test_a_procedure_that_never_rests_is_stopped(play: Playbook[str]) -> None:
    def restless() -> Procedure[None]:
        while True:
            yield from pause(0)

    with pytest.raises(PlaybookError, match="10000 deadlines"):
        play.start(restless()).passes(1)
