"""`.gatt.jsonl`, the house's own trace: attribute values by UUID, one JSON object a line.

The first line says what it is, and of which device:

    {"type": "gatt.jsonl", "version": 1, "device": "C0:FF:EE:00:00:01",
     "started": "2026-03-10T20:00:00.000Z", "services": ["000001ff-…"]}

`device`, `started` and `services` may be missing. Every other line is something that happened, `t`
seconds after the start:

    {"t": 0.512, "op": "connected"}
    {"t": 1.024, "dir": "rx", "op": "notification", "uuid": "0000ff03-…", "value": "ab10…"}
    {"t": 1.100, "dir": "tx", "op": "write", "uuid": "0000ff02-…", "value": "ab00…"}
    {"t": 9.000, "op": "disconnected"}

`dir` is `rx` for what the device sent (`notification`, `indication`, `read`) and `tx` for what was
sent to it (`write`, `write_command`). Values are hex. Where connections overlap, every line has
its `"connection"`, a number (1 when it is missing); a `connected` line may have a `"device"` of its
own. Unknown members are ignored, unknown values of `op` are an error.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from gatewayd.trace.errors import TraceError
from gatewayd.trace.gatt import MAX_VALUE_BYTES, TO_DEVICE, Operation
from gatewayd.trace.handles import full_uuid
from gatewayd.trace.record import Window, possible_time

TYPE: Final = "gatt.jsonl"
VERSION: Final = 1
_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_LINE_BYTES: Final = 4 * MAX_VALUE_BYTES
MAX_CONNECTIONS: Final = 65_536
_MAX_SERVICES: Final = 1024
_MAX_SECONDS: Final = 10**10
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class GattHeader:
    """The first line. `started_ns` counts from 1970 in UTC."""

    device: str | None = None
    started_ns: int | None = None
    services: tuple[str, ...] = ()


class GattTrace(NamedTuple):
    """A whole file; the lines are read as they are asked for, and raise TraceError."""

    header: GattHeader
    lines: "Iterator[GattLine]"


class GattLine(NamedTuple):
    """One operation, or with `operation` None a connection's beginning or end (`connected`)."""

    at_ns: int | None
    operation: Operation | None
    uuid: str = ""
    data: bytes = b""
    connected: bool = False
    connection: int = 1
    device: str | None = None


def encode_header(header: GattHeader, notice: str | None = None) -> str:
    """The first line, without its end. The notice is for people, and not read back."""
    row: dict[str, object] = {"type": TYPE, "version": VERSION}
    if notice is not None:
        row["notice"] = notice
    if header.device is not None:
        row["device"] = header.device
    if header.started_ns is not None:
        started = _UNIX + timedelta(microseconds=header.started_ns // 1000)
        row["started"] = started.isoformat(timespec="microseconds")
    if header.services:
        row["services"] = header.services
    return _encode(row)


def encode_line(line: GattLine, started_ns: int) -> str:
    """A further line, without its end."""
    row: dict[str, object] = {"t": round(((line.at_ns or started_ns) - started_ns) / 10**9, 6)}
    if line.operation is None:
        row["op"] = "connected" if line.connected else "disconnected"
        if line.device is not None:
            row["device"] = line.device
    else:
        row["dir"] = "tx" if line.operation in TO_DEVICE else "rx"
        row |= {"op": line.operation, "uuid": line.uuid, "value": line.data.hex()}
    if line.connection != 1:
        row["connection"] = line.connection
    return _encode(row)


def read(window: Window) -> GattTrace:
    """The file behind a window. Raises TraceError, naming the line that is wrong."""
    numbered = enumerate(_lines(window), 1)
    _, first = next(numbered, (0, b""))
    header = _header(_object(first, 1))
    lines = (_line(_object(text, number), header, number) for number, text in numbered)
    return GattTrace(header, lines)


def _lines(window: Window) -> Iterator[bytes]:
    number = 0
    while window.has(1):
        number += 1
        wanted = 1 << 10
        while (end := window.data.find(b"\n", window.at)) < 0 and window.has(wanted):
            wanted *= 4
            if wanted > MAX_LINE_BYTES:
                raise TraceError(f"line {number} is longer than {MAX_LINE_BYTES} bytes")
        line = window.take((end if end >= 0 else len(window.data)) - window.at)
        if end >= 0:
            window.at += 1
        if line.strip():
            yield line


def _object(text: bytes, number: int) -> Mapping[str, object]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError(f"line {number} is no JSON, or cut off") from error
    if not isinstance(row, dict):
        raise TraceError(f"line {number} is no JSON object")
    return row


def _header(row: Mapping[str, object]) -> GattHeader:
    if row.get("type") != TYPE:
        raise TraceError(f'its first line does not say "type": "{TYPE}"')
    if row.get("version") != VERSION:
        raise TraceError(f"{TYPE} of version {row.get('version')!r} is not supported")
    device, started, services = row.get("device"), row.get("started"), row.get("services", [])
    if not isinstance(services, Sequence) or len(services) > _MAX_SERVICES:
        raise TraceError("the header's services are no list")
    found = [full_uuid(uuid) for uuid in services if isinstance(uuid, str)]
    return GattHeader(
        device.upper() if isinstance(device, str) else None,
        _time_ns(started) if isinstance(started, str) else None,
        tuple(uuid for uuid in found if uuid is not None),
    )


def _time_ns(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise TraceError("the header's start is no time") from error
    since = moment.replace(tzinfo=moment.tzinfo or UTC) - _UNIX
    return since // timedelta(microseconds=1) * 1000


def _line(row: Mapping[str, object], header: GattHeader, number: int) -> GattLine:
    after = row.get("t", 0)
    if not isinstance(after, int | float) or not abs(after) < _MAX_SECONDS:
        raise TraceError(f"line {number} has no time")
    at_ns = possible_time((header.started_ns or 0) + round(after * 10**6) * 1000)
    operation, connection = row.get("op"), row.get("connection", 1)
    if not isinstance(connection, int) or not 0 < connection < MAX_CONNECTIONS:
        raise TraceError(f"line {number} has no possible connection")
    if operation in ("connected", "disconnected"):
        device = row.get("device")
        return GattLine(
            at_ns,
            None,
            connected=operation == "connected",
            connection=connection,
            device=device.upper() if isinstance(device, str) else None,
        )
    uuid, value = row.get("uuid"), row.get("value")
    try:
        known = Operation(str(operation))
        data = bytes.fromhex(value if isinstance(value, str) else "?")
    except ValueError as error:
        raise TraceError(f"line {number} has no known operation, or no value in hex") from error
    full = full_uuid(uuid) if isinstance(uuid, str) else None
    if full is None:
        raise TraceError(f"line {number} has no UUID")
    return GattLine(at_ns, known, full, data, connection=connection)
