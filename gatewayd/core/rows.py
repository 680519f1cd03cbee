"""Readings as rows: times resolved, values as the JSON that will be published."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Final, NamedTuple

from gatewayd.core.ports import Row
from gatewayd.core.timeline import Timeline
from protocols.model.catalog import KINDS, Kind, kind_of
from protocols.model.readings import Reading
from protocols.model.time import DeviceTime, date_of

_encode: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_SCALAR: Final = (int, float, str)


def row_of(reading: Reading, timeline: Timeline) -> Row:
    """A reading, ready for the store."""
    kind = kind_of(reading)
    layout = _LAYOUTS[type(reading)]
    start = kind.starts(reading)
    end = kind.ends(reading)
    start_utc_s = timeline.utc_s(start)
    end_offset_s = None
    if end is None:
        end_utc_s = None
    elif kind.end is None:
        # a duration is time that passed, whatever happened to the clock meanwhile
        end_utc_s = start_utc_s + end - start
    else:
        end_utc_s = timeline.utc_s(end)
        end_offset_s = timeline.offset_s(end)
    return Row(
        kind=kind.name,
        key="|".join([str(reading[index]) for index in layout.key]),
        merge=kind.merge,
        start_utc_s=start_utc_s,
        end_utc_s=end_utc_s,
        utc_offset_s=timeline.offset_s(start),
        values=_encode(_values(reading, layout)),
        verified=reading.verified,
        end_offset_s=end_offset_s,
    )


class Times(NamedTuple):
    """When a reading was, as its first delivery was resolved."""

    start_utc_s: int
    end_utc_s: int | None
    utc_offset_s: int
    end_offset_s: int | None


def times_of(row: Row) -> Times:
    """As they are."""
    return Times(row.start_utc_s, row.end_utc_s, row.utc_offset_s, row.end_offset_s)


def settled(row: Row, first: Times) -> Row:
    """A reading that is told again, at the time in UTC that it was given first. The owner's zone
    may have changed since: the watch told the same time on its face then, which is in the key."""
    if row.start_utc_s == first.start_utc_s and row.utc_offset_s == first.utc_offset_s:
        return row
    end, end_offset = row.end_utc_s, row.end_offset_s
    if end is not None:
        if (
            end_offset is not None
            and first.end_utc_s is not None
            and first.end_offset_s is not None
            and end + end_offset == first.end_utc_s + first.end_offset_s
        ):
            end, end_offset = first.end_utc_s, first.end_offset_s
        else:
            end += first.start_utc_s - row.start_utc_s
            end_offset = None if end_offset is None else first.utc_offset_s
    return replace(
        row,
        start_utc_s=first.start_utc_s,
        end_utc_s=end,
        utc_offset_s=first.utc_offset_s,
        end_offset_s=end_offset,
    )


def day_of(value: object) -> date:
    """The calendar day that a time field stands for."""
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no time")
    return date_of(DeviceTime(value))


class _Layout(NamedTuple):
    """Where a kind's fields are: looking them up by name would be half the work on a row."""

    key: tuple[int, ...]
    derived: bool
    values: tuple[tuple[int, str, bool], ...]
    """Index, name, and whether it means a day: its own fields, without the times that stand beside
    them."""


def _layout(kind: Kind) -> _Layout:
    fields = kind.type._fields
    beside = (kind.start, kind.end, "verified")
    return _Layout(
        key=tuple(map(fields.index, kind.key)),
        derived=kind.derived,
        values=tuple(
            (index, name, name in kind.days)
            for index, name in enumerate(fields)
            if name not in beside
        ),
    )


_LAYOUTS: Final = {kind.type: _layout(kind) for kind in KINDS}


def _values(reading: Reading, layout: _Layout) -> dict[str, object]:
    """The fields in their order, without what the device did not tell."""
    values: dict[str, object] = {}
    for index, name, is_day in layout.values:
        value = reading[index]
        if value is None:
            continue
        if is_day:
            values[name] = day_of(value).isoformat()
        else:
            values[name] = value if isinstance(value, _SCALAR) else _plain(value)
    if layout.derived:
        values["derived"] = True
    return values


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
