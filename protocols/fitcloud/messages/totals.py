"""Totals of the day, 05/22, resting heart rate, 02/E2, and daily variability, 08/95.

Source: transport-and-data §9.5–9.7; vectors data-today_total, data-heart_rate_resting,
data-hrv_daily.
"""

import struct
from dataclasses import dataclass
from typing import Final

from protocols.fitcloud.messages.clock import day_stamp, stamp
from protocols.model.readings import DailyHrv, DayTotals, RestingHeartRate
from protocols.model.time import DAY_S, DeviceTime

_TOTALS: Final = struct.Struct(">6I3H")
_RESTING: Final = struct.Struct(">IB")
_DAILY_HRV: Final = struct.Struct(">H4B")
_MIN_DAILY_HRV_BYTES: Final = 7


@dataclass(frozen=True, slots=True)
class RunningTotals:
    """The watch's current day so far, without a date.

    `pending_…` is the part of it that no step record holds yet. A mean of 0 bpm is no value.
    """

    steps: int
    distance_m: int
    energy_cal: int
    deep_sleep_min: int
    light_sleep_min: int
    mean_heart_rate_bpm: int
    pending_steps: int
    pending_distance: int
    pending_energy_cal: int
    active_min: int | None = None

    def reading(self, now: DeviceTime) -> DayTotals:
        """As a reading of the day to which `now`, the watch's time, belongs."""
        return DayTotals(
            day=DeviceTime(now - now % DAY_S),
            steps=self.steps,
            distance_m=float(self.distance_m),
            energy_kcal=self.energy_cal / 1000,
            deep_sleep_min=self.deep_sleep_min,
            light_sleep_min=self.light_sleep_min,
            mean_heart_rate_bpm=self.mean_heart_rate_bpm or None,
            active_min=self.active_min,
        )


def decode_totals(value: bytes) -> RunningTotals | None:
    """05/22. None when the watch has nothing to tell (below 30 bytes). Raises nothing."""
    if len(value) < _TOTALS.size:
        return None
    steps, distance, energy, deep, light, bpm, *pending = _TOTALS.unpack_from(value)
    active = value[30:32]
    return RunningTotals(
        steps=steps,
        distance_m=distance,
        energy_cal=energy,
        deep_sleep_min=deep,
        light_sleep_min=light,
        mean_heart_rate_bpm=bpm,
        pending_steps=pending[0],
        pending_distance=pending[1],
        pending_energy_cal=pending[2],
        active_min=int.from_bytes(active, "big") if len(active) == 2 else None,
    )


def decode_resting(value: bytes, *, keep_zero: bool = False) -> tuple[RestingHeartRate, ...]:
    """02/E2. Entries without a possible time are dropped, an incomplete tail too. Raises nothing.

    The vendor keeps a value of 0 bpm; it is no heart rate, and dropped unless `keep_zero`.
    """
    whole = value[: len(value) - len(value) % _RESTING.size]
    return tuple(
        RestingHeartRate(at, bpm)
        for raw, bpm in _RESTING.iter_unpack(whole)
        if (bpm or keep_zero) and (at := stamp(raw)) is not None
    )


def decode_daily_hrv(value: bytes) -> tuple[DailyHrv, ...] | None:
    """08/95, sorted by day. None when the watch has nothing to tell (records below seven bytes).

    Days that cannot be are dropped, an incomplete tail too. Raises nothing. That the unit is a
    millisecond is an inference, so none is verified.
    """
    size = value[0] if value else 0
    if size < _MIN_DAILY_HRV_BYTES:
        return None
    found = [
        DailyHrv(day, mean, low, high, centre, verified=False)
        for date, low, high, centre, mean in (
            _DAILY_HRV.unpack_from(value, at) for at in range(1, len(value) - size + 1, size)
        )
        if (day := day_stamp(date << 16)) is not None
    ]
    return tuple(sorted(found, key=lambda daily: daily.day))
