"""What the watch measures right now: latest values, 05/43, and measurement on demand, 05/23–05/25.

Source: transport-and-data §7.2, §10; vectors data-realtime. Both messages put the diastolic
pressure first, the other way round than the history.
"""

import struct
from collections.abc import Iterator
from enum import IntFlag
from types import MappingProxyType
from typing import Final, NamedTuple

from protocols.codec import Reader, Writer
from protocols.errors import DeviceRefused, MessageError
from protocols.fitcloud.features import Feature, Features
from protocols.fitcloud.records.temperature import temperature
from protocols.fitcloud.records.values import MAX_SCORE
from protocols.model.readings import (
    BloodPressure,
    HeartRate,
    Method,
    OxygenSaturation,
    Reading,
    RespiratoryRate,
    Stress,
)
from protocols.model.time import DeviceTime

INTERVAL: Final = 5
"""Third byte of a request; that it is the reporting interval in seconds is an inference."""

_TEMPERATURE_AT: Final = 11
_TEMPERATURE: Final = struct.Struct(">Bhh")

_UNUSABLE: Final = MappingProxyType(
    {
        2: ("not_worn", "the watch is not worn"),
        3: ("too_high", "the temperature is too high to be measured"),
        4: ("too_low", "the temperature is too low to be measured"),
    }
)
"""Temperature states that end a measurement."""


class Quantity(IntFlag):
    """What can be measured on demand: bits of the request."""

    HEART_RATE = 1
    OXYGEN = 2
    BLOOD_PRESSURE = 4
    RESPIRATION = 8
    ECG = 16
    TEMPERATURE = 32
    STRESS = 64


class Vitals(NamedTuple):
    """Values as the watch sends them: 0 is no value."""

    bpm: int = 0
    spo2_pct: int = 0
    diastolic_mmhg: int = 0
    systolic_mmhg: int = 0
    breaths_per_min: int = 0
    wrist_hundredths_c: int = 0
    body_hundredths_c: int = 0
    stress_score: int = 0

    def readings(self, at: DeviceTime, method: Method) -> Iterator[Reading]:
        """Those that are there, as readings of one moment."""
        if self.bpm:
            yield HeartRate(at, self.bpm, method)
        if self.spo2_pct:
            yield OxygenSaturation(at, self.spo2_pct, method, self.spo2_pct <= MAX_SCORE)
        if self.systolic_mmhg and self.diastolic_mmhg:
            yield BloodPressure(at, self.systolic_mmhg, self.diastolic_mmhg, None, method)
        if self.breaths_per_min:
            yield RespiratoryRate(at, self.breaths_per_min, method)
        if self.body_hundredths_c > 0:
            yield temperature(at, self.wrist_hundredths_c, self.body_hundredths_c, method)
        if self.stress_score:
            yield Stress(at, self.stress_score, method, self.stress_score <= MAX_SCORE)


def decode_latest(value: bytes, features: Features) -> Vitals:
    """05/43. Raises MessageError when it is shorter than its features announce."""
    body = Reader(value)
    bpm, spo2, diastolic, systolic = (body.u8() for _ in range(4))
    wrist = skin = stress = 0
    if Feature.TEMPERATURE in features:
        wrist, skin = body.i16(), body.i16()
    if Feature.PRESSURE in features:
        stress = body.u8()
    return Vitals(bpm, spo2, diastolic, systolic, 0, wrist, skin, stress)


def encode_start(quantities: Quantity, minutes: int) -> bytes:
    """05/23: measure these for so long; an ECG alone has a form of its own.

    Raises LimitExceeded for minutes beyond a byte.
    """
    return _request(quantities, quantities, minutes)


def encode_stop(quantities: Quantity, minutes: int) -> bytes:
    """05/23: end the measurement that `encode_start` began with the same arguments."""
    return _request(quantities, Quantity(0), minutes)


def decode_measured(value: bytes, asked: Quantity, features: Features) -> Vitals:
    """05/24. What was not asked for is in it as well, except temperature and stress.

    Raises MessageError when it is shorter than what was asked for; DeviceRefused (`not_worn`,
    `too_high`, `too_low`) when the temperature cannot be measured.
    """
    body = Reader(value)
    body.take(6)
    bpm, spo2, diastolic, systolic, breaths = (body.u8() for _ in range(5))
    wrist = skin = stress = 0
    stress_at = _TEMPERATURE_AT
    if Feature.TEMPERATURE in features:
        stress_at += _TEMPERATURE.size
        if Quantity.TEMPERATURE in asked:
            state, wrist, skin = _temperature(value)
            if state in _UNUSABLE:
                reason, words = _UNUSABLE[state]
                raise DeviceRefused(words, reason=reason)
    if Feature.PRESSURE in features and Quantity.STRESS in asked:
        if len(value) <= stress_at:
            raise MessageError(f"a stress value was expected, {len(value)} bytes came")
        stress = value[stress_at]
    return Vitals(bpm, spo2, diastolic, systolic, breaths, wrist, skin, stress)


def is_complete(vitals: Vitals, asked: Quantity, features: Features) -> bool:
    """Whether the watch has nothing to add: a cuff that was asked for blood pressure gives one."""
    return (
        Quantity.BLOOD_PRESSURE in asked
        and Feature.BLOOD_PRESSURE_AIR_PUMP in features
        and bool(vitals.systolic_mmhg and vitals.diastolic_mmhg)
    )


def ended_by_watch(value: bytes) -> DeviceRefused:
    """05/25: why the watch ended the measurement, as an error to raise."""
    if value[:1] == b"\0":
        return DeviceRefused("the watch is not worn", reason="not_worn")
    return DeviceRefused("the watch ended the measurement", reason="unknown")


def _request(quantities: Quantity, mask: Quantity, minutes: int) -> bytes:
    request = Writer().u16(mask)
    if quantities == Quantity.ECG:
        return request.u8(1).u8(1).build()
    return request.u8(INTERVAL).u8(minutes).build()


def _temperature(value: bytes) -> tuple[int, int, int]:
    if len(value) < _TEMPERATURE_AT + _TEMPERATURE.size:
        raise MessageError(f"a temperature was expected, {len(value)} bytes came")
    state, wrist, body = _TEMPERATURE.unpack_from(value, _TEMPERATURE_AT)
    return state, wrist, body
