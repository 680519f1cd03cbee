"""Recorded sport: type 16. Source: transport-and-data §9.9, §9.10; vectors data-sport.

A record is a header, three optional parts and its items. One that is not complete is left out, as
by the vendor; those before it stand.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from protocols.errors import MessageError
from protocols.fitcloud.features import Feature, Features
from protocols.fitcloud.messages.clock import day_stamp, stamp
from protocols.fitcloud.records.context import Decoded, RecordContext, Tally
from protocols.fitcloud.records.sport_detail import SportDetail, decode_detail, decode_extra
from protocols.fitcloud.sports import sport_name
from protocols.model.readings import JumpRope, Strokes, Swim, Workout, WorkoutSample
from protocols.model.time import DeviceTime, to_datetime

ITEM_BYTES: Final = 12
MAX_ELEMENT_BYTES: Final = 256
"""The vendor's working buffer: no watch sends a longer detail block or item."""

_HEADER: Final = struct.Struct(">HIH")


class _Item(NamedTuple):
    sport_code: int
    elapsed_s: int
    steps: int
    distance_m: int
    energy_cal: int
    pace: int
    heart_rates: bytes
    extra: bytes


class _Record(NamedTuple):
    start: DeviceTime | None
    track_id: str | None
    displayed: tuple[int, ...] | None
    detail: SportDetail | None
    items: tuple[_Item, ...]


def decode(stream: bytes, context: RecordContext) -> Decoded:
    """Raises MessageError for what makes the rest of the stream unreadable (see `sport_detail`)."""
    tally = Tally()
    workouts: list[Workout] = []
    for record in _Stream(stream, context, tally).records():
        sport_code = _sport_of(record)
        if not sport_code:
            tally.implausible += 1
        elif record.start is None:
            tally.undated += 1
        else:
            workouts.append(_workout(record, record.start, sport_code))
    return tally.decoded(workouts)


def heart_rate_bytes(context: RecordContext) -> int:
    """How many heart rates each item carries."""
    if context.heart_rate_bytes_per_item:
        return context.heart_rate_bytes_per_item
    return 1 if Feature.DYNAMIC_HEART_RATE in context.features else 0


class _End(Exception):
    def __init__(self, missing: int) -> None:
        super().__init__()
        self.missing = missing


class _Stream:
    """A cursor that cuts the stream into records."""

    def __init__(self, stream: bytes, context: RecordContext, tally: Tally) -> None:
        self._stream = stream
        self._at = 0
        self._tally = tally
        self._features: Features = context.features
        self._heart_rates = heart_rate_bytes(context)

    def records(self) -> Iterator[_Record]:
        try:
            while self._at < len(self._stream):
                count, start, extra = _HEADER.unpack(self._take(_HEADER.size))
                if count:
                    yield self._record(count, day_stamp(start), extra)
        except _End as end:
            self._tally.missing_bytes += end.missing

    def _record(self, count: int, start: DeviceTime | None, extra: int) -> _Record:
        track_id = displayed = detail = None
        if Feature.GPS in self._features:
            identity = self._take(self._byte())
            if (
                len(identity) >= 6
                and (at := stamp(int.from_bytes(identity[:4], "big"))) is not None
            ):
                start = at
                track_id = format_track_id(at, int.from_bytes(identity[4:6], "big"))
        if Feature.SPORT_DATA_CONFIG in self._features:
            displayed = tuple(self._take(self._size(self._byte(), least=1)))
        if Feature.NEW_SPORT_DETAIL in self._features:
            size = self._size(int.from_bytes(self._take(2), "big"), least=2)
            detail = decode_detail(self._element(size)[2:])
        size = extra if Feature.SPORT_ITEM_EXTRA in self._features else 0
        return _Record(start, track_id, displayed, detail, self._items(count, size))

    def _items(self, count: int, extra: int) -> tuple[_Item, ...]:
        size = ITEM_BYTES + self._heart_rates + extra
        self._check_size(size)
        item = struct.Struct(f">6H{self._heart_rates}s{extra}s")
        return tuple(_Item(*fields) for fields in item.iter_unpack(self._take(count * size)))

    def _byte(self) -> int:
        return self._take(1)[0]

    def _size(self, size: int, *, least: int) -> int:
        """A size below the least leaves no known place for what follows: the stream ends here."""
        if size < least:
            raise _End(least - size)
        return size

    def _element(self, size: int) -> bytes:
        self._check_size(size)
        return self._take(size)

    def _check_size(self, size: int) -> None:
        if size > MAX_ELEMENT_BYTES and len(self._stream) - self._at > MAX_ELEMENT_BYTES:
            raise MessageError(f"a part of {size} bytes in a sport record")

    def _take(self, size: int) -> bytes:
        start, end = self._at, self._at + size
        if end > len(self._stream):
            raise _End(end - len(self._stream))
        self._at = end
        return self._stream[start:end]


