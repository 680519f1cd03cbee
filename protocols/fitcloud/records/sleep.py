"""Sleep: type 2, in two formats. Source: transport-and-data §9.4; vectors data-sleep.

The old format samples the state at intervals, the new one notes its changes. Either way the groups
of one day are pooled, and become segments that follow one another.
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from protocols.fitcloud.features import Feature, Features
from protocols.fitcloud.messages.clock import day_stamp
from protocols.fitcloud.records.context import Decoded, RecordContext, Tally
from protocols.fitcloud.records.groups import Group, groups, times
from protocols.model.readings import SleepStage, Stage
from protocols.model.time import DAY_S, DeviceTime

SAMPLE_S: Final = 300
"""In the old format a sample stands for the five minutes that end at its time."""

MAX_GAP_S: Final = 900
"""A longer gap between samples is time awake."""

_CHANGE: Final = struct.Struct(">IB")
_STAGES: Final = MappingProxyType({1: Stage.DEEP, 2: Stage.LIGHT, 3: Stage.AWAKE, 4: Stage.REM})


_Point: TypeAlias = tuple[int, Stage]
"""The state that ends at a time. A plain tuple: a month holds a thousand, and each is made once."""


class _Segment(NamedTuple):
    start: int
    end: int
    stage: Stage


def decode(stream: bytes, context: RecordContext) -> Decoded:
    """Segments, night by night in order. Raises nothing."""
    tally = Tally()
    changes = Feature.NEW_SLEEP_PROTOCOL in context.features
    read = _Changes(context, tally) if changes else _Samples(context, tally)
    nights: dict[int, list[_Point]] = {}
    for group in groups(stream, read.item_size, tally):
        if group.start is None:
            tally.undated += group.size
            continue
        night = night_of(group.start, context.features)
        nights.setdefault(night, []).extend(read.points(group, group.start))
    join = _join_changes if changes else _join_samples
    return tally.decoded(
        SleepStage(DeviceTime(part.start), DeviceTime(part.end), part.stage, DeviceTime(night))
        for night, points in sorted(nights.items())
        for part in join(points)
        if part.start < part.end
    )


def night_of(start: DeviceTime, features: Features) -> DeviceTime:
    """Midnight of the day to which a group counts: what begins late belongs to the next day."""
    day = start - start % DAY_S
    hour = start % DAY_S // 3600
    late = hour >= 20 if Feature.SLEEP_NAP in features else hour > 12
    return DeviceTime(day + DAY_S if late else day)


class _Reader(ABC):
    """What both formats share: which states count, and which times."""

    item_size = 1

    def __init__(self, context: RecordContext, tally: Tally) -> None:
        self._latest = context.latest
        self._tally = tally
        self._stages: Mapping[int, Stage] = _STAGES
        if Feature.SLEEP_REM not in context.features:
            self._stages = {
                code: stage for code, stage in _STAGES.items() if stage is not Stage.REM
            }

    @abstractmethod
    def points(self, group: Group, start: DeviceTime) -> Iterator[_Point]:
        """The states of one group, in the order in which they stand in it."""

    def _credible(self, at: int) -> bool:
        if at <= self._latest:
            return True
        self._tally.future += 1
        return False


class _Samples(_Reader):
    """The old format: a byte of state per interval."""

    def points(self, group: Group, start: DeviceTime) -> Iterator[_Point]:
        stages = self._stages
        for at, code in zip(
            times(start, group.interval * 60, group.size), group.items, strict=True
        ):
            stage = stages.get(code)
            if stage is not None and self._credible(at):
                yield at, stage


class _Changes(_Reader):
    """The new format: a time and a state; the beginning of the group counts as awake."""

    item_size = _CHANGE.size

    def __init__(self, context: RecordContext, tally: Tally) -> None:
        super().__init__(context, tally)
        self._stages = {0: Stage.AWAKE, **self._stages}

    def points(self, group: Group, start: DeviceTime) -> Iterator[_Point]:
        latest, stages = self._latest, self._stages
        if start <= latest:
            yield start, Stage.AWAKE
        day, midnight = -1, None
        for raw, code in _CHANGE.iter_unpack(group.items):
            stage = stages.get(code)
            if stage is None:
                continue
            if raw >> 16 != day:
                day = raw >> 16
                midnight = day_stamp(day << 16)
            if midnight is None:
                self._tally.undated += 1
                continue
            at = midnight + (raw & 0xFFFF) * 60
            if at <= latest:
                yield at, stage
            else:
                self._tally.future += 1


def _join_changes(points: Iterable[_Point]) -> list[_Segment]:
    """Between two points lies the state of the later one; a step back in time is not counted."""
    joined: list[_Segment] = []
    begun, ends = 0, None
    current = Stage.AWAKE
    for at, stage in points:
        if ends is None:
            begun = ends = at
        elif at > ends:
            if stage is not current or begun == ends:
                if begun < ends:
                    joined.append(_Segment(begun, ends, current))
                begun, current = ends, stage
            ends = at
    if ends is not None and begun < ends:
        joined.append(_Segment(begun, ends, current))
    return joined


def _join_samples(points: list[_Point]) -> list[_Segment]:
    """Samples of one state become a segment, whatever the gap; time awake at either end is cut."""
    ordered = _trimmed(sorted(points, key=itemgetter(0)))
    closed: list[_Segment] = []
    current: _Segment | None = None
    for at, stage in ordered:
        if current is None:
            current = _Segment(at - SAMPLE_S, at, stage)
        elif current.stage is stage:
            current = current._replace(end=at)
        else:
            closed.append(current)
            current = _Segment(_begin(closed, at - SAMPLE_S, stage), at, stage)
    if current is not None:
        closed.append(current)
    return closed


def _begin(closed: list[_Segment], start: int, stage: Stage) -> int:
    """Where the next segment begins, so that it follows the last closed one without a gap."""
    last = closed[-1]
    if start <= last.end:
        return last.end
    if start - last.end <= MAX_GAP_S or last.stage is Stage.AWAKE:
        closed[-1] = last._replace(end=start)
    elif stage is Stage.AWAKE:
        return last.end
    else:
        closed.append(_Segment(last.end, start, Stage.AWAKE))
    return start


def _trimmed(points: list[_Point]) -> list[_Point]:
    first, last = 0, len(points)
    while first < last and points[first][1] is Stage.AWAKE:
        first += 1
    while first < last and points[last - 1][1] is Stage.AWAKE:
        last -= 1
    return points[first:last]
