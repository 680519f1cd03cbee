"""Signals, systemd and trying again; no test here waits for a clock."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gatewayd.errors import BrokerRefused, BrokerUnreachable, LinkLost, StoreDamaged
from gatewayd.lifecycle import (
    Backoff,
    Systemd,
    end,
    feed_watchdog,
    pause,
    shutdown_on_signals,
    supervise,
)


class Time:
    """A clock that moves when somebody waits; it knows how long each wait was."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.waits_s: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    async def pause(self, _kicked: asyncio.Event, at_most_s: float) -> None:
        self.waits_s.append(at_most_s)
        self.now_s += at_most_s


def backoff(time: Time, chance: Callable[[], float] = lambda: 0.0) -> Backoff:
    return Backoff(cap_s=10.0, clock=time, chance=chance, pause=time.pause)


# --- backoff ----------------------------------------------------------------------------------


def test_delays_double_up_to_the_cap() -> None:
    tries = backoff(Time())
    tries.begin()
    assert [tries.failed() for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_a_try_that_held_for_a_minute_starts_anew() -> None:
    time = Time()
    tries = backoff(time)
    tries.begin()
    assert [tries.failed() for _ in range(3)] == [1, 2, 4]
    time.now_s += 59.9
    assert tries.failed() == 8
    tries.begin()
    time.now_s += 60
    assert tries.failed() == 1


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=12))
def test_jitter_only_shortens_and_by_a_quarter_at_most(chances: list[float]) -> None:
    drawn = iter(chances)
    jittered, plain = backoff(Time(), lambda: next(drawn)), backoff(Time())
    for _ in chances:
        full = plain.failed()
        assert 0.75 * full <= jittered.failed() <= full


async def test_a_kick_ends_the_wait_that_is_going_on() -> None:
    tries = Backoff()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = group.create_task(tries.wait(3600))
        await asyncio.sleep(0)
        assert not waiting.done()
        tries.kick()


async def test_a_kick_before_the_wait_does_not_shorten_it() -> None:
    kicked: list[bool] = []

    async def look(event: asyncio.Event, _at_most_s: float) -> None:
        kicked.append(event.is_set())

    tries = Backoff(pause=look)
    tries.kick()
    await tries.wait(1)
    assert kicked == [False]


async def test_a_pause_ends_by_itself() -> None:
    async with asyncio.timeout(5):
        await pause(asyncio.Event(), 0.0)


# --- supervise --------------------------------------------------------------------------------


async def test_a_passing_failure_is_tried_again_and_told_once_with_its_remedy() -> None:
    time = Time()
    outcomes: list[Exception | None] = [
        BrokerUnreachable("no broker", "Start it."),
        BrokerUnreachable("no broker", "Start it."),
        BrokerRefused("not welcome", "Check the password."),
        None,
    ]

    async def run(up: Callable[[], None]) -> None:
        if (outcome := outcomes.pop(0)) is not None:
            raise outcome
        up()
        up()

    with capture_logs() as lines:
        await supervise("mqtt", run, backoff(time))
    assert time.waits_s == [1, 2, 4]
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("warning", "failed"),
        ("debug", "failed"),
        ("warning", "failed"),
        ("info", "recovered"),
    ]
    assert lines[0] | {"reason": "no broker", "remedy": "Start it.", "retry_in_s": 1} == lines[0]


async def test_the_first_failure_after_a_recovery_is_told_again() -> None:
    left = 3

    async def run(up: Callable[[], None]) -> None:
        nonlocal left
        left -= 1
        if not left:
            return
        up()
        raise LinkLost("gone")

    with capture_logs() as lines:
        await supervise("watch", run, backoff(Time()))
    assert [line["log_level"] for line in lines] == ["warning", "info", "warning"]


@pytest.mark.parametrize("error", [StoreDamaged("torn"), ValueError("a bug")])
async def test_any_other_error_comes_out_at_once(error: Exception) -> None:
    time = Time()

    async def run(_up: Callable[[], None]) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await supervise("store", run, backoff(time))
    assert caught.value is error
    assert time.waits_s == []


