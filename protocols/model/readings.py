"""What wearables measure, whichever family they belong to.

Readings are `NamedTuple`s: immutable, typed, and three times cheaper to make than frozen
dataclasses, which matters when a watch hands over a month at once (`tests/bench`). `at` (or
`start`) is always the time on the watch's own face. `verified` is False where the meaning of the
bytes is an inference that no device has confirmed yet.

Which fields identify a reading, its unit and its merge policy stand in `model.catalog`.
"""

from enum import StrEnum
from typing import NamedTuple

from protocols.model.sleep import SleepSession
from protocols.model.time import DeviceTime


class Method(StrEnum):
    """How a value came about."""

    PERIODIC = "periodic"
    """The watch measured by itself, on its own schedule."""

    SPOT = "spot"
    """The wearer asked the watch for it."""

    LIVE = "live"
    """Streamed while the gateway was connected."""


class Stage(StrEnum):
    """Sleep stages."""

    DEEP = "deep"
    LIGHT = "light"
    AWAKE = "awake"
    REM = "rem"


class SwimStroke(StrEnum):
    """Swimming styles."""

    FREESTYLE = "freestyle"
    BREASTSTROKE = "breaststroke"
    BACKSTROKE = "backstroke"
    BUTTERFLY = "butterfly"


class StepInterval(NamedTuple):
    """Movement within one interval of `duration_s` seconds that begins at `start`.

    `duration_s` is 0 when the watch gave no interval. None means that the watch does not tell.
    """

    start: DeviceTime
    duration_s: int
    steps: int
    distance_m: float | None = None
    energy_kcal: float | None = None
    active_min: int | None = None
    verified: bool = True


class HeartRate(NamedTuple):
    """One heart-rate value, 1–255 bpm; a watch's 0 means "not worn" and yields no reading."""

    at: DeviceTime
    bpm: int
    method: Method = Method.PERIODIC
    verified: bool = True


class RestingHeartRate(NamedTuple):
    """The resting heart rate that the watch worked out, in bpm."""

    at: DeviceTime
    bpm: int
    verified: bool = True


class SleepStage(NamedTuple):
    """One stage of sleep, from `start` to `end`.

    `night` is the midnight of the day to which the family's own rule counts it (the day of waking
    up), so that an evening and the morning after belong together.
    """

    start: DeviceTime
    end: DeviceTime
    stage: Stage
    night: DeviceTime
    verified: bool = True


class SleepScore(NamedTuple):
    """The watch's own judgement of a night: score 0–100 and efficiency in percent."""

    at: DeviceTime
    score: int
    efficiency_pct: int
    verified: bool = True


class DayTotals(NamedTuple):
    """Running totals of the watch's current day; `day` is its midnight.

    None stands for what the watch did not tell or the owner does not collect.
    """

    day: DeviceTime
    steps: int
    distance_m: float
    energy_kcal: float
    deep_sleep_min: int | None
    light_sleep_min: int | None
    mean_heart_rate_bpm: int | None
    active_min: int | None = None
    verified: bool = True


class Swim(NamedTuple):
    """The swimming part of a workout. Stroke rate is per minute; None where the watch is silent.

    `stroke` is None for a style code that the specification does not name; `stroke_code` keeps it.
    """

    stroke: SwimStroke | None
    stroke_code: int
    laps: int | None
    strokes: int | None
    stroke_rate_per_min: int | None
    swolf: int | None


class JumpRope(NamedTuple):
    """The rope-skipping part of a workout."""

    jumps: int | None
    interruptions: int | None
    longest_run: int | None


class Strokes(NamedTuple):
    """Counted movements of a rowing machine or an elliptical trainer; rates are per minute."""

    movements: int | None
    mean_rate_per_min: int | None
    max_rate_per_min: int | None
    min_rate_per_min: int | None


class WorkoutSample(NamedTuple):
    """One slice of a workout, `elapsed_s` seconds after its start at its end.

    Steps, distance and energy are those of this slice; `bpm` is its mean, None if not measured.
    """

    elapsed_s: int
    steps: int
    distance_m: int
    energy_kcal: float
    bpm: int | None


class HeartRateZones(NamedTuple):
    """Limits in bpm between zones, and the seconds spent in each."""

    limits_bpm: tuple[int, ...]
    durations_s: tuple[int, ...]


class WorkoutSummary(NamedTuple):
    """What the watch worked out for a whole workout; None where it did not say.

    Speed and pace come without a documented unit, so they are kept as the raw number
    (`unverified`): see the field names.
    """

    mean_bpm: int | None = None
    max_bpm: int | None = None
    min_bpm: int | None = None
    mean_cadence_per_min: int | None = None
    max_cadence_per_min: int | None = None
    min_cadence_per_min: int | None = None
    mean_stride_cm: int | None = None
    vo2max: int | None = None
    mean_speed_raw: int | None = None
    max_speed_raw: int | None = None
    min_speed_raw: int | None = None
    mean_pace_raw: int | None = None
    fastest_pace_raw: int | None = None
    slowest_pace_raw: int | None = None
    effort_durations_s: tuple[int, ...] | None = None
    zones: HeartRateZones | None = None


