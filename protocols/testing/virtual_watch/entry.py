"""What the watch holds, said plainly."""

from datetime import datetime
from typing import NamedTuple


class Entry(NamedTuple):
    """One fact that a faithful gateway must deliver, noted while its bytes were put together.

    `kind` is one of steps, heart_rate, spot_heart_rate, blood_oxygen, stress, sleep_stage,
    sleep_score, workout, resting_heart_rate, day_totals. `at` is the watch's local time. `value` is
    its main number (steps, bpm, %, sleep status, score, sport code); `details` what else is known:
    steps: centimetres, cal · sleep_score: efficiency · workout: steps, metres, cal, seconds ·
    day_totals: centimetres, cal.
    """

    kind: str
    at: datetime
    value: int
    until: datetime | None = None
    details: tuple[int, ...] = ()
