"""Blood pressure: type 5 at intervals, type 133 on demand. Source: transport-and-data §9.1, §9.2;
vectors data-blood_pressure, data-blood_pressure_measure."""

import struct
from typing import Final

from protocols.fitcloud.features import Feature
from protocols.fitcloud.messages.clock import stamp
from protocols.fitcloud.records.context import Decoded, RecordContext, Tally
from protocols.fitcloud.records.groups import groups, times, until
from protocols.model.readings import BloodPressure, Method
from protocols.model.time import DeviceTime

_ITEM: Final = struct.Struct(">BB")
_SPOT_ITEM: Final = struct.Struct(">IBB")
_SPOT_ITEM_OF_CUFF: Final = struct.Struct(">IBBB")


def decode_periodic(stream: bytes, context: RecordContext) -> Decoded:
    """Type 5: systolic before diastolic, no value unless both are there. Raises nothing."""
    tally = Tally()
    readings: list[BloodPressure] = []
    for start, interval, count, items in groups(stream, _ITEM.size, tally):
        pairs = list(_ITEM.iter_unpack(items))
        if start is None:
            tally.undated += _measured(pairs)
            continue
        step = interval * 60
        kept = until(start, step, count, context.latest)
        tally.future += _measured(pairs[kept:])
        readings += [
            BloodPressure(DeviceTime(at), systolic, diastolic)
            for at, (systolic, diastolic) in zip(times(start, step, kept), pairs, strict=False)
            if systolic and diastolic
        ]
    return tally.decoded(readings)


def decode_spot(stream: bytes, context: RecordContext) -> Decoded:
    """Type 133: items that carry their own time, those of a cuff a heart rate. Raises nothing."""
    tally = Tally()
    readings: list[BloodPressure] = []
    cuff = Feature.BLOOD_PRESSURE_AIR_PUMP in context.features
    item = _SPOT_ITEM_OF_CUFF if cuff else _SPOT_ITEM
    for group in groups(stream, item.size, tally):
        for raw, systolic, diastolic, *more in item.iter_unpack(group.items):
            if not (systolic and diastolic):
                continue
            at = stamp(raw)
            if at is None:
                tally.undated += 1
            elif at > context.latest:
                tally.future += 1
            else:
                bpm = more[0] or None if more else None
                readings.append(BloodPressure(at, systolic, diastolic, bpm, Method.SPOT))
    return tally.decoded(readings)


def _measured(pairs: list[tuple[int, ...]]) -> int:
    return sum(1 for systolic, diastolic in pairs if systolic and diastolic)
