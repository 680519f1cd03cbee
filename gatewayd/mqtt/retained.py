"""Retained topics as a wish list: what each should hold, and making the broker hold it."""

import asyncio
from collections.abc import Callable
from functools import partial

from gatewayd.mqtt.client import Line


class RetainedTopics:
    """The wanted payload of each retained topic, published when it changes.

    One publish at a time; what is wanted meanwhile replaces what was wanted before, so a state
    that changes faster than the broker acknowledges costs one publish, not a queue. Topics go out
    in the order in which they were first wanted.
    """

    def __init__(self) -> None:
        self._wanted: dict[str, bytes] = {}
        self._dirty: dict[str, None] = {}
        self._busy = False
        self._idle = asyncio.Event()
        self._line: Line | None = None
        self._refused: Callable[[str, int], None] = _nobody

    def want(self, topic: str, payload: bytes) -> None:
        """From now on the topic shall hold that."""
        if self._wanted.get(topic) != payload:
            self._wanted[topic] = payload
            self._dirty[topic] = None
            self._send()

    def clear(self, topic: str) -> None:
        """The topic shall be gone: an empty retained payload removes it (MQTT 5, 3.3.1.3)."""
        self.want(topic, b"")

    def again(self) -> None:
        """Publish everything once more, changed or not."""
        self._dirty = dict.fromkeys(self._wanted)
        self._send()

    def attach(self, line: Line, refused: Callable[[str, int], None]) -> None:
        """A new connection: everything is published on it; refusals are told to `refused`."""
        self._line = line
        self._refused = refused
        self._busy = False
        self.again()

    def detach(self) -> None:
        """The connection is gone, or is not to be used any more."""
        self._line = None

    async def handed_over(self) -> None:
        """Until the broker has acknowledged everything that is wanted now."""
        await self._idle.wait()

    def _send(self) -> None:
        line = self._line
        if line is None or self._busy:
            return
        if not self._dirty:
            self._idle.set()
            return
        self._idle.clear()
        self._busy = True
        topic = next(iter(self._dirty))
        del self._dirty[topic]
        payload = self._wanted[topic]
        line.post(topic, payload, retain=True, done=partial(self._done, line, topic, payload))

    def _done(self, line: Line, topic: str, payload: bytes, reason: int) -> None:
        if line is not self._line:
            return
        self._busy = False
        if reason >= 0x80:
            self._refused(topic, reason)
            return
        if not payload and self._wanted.get(topic) == b"":
            del self._wanted[topic]  # gone for good
        self._send()


def _nobody(_topic: str, _reason: int) -> None:
    """No connection, so nobody refuses."""
