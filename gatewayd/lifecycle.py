"""Living and dying: signals, systemd, and trying again."""

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from gatewayd.causes import cause
from gatewayd.errors import GatewayError
from gatewayd.logs import get_logger

Clock = Callable[[], float]
"""Monotonic seconds."""

Pause = Callable[[asyncio.Event, float], Awaitable[None]]
"""Waits until the event is set, but at most so many seconds."""

CANCEL_AGAIN_S: Final = 5.0
"""Longer than any orderly end takes, so that none is disturbed."""

_log: Final = get_logger()


@dataclass(frozen=True, slots=True)
class Systemd:
    """The service manager, if there is one: where it listens and how often it wants to hear of us.

    Telling it anything never blocks and never fails: a manager that does not listen is no reason
    to stop.
    """

    address: str | None = None
    watchdog_s: float | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Systemd":
        """What sd_notify(3) and sd_watchdog_enabled(3) say."""
        usec = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        return cls(
            address=environ.get("NOTIFY_SOCKET") or None,
            watchdog_s=int(usec) / 1e6 if usec.isdecimal() and int(usec) and ours else None,
        )

    def ready(self, status: str) -> None:
        """The start is over, even if degraded; `status` says which."""
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def status(self, status: str) -> None:
        """What `systemctl status` shows."""
        self._send(f"STATUS={_one_line(status)}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if self.address is None:
            return
        # A leading @ stands for the abstract name space.
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(0)
            try:
                channel.sendto(message.encode(), address)
            except OSError as error:
                _log.debug("systemd_unreachable", reason=error.strerror)


async def feed_watchdog(
    systemd: Systemd,
    alive: Callable[[], bool] = lambda: True,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Tell systemd twice per period that the loop turns and `alive()` holds; for ever, or not at
    all if systemd does not ask. A loop that hangs, or work that stands still, gets us restarted."""
    if systemd.watchdog_s is None:
        return
    while True:
        if alive():
            systemd.alive()
        else:
            _log.error("watchdog_withheld")
        await sleep(systemd.watchdog_s / 2)


@contextmanager
def shutdown_on_signals() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set. The second one of a kind ends the process at once.

    Must be entered in the event loop's thread, while it runs.
    """
    loop = asyncio.get_running_loop()
    shutdown = asyncio.Event()

    def begin(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        _log.info("shutdown_requested", signal=number.name)
        shutdown.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, begin, number)
    try:
        yield shutdown
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def pause(kicked: asyncio.Event, at_most_s: float) -> None:
    """Wait until `kicked` is set, but at most so many seconds."""
    try:
        async with asyncio.timeout(at_most_s):
            await kicked.wait()
    except TimeoutError:
        return


class Backoff:
    """How long to wait before the next try.

    Each failure doubles the delay, up to `cap_s`; a try that held for `stable_s` starts anew. Each
    delay is shortened by a random part, up to `jitter` of it, so that many do not come at once.
    """

    def __init__(
        self,
        *,
        first_s: float = 1.0,
        cap_s: float = 300.0,
        jitter: float = 0.25,
        stable_s: float = 60.0,
        clock: Clock = time.monotonic,
        chance: Callable[[], float] = random.random,
        pause: Pause = pause,
    ) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._jitter = jitter
        self._stable_s = stable_s
        self._clock = clock
        self._chance = chance
        self._pause = pause
        self._next_s = first_s
        self._began_s = clock()
        self._kicked = asyncio.Event()

    def begin(self) -> None:
        """A try begins."""
        self._began_s = self._clock()

    def failed(self) -> float:
        """The try failed; returns the seconds to wait before the next one."""
        if self._clock() - self._began_s >= self._stable_s:
            self.reset()
        delay_s = self._next_s * (1 - self._jitter * self._chance())
        self._next_s = min(self._next_s * 2, self._cap_s)
        return delay_s

    def reset(self) -> None:
        """The next failure is a first one."""
        self._next_s = self._first_s

    def kick(self) -> None:
        """End a wait that is going on: there is reason to believe that a try would succeed now."""
        self._kicked.set()

    async def wait(self, delay_s: float) -> None:
        """Wait that long, or until kicked."""
        self._kicked.clear()
        await self._pause(self._kicked, delay_s)


Run = Callable[[Callable[[], None]], Awaitable[None]]
"""Work to be supervised. It calls the function that it is given once it is up and running."""


async def supervise(name: str, run: Run, backoff: Backoff) -> None:
    """Run again after every error whose class says `retry`; return when `run` returns.

    The first failure of a kind is a WARNING with its remedy, repeats are DEBUG, and being up again
    is INFO. Any other error comes out as it is; of a group, its gravest error decides.
    """
    failing: type[GatewayError] | None = None

    def up() -> None:
        nonlocal failing
        if failing is not None:
            failing = None
            _log.info("recovered", task=name)

    while True:
        backoff.begin()
        try:
            await run(up)
        except (GatewayError, ExceptionGroup) as raised:
            heed_cancellation()
            error = cause(raised)
            if not isinstance(error, GatewayError) or not error.retry:
                raise
            delay_s = backoff.failed()
            say = _log.debug if type(error) is failing else _log.warning
            say(
                "failed",
                task=name,
                reason=error.summary,
                remedy=error.remedy,
                retry_in_s=round(delay_s, 1),
            )
            failing = type(error)
        else:
            return
        await backoff.wait(delay_s)


def heed_cancellation() -> None:
    """Raises CancelledError if this task was asked to end, and something below forgot that.

    `asyncio.wait_for`, which libraries of ours connect with, may do so before Python 3.12, when its
    result comes at the same moment.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks until they have ended; what they raise stays with their group.

    Once may not be enough, as `heed_cancellation` tells.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)


def _one_line(text: str) -> str:
    return " ".join(text.split())
