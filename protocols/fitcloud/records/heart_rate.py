"""Heart rate: type 3 at intervals, type 131 on demand. Source: transport-and-data §9.1, §9.2;
vectors data-heart_rate, data-heart_rate_measure."""

import struct
from typing import Final

from protocols.fitcloud.messages.clock import stamp
from protocols.fitcloud.records.context import Decoded, RecordContext, Tally
from protocols.fitcloud.records.groups import groups, times, until
from protocols.model.readings import HeartRate, Method
from protocols.model.time import DeviceTime

_SPOT_ITEM: Final = struct.Struct(">IB")


def decode_periodic(stream: bytes, context: RecordContext) -> Decoded:
    """Type 3: one byte per interval, 0 for no value. Raises nothing."""
    tally = Tally()
    readings: list[HeartRate] = []
    latest = context.latest
    # A NamedTuple's own constructor costs as much again as all the rest of this loop.
    new, periodic = tuple.__new__, Method.PERIODIC
    for start, interval, count, items in groups(stream, 1, tally):
        if start is None:
            tally.undated += count - items.count(0)
            continue
        step = interval * 60
        kept = until(start, step, count, latest)
        if kept < count:
            tally.future += count - kept - items.count(0, kept)
        readings += [
            new(HeartRate, (at, bpm, periodic, True))
            for at, bpm in zip(times(start, step, kept), items, strict=False)
            if bpm
        ]
    return tally.decoded(readings)


def decode_spot(stream: bytes, context: RecordContext) -> Decoded:
    """Type 131: items that carry their own time. Raises nothing."""
    tally = Tally()
    readings: list[HeartRate] = []
    latest: DeviceTime = context.latest
    for group in groups(stream, _SPOT_ITEM.size, tally):
        for raw, bpm in _SPOT_ITEM.iter_unpack(group.items):
            if not bpm:
                continue
            at = stamp(raw)
            if at is None:
                tally.undated += 1
            elif at > latest:
                tally.future += 1
            else:
                readings.append(HeartRate(at, bpm, Method.SPOT))
    return tally.decoded(readings)