def format_track_id(at: DeviceTime, sport_code: int) -> str:
    """The sport id as printed; it joins a GPS track to its record (§9.8)."""
    return f"{to_datetime(at):%Y%m%d%H%M%S}{sport_code:04X}"


def _sport_of(record: _Record) -> int:
    code = record.detail.sport_code if record.detail is not None else 0
    return code or record.items[0].sport_code


def _workout(record: _Record, start: DeviceTime, sport_code: int) -> Workout:
    samples, heart_rates = _samples(record.items, sport_code)
    energy_cal = sum(item.energy_cal for item in record.items if item.sport_code == sport_code)
    totals = record.detail or SportDetail(
        steps=sum(sample.steps for sample in samples),
        distance_m=sum(sample.distance_m for sample in samples),
        energy_cal=energy_cal,
        duration_s=samples[-1].elapsed_s if samples else 0,
    )
    extra = decode_extra(sport_code, record.items[-1].extra)
    return Workout(
        start=start,
        sport=sport_name(sport_code),
        sport_code=sport_code,
        duration_s=totals.duration_s,
        steps=totals.steps,
        distance_m=totals.distance_m,
        energy_kcal=totals.energy_cal / 1000,
        track_id=record.track_id,
        samples=samples,
        heart_rates=heart_rates,
        displayed=record.displayed,
        summary=None if record.detail is None else record.detail.summary,
        swim=extra if isinstance(extra, Swim) else None,
        rope=extra if isinstance(extra, JumpRope) else None,
        strokes=extra if isinstance(extra, Strokes) else None,
    )


def _samples(
    items: tuple[_Item, ...], sport_code: int
) -> tuple[tuple[WorkoutSample, ...], tuple[tuple[int, int], ...]]:
    """The items of the record's own sport, and their heart rates; others count for nothing."""
    samples: list[WorkoutSample] = []
    series: list[tuple[int, int]] = []
    previous = 0
    size = len(items[0].heart_rates)
    step = items[0].elapsed_s // size if size else 0
    for item in items:
        if item.sport_code != sport_code:
            continue
        visited = _heart_rates(item, previous, step)
        series += visited
        measured = [bpm for _, bpm in visited if bpm]
        samples.append(
            WorkoutSample(
                elapsed_s=item.elapsed_s,
                steps=item.steps,
                distance_m=item.distance_m,
                energy_kcal=item.energy_cal / 1000,
                bpm=sum(measured) // len(measured) if measured else None,
            )
        )
        previous = item.elapsed_s
    return tuple(samples), tuple(series)


def _heart_rates(item: _Item, previous: int, step: int) -> list[tuple[int, int]]:
    """(elapsed, bpm) of one item: spread over it, until its end is reached."""
    if len(item.heart_rates) == 1:
        return [(item.elapsed_s, item.heart_rates[0])]
    visited: list[tuple[int, int]] = []
    for number, bpm in enumerate(item.heart_rates, 1):
        elapsed = min(previous + step * number, item.elapsed_s)
        visited.append((elapsed, bpm))
        if elapsed == item.elapsed_s:
            break
    return visited
