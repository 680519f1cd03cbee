"""A connection as it is followed through a trace, and who is told about it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from gatewayd.trace.l2cap import Assembly


class Role(StrEnum):
    """The part that our side (the host whose traffic was captured) plays. On air, "our side" is
    the central."""

    CENTRAL = "central"
    PERIPHERAL = "peripheral"


class OddityKind(StrEnum):
    """What can be odd about a trace beside what a protocol finds odd. Fit for a log."""

    ENCRYPTED = "encrypted"
    """The rest of the connection is encrypted on air, and not decoded."""

    CUT = "cut"
    """The capture kept only the beginning of a packet."""

    MALFORMED = "malformed"
    """A packet contradicts its own header."""

    INCOMPLETE = "incomplete"
    """A PDU began and never ended."""

    BAD_CHECK_VALUE = "bad_check_value"
    """A packet that was damaged on air."""

    NO_OBSERVER = "no_observer"
    """A protocol fits that cannot read along."""


@dataclass(slots=True, eq=False)
class Connection:
    """One connection. `address` is the peer's (on air: the peripheral's) in display order, None
    when the trace begins after the connection; then `role` is unknown, too."""

    adapter: int
    handle: int
    address: str | None = None
    address_type: str | None = None
    role: Role | None = None
    began_ns: int | None = None
    on_air: bool = False
    from_peer: Assembly = field(default_factory=Assembly)
    from_us: Assembly = field(default_factory=Assembly)
    number: int = 0
    """In order of appearance, from 1; 0 until it has shown something."""


class Sink(Protocol):
    """Takes what the followers find, in the order of the trace. `at_ns` as in `Record`."""

    def opened(self, connection: Connection, at_ns: int | None) -> None:
        """A connection was made."""

    def att(
        self, connection: Connection, pdu: bytes, at_ns: int | None, *, from_peer: bool
    ) -> None:
        """A whole attribute PDU of at least one byte."""

    def closed(self, connection: Connection, at_ns: int | None) -> None:
        """The connection has ended."""

    def oddity(
        self, connection: Connection | None, kind: OddityKind, detail: str, at_ns: int | None
    ) -> None:
        """Something odd; `detail` has no content."""


def take_fragment(
    sink: Sink,
    connection: Connection,
    fragment: bytes,
    at_ns: int | None,
    *,
    begins: bool,
    from_peer: bool,
) -> None:
    """Add a fragment to its direction's PDU, and hand that on when it is whole."""
    assembly = connection.from_peer if from_peer else connection.from_us
    if begins:
        if assembly.is_open:
            what = "a PDU began and was not completed"
            sink.oddity(connection, OddityKind.INCOMPLETE, what, at_ns)
        pdu = assembly.start(fragment)
    else:
        pdu = assembly.more(fragment)
    if pdu:
        sink.att(connection, pdu, at_ns, from_peer=from_peer)
