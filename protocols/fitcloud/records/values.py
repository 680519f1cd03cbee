"""Values of one byte: heart rate, oxygen saturation, respiratory rate, stress and mood.

At intervals (types 3, 4, 6, 18, 20) or on demand (131, 132, 134, 146): the layouts are the same.
Source: transport-and-data §9.1, §9.2; vectors data-heart_rate, data-oxygen, data-respiratory_rate,
data-pressure, data-mood and their `_measure` files.
"""

import struct
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from protocols.fitcloud.messages.clock import stamp
from protocols.fitcloud.records.context import Decoded, RecordContext, Tally
from protocols.fitcloud.records.groups import groups, times, until
from protocols.model.readings import (
    HeartRate,
    Method,
    Mood,
    OxygenSaturation,
    RespiratoryRate,
    Stress,
)

MAX_SCORE: Final = 100
"""Per cent and scores end here; the vendor passes on what is above, and it is no such value."""

_SPOT_ITEM: Final = struct.Struct(">IB")

_Value = TypeVar("_Value", HeartRate, OxygenSaturation, RespiratoryRate, Stress, Mood)
_Decoder: TypeAlias = Callable[[bytes, RecordContext], Decoded]


def periodic(kind: type[_Value], most: int = 0xFF) -> _Decoder:
    """A decoder of one byte per interval, 0 for no value. It raises nothing.

    What exceeds `most` is kept, but not verified.
    """

    def decode(stream: bytes, context: RecordContext) -> Decoded:
        tally = Tally()
        readings: list[_Value] = []
        latest = context.latest
        # A NamedTuple's own constructor costs as much again as all the rest of this loop.
        new, method = tuple.__new__, Method.PERIODIC
        for start, interval, count, items in groups(stream, 1, tally):
            if start is None:
                tally.undated += count - items.count(0)
                continue
            step = interval * 60
            kept = until(start, step, count, latest)
            if kept < count:
                tally.future += count - kept - items.count(0, kept)
            dated = zip(times(start, step, kept), items, strict=False)
            if max(items) <= most:
                readings += [new(kind, (at, value, method, True)) for at, value in dated if value]
                continue
            readings += [
                new(kind, (at, value, method, value <= most)) for at, value in dated if value
            ]
            tally.implausible += sum(value > most for value in items[:kept])
        return tally.decoded(readings)

    return decode


def spot(kind: type[_Value], most: int = 0xFF) -> _Decoder:
    """A decoder of items that carry their own time; otherwise like `periodic`."""

    def decode(stream: bytes, context: RecordContext) -> Decoded:
        tally = Tally()
        readings: list[_Value] = []
        latest = context.latest
        new, method = tuple.__new__, Method.SPOT
        for group in groups(stream, _SPOT_ITEM.size, tally):
            for raw, value in _SPOT_ITEM.iter_unpack(group.items):
                if not value:
                    continue
                at = stamp(raw)
                if at is None:
                    tally.undated += 1
                elif at > latest:
                    tally.future += 1
                else:
                    tally.implausible += value > most
                    readings.append(new(kind, (at, value, method, value <= most)))
        return tally.decoded(readings)

    return decode
