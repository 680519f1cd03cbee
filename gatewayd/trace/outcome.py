"""What a replay tells, in order. Nothing here is formatted yet; see `trace.report`."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from gatewayd.trace.connection import Connection
from protocols.model.events import Event
from protocols.model.readings import Reading


class ConnectionSeen(NamedTuple):
    """A connection shows something for the first time. `protocols` are those known by then."""

    connection: Connection
    protocols: tuple[str, ...]


class AttSeen(NamedTuple):
    """One attribute PDU. A response's handle is that of its request."""

    connection: Connection
    at_ns: int | None
    from_peer: bool
    opcode: str
    handle: int | None
    uuid: str | None
    value: bytes


class ReadingSeen(NamedTuple):
    """A decoded reading, and when its last byte was captured."""

    connection: Connection
    at_ns: int | None
    protocol: str
    reading: Reading


class EventSeen(NamedTuple):
    """A decoded event."""

    connection: Connection
    at_ns: int | None
    protocol: str
    event: Event


class AnomalySeen(NamedTuple):
    """Something odd; `protocol` None when it lies below any."""

    connection: Connection | None
    at_ns: int | None
    protocol: str | None
    kind: str
    detail: str


class Pushed(NamedTuple):
    """How often a server pushed an attribute's value."""

    address: str | None
    handle: int | None
    uuid: str | None
    notifications: int
    indications: int


class Summary(NamedTuple):
    """`undecoded` are pushed values that no protocol took, `unread` messages by a protocol's own
    names whose meaning is not told, `encrypted` packets on air that could not be read."""

    packets: int
    connections: int
    att_pdus: int
    readings: int
    events: int
    anomalies: int
    encrypted: int
    undecoded: int
    unread: Mapping[str, int]
    pushed: tuple[Pushed, ...]


Outcome: TypeAlias = ConnectionSeen | AttSeen | ReadingSeen | EventSeen | AnomalySeen | Summary
