"""A trace in, what it means out: connections, readings, events, in order and in bounded memory."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import BinaryIO, Final

from gatewayd.core.timeline import EPOCH_UTC_S, Timeline
from gatewayd.trace import att
from gatewayd.trace.connection import Connection, OddityKind, Role
from gatewayd.trace.errors import TraceError
from gatewayd.trace.files import open_trace
from gatewayd.trace.gatt import TO_DEVICE, Database, Operation, Value
from gatewayd.trace.gatt_lines import GattLine, GattTrace
from gatewayd.trace.hci import MAX_CONNECTIONS, HciFollower
from gatewayd.trace.ll import AirFollower
from gatewayd.trace.outcome import (
    AnomalySeen,
    AttSeen,
    ConnectionSeen,
    EventSeen,
    Outcome,
    Pushed,
    ReadingSeen,
    Summary,
)
from gatewayd.trace.record import ON_AIR, Record
from gatewayd.trace.talk import Memory, Side, Talk, fits
from protocols.model.time import DeviceTime, Moment
from protocols.session import Anomaly, Batch, Raise
from protocols.spec import ProtocolSpec

MAX_COUNTED: Final = 4096
"""Characteristics that are counted apart; a wearable has some dozens."""

_SLOT_S: Final = 900
"""No zone's offset changes within a quarter of an hour."""

_PUSHES: Final = frozenset({Operation.NOTIFICATION, Operation.INDICATION})
_PushedKey = tuple[str | None, int | None, str | None]


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """`specs` are the protocols to choose from; `forced` means that the owner named the one.

    `table` holds attributes that the trace does not show, `timeline` the zone it was made in.
    """

    specs: Sequence[ProtocolSpec] = ()
    forced: bool = False
    table: Database = field(default_factory=Database)
    with_att: bool = False
    timeline: Timeline = field(default_factory=lambda: Timeline(UTC))


