"""Heart-rate variability (type 23) and vitality (type 21). Source: transport-and-data §9.1, §9.2;
vectors data-hrv, data-vitality."""

import struct
from typing import Final

from protocols.fitcloud.messages.clock import day_stamp
from protocols.fitcloud.records.context import Decoded, RecordContext, Tally
from protocols.fitcloud.records.groups import groups, times, until
from protocols.model.readings import HeartRateVariability, Vitality
from protocols.model.time import DeviceTime

_HRV_ITEM: Final = struct.Struct(">IB")
_VITALITY_ITEM: Final = struct.Struct(">H")


def decode_hrv(stream: bytes, _: RecordContext) -> Decoded:
    """Items carry their own time; none is dropped for being 0 or in the future. Raises nothing.

    That the unit is a millisecond is an inference, so none is verified.
    """
    tally = Tally()
    readings: list[HeartRateVariability] = []
    for group in groups(stream, _HRV_ITEM.size, tally):
        for raw, hrv in _HRV_ITEM.iter_unpack(group.items):
            at = day_stamp(raw)
            if at is None:
                tally.undated += 1
            else:
                readings.append(HeartRateVariability(at, hrv, verified=False))
    return tally.decoded(readings)


def decode_vitality(stream: bytes, context: RecordContext) -> Decoded:
    """Hundredths at intervals; 0 is a value. Raises nothing."""
    tally = Tally()
    readings: list[Vitality] = []
    for start, interval, count, items in groups(stream, _VITALITY_ITEM.size, tally):
        if start is None:
            tally.undated += count
            continue
        step = interval * 60
        kept = until(start, step, count, context.latest)
        tally.future += count - kept
        readings += [
            Vitality(DeviceTime(at), score / 100)
            for at, (score,) in zip(
                times(start, step, kept), _VITALITY_ITEM.iter_unpack(items), strict=False
            )
        ]
    return tally.decoded(readings)
