"""Steps: type 1, in three layouts. Source: transport-and-data §9.1, §9.2; vectors data-step."""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from protocols.fitcloud.features import Feature, Features
from protocols.fitcloud.records.context import Decoded, RecordContext, Tally
from protocols.fitcloud.records.groups import groups, times, until
from protocols.model.readings import StepInterval

MIN_LIMIT: Final = 3000
LIMIT_PER_MINUTE: Final = 600

_PLAIN: Final = struct.Struct(">H")
_EXTRA: Final = struct.Struct(">HHH")
_EXTRA_ACTIVE: Final = struct.Struct(">HHHH")


def decode(stream: bytes, context: RecordContext) -> Decoded:
    """0 steps are no value; more than 600 a minute (or 3000) are implausible. Raises nothing."""
    tally = Tally()
    readings: list[StepInterval] = []
    item = _layout(context.features)
    latest = context.latest
    for start, interval, count, items in groups(stream, item.size, tally):
        if start is None:
            tally.undated += sum(1 for steps, *_ in item.iter_unpack(items) if steps)
            continue
        step = interval * 60
        kept = until(start, step, count, latest)
        if kept < count:
            rest = items[kept * item.size :]
            tally.future += sum(1 for steps, *_ in item.iter_unpack(rest) if steps)
        limit = max(MIN_LIMIT, LIMIT_PER_MINUTE * interval)
        values = item.iter_unpack(items[: kept * item.size])
        before = len(readings)
        readings += _intervals(times(start, step, kept), values, step, limit, item)
        if len(readings) - before < kept:
            used = items[: kept * item.size]
            tally.implausible += sum(1 for steps, *_ in item.iter_unpack(used) if steps > limit)
    return tally.decoded(readings)


def _layout(features: Features) -> struct.Struct:
    if Feature.STEP_EXTRA not in features:
        return _PLAIN
    return _EXTRA_ACTIVE if Feature.ACTIVITY_SPORT_DURATION in features else _EXTRA


def _intervals(
    at: Iterable[int],
    values: Iterator[tuple[int, ...]],
    length: int,
    limit: int,
    item: struct.Struct,
) -> list[StepInterval]:
    """Distance comes in cm, energy in cal."""
    # A NamedTuple's own constructor costs half as much again as all the rest.
    new = tuple.__new__
    if item is _PLAIN:
        return [
            new(StepInterval, (t, length, steps, None, None, None, True))
            for t, (steps,) in zip(at, values, strict=False)
            if 0 < steps <= limit
        ]
    if item is _EXTRA:
        return [
            new(StepInterval, (t, length, steps, cm / 100, cal / 1000, None, True))
            for t, (steps, cm, cal) in zip(at, values, strict=False)
            if 0 < steps <= limit
        ]
    return [
        new(StepInterval, (t, length, steps, cm / 100, cal / 1000, active, True))
        for t, (steps, cm, cal, active) in zip(at, values, strict=False)
        if 0 < steps <= limit
    ]