class Replay:
    """One run over one trace: iterate `run` to the end. Implements `connection.Sink`."""

    def __init__(self, options: ReplayOptions) -> None:
        self._options = options
        self._memory = Memory(options.table)
        self._talks: dict[Connection, Talk] = {}
        self._out: deque[Outcome] = deque()
        self._hci = HciFollower(self)
        self._air = AirFollower(self)
        self._pushed: Counter[tuple[_PushedKey, Operation]] = Counter()
        self._unread: Counter[str] = Counter()
        self._packets = self._connections = self._att_pdus = self._undecoded = 0
        self._readings = self._events = self._anomalies = 0
        self._last_ns: int | None = None
        self._slot, self._local_s = -1, -EPOCH_UTC_S

    def run(self, stream: BinaryIO) -> Iterator[Outcome]:
        """Everything, in order, a `Summary` last.

        Raises TraceError when the file is not sound; where some of it was readable, that comes
        after the summary.
        """
        trace = open_trace(stream)
        steps = self._lines(trace) if isinstance(trace, GattTrace) else self._records(trace)
        fault: TraceError | None = None
        try:
            for _ in steps:
                yield from self._drain()
        except TraceError as error:
            fault = error
        self._hci.close(self._last_ns)
        self._air.close(self._last_ns)
        for talk in tuple(self._talks.values()):
            self.closed(talk.connection, self._last_ns)
        yield from self._drain()
        if fault is None or self._packets:
            yield self._summary()
        if fault is not None:
            raise fault

    def devices(self) -> tuple[tuple[str, Database], ...]:
        """What the trace shows of each device's attributes, by its address."""
        return self._memory.devices()

    def _drain(self) -> Iterator[Outcome]:
        while self._out:
            yield self._out.popleft()

    def _records(self, records: Iterator[Record]) -> Iterator[None]:
        hci, air, out = self._hci.feed, self._air.feed, self._out
        for record in records:
            self._packets += 1
            if record.at_ns is not None:
                self._last_ns = record.at_ns
            (air if record.link in ON_AIR else hci)(record)
            if out:
                yield

    def _lines(self, trace: GattTrace) -> Iterator[None]:
        header = trace.header
        talks: dict[int, Talk] = {}
        for line in trace.lines:
            self._packets += 1
            self._last_ns = line.at_ns or self._last_ns
            talk = talks.get(line.connection)
            if talk is not None and line.operation is None:
                self.closed(talks.pop(line.connection).connection, line.at_ns)
                talk = None
            if talk is None and (line.operation is not None or line.connected):
                if len(talks) >= MAX_CONNECTIONS:
                    self.closed(talks.pop(next(iter(talks))).connection, line.at_ns)
                device = line.device or header.device
                began = Connection(0, line.connection, device, None, Role.CENTRAL, line.at_ns)
                talk = talks[line.connection] = self._begin(began)
                services = enumerate(header.services, 1)
                talk.peer.server.database.services = {at: (at, uuid) for at, uuid in services}
            if talk is not None and line.operation is not None:
                self._line(talk, line, line.operation)
            yield

    def _line(self, talk: Talk, line: GattLine, operation: Operation) -> None:
        self._att_pdus += 1
        if self._options.with_att:
            self._show(talk)
            from_peer = operation not in TO_DEVICE
            seen = AttSeen(
                talk.connection, line.at_ns, from_peer, operation, None, line.uuid, line.data
            )
            self._out.append(seen)
        self._deliver(talk, talk.peer, Value(operation, None, line.data), line.uuid, line.at_ns)

    # --- what the followers find --------------------------------------------------------------

    def opened(self, connection: Connection, at_ns: int | None) -> None:
        """A connection was made."""
        self._begin(connection)

    def att(
        self, connection: Connection, pdu: bytes, at_ns: int | None, *, from_peer: bool
    ) -> None:
        """An attribute PDU."""
        talk = self._talks.get(connection) or self._begin(connection)
        self._att_pdus += 1
        side = talk.server_of(pdu[0], from_peer=from_peer)
        if self._options.with_att:
            self._show_att(talk, side, pdu, at_ns, from_peer=from_peer)
        for value in side.server.take(pdu):
            uuid = None if value.handle is None else side.uuid(value.handle)
            self._deliver(talk, side, value, uuid, at_ns)

    def closed(self, connection: Connection, at_ns: int | None) -> None:
        """A connection has ended."""
        talk = self._talks.pop(connection, None)
        if talk is None:
            return
        now = self._moment(at_ns)
        for side in (talk.peer, talk.own):
            for value in side.server.close():
                uuid = None if value.handle is None else side.uuid(value.handle)
                self._deliver(talk, side, value, uuid, at_ns)
            for name, observer in side.observers.items():
                observer.closed(now)
                self._collect(talk, name, side, at_ns)
                self._unread.update({f"{name} {k}": n for k, n in observer.unread().items()})
        self._show(talk)

    def oddity(
        self, connection: Connection | None, kind: OddityKind, detail: str, at_ns: int | None
    ) -> None:
        """Something odd below the protocols."""
        talk = None if connection is None else self._talks.get(connection)
        if talk is not None:
            self._show(talk)
        known = None if talk is None else talk.connection
        self._anomaly(AnomalySeen(known, at_ns, None, kind, detail))

    # --- values -------------------------------------------------------------------------------

    def _deliver(
        self, talk: Talk, side: Side, value: Value, uuid: str | None, at_ns: int | None
    ) -> None:
        operation = value.operation
        is_push = operation in _PUSHES
        if is_push:
            self._count(side, value, uuid)
        services = len(side.server.database.services)
        if side.looked_at != services:
            side.looked_at = services
            self._recognise(talk, side, at_ns)
        taken = False
        if uuid is not None and side.observers:
            now = self._moment(at_ns)
            for name, observer in side.observers.items():
                feed = observer.written if operation in TO_DEVICE else observer.notified
                if feed(uuid, value.data, now):
                    taken = True
                    self._collect(talk, name, side, at_ns)
        if is_push and not taken:
            self._undecoded += 1

    def _recognise(self, talk: Talk, side: Side, at_ns: int | None) -> None:
        for spec in self._options.specs:
            if spec.name in side.observers or not fits(side, spec, forced=self._options.forced):
                continue
            if spec.observe is None:
                self._show(talk)
                what = f"{spec.name} fits, but cannot read along with a trace"
                kind = OddityKind.NO_OBSERVER
                self._anomaly(AnomalySeen(talk.connection, at_ns, spec.name, kind, what))
                continue
            observer = spec.observe()
            began_ns = talk.connection.began_ns
            observer.opened(side.address, self._moment(at_ns if began_ns is None else began_ns))
            side.observers[spec.name] = observer

    def _collect(self, talk: Talk, name: str, side: Side, at_ns: int | None) -> None:
        observer = side.observers[name]
        while (seen := observer.next_observation()) is not None:
            self._show(talk)
            match seen:
                case Batch(readings=readings):
                    self._readings += len(readings)
                    connection = talk.connection
                    self._out.extend(ReadingSeen(connection, at_ns, name, r) for r in readings)
                case Raise(event=event):
                    self._events += 1
                    self._out.append(EventSeen(talk.connection, at_ns, name, event))
                case Anomaly(kind=kind, detail=detail):
                    self._anomaly(AnomalySeen(talk.connection, at_ns, name, kind, detail))

    # --- inside -------------------------------------------------------------------------------

    def _begin(self, connection: Connection) -> Talk:
        self._connections += 1
        connection.number = self._connections
        talk = self._talks[connection] = self._memory.talk(connection)
        return talk

    def _show(self, talk: Talk) -> None:
        if not talk.shown:
            talk.shown = True
            self._out.append(ConnectionSeen(talk.connection, talk.protocols))

    def _show_att(
        self, talk: Talk, side: Side, pdu: bytes, at_ns: int | None, *, from_peer: bool
    ) -> None:
        self._show(talk)
        opcode, handle, value = att.parse(pdu)
        if handle is None and opcode not in att.FROM_CLIENT:
            handle = side.server.requested_handle
        uuid = None if handle is None else side.uuid(handle)
        name = att.name(opcode)
        self._out.append(AttSeen(talk.connection, at_ns, from_peer, name, handle, uuid, value))

    def _anomaly(self, seen: AnomalySeen) -> None:
        self._anomalies += 1
        self._out.append(seen)

    def _count(self, side: Side, value: Value, uuid: str | None) -> None:
        key = ((side.address, value.handle, uuid), value.operation)
        if key in self._pushed or len(self._pushed) < MAX_COUNTED:
            self._pushed[key] += 1
        else:
            self._pushed[(None, None, None), value.operation] += 1

    def _moment(self, at_ns: int | None) -> Moment:
        if at_ns is None:
            at_ns = self._last_ns or 0
        second = at_ns // 10**9
        if second // _SLOT_S != self._slot:
            self._slot = second // _SLOT_S
            self._local_s = self._options.timeline.local(second) - second
        return Moment(at_ns / 10**9, DeviceTime(second + self._local_s))

    def _summary(self) -> Summary:
        keys = dict.fromkeys(key for key, _ in self._pushed)
        return Summary(
            packets=self._packets,
            connections=self._connections,
            att_pdus=self._att_pdus,
            readings=self._readings,
            events=self._events,
            anomalies=self._anomalies,
            encrypted=self._air.undecoded,
            undecoded=self._undecoded,
            unread=dict(self._unread),
            pushed=tuple(
                Pushed(
                    *key,
                    notifications=self._pushed[key, Operation.NOTIFICATION],
                    indications=self._pushed[key, Operation.INDICATION],
                )
                for key in keys
            ),
        )