async def test_a_group_is_tried_again_only_if_everything_in_it_passes() -> None:
    groups = [
        ExceptionGroup("g", [LinkLost("gone"), BrokerUnreachable("no broker")]),
        ExceptionGroup("g", [LinkLost("gone"), KeyError("a bug")]),
    ]

    async def run(_up: Callable[[], None]) -> None:
        raise groups.pop(0)

    with pytest.raises(ExceptionGroup) as caught:
        await supervise("watch", run, backoff(Time()))
    assert groups == []
    assert isinstance(caught.value.exceptions[1], KeyError)


async def test_cancelling_ends_a_wait() -> None:
    waiting = asyncio.Event()

    async def forever(event: asyncio.Event, _at_most_s: float) -> None:
        waiting.set()
        await event.wait()

    async def run(_up: Callable[[], None]) -> None:
        raise LinkLost("gone")

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(supervise("watch", run, Backoff(pause=forever)))
        await waiting.wait()
        task.cancel()
    assert task.cancelled()


async def test_cancelling_ends_it_even_if_a_library_forgets_the_cancellation() -> None:
    trying = asyncio.Event()
    tries = 0

    async def run(_up: Callable[[], None]) -> None:
        nonlocal tries
        tries += 1
        trying.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise BrokerUnreachable("no broker") from None

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(supervise("mqtt", run, backoff(Time())))
        await trying.wait()
        task.cancel()
    assert task.cancelled()
    assert tries == 1


# --- systemd ----------------------------------------------------------------------------------


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[socket.socket, str]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(5)
        if request.param == "file":
            address = str(tmp_path / "notify")
            listener.bind(address)
        else:
            address = f"@gatewayd-test-{os.getpid()}"
            listener.bind(f"\0{address[1:]}")
        yield listener, address


def test_the_manager_hears_each_word(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    systemd = Systemd.from_environment({"NOTIFY_SOCKET": address})
    systemd.ready("2 devices\nFOO=1")
    systemd.status("synced")
    systemd.alive()
    systemd.stopping()
    heard = [listener.recv(1024).decode() for _ in range(4)]
    assert heard == [
        "READY=1\nSTATUS=2 devices FOO=1",
        "STATUS=synced",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_a_manager_that_is_away_is_no_failure(tmp_path: Path) -> None:
    with capture_logs() as lines:
        Systemd(str(tmp_path / "nobody")).status("x")
        Systemd().status("x")
    assert [line["event"] for line in lines] == ["systemd_unreachable"]


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_only_if_it_asks_us(
    environ: dict[str, str], watchdog_s: float | None
) -> None:
    assert Systemd.from_environment(environ).watchdog_s == watchdog_s


async def test_the_watchdog_is_fed_twice_a_period_while_all_is_alive(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    alive = iter([True, False, True])
    slept_s: list[float] = []

    async def sleep(seconds: float) -> None:
        slept_s.append(seconds)
        if len(slept_s) == 3:
            raise asyncio.CancelledError

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(0)
        with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
            await feed_watchdog(Systemd(str(path), 60.0), lambda: next(alive), sleep=sleep)
        assert [listener.recv(64) for _ in range(2)] == [b"WATCHDOG=1"] * 2
        with pytest.raises(BlockingIOError):
            listener.recv(64)
    assert slept_s == [30.0] * 3
    assert [line["event"] for line in lines] == ["watchdog_withheld"]


async def test_without_a_watchdog_there_is_nothing_to_feed() -> None:
    await feed_watchdog(Systemd())


# --- ending tasks -----------------------------------------------------------------------------


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gatewayd.lifecycle.CANCEL_AGAIN_S", 0.01)
    swallowed: list[int] = []

    async def stubborn() -> None:
        for number in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed.append(number)
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(stubborn())
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await end(task)
    assert task.cancelled()
    assert swallowed == [0, 1]


# --- signals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_asks_for_the_shutdown_and_a_second_one_is_not_held_back(
    number: signal.Signals,
) -> None:
    before = signal.getsignal(number)
    with shutdown_on_signals() as shutdown:
        assert not shutdown.is_set()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            await shutdown.wait()
        assert signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}
    assert signal.getsignal(number) in {before, signal.SIG_DFL, signal.default_int_handler}


def test_many_first_delays_are_spread() -> None:
    delays = {Backoff().failed() for _ in range(20)}
    assert len(delays) > 1
    assert all(left <= right for left, right in pairwise(sorted(delays)))
