"""The factory's dump of raw sleep values, 05/51 to 05/57. Source: transport-and-data §9.4, §11.3;
vector sleep-raw. What the values mean is not known; they are no readings."""

import struct
from typing import Final, NamedTuple

from protocols.fitcloud.records.context import END_OF_TIME, Tally
from protocols.fitcloud.records.groups import groups, times, until
from protocols.model.time import DeviceTime

_ITEM: Final = struct.Struct(">H")


class RawSleepValue(NamedTuple):
    """One value of the sleep sensor."""

    at: DeviceTime
    value: int


def decode(stream: bytes) -> tuple[RawSleepValue, ...]:
    """All values, 0 included; groups without a possible time are left out. Raises nothing."""
    values: list[RawSleepValue] = []
    for start, interval, count, items in groups(stream, _ITEM.size, Tally()):
        if start is None:
            continue
        step = interval * 60
        dated = times(start, step, until(start, step, count, END_OF_TIME))
        values += [
            RawSleepValue(DeviceTime(at), value)
            for at, (value,) in zip(dated, _ITEM.iter_unpack(items), strict=False)
        ]
    return tuple(values)
