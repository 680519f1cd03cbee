"""A replay's outcomes as text for people, or as JSON objects for programs (design.md §4.2)."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, assert_never

from gatewayd.core.rows import day_of, row_of
from gatewayd.core.timeline import Timeline
from gatewayd.logs import short_address
from gatewayd.trace.connection import Connection
from gatewayd.trace.gatt import Database
from gatewayd.trace.handles import table_lines
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
from protocols.model.catalog import kind_of
from protocols.model.events import Event
from protocols.model.readings import Reading
from protocols.model.time import to_datetime

Row = dict[str, object]


_encode: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_NO_ZONE: Final = Timeline(UTC)
"""A reading's row is made for its values; its times are shown as the watch showed them."""


class Report:
    """Formats outcomes. Addresses are shortened unless `full`."""

    def __init__(self, *, full: bool) -> None:
        self._full = full

    def row(self, outcome: Outcome) -> Row:
        """One JSON object. Readings have the watch's own time, without a zone; `at` is when it was
        captured, in UTC, or null."""
        match outcome:
            case ConnectionSeen():
                return self._connection(outcome)
            case AttSeen():
                return _common("att", outcome.connection, outcome.at_ns) | {
                    "direction": "rx" if outcome.from_peer else "tx",
                    "opcode": outcome.opcode,
                    "handle": _handle(outcome.handle),
                    "uuid": outcome.uuid,
                    "value": outcome.value.hex(),
                }
            case ReadingSeen():
                row: Row = json.loads(self.json(outcome))
                return row
            case EventSeen():
                return _common("event", outcome.connection, outcome.at_ns) | {
                    "protocol": outcome.protocol,
                    "kind": event_kind(type(outcome.event).__name__),
                    **_event(outcome.event),
                }
            case AnomalySeen():
                return _common("anomaly", outcome.connection, outcome.at_ns) | {
                    "protocol": outcome.protocol,
                    "kind": outcome.kind,
                    "detail": outcome.detail,
                }
            case Summary():
                return {
                    "type": "summary",
                    **{
                        name: value
                        for name, value in outcome._asdict().items()
                        if name not in ("pushed", "unread")
                    },
                    "unread": dict(outcome.unread),
                    "notifications": [self._pushed(item) for item in outcome.pushed],
                }
            case _:
                assert_never(outcome)

    def json(self, outcome: Outcome) -> str:
        """The same object as text."""
        if not isinstance(outcome, ReadingSeen):
            return _encode(self.row(outcome))
        # most of what a trace has to tell, and its values are text already
        head = _common("reading", outcome.connection, outcome.at_ns)
        head["protocol"] = outcome.protocol
        front, values, back = _reading(outcome.reading)
        return f"{_encode(head | front)[:-1]}{values and ','}{values},{_encode(back)[1:]}"

    def lines(self, outcome: Outcome) -> Iterator[str]:
        """Lines of text."""
        match outcome:
            case ConnectionSeen():
                yield self._headline(outcome)
            case Summary():
                yield from self._closing(outcome)
            case _:
                row = self.row(outcome)
                where = f"{row['connection'] or '-':>3}"
                yield f"{where}  {_clock(outcome.at_ns)}  {_LINE[type(outcome)](row)}"

    def tables(self, devices: Iterable[tuple[str, Database]]) -> Iterator[str]:
        """Tables of handles, each behind a comment that names the device."""
        for address, database in devices:
            yield f"# {self._address(address)}"
            yield from table_lines(database)

    # --- inside -------------------------------------------------------------------------------

    def _address(self, address: str | None) -> str | None:
        return address if address is None or self._full else short_address(address)

    def _connection(self, seen: ConnectionSeen) -> Row:
        connection = seen.connection
        return {
            "type": "connection",
            "connection": connection.number,
            "at": utc_text(connection.began_ns),
            "address": self._address(connection.address),
            "address_type": connection.address_type,
            "role": connection.role,
            "adapter": connection.adapter,
            "handle": f"{connection.handle:#06x}" if not connection.on_air else None,
            "on_air": connection.on_air,
            "protocols": list(seen.protocols),
        }

    def _pushed(self, pushed: Pushed) -> Row:
        return {
            "address": self._address(pushed.address),
            "handle": _handle(pushed.handle),
            "uuid": pushed.uuid,
            "notifications": pushed.notifications,
            "indications": pushed.indications,
        }

    def _headline(self, seen: ConnectionSeen) -> str:
        connection = seen.connection
        address = self._address(connection.address) or "made before the trace begins"
        parts = [f"connection {connection.number}: {address}"]
        if connection.address_type is not None:
            parts[0] += f" ({connection.address_type.replace('_', ' ')})"
        if connection.role is not None and not connection.on_air:
            parts.append(f"we are {connection.role}")
        if connection.on_air:
            parts.append("heard on air")
        if connection.began_ns is not None:
            parts.append(f"since {utc_text(connection.began_ns)}")
        parts.append(", ".join(seen.protocols) or "no protocol known")
        return ", ".join(parts)

    def _closing(self, summary: Summary) -> Iterator[str]:
        yield ""
        yield (
            f"{summary.packets:,} packets, {summary.connections:,} connections,"
            f" {summary.att_pdus:,} ATT PDUs"
        )
        yield (
            f"{summary.readings:,} readings, {summary.events:,} events,"
            f" {summary.anomalies:,} anomalies"
        )
        if summary.encrypted:
            yield f"{summary.encrypted:,} packets are encrypted on air"
        if summary.pushed:
            yield "notifications and indications per characteristic:"
        for item in summary.pushed:
            uuid = item.uuid or "unknown"
            where = self._address(item.address) or ""
            count = f"{item.notifications:,}"
            if item.indications:
                count += f" + {item.indications:,}"
            handle = _handle(item.handle) or ""
            yield f"  {handle:6}  {uuid:36}  {count:>9}  {where}".rstrip()
        yield f"{summary.undecoded:,} of them undecoded"
        for name, times in sorted(summary.unread.items()):
            yield f"  not told: {name}, {times:,} times"


