"""Measurements on demand, read along. Source: transport-and-data §10; the asking half is `measure`.

Nobody here knows what the owner wanted but from the host's request, and it may have come before the
trace began; then values are left alone.
"""

import struct
from typing import Final, NamedTuple

from protocols.fitcloud import commands as c
from protocols.fitcloud.features import Features
from protocols.fitcloud.frame import Packet
from protocols.fitcloud.messages.vitals import Quantity, decode_measured
from protocols.fitcloud.raw_stream import ECG_ENDING, Ending
from protocols.fitcloud.records.ecg import SAMPLE_BYTES, sampling_rate_hz
from protocols.model.readings import (
    BloodPressure,
    Ecg,
    HeartRate,
    Method,
    OxygenSaturation,
    Reading,
    RespiratoryRate,
    Stress,
    Temperature,
)
from protocols.model.time import DeviceTime

MAX_SAMPLES: Final = 65_536
"""Half a minute has some ten thousand; more is not believed."""

_STARTED: Final = 1
_TYPES: Final = (
    (Quantity.HEART_RATE, HeartRate),
    (Quantity.OXYGEN, OxygenSaturation),
    (Quantity.BLOOD_PRESSURE, BloodPressure),
    (Quantity.RESPIRATION, RespiratoryRate),
    (Quantity.TEMPERATURE, Temperature),
    (Quantity.STRESS, Stress),
)


class Heard(NamedTuple):
    """Readings, and the ending of the bare samples that follow, if they do."""

    readings: tuple[Reading, ...] = ()
    raw: Ending | None = None


class MeasureWatch:
    """What is being measured."""

    def __init__(self) -> None:
        self._quantities = Quantity(0)
        self._began = DeviceTime(0)
        self._rate_hz = 0
        self._samples: list[int] = []

    def asked(self, value: bytes, at: DeviceTime) -> tuple[Reading, ...]:
        """05/23, a start or a stop; gives the ECG that it ends."""
        ended = self.end()
        self._quantities = Quantity(int.from_bytes(value[:2], "big") & _ALL)
        self._began = at
        return ended

    def heard(self, message: Packet, features: Features | None, at: DeviceTime) -> Heard:
        """05/24, 05/25 and 05/41. Raises MessageError, and DeviceRefused when it is not worn."""
        if message[:2] == c.ECG_LIVE:
            return self._ecg(message.value)
        if message[:2] == c.MEASURE_ENDED:
            self._quantities = Quantity(0)
            return Heard(self.end())
        if features is None or not self._quantities:
            return Heard()
        vitals = decode_measured(message.value, self._quantities, features)
        wanted = tuple(kind for bit, kind in _TYPES if bit in self._quantities)
        return Heard(tuple(r for r in vitals.readings(at, Method.LIVE) if isinstance(r, wanted)))

    def samples(self, data: bytes) -> None:
        """Bare samples of an ECG."""
        if len(self._samples) < MAX_SAMPLES:
            self._samples += struct.unpack_from(f">{len(data) // SAMPLE_BYTES}H", data)

    def end(self) -> tuple[Reading, ...]:
        """The ECG so far, once."""
        samples, self._samples = self._samples, []
        if not samples:
            return ()
        return (Ecg(self._began, 0, self._rate_hz, tuple(samples), Method.LIVE),)

    def _ecg(self, value: bytes) -> Heard:
        if self._samples:
            return Heard(self.end())
        if Quantity.ECG in self._quantities and len(value) == 2 and value[0] == _STARTED:
            self._rate_hz = sampling_rate_hz(value[1])
            return Heard(raw=ECG_ENDING)
        return Heard()


_ALL: Final = sum(Quantity)
