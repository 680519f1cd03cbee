"""Electrocardiograms: type 7, one to a group. Source: transport-and-data §9.3; vectors data-ecg."""

import struct
from typing import Final

from protocols.fitcloud.records.context import Decoded, RecordContext, Tally
from protocols.fitcloud.records.groups import groups
from protocols.model.readings import Ecg
from protocols.model.time import DeviceTime

UNSTATED_RATE_HZ: Final = 100
"""The sampling rate where the watch gives no interval."""

SAMPLE_BYTES: Final = 2


def decode(stream: bytes, context: RecordContext) -> Decoded:
    """A group that is not complete, or has no sample but zeros, gives nothing. Raises nothing."""
    tally = Tally()
    readings: list[Ecg] = []
    for start, interval_ms, count, items in groups(stream, SAMPLE_BYTES, tally, whole=True):
        values = struct.unpack(f">{count}H", items)
        samples = tuple(value for value in values if value)
        if not samples:
            continue
        if start is None:
            tally.undated += 1
            continue
        first = next(number for number, value in enumerate(values) if value)
        seconds, offset_ms = divmod(first * interval_ms, 1000)
        at = DeviceTime(start + seconds)
        if at > context.latest:
            tally.future += 1
        else:
            readings.append(Ecg(at, offset_ms, sampling_rate_hz(interval_ms), samples))
    return tally.decoded(readings)


def sampling_rate_hz(interval_ms: int) -> int:
    """Whole samples per second, as the vendor works them out (§9.3, §10)."""
    return 1000 // interval_ms if interval_ms else UNSTATED_RATE_HZ
