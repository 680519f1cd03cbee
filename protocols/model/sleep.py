"""Sleep sessions: what the gateway makes of the stages of sleep that a watch tells."""

from enum import StrEnum
from typing import NamedTuple

from protocols.model.time import DeviceTime


class SleepType(StrEnum):
    """What a sleep session was."""

    NIGHT = "night"
    NAP = "nap"


class SleepSession(NamedTuple):
    """A night or a nap, worked out from its stages; `night` is theirs.

    It lasts from falling asleep to waking up for the last time: what a watch calls awake before or
    after is not part of it. `asleep_s` is the sum of deep, light and REM sleep, and with `awake_s`,
    all the time in between that was not sleep, it makes up `in_bed_s`. `interruptions` counts the
    times awake. `efficiency_pct` is time asleep over time in bed. `latency_s` is the time awake
    that the watch noted directly before a night, None where it noted none.

    A session that later stages did away with (two naps were one) is revised to one without
    duration: all its numbers are 0.
    """

    start: DeviceTime
    end: DeviceTime
    night: DeviceTime
    session: SleepType
    in_bed_s: int
    asleep_s: int
    deep_s: int
    light_s: int
    rem_s: int
    awake_s: int
    interruptions: int
    efficiency_pct: float
    latency_s: int | None = None
    verified: bool = True