def utc_text(at_ns: int | None) -> str | None:
    """RFC 3339 in UTC, to the microsecond."""
    if at_ns is None:
        return None
    seconds, rest = divmod(at_ns, 10**9)
    return f"{_second_text(seconds)}.{rest // 1000:06}Z"


def event_kind(name: str) -> str:
    """`SyncStarted` to `sync_started`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


@lru_cache(maxsize=64)
def _second_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _clock(at_ns: int | None) -> str:
    text = utc_text(at_ns)
    return "-".ljust(12) if text is None else text[11:23]


def _common(kind: str, connection: Connection | None, at_ns: int | None) -> Row:
    number = None if connection is None else connection.number
    return {"type": kind, "connection": number, "at": utc_text(at_ns)}


def _handle(handle: int | None) -> str | None:
    return None if handle is None else f"{handle:#06x}"


def _reading(reading: Reading) -> tuple[Row, str, Row]:
    """What stands before the values, the values as the members of a JSON object, and the rest."""
    kind = kind_of(reading)
    start, end = kind.starts(reading), kind.ends(reading)
    # a total belongs to a day, not to a second of it
    is_day = kind.start in kind.days
    front: Row = {
        "kind": kind.name,
        "start": (day_of(start) if is_day else to_datetime(start)).isoformat(),
    }
    if end is not None:
        front["end"] = to_datetime(end).isoformat()
    values = row_of(reading, _NO_ZONE).values
    return front, values[1:-1], {"verified": reading.verified}


def _event(event: Event) -> Row:
    return {item.name: getattr(event, item.name) for item in fields(event)}


_BESIDE: Final = frozenset(
    {"type", "connection", "at", "protocol", "kind", "start", "end", "verified"}
)


def _values(row: Mapping[str, object]) -> str:
    parts = []
    for name, value in row.items():
        if name in _BESIDE:
            continue
        text = f"{len(value)} values" if isinstance(value, list | dict) else f"{value}"
        parts.append(f"{name}={text}")
    return "  ".join(parts)


def _reading_line(row: Mapping[str, object]) -> str:
    times = f"{row['start']}" + (f" to {row['end']}" if "end" in row else "")
    doubt = "" if row["verified"] else "  (unverified)"
    return f"{row['kind']}  {times}  {_values(row)}{doubt}"


def _event_line(row: Mapping[str, object]) -> str:
    return f"event {row['kind']}  {_values(row)}".rstrip()


def _anomaly_line(row: Mapping[str, object]) -> str:
    return f"anomaly {row['kind']}: {row['detail']}"


def _att_line(row: Mapping[str, object]) -> str:
    arrow = "←" if row["direction"] == "rx" else "→"
    where = " ".join(str(part) for part in (row["handle"], row["uuid"]) if part is not None)
    return " ".join(part for part in (arrow, str(row["opcode"]), where, str(row["value"])) if part)


_LINE: Final[Mapping[type, Callable[[Mapping[str, object]], str]]] = {
    ReadingSeen: _reading_line,
    EventSeen: _event_line,
    AnomalySeen: _anomaly_line,
    AttSeen: _att_line,
}
