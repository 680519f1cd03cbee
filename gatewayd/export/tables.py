"""Readings as rows of a table: one table a kind, with columns that follow from the catalogue."""

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Final, TextIO

from gatewayd.core.ports import Outgoing
from gatewayd.errors import NotStored
from gatewayd.mqtt.payloads import rfc3339
from protocols.model.catalog import BY_NAME, Kind

LEADING: Final = ("device", "start", "end", "utc_offset_s")
TRAILING: Final = ("received", "revision", "verified", "id")


def columns(name: str) -> tuple[str, ...]:
    """All columns of a kind's table. Raises NotStored for a kind that this version lacks."""
    return (*LEADING, *kind_of_table(name).fields, *TRAILING)


def kind_of_table(name: str) -> Kind:
    """The catalogue's row. Raises NotStored where it has none."""
    kind = BY_NAME.get(name)
    if kind is None:
        raise NotStored(
            f"this version knows no kind {name}", "Choose others with --kind, or export as JSON"
        )
    return kind


def record(reading: Outgoing) -> dict[str, str | int | float]:
    """A row of a CSV table: what is unknown is left out, what has parts of its own is JSON."""
    cells: dict[str, str | int | float] = {
        "device": reading.slug,
        "start": rfc3339(reading.start_utc_s),
        "end": "" if reading.end_utc_s is None else rfc3339(reading.end_utc_s),
        "utc_offset_s": reading.utc_offset_s,
        "received": rfc3339(reading.received_utc_s),
        "revision": reading.revision,
        "verified": _cell(reading.verified),
        "id": reading.reading_id,
    }
    known = BY_NAME[reading.kind].fields
    values = json.loads(reading.values)
    return cells | {name: _cell(value) for name, value in values.items() if name in known}


def write_csv(kind: str, readings: Iterable[Outgoing], file: TextIO) -> Iterator[None]:
    """Write a table; yields after each row."""
    writer = csv.DictWriter(file, columns(kind), lineterminator="\n")
    writer.writeheader()
    for reading in readings:
        writer.writerow(record(reading))
        yield


def _cell(value: object) -> str | int | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value
