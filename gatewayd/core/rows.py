"""Readings as rows: times resolved, values as the JSON that will be published."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Final

from gatewayd.core.ports import Row
from gatewayd.core.timeline import Timeline
from protocols.model.catalog import Kind, kind_of
from protocols.model.readings import Reading
from protocols.model.time import DeviceTime, date_of

_encode: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def row_of(reading: Reading, timeline: Timeline) -> Row:
    """A reading, ready for the store."""
    kind = kind_of(reading)
    start = kind.starts(reading)
    end = kind.ends(reading)
    return Row(
        kind=kind.name,
        key="|".join([str(getattr(reading, name)) for name in kind.key]),
        merge=kind.merge,
        start_utc_s=timeline.utc_s(start),
        end_utc_s=None if end is None else timeline.utc_s(end),
        utc_offset_s=timeline.offset_s(start),
        values=_encode(values_of(reading, kind)),
        verified=reading.verified,
    )


def values_of(reading: Reading, kind: Kind) -> dict[str, object]:
    """The kind's own fields in their order, without times that stand beside them and without what
    the device did not tell."""
    values: dict[str, object] = {}
    beside = (kind.start, kind.end, "verified")
    for name, value in zip(reading._fields, reading, strict=True):
        if value is None or name in beside:
            continue
        values[name] = day_of(value).isoformat() if name in kind.days else _plain(value)
    return values


def day_of(value: object) -> date:
    """The calendar day that a time field stands for."""
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no time")
    return date_of(DeviceTime(value))


def _plain(value: object) -> object:
    """Nested named tuples become objects without their Nones; plain tuples become lists."""
    fields = getattr(value, "_fields", None)
    if fields is not None and isinstance(value, tuple):
        pairs = zip(fields, value, strict=True)
        return {name: _plain(part) for name, part in pairs if part is not None}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value
