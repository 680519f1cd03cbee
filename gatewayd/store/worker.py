"""A thread that owns what one thread must own, and answers the event loop."""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

_Job = Callable[[], None]


class Worker:
    """Runs calls one after the other in a thread of its own.

    Leaner than an executor: one queue hop there and one wake-up back, which is what a single
    live reading pays. A call whose caller was cancelled is still carried out.
    """

    def __init__(self, name: str) -> None:
        self.idle: Callable[[], None] = _nothing
        """Called in the thread when nothing is left to do; must not raise."""

        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, call: Callable[[], T]) -> T:
        """What `call` returns or raises. Raises RuntimeError once the worker is stopped."""
        if not self._thread.is_alive():
            raise RuntimeError("the worker is stopped")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller, whatever it is
                loop.call_soon_threadsafe(_fail, answer, error)
            else:
                loop.call_soon_threadsafe(_answer, answer, result)

        self._jobs.put(job)
        return await answer

    async def stop(self) -> None:
        """End the thread, after what was asked for before."""
        await self.run(lambda: self._jobs.put(None))
        # its last act was to take that None; there is nothing left to wait for
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            if self._jobs.empty():
                self.idle()


def _answer(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[T], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)


def _nothing() -> None:
    """There is nothing to do."""
