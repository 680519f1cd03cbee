"""Sleep sessions from stages of sleep: nights and naps, and what they add up to.

Source of the rules: transport-and-data §9.4 (totals; night/nap split); vectors data-sleep.

A day's stages are taken together, however many transfers brought them: the sessions follow from
all that is known of a day, so that they do not depend on how it came. Where stages overlap, the
one that began first counts until it ends. Time between sleep of which nothing is told is awake.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from gatewayd.core.ports import Row
from gatewayd.core.rows import row_of
from gatewayd.core.timeline import EPOCH_UTC_S, Timeline
from protocols.model.readings import Stage
from protocols.model.sleep import SleepSession, SleepType
from protocols.model.time import DAY_S, DeviceTime, midnight

MAX_GAP_S: Final = 30 * 60
"""Sleep after a gap of that length is another block of sleep."""

NIGHT_ENDS_S: Final = 9 * 3600
"""Seconds after the day's midnight: a block that begins earlier belongs to the night."""

NAP_OVER_S: Final = 20 * 60
NAP_UP_TO_S: Final = 3 * 3600
"""A nap lasts longer than the one and at most the other; what else comes by day is no sleep."""

SEARCH_S: Final = 3 * DAY_S
"""How far from its day's midnight the stages and sessions of a day are looked for."""


class Session(NamedTuple):
    """A session, and its times in UTC: those of the stages that it consists of."""

    reading: SleepSession
    start_utc_s: int
    end_utc_s: int
    utc_offset_s: int

    def row(self, timeline: Timeline) -> Row:
        """Ready for the store."""
        return replace(
            row_of(self.reading, timeline),
            start_utc_s=self.start_utc_s,
            end_utc_s=self.end_utc_s,
            utc_offset_s=self.utc_offset_s,
            # it follows from the stages, which keep their times
            end_offset_s=None,
        )


def sessions(stages: Iterable[Row], *, naps: bool) -> list[Session]:
    """Sessions of all days that have sleep, in order. Of rows with one key the last counts.

    `naps` says whether the device tells naps from the night (FitCloud: feature 522).
    """
    latest = {row.key: row for row in stages}
    days: dict[date, list[_Part]] = {}
    for row in latest.values():
        values = json.loads(row.values)
        part = _Part(
            row.start_utc_s,
            row.start_utc_s if row.end_utc_s is None else row.end_utc_s,
            Stage(values["stage"]),
            row.utc_offset_s,
            row.verified,
        )
        days.setdefault(date.fromisoformat(values["night"]), []).append(part)
    return [
        session
        for day in sorted(days)
        for session in _sessions_of_day(day, _disjoint(days[day]), naps=naps)
    ]


def undone(stored: Iterable[Row], now: Collection[str], timeline: Timeline) -> list[Row]:
    """Revisions without duration for the stored sessions whose key is not among those of `now`."""
    gone = []
    for row in stored:
        if row.key in now or row.start_utc_s == row.end_utc_s:
            continue
        values = json.loads(row.values)
        start = _face(row.start_utc_s, row.utc_offset_s)
        night = midnight(date.fromisoformat(values["night"]))
        empty = SleepSession(
            start, start, night, SleepType(values["session"]), 0, 0, 0, 0, 0, 0, 0, 0.0
        )
        session = Session(empty, row.start_utc_s, row.start_utc_s, row.utc_offset_s)
        gone.append(replace(session.row(timeline), key=row.key))
    return gone


def night_of(row: Row) -> date:
    """The day to which a stage or a session counts."""
    return date.fromisoformat(json.loads(row.values)["night"])


class _Part(NamedTuple):
    """A stage in UTC, with the owner's offset at its start."""

    start: int
    end: int
    stage: Stage
    offset: int
    verified: bool


def _disjoint(parts: list[_Part]) -> list[_Part]:
    """In order of start, without overlap and without what has no duration."""
    until: int | None = None
    disjoint: list[_Part] = []
    for part in sorted(parts):
        start = part.start if until is None else max(part.start, until)
        if part.end > start:
            disjoint.append(part._replace(start=start))
            until = part.end
    return disjoint


def _sessions_of_day(day: date, parts: Sequence[_Part], *, naps: bool) -> Iterator[Session]:
    asleep = [part for part in parts if part.stage is not Stage.AWAKE]
    if not asleep:
        return
    night, later = _split(day, asleep) if naps else (asleep, [])
    if night:
        yield _session(day, SleepType.NIGHT, night, _latency_s(parts, night[0]))
    for block in later:
        if NAP_OVER_S < block[-1].end - block[0].start <= NAP_UP_TO_S:
            yield _session(day, SleepType.NAP, block, None)


def _split(day: date, asleep: Sequence[_Part]) -> tuple[list[_Part], list[list[_Part]]]:
    """The night, and what is slept later, block by block."""
    ends = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + NIGHT_ENDS_S

    def by_night(part: _Part) -> bool:
        return part.start + part.offset < ends

    blocks: list[list[_Part]] = []
    for part in asleep:
        block = blocks[-1] if blocks else None
        if (
            block is None
            or part.start - block[-1].end >= MAX_GAP_S
            or (by_night(block[0]) and not by_night(part))
        ):
            blocks.append([part])
        else:
            block.append(part)
    night = [part for block in blocks if by_night(block[0]) for part in block]
    return night, [block for block in blocks if not by_night(block[0])]


def _session(day: date, what: SleepType, asleep: Sequence[_Part], latency_s: int | None) -> Session:
    seconds = dict.fromkeys(Stage, 0)
    interruptions = 0
    until = asleep[0].start
    for part in asleep:
        seconds[part.stage] += part.end - part.start
        interruptions += part.start > until
        until = part.end
    start, offset = asleep[0].start, asleep[0].offset
    in_bed_s, asleep_s = until - start, sum(seconds.values())
    face = _face(start, offset)
    reading = SleepSession(
        start=face,
        end=DeviceTime(face + in_bed_s),
        night=midnight(day),
        session=what,
        in_bed_s=in_bed_s,
        asleep_s=asleep_s,
        deep_s=seconds[Stage.DEEP],
        light_s=seconds[Stage.LIGHT],
        rem_s=seconds[Stage.REM],
        awake_s=in_bed_s - asleep_s,
        interruptions=interruptions,
        efficiency_pct=round(100 * asleep_s / in_bed_s, 1),
        latency_s=latency_s,
        verified=all(part.verified for part in asleep),
    )
    return Session(reading, start, until, offset)


def _latency_s(parts: Sequence[_Part], first: _Part) -> int | None:
    """Time awake that leads to the first sleep without a gap."""
    begin = first.start
    for part in reversed(parts):
        if part.stage is Stage.AWAKE and part.end == begin:
            begin = part.start
    return first.start - begin or None


def _face(utc_s: int, offset_s: int) -> DeviceTime:
    return DeviceTime(utc_s + offset_s - EPOCH_UTC_S)
