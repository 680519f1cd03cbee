"""Apache Parquet: one file a kind, with typed columns. Sole importer of pyarrow, an extra.

Times are UTC timestamps in milliseconds, days are dates, and what has parts of its own (a workout's
samples) is a list of structs: the types follow from the reading's own annotations.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
from pyarrow import parquet

from gatewayd.core.ports import Outgoing
from gatewayd.export.tables import kind_of_table
from protocols.model.catalog import Kind

ROWS_AT_ONCE: Final = 10_000

_INSTANT: Final = pa.timestamp("ms", tz="UTC")
_PLAIN: Final = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}


class Table(NamedTuple):
    """Where a kind goes, and the types of its columns."""

    path: Path
    kind: Kind
    schema: Any


def table(kind: str, path: Path) -> Table:
    """Raises NotStored for a kind that this version lacks."""
    row = kind_of_table(kind)
    hints = get_type_hints(row.type)
    fields = [
        ("device", pa.string()),
        ("start", _INSTANT),
        ("end", _INSTANT),
        ("utc_offset_s", pa.int32()),
        *((name, pa.date32() if name in row.days else _type(hints[name])) for name in row.fields),
        ("received", _INSTANT),
        ("revision", pa.int32()),
        ("verified", pa.bool_()),
        ("id", pa.string()),
    ]
    return Table(path, row, pa.schema(fields))


def write(into: Table, readings: Iterable[Outgoing]) -> Iterator[None]:
    """Write the file; yields after each reading. Memory is bounded by `ROWS_AT_ONCE`."""
    rows = iter(readings)
    with parquet.ParquetWriter(into.path, into.schema, compression="zstd") as writer:
        while some := list(islice(rows, ROWS_AT_ONCE)):
            records = [_record(reading, into.kind) for reading in some]
            writer.write_table(pa.Table.from_pylist(records, schema=into.schema))
            yield from (None for _ in some)


def _record(reading: Outgoing, kind: Kind) -> dict[str, object]:
    values = json.loads(reading.values)
    for name in kind.days:
        if name in values:
            values[name] = date.fromisoformat(values[name])
    end = reading.end_utc_s
    return {
        **values,
        "device": reading.slug,
        "start": _instant(reading.start_utc_s),
        "end": None if end is None else _instant(end),
        "utc_offset_s": reading.utc_offset_s,
        "received": _instant(reading.received_utc_s),
        "revision": reading.revision,
        "verified": reading.verified,
        "id": reading.reading_id,
    }


def _instant(utc_s: float) -> datetime:
    return datetime.fromtimestamp(utc_s, UTC)


def _type(hint: Any) -> Any:
    """The Arrow type of an annotation of `protocols.model.readings`."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        (hint,) = (part for part in parts if part is not NoneType)
        return _type(hint)
    if origin is tuple:
        # (int, ...) as well as a pair of numbers
        return pa.list_(_type(parts[0]))
    if hasattr(hint, "__supertype__"):
        return _type(hint.__supertype__)
    if issubclass(hint, tuple):
        return pa.struct([(name, _type(part)) for name, part in get_type_hints(hint).items()])
    return next(_PLAIN[base] for base in (bool, int, float, str) if issubclass(hint, base))
