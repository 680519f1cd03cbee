"""The watch's judgement of a night: type 22. Source: transport-and-data §9.2; vectors
data-sleep_score."""

import struct
from typing import Final

from protocols.fitcloud.messages.clock import day_stamp
from protocols.fitcloud.records.context import Decoded, RecordContext, Tally
from protocols.fitcloud.records.groups import groups
from protocols.model.readings import SleepScore

_ITEM: Final = struct.Struct(">IBB")


def decode(stream: bytes, _: RecordContext) -> Decoded:
    """Items carry their own date; none is dropped for lying in the future. Raises nothing."""
    tally = Tally()
    readings: list[SleepScore] = []
    for group in groups(stream, _ITEM.size, tally):
        for raw, score, efficiency in _ITEM.iter_unpack(group.items):
            at = day_stamp(raw)
            if at is None:
                tally.undated += 1
            else:
                readings.append(SleepScore(at, score, efficiency))
    return tally.decoded(readings)
