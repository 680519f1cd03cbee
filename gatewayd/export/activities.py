"""Workouts as other programs want them: one course of points, put together from a workout's own
samples and heart rates and, where there is one, its GPS track.

Nothing is interpolated: a point holds what the watch told for that second, and no more.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gatewayd.core.ports import Outgoing
from gatewayd.mqtt.payloads import rfc3339

RATE_HOLDS_S: Final = 60
"""How long a heart rate may stand for the positions after it, where a format needs both in one."""


@dataclass(slots=True)
class Point:
    """One second of a workout. None where the watch told nothing; `distance_m` is from the start,
    `new_segment` says that recording was resumed here."""

    at_utc_s: int
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    altitude_m: int | None = None
    distance_m: int | None = None
    bpm: int | None = None
    new_segment: bool = False


@dataclass(frozen=True, slots=True)
class Activity:
    """A workout. `sport_code` is the family's own number, `has_track` whether it was located; the
    mean and highest heart rate are those that the watch worked out, None where it did not."""

    slug: str
    sport: str
    sport_code: int
    start_utc_s: int
    utc_offset_s: int
    duration_s: int
    distance_m: int
    energy_kcal: float
    points: tuple[Point, ...] = field(repr=False)
    mean_bpm: int | None = None
    max_bpm: int | None = None
    has_track: bool = False

    @property
    def end_utc_s(self) -> int:
        """When it ended."""
        return self.start_utc_s + self.duration_s


def activities(
    workouts: Iterable[Outgoing], tracks: Mapping[tuple[str, str], Outgoing]
) -> Iterator[Activity]:
    """Each workout with its track, which is found by slug and `track_id`."""
    for workout in workouts:
        values: dict[str, Any] = json.loads(workout.values)
        track = tracks.get((workout.slug, values.get("track_id", "")))
        points = _course(workout, values, track)
        summary = values.get("summary", {})
        yield Activity(
            slug=workout.slug,
            sport=values["sport"],
            sport_code=values["sport_code"],
            start_utc_s=workout.start_utc_s,
            utc_offset_s=workout.utc_offset_s,
            duration_s=values["duration_s"],
            distance_m=values["distance_m"],
            energy_kcal=values["energy_kcal"],
            points=points,
            mean_bpm=summary.get("mean_bpm") or None,
            max_bpm=summary.get("max_bpm") or None,
            has_track=any(point.latitude_deg is not None for point in points),
        )


def track_id(track: Outgoing) -> tuple[str, str]:
    """By what a workout finds its track."""
    return track.slug, json.loads(track.values)["track_id"]


def located(activity: Activity) -> Iterator[Point]:
    """Points that have a position, with the heart rate that was last told if it is recent."""
    bpm, told_at = None, activity.start_utc_s
    for point in activity.points:
        if point.bpm is not None:
            bpm, told_at = point.bpm, point.at_utc_s
        if point.latitude_deg is not None:
            recent = point.at_utc_s - told_at <= RATE_HOLDS_S
            yield Point(
                point.at_utc_s,
                point.latitude_deg,
                point.longitude_deg,
                point.altitude_m,
                point.distance_m,
                bpm if recent else None,
                point.new_segment,
            )


def file_stem(activity: Activity) -> str:
    """A name for its file: `alice-20261124T063000Z-outdoor_run`."""
    at = rfc3339(activity.start_utc_s).replace("-", "").replace(":", "")
    sport = "".join(sign if sign.isalnum() else "_" for sign in activity.sport)
    return f"{activity.slug}-{at}-{sport}"


def _course(
    workout: Outgoing, values: Mapping[str, Any], track: Outgoing | None
) -> tuple[Point, ...]:
    points: dict[int, Point] = {}

    def point(at_utc_s: int) -> Point:
        return points.setdefault(at_utc_s, Point(at_utc_s))

    distance_m = 0
    for sample in values.get("samples", ()):
        at = point(workout.start_utc_s + sample["elapsed_s"])
        distance_m += sample["distance_m"]
        at.distance_m = distance_m
        at.bpm = sample.get("bpm") or None
    for elapsed_s, bpm in values.get("heart_rates", ()):
        if bpm:
            point(workout.start_utc_s + elapsed_s).bpm = bpm
    if track is not None:
        for place in json.loads(track.values)["points"]:
            at = point(track.start_utc_s + place["elapsed_s"])
            at.latitude_deg = place["latitude_deg"]
            at.longitude_deg = place["longitude_deg"]
            at.altitude_m = place["altitude_m"]
            at.new_segment = place["new_segment"]
    return tuple(points[at] for at in sorted(points))
