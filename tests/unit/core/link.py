"""A link and a session that do what a test says."""

import asyncio
from collections import deque
from collections.abc import Callable
from types import MappingProxyType

from gatewayd.core.ports import OnData
from gatewayd.errors import LinkLost
from protocols.errors import ProtocolError
from protocols.model.intents import Intent
from protocols.model.time import DeviceTime, Moment
from protocols.session import Effect, LinkFacts, Receipt, Subscribe, Ticket, Write

SERVICE = "0000fee0-0000-1000-8000-00805f9b34fb"
IN, OUT = "write-here", "hear-here"
FACTS = LinkFacts("C0:FF:EE:00:00:01", "Watch", 20, frozenset({SERVICE}), MappingProxyType({}))


def moment() -> Moment:
    return Moment(asyncio.get_running_loop().time(), DeviceTime(0))


class FakeLink:
    """Notes what is written. `held` keeps the next writes waiting until it is set."""

    def __init__(self, facts: LinkFacts = FACTS) -> None:
        self.facts = facts
        self.lost = asyncio.Event()
        self.writes: list[bytes] = []
        self.closed = 0
        self.values: dict[str, bytes] = {}
        self.held = asyncio.Event()
        self.held.set()
        self.is_deaf_to_cancellation = False
        self.subscribed = asyncio.Event()
        self._on_data: dict[str, OnData] = {}

    async def subscribe(self, characteristic: str, on_data: OnData) -> None:
        self._on_data[characteristic] = on_data
        self.subscribed.set()

    async def read(self, characteristic: str) -> bytes:
        return self.values[characteristic]

    async def write(self, characteristic: str, data: bytes, *, response: bool) -> None:
        if self.lost.is_set():
            raise LinkLost("gone")
        try:
            await self.held.wait()
        except asyncio.CancelledError:
            if not self.is_deaf_to_cancellation:
                raise
        self.writes.append(data)

    async def close(self) -> None:
        self.closed += 1
        self.lost.set()

    def notify(self, data: bytes, characteristic: str = OUT) -> None:
        self._on_data[characteristic](characteristic, data)


class ScriptedSession:
    """Answers inputs with the effects that `on` was told, and notes every input by name."""

    def __init__(self) -> None:
        self.inputs: list[str] = []
        self.effects: deque[Effect] = deque()
        self.due: float | None = None
        self.tickets: list[Ticket] = []
        self.intents: list[Intent] = []
        self.changed = asyncio.Event()
        self._answers: dict[str, deque[list[Effect] | BaseException]] = {}

    def on(self, name: str, *effects: Effect) -> "ScriptedSession":
        """What the next input of that name brings about."""
        self._answers.setdefault(name, deque()).append(list(effects))
        return self

    def on_raise(self, name: str, error: BaseException) -> "ScriptedSession":
        """The next input of that name is a bug."""
        self._answers.setdefault(name, deque()).append(error)
        return self

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for inputs."""
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def opened(self, facts: LinkFacts, now: Moment) -> None:
        self._take("opened")

    def received(self, characteristic: str, data: bytes, now: Moment) -> None:
        self._take(f"received {data.hex()}")

    def written(self, now: Moment) -> None:
        self._take("written")

    def failed(self, error: ProtocolError, now: Moment) -> None:
        self._take(f"failed {type(error).__name__}")

    def submit(self, ticket: Ticket, intent: Intent, now: Moment) -> None:
        self.tickets.append(ticket)
        self.intents.append(intent)
        self._take(f"submit {type(intent).__name__}")

    def confirm(self, receipt: Receipt, now: Moment) -> None:
        self._take(f"confirm {receipt}")

    def tick(self, now: Moment) -> None:
        self.due = None
        self._take("tick")

    def closed(self, now: Moment) -> None:
        self._take("closed")

    def deadline(self) -> float | None:
        return self.due

    def next_effect(self) -> Effect | None:
        return self.effects.popleft() if self.effects else None

    def _take(self, name: str) -> None:
        self.inputs.append(name)
        self.changed.set()
        waiting = self._answers.get(name)
        if waiting:
            answer = waiting.popleft()
            if isinstance(answer, BaseException):
                raise answer
            self.effects.extend(answer)


def write(data: bytes) -> Write:
    return Write(IN, data, response=True)


SUBSCRIBE = Subscribe(OUT)
