"""The sans-IO contract between a protocol and whoever owns the radio.

A `Session` lives as long as one connection. It is fed inputs and drained of effects after each:

    session.opened(facts, now)
    while (effect := session.next_effect()) is not None: carry_out(effect)

It never performs I/O, reads a clock, logs or sleeps. `deadline()` says when it wants a `tick`.

The one rule that everything else stands on: a `Commit` effect carries readings and the raw bytes
they came from, and the session does not let the device forget them before `confirm(receipt)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Flag, StrEnum, auto
from types import MappingProxyType
from typing import NewType, Protocol

from protocols.errors import ProtocolError
from protocols.model.capabilities import Description
from protocols.model.catalog import Category
from protocols.model.events import Event
from protocols.model.intents import Intent
from protocols.model.readings import Reading
from protocols.model.time import Moment

Receipt = NewType("Receipt", int)
"""Names one `Commit`; handed back with `confirm` once it is durable."""

Ticket = NewType("Ticket", int)
"""Names one submitted intent; chosen by the caller, comes back in `Settled`."""


class Property(Flag):
    """What a GATT characteristic allows (Bluetooth Core, Characteristic Properties)."""

    NONE = 0
    READ = auto()
    WRITE = auto()
    WRITE_WITHOUT_RESPONSE = auto()
    NOTIFY = auto()
    INDICATE = auto()


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """What is known of a link the moment it is open.

    `address` is the device's Bluetooth address in display order, `write_size` the most bytes that
    one write takes, `characteristics` maps lower-case 128-bit UUIDs to their properties and
    `services` are the UUIDs of the services found. `service_of` maps a characteristic to the
    service that it stands in, as far as the radio tells.
    """

    address: str
    name: str | None
    write_size: int
    services: frozenset[str] = frozenset()
    characteristics: Mapping[str, Property] = field(default_factory=lambda: MappingProxyType({}))
    service_of: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Wearer:
    """What some watches want to know to work out energy and distance. Sent to the watch only."""

    male: bool = True
    age_years: int = 30
    height_cm: float = 170.0
    weight_kg: float = 70.0


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What the owner decided for one device.

    `user_id` is this installation's constant identity towards the watch. `may_bind` is the owner's
    word that this watch may be bound to it; without it a session only ever logs in. `consent` are
    the categories to collect. `wearer` None sends the watch no profile at all.
    """

    user_id: str
    may_bind: bool = False
    pairing_code: str | None = None
    consent: frozenset[Category] = frozenset()
    wearer: Wearer | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """The bytes that readings were decoded from, as the device sent them.

    Kept beside the readings so that a decoder's mistake can be mended later, long after the watch
    has forgotten. `source` names the layout (`fitcloud/sync/3`), `context` what else a decoder
    needs (feature numbers, sizes).
    """

    source: str
    data: bytes
    context: Mapping[str, int | str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings that become durable together, or not at all."""

    readings: tuple[Reading, ...]
    raw: Raw | None = None
    naps: bool = False
    """Whether the device tells a day's naps from its night, so that its stages of sleep may be
    several sessions; otherwise all of a day's sleep is one."""


class AnomalyKind(StrEnum):
    """Oddities that are survived. None of them carries personal content."""

    BAD_FRAME = "bad_frame"
    BAD_CHECK_VALUE = "bad_check_value"
    OVERSIZED = "oversized"
    STALLED = "stalled"
    DUPLICATE = "duplicate"
    UNKNOWN_MESSAGE = "unknown_message"
    BAD_MESSAGE = "bad_message"
    COUNT_MISMATCH = "count_mismatch"
    FUTURE_DATED = "future_dated"
    IMPLAUSIBLE_VALUE = "implausible_value"
    TRUNCATED = "truncated"
    RETRANSMISSION = "retransmission"


# --- effects ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Enable notifications (or indications) of a characteristic; answered like a `Write`."""

    characteristic: str


@dataclass(frozen=True, slots=True)
class Read:
    """Read a characteristic; its value comes back through `received`."""

    characteristic: str


@dataclass(frozen=True, slots=True)
class Write:
    """Write to a characteristic; answered by `written` or `failed`.

    At most one `Subscribe`, `Read` or `Write` is outstanding at a time.
    """

    characteristic: str
    data: bytes
    response: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """Make a batch durable, then `confirm(receipt)`."""

    receipt: Receipt
    batch: Batch


@dataclass(frozen=True, slots=True)
class Raise:
    """Something happened that the owner may want to know."""

    event: Event


@dataclass(frozen=True, slots=True)
class Describe:
    """The session is ready and knows what it talks to."""

    description: Description


@dataclass(frozen=True, slots=True)
class Settled:
    """A submitted intent is over. `error` None means that it was carried out."""

    ticket: Ticket
    error: ProtocolError | None = None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something odd that was survived. `detail` is fit for a log: sizes and codes, no content."""

    kind: AnomalyKind
    detail: str


@dataclass(frozen=True, slots=True)
class Close:
    """End the link. `error` says why; None is an orderly end."""

    error: ProtocolError | None = None


Effect = Subscribe | Read | Write | Commit | Raise | Describe | Settled | Anomaly | Close


class Session(Protocol):
    """One connection's worth of protocol. Every input may queue effects."""

    def opened(self, facts: LinkFacts, now: Moment) -> None:
        """The link is up. Must be the first input, once."""

    def received(self, characteristic: str, data: bytes, now: Moment) -> None:
        """A notification, an indication or the answer to a `Read`."""

    def written(self, now: Moment) -> None:
        """The outstanding `Write` or `Subscribe` was carried out."""

    def failed(self, error: ProtocolError, now: Moment) -> None:
        """The outstanding `Subscribe`, `Read` or `Write` could not be carried out."""

    def submit(self, ticket: Ticket, intent: Intent, now: Moment) -> None:
        """Ask for something; the answer is a `Settled` with the same ticket."""

    def confirm(self, receipt: Receipt, now: Moment) -> None:
        """The batch of that `Commit` is durable. Raises WrongState for an unknown receipt."""

    def tick(self, now: Moment) -> None:
        """Time has passed; call it at or after `deadline()`."""

    def closed(self, now: Moment) -> None:
        """The link is gone. Open tickets settle as failed; nothing more is written."""

    def deadline(self) -> float | None:
        """Monotonic second of the next `tick`, or None."""

    def next_effect(self) -> Effect | None:
        """The next effect in order, or None when everything has been drained."""
