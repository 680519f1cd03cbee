"""Temperature: type 17 at intervals, type 145 on demand. Source: transport-and-data §9.1, §9.2;
vectors data-temperature, data-temperature_measure."""

import struct
from typing import Final

from protocols.fitcloud.messages.clock import stamp
from protocols.fitcloud.records.context import Decoded, RecordContext, Tally
from protocols.fitcloud.records.groups import groups, times, until
from protocols.model.readings import Method, Temperature
from protocols.model.time import DeviceTime

MIN_BODY_C: Final = 25.0
MAX_BODY_C: Final = 45.0
"""Between these lies every body temperature that a living wearer can have."""

_ITEM: Final = struct.Struct(">hh")
_SPOT_ITEM: Final = struct.Struct(">Ihh")


def decode_periodic(stream: bytes, context: RecordContext) -> Decoded:
    """Type 17: wrist and body, no value unless that of the body is positive. Raises nothing."""
    tally = Tally()
    readings: list[Temperature] = []
    for start, interval, count, items in groups(stream, _ITEM.size, tally):
        pairs = list(_ITEM.iter_unpack(items))
        if start is None:
            tally.undated += _measured(pairs)
            continue
        step = interval * 60
        kept = until(start, step, count, context.latest)
        tally.future += _measured(pairs[kept:])
        readings += [
            temperature(DeviceTime(at), wrist, body, Method.PERIODIC)
            for at, (wrist, body) in zip(times(start, step, kept), pairs, strict=False)
            if body > 0
        ]
    return _decoded(readings, tally)


def decode_spot(stream: bytes, context: RecordContext) -> Decoded:
    """Type 145: the same with a time in each item. Raises nothing."""
    tally = Tally()
    readings: list[Temperature] = []
    for group in groups(stream, _SPOT_ITEM.size, tally):
        for raw, wrist, body in _SPOT_ITEM.iter_unpack(group.items):
            if body <= 0:
                continue
            at = stamp(raw)
            if at is None:
                tally.undated += 1
            elif at > context.latest:
                tally.future += 1
            else:
                readings.append(temperature(at, wrist, body, Method.SPOT))
    return _decoded(readings, tally)


def temperature(at: DeviceTime, wrist: int, body: int, method: Method) -> Temperature:
    """From hundredths of a degree; out of bounds it is not verified."""
    body_c = body / 100
    return Temperature(at, wrist / 100, body_c, method, MIN_BODY_C <= body_c <= MAX_BODY_C)


def _decoded(readings: list[Temperature], tally: Tally) -> Decoded:
    tally.implausible += sum(not reading.verified for reading in readings)
    return tally.decoded(readings)


def _measured(pairs: list[tuple[int, ...]]) -> int:
    return sum(1 for _, body in pairs if body > 0)