class Workout(NamedTuple):
    """One recorded sport session.

    `sport` is the catalogue's name (`pool_swim`), `sport_code` the family's own number. `track_id`
    joins it with a GPS track. `heart_rates` are (elapsed seconds, bpm), 0 where not measured.
    `displayed` are the ids of the fields that the watch itself shows for this record.
    """

    start: DeviceTime
    sport: str
    sport_code: int
    duration_s: int
    steps: int
    distance_m: int
    energy_kcal: float
    track_id: str | None = None
    samples: tuple[WorkoutSample, ...] = ()
    heart_rates: tuple[tuple[int, int], ...] = ()
    displayed: tuple[int, ...] | None = None
    summary: WorkoutSummary | None = None
    swim: Swim | None = None
    rope: JumpRope | None = None
    strokes: Strokes | None = None
    verified: bool = True


class TrackPoint(NamedTuple):
    """One position, `elapsed_s` seconds after the start of its track.

    Degrees are decimal, north and east positive; altitude is in metres. `new_segment` says that
    recording was resumed here, so that no line leads to it from the point before.
    """

    elapsed_s: int
    latitude_deg: float
    longitude_deg: float
    altitude_m: int
    satellites: int
    new_segment: bool = False


class GpsTrack(NamedTuple):
    """Where a workout led. `track_id` is that of its `Workout`.

    Points without a position fix are left out, so that there may be none at all.
    """

    start: DeviceTime
    track_id: str
    sport_code: int
    points: tuple[TrackPoint, ...]
    verified: bool = True


class OxygenSaturation(NamedTuple):
    """Oxygen saturation of the blood in percent, 1–100.

    Some watches send more than 100; such a value is kept as sent and not `verified`.
    """

    at: DeviceTime
    spo2_pct: int
    method: Method = Method.PERIODIC
    verified: bool = True


class BloodPressure(NamedTuple):
    """Blood pressure in mmHg, each 1–255. `bpm` comes from devices with a cuff, else None."""

    at: DeviceTime
    systolic_mmhg: int
    diastolic_mmhg: int
    bpm: int | None = None
    method: Method = Method.PERIODIC
    verified: bool = True


class RespiratoryRate(NamedTuple):
    """Breaths per minute, 1–255."""

    at: DeviceTime
    breaths_per_min: int
    method: Method = Method.PERIODIC
    verified: bool = True


class Stress(NamedTuple):
    """The watch's stress score, 1–100; what is sent above that is kept and not `verified`."""

    at: DeviceTime
    score: int
    method: Method = Method.PERIODIC
    verified: bool = True


class Temperature(NamedTuple):
    """Temperatures in °C: of the skin at the wrist, and of the body as the watch works it out.

    A body temperature that no living wearer has (below 25 or above 45 °C, such as the filler
    327.67) is kept as sent and not `verified`.
    """

    at: DeviceTime
    wrist_c: float
    body_c: float
    method: Method = Method.PERIODIC
    verified: bool = True


class Mood(NamedTuple):
    """A mood as the watch's own code, 1–255; what each code means is not documented."""

    at: DeviceTime
    code: int
    method: Method = Method.PERIODIC
    verified: bool = True


class Vitality(NamedTuple):
    """The watch's vitality ("body battery") score. Its scale is not documented; 0 is a value."""

    at: DeviceTime
    score: float
    verified: bool = True


class HeartRateVariability(NamedTuple):
    """Variability between heart beats in milliseconds, 0–255; 0 comes from the watch as well."""

    at: DeviceTime
    hrv_ms: int
    verified: bool = True


class DailyHrv(NamedTuple):
    """A day's mean heart-rate variability and the wearer's usual range, in milliseconds."""

    day: DeviceTime
    mean_ms: int
    baseline_min_ms: int
    baseline_max_ms: int
    baseline_centre_ms: int
    verified: bool = True


class GameScore(NamedTuple):
    """The result of a game played on the watch. `game_code` is the family's own number."""

    at: DeviceTime
    game_code: int
    duration_s: int
    score: int
    level: int
    verified: bool = True


class Ecg(NamedTuple):
    """One electrocardiogram: raw converter values; a stored one has lost the zeros between them.

    The first sample was taken `offset_ms` (0–999) milliseconds after `start`. `sampling_rate_hz`
    is 0 where the watch states an interval of more than a second.
    """

    start: DeviceTime
    offset_ms: int
    sampling_rate_hz: int
    samples: tuple[int, ...]
    method: Method = Method.SPOT
    verified: bool = True


class BatteryLevel(NamedTuple):
    """Battery of the watch in percent, 0–100."""

    at: DeviceTime
    level_pct: int
    charging: bool
    verified: bool = True


Reading = (
    StepInterval
    | HeartRate
    | RestingHeartRate
    | SleepStage
    | SleepSession
    | SleepScore
    | DayTotals
    | Workout
    | GpsTrack
    | OxygenSaturation
    | BloodPressure
    | RespiratoryRate
    | Stress
    | Temperature
    | Mood
    | Vitality
    | HeartRateVariability
    | DailyHrv
    | GameScore
    | Ecg
    | BatteryLevel
)
