"""Waiting for something to become true, without sleeping: whoever changes anything rings."""

import asyncio
from collections.abc import Callable

LIMIT_S = 30.0


class Bell:
    """Belongs to the event loop in which it was made; `ring` may be called from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Something changed."""
        self._loop.call_soon_threadsafe(self._rung.set)

    async def until(
        self, condition: Callable[[], object], what: str, limit_s: float = LIMIT_S
    ) -> None:
        """Raises AssertionError when it does not come true in time."""
        try:
            async with asyncio.timeout(limit_s):
                while not condition():
                    self._rung.clear()
                    await self._rung.wait()
        except TimeoutError:
            raise AssertionError(f"not within {limit_s:g} s: {what}") from None
