"""All that the core knows of the outside: radio, link, store, broker.

Adapters implement these; the core never imports an adapter.
"""

from asyncio import Event
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from protocols.model.capabilities import Description
from protocols.model.catalog import Merge
from protocols.session import LinkFacts, Raw
from protocols.spec import Advertisement

# --- radio ------------------------------------------------------------------------------------

OnData = Callable[[str, bytes], None]
"""Called in the event loop with a characteristic's UUID and the bytes that it notified."""


class Link(Protocol):
    """One connection, from connect to loss. Every call has a time limit of its own; a call that
    cannot be carried out raises LinkLost."""

    @property
    def facts(self) -> LinkFacts:
        """What is known of the link; constant."""

    @property
    def lost(self) -> Event:
        """Set once the connection is gone, whoever ended it."""

    async def subscribe(self, characteristic: str, on_data: OnData) -> None:
        """Enable notifications or indications."""

    async def read(self, characteristic: str) -> bytes:
        """The characteristic's value."""

    async def write(self, characteristic: str, data: bytes, *, response: bool) -> None:
        """Write a value of at most `facts.write_size` bytes."""

    async def close(self) -> None:
        """Disconnect; never raises."""


class Radio(Protocol):
    """A Bluetooth LE central."""

    def advertisements(self) -> AbstractAsyncContextManager[AsyncIterator[Advertisement]]:
        """Scan for as long as the context is open. Raises AdapterMissing, AdapterOff."""

    async def connect(self, address: str) -> Link:
        """Connect, discover services, negotiate the write size.

        Raises AdapterMissing, AdapterOff, DeviceNotFound, LinkLost.
        """

    async def close(self) -> None:
        """Release the adapter."""


# --- store ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A reading on its way into the store, with its times resolved.

    `key` identifies it among its device's readings of the kind. `start_utc_s`/`end_utc_s` are Unix
    seconds; `utc_offset_s` is the owner's offset at the start, `end_offset_s` that at the end where
    the device told the end by its clock (None: it told a duration, or nothing). `values` is a JSON
    object of the kind's own fields in a fixed order, so that equal values are equal text.
    """

    kind: str
    key: str
    merge: Merge
    start_utc_s: int
    end_utc_s: int | None
    utc_offset_s: int
    values: str
    verified: bool
    end_offset_s: int | None = None


@dataclass(frozen=True, slots=True)
class StateValue:
    """A latest value: it replaces the stored one of that key unless that one is newer.

    `period` is the local time at which the day or night began that the value stands for; None for
    a value of a moment. `monotone` values only grow within their period. The rule itself is
    `gatewayd.core.latest.advanced`.
    """

    key: str
    value: float | str | None
    at_utc_s: int
    period: int | None = None
    monotone: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A committed reading that waits for the broker. `sequence` is the order of commit."""

    sequence: int
    slug: str
    reading_id: str
    kind: str
    start_utc_s: int
    end_utc_s: int | None
    utc_offset_s: int
    values: str
    verified: bool
    revision: int
    received_utc_s: float


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did. `state` is the whole current state when it changed, else None."""

    outgoing: tuple[Outgoing, ...]
    duplicates: int
    conflicts: int
    state: Mapping[str, StateValue] | None


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device as the store knows it. `number` is the store's own key.

    `identity` is stable for ever and goes into reading ids; `slug` is the name in topics.
    """

    number: int
    identity: str
    slug: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How much of one kind is stored and delivered."""

    kind: str
    count: int
    first_utc_s: int
    last_utc_s: int
    waiting: int


class Store(Protocol):
    """The system of record. One transaction per commit: readings, raw bytes, outbox and state."""

    async def know(self, identity: str, slug: str, protocol: str) -> KnownDevice:
        """Register a device, or find it again by identity; its slug follows the given one."""

    async def commit(
        self,
        device: KnownDevice,
        rows: Sequence[Row],
        state: Sequence[StateValue],
        raw: Raw | None,
        received_utc_s: float,
    ) -> Committed:
        """Durable when it returns. Raises StoreError (StoreFull …): then nothing was stored."""

    async def readings(
        self, device: KnownDevice, kind: str, start_utc_s: int, end_utc_s: int
    ) -> Sequence[Row]:
        """Latest revisions of a kind that start in the half-open interval, in order of start."""

    async def state(self, device: KnownDevice) -> Mapping[str, StateValue]:
        """The latest values."""

    async def pending(self, after: int, limit: int) -> Sequence[Outgoing]:
        """Undelivered readings with a sequence above `after`, in order."""

    async def delivered(self, sequences: Sequence[int]) -> None:
        """The broker has taken responsibility for these; forget that they wait."""

    async def tallies(self, device: KnownDevice) -> Sequence[Tally]:
        """Counts per kind, by name."""


# --- broker -----------------------------------------------------------------------------------


class Broker(Protocol):
    """The publishing side. None of these waits for the network or fails: what cannot be sent now
    is sent after the next connection."""

    def offer(self, outgoing: Sequence[Outgoing]) -> None:
        """These were just committed."""

    def announce(self, slug: str, identity: str, name: str, description: Description) -> None:
        """A device's capabilities are known (or changed): discovery and `bridge/devices`."""

    def availability(self, slug: str, *, online: bool) -> None:
        """A device came or went."""

    def state(self, slug: str, state: Mapping[str, StateValue]) -> None:
        """A device's latest values."""
