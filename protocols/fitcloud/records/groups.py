"""Groups of fixed-size items, which most record streams are made of.

Source: transport-and-data §9.1; the count-0 and truncation vectors of data-heart_rate.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Final, NamedTuple

from protocols.fitcloud.messages.clock import day_stamp
from protocols.fitcloud.records.context import Tally
from protocols.model.time import DeviceTime

_HEADER: Final = struct.Struct(">HIH")


class Group(NamedTuple):
    """`items` holds `size` whole items. `start` None is no possible time."""

    start: DeviceTime | None
    interval: int
    """Minutes in all types but ECG."""

    size: int
    items: bytes


def groups(stream: bytes, item_size: int, tally: Tally, *, whole: bool = False) -> Iterator[Group]:
    """The groups that hold items; work is bounded by the stream, whatever the counts say.

    A last group that is cut short keeps its whole items, or with `whole` is left out.
    """
    at, end = 0, len(stream)
    while at < end:
        if end - at < _HEADER.size:
            tally.missing_bytes += _HEADER.size - (end - at)
            return
        count, start, interval = _HEADER.unpack_from(stream, at)
        at += _HEADER.size
        size = min(count, (end - at) // item_size)
        if size and (size == count or not whole):
            yield Group(day_stamp(start), interval, size, stream[at : at + size * item_size])
        at += count * item_size
        if at > end:
            tally.missing_bytes += at - end


def times(start: DeviceTime, step_s: int, count: int) -> Sequence[int] | Iterator[int]:
    """`count` times, `step_s` apart; with no interval all of them are the start."""
    return range(start, start + count * step_s, step_s) if step_s else repeat(int(start), count)


def until(start: DeviceTime, step_s: int, count: int, latest: DeviceTime) -> int:
    """How many of those times are not later than `latest`."""
    if start > latest:
        return 0
    return min(count, (latest - start) // step_s + 1) if step_s else count
