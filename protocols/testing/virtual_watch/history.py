"""Several days of a plausible life, made of the golden vectors' bytes. Source: spec 9.1 – 9.6.

Beside each stream stands an independent list of what it holds, noted while it was put together:
an end-to-end test compares what arrived with that, without asking any decoder.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

from protocols.testing.virtual_watch.entry import Entry
from protocols.testing.virtual_watch.profile import MODERN, WatchProfile
from protocols.testing.virtual_watch.samples import (
    date2,
    dmin4,
    group,
    items,
    one_byte_values,
    sleep_nights,
    sleep_statuses,
    step_items,
    ts4,
)
from protocols.testing.virtual_watch.workouts import (
    JUMP_ROPE,
    OUTDOOR_RUN,
    POOL_SWIM,
    build_workout,
)

STEPS: Final = 1
SLEEP: Final = 2
HEART_RATE: Final = 3
BLOOD_OXYGEN: Final = 4
SPORT: Final = 16
STRESS: Final = 18
SLEEP_SCORE: Final = 22
SPOT_HEART_RATE: Final = 131

INTERVAL_ITEM_BYTES: Final = MappingProxyType({HEART_RATE: 1, BLOOD_OXYGEN: 1, STRESS: 1})

_BEDTIME: Final = time(23, 5)


class Block(NamedTuple):
    """The record stream of one type and what it holds."""

    data: bytes = b""
    entries: tuple[Entry, ...] = ()

    def __add__(self, other: object) -> "Block":
        if not isinstance(other, Block):
            return NotImplemented
        return Block(self.data + other.data, self.entries + other.entries)


@dataclass(frozen=True, slots=True)
class History:
    """What a watch holds at `until`.

    `blocks` are the record streams by type id; resting heart rates, daily HRV and day totals are
    the values of their private replies, which nothing deletes.
    """

    until: datetime
    blocks: Mapping[int, Block]
    resting_heart_rate: Block
    day_totals: Block
    daily_hrv: bytes

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything that it holds, the private replies included."""
        held = [entry for block in self.blocks.values() for entry in block.entries]
        return (*held, *self.resting_heart_rate.entries, *self.day_totals.entries)


def build_history(until: datetime, *, days: int = 7, profile: WatchProfile = MODERN) -> History:
    """History of the `days` days that end with `until`, the watch's local time without a zone.

    Nothing in it is later than `until`. Deterministic. Only types that the profile supports.
    """
    dates = [until.date() - timedelta(days=back) for back in reversed(range(days))]
    builders = [(STEPS, _steps), (SLEEP, _sleep_points if profile.supports(268) else _sleep_old)]
    if profile.supports(588):
        builders.append((SLEEP_SCORE, _sleep_score))
    if profile.supports(0):
        builders.append((HEART_RATE, _heart_rate))
    if profile.supports(0) and profile.supports(22):
        builders.append((SPOT_HEART_RATE, _spot_heart_rate))
    if profile.supports(1):
        builders.append((BLOOD_OXYGEN, _blood_oxygen))
    if profile.supports(6):
        builders.append((SPORT, _workouts))
    if profile.supports(13):
        builders.append((STRESS, _stress))
    blocks: dict[int, Block] = {}
    for kind, build in builders:
        pieces = (build(day, number, until, profile) for number, day in enumerate(dates))
        blocks[kind] = sum(pieces, Block())
    resting = Block()
    if profile.supports(540):
        resting = sum((_resting(day, number, until) for number, day in enumerate(dates)), Block())
    return History(
        until=until,
        blocks=MappingProxyType(blocks),
        resting_heart_rate=resting,
        day_totals=_day_totals(until, blocks),
        daily_hrv=b"\x07" + b"".join(_daily_hrv(day) for day in dates),
    )


def heart_rate_record(at: datetime, bpm: int) -> Block:
    """One more periodic heart rate, a group of its own (to the minute)."""
    at = at.replace(second=0, microsecond=0)
    return Block(group(at, 5, [bytes((bpm,))]), (Entry("heart_rate", at, bpm),))


def spot_heart_rate_record(at: datetime, bpm: int) -> Block:
    """One measurement that the wearer started on the watch (to the second)."""
    at = at.replace(microsecond=0)
    data = group(at, 0, [ts4(at) + bytes((bpm,))])
    return Block(data, (Entry("spot_heart_rate", at, bpm),))


# --- one day of each type ----------------------------------------------------------------------


def _interval_items(
    start: datetime, interval_min: int, count: int, until: datetime
) -> Iterator[datetime]:
    """Times of items whose interval is over at `until`."""
    step = timedelta(minutes=interval_min)
    return (start + step * k for k in range(count) if start + step * (k + 1) <= until)


def _steps(day: date, number: int, until: datetime, profile: WatchProfile) -> Block:
    start = datetime.combine(day, time(7))
    size = 6 if profile.supports(259) else 2
    wire, entries = [], []
    for slot, at in enumerate(_interval_items(start, 5, 180, until)):
        if not _is_walking(at, slot + number):
            wire.append(bytes(size))
            continue
        item = step_items()[(slot * 5 + number) % len(step_items())]
        wire.append(item[:size])
        steps, centimetres, cal = (int.from_bytes(item[k : k + 2], "big") for k in (0, 2, 4))
        details = (centimetres, cal) if size == 6 else ()
        entries.append(Entry("steps", at, steps, at + timedelta(minutes=5), details))
    return Block(group(start, 5, wire), tuple(entries)) if wire else Block()


def _is_walking(at: datetime, number: int) -> bool:
    """To work, at lunch, home again, and now and then in between."""
    minute = at.hour * 60 + at.minute
    walks = ((450, 480), (735, 760), (1050, 1080))
    return any(begin <= minute < end for begin, end in walks) or number * 7 % 11 == 0


def _values(
    kind: str, wanted: list[datetime], pool: tuple[bytes, ...], number: int
) -> list[tuple[bytes, Entry | None]]:
    """Items from a pool in turn, a gap ("not worn") once in 23."""
    chosen: list[tuple[bytes, Entry | None]] = []
    for slot, at in enumerate(wanted):
        if (slot + number * 5) % 23 == 22:
            chosen.append((b"\x00", None))
            continue
        item = pool[(slot * 3 + number) % len(pool)]
        chosen.append((item, Entry(kind, at, item[0])))
    return chosen


def _interval_block(
    start: datetime, interval_min: int, chosen: list[tuple[bytes, Entry | None]]
) -> Block:
    if not chosen:
        return Block()
    entries = tuple(entry for _, entry in chosen if entry is not None)
    return Block(group(start, interval_min, [item for item, _ in chosen]), entries)


def _heart_rate(day: date, number: int, until: datetime, _profile: WatchProfile) -> Block:
    start = datetime.combine(day, time(0))
    asleep = one_byte_values("data-heart_rate", 45, 66)
    awake = one_byte_values("data-heart_rate", 60, 115)
    times = list(_interval_items(start, 5, 288, until))
    night = [at for at in times if at.hour < 7]
    chosen = _values("heart_rate", night, asleep, number)
    chosen += _values("heart_rate", times[len(night) :], awake, number)
    return _interval_block(start, 5, chosen)


def _blood_oxygen(day: date, number: int, until: datetime, _profile: WatchProfile) -> Block:
    start = datetime.combine(day, time(0))
    pool = one_byte_values("data-oxygen", 94, 99)
    chosen = _values("blood_oxygen", list(_interval_items(start, 60, 24, until)), pool, number)
    return _interval_block(start, 60, chosen)


def _stress(day: date, number: int, until: datetime, _profile: WatchProfile) -> Block:
    start = datetime.combine(day, time(8))
    pool = one_byte_values("data-pressure", 15, 80)
    chosen = _values("stress", list(_interval_items(start, 30, 28, until)), pool, number)
    return _interval_block(start, 30, chosen)


def _spot_heart_rate(day: date, number: int, until: datetime, _profile: WatchProfile) -> Block:
    pool = [item[4:] for item in items("data-heart_rate_measure", 5) if 55 <= item[4] <= 120]
    wire, entries = [], []
    for slot, at in enumerate((time(9, 12, 31), time(16, 47, 5))):
        moment = datetime.combine(day, at)
        if moment <= until:
            item = pool[(number + slot) % len(pool)]
            wire.append(ts4(moment) + item)
            entries.append(Entry("spot_heart_rate", moment, item[0]))
    return Block(group(entries[0].at, 0, wire), tuple(entries)) if wire else Block()


def _workouts(day: date, number: int, until: datetime, profile: WatchProfile) -> Block:
    plans = (
        ((time(18, 30), OUTDOOR_RUN),),
        ((time(6, 45), POOL_SWIM),),
        (),
        ((time(7, 10), OUTDOOR_RUN), (time(19, 20), JUMP_ROPE)),
    )
    block = Block()
    for start, plan in plans[number % len(plans)]:
        record, entry = build_workout(datetime.combine(day, start), plan, profile)
        if entry.until is not None and entry.until <= until:
            block += Block(record, (entry,))
    return block


def _sleep_points(day: date, number: int, until: datetime, _profile: WatchProfile) -> Block:
    """The night that ends on `day`, as two groups of points that follow each other."""
    begin = datetime.combine(day - timedelta(days=1), _BEDTIME) + timedelta(minutes=number % 4 * 9)
    halves = sleep_nights() if number % 2 else sleep_nights()[::-1]
    data, stages, end = b"", list[tuple[datetime, int]](), begin
    for points in halves:
        start = end
        wire = []
        for minutes, status in points:
            end = start + timedelta(minutes=minutes)
            wire.append(dmin4(end) + bytes((status,)))
            stages.append((end, status))
        data += group(start, 0, wire)
    return Block(data, _stages(begin, stages)) if end <= until else Block()


def _sleep_old(day: date, number: int, until: datetime, _profile: WatchProfile) -> Block:
    """The night that ends on `day`, five minutes an item; an item tells of the time before it."""
    start = datetime.combine(day - timedelta(days=1), _BEDTIME) + timedelta(minutes=number % 4 * 10)
    five = timedelta(minutes=5)
    night = sleep_statuses()
    stages = [(start + five * k, status) for k, status in enumerate(night)]
    if stages[-1][0] > until:
        return Block()
    wire = [bytes((status,)) for status in night]
    return Block(group(start, 5, wire), _stages(start - five, stages))


def _stages(begin: datetime, points: list[tuple[datetime, int]]) -> tuple[Entry, ...]:
    """Runs of equal status; each point ends the time that began with the one before it."""
    entries: list[Entry] = []
    for end, status in points:
        if entries and entries[-1].value == status:
            entries[-1] = entries[-1]._replace(until=end)
        else:
            entries.append(Entry("sleep_stage", begin, status, end))
        begin = end
    return tuple(entries)


def _sleep_score(day: date, number: int, until: datetime, _profile: WatchProfile) -> Block:
    at = datetime.combine(day, time(8))
    if at > until:
        return Block()
    known = [item[4:] for item in items("data-sleep_score", 6)]
    scores = [item[0] for item in known if 60 <= item[0] <= 100]
    efficiencies = [item[1] for item in known if 60 <= item[1] <= 100]
    score = scores[number % len(scores)]
    efficiency = efficiencies[number % len(efficiencies)]
    data = group(at, 0, [dmin4(at) + bytes((score, efficiency))])
    return Block(data, (Entry("sleep_score", at, score, None, (efficiency,)),))


def _resting(day: date, number: int, until: datetime) -> Block:
    at = datetime.combine(day, time(7, 30))
    pool = one_byte_values("data-heart_rate", 51, 66)
    item = pool[number % len(pool)]
    if at > until:
        return Block()
    return Block(ts4(at) + item, (Entry("resting_heart_rate", at, item[0]),))


def _daily_hrv(day: date) -> bytes:
    """Baseline 38–62 ms around 50, average 47, one byte that no decoder knows (9.7)."""
    return date2(datetime.combine(day, time(0))) + bytes((38, 62, 50, 47, 0))


def _day_totals(until: datetime, blocks: Mapping[int, Block]) -> Block:
    """Sums over today's items in the layout of 9.5."""
    midnight = datetime.combine(until.date(), time(0))
    today = [entry for entry in blocks[STEPS].entries if entry.at >= midnight]
    steps = sum(entry.value for entry in today)
    centimetres = sum(entry.details[0] for entry in today if entry.details)
    cal = sum(entry.details[1] for entry in today if entry.details)
    asleep = dict.fromkeys((1, 2), 0)
    for entry in blocks[SLEEP].entries:
        if entry.until is not None and entry.until >= midnight and entry.value in asleep:
            asleep[entry.value] += int((entry.until - entry.at).total_seconds()) // 60
    rates = [
        entry.value for entry in blocks.get(HEART_RATE, Block()).entries if entry.at > midnight
    ]
    mean = sum(rates) // len(rates) if rates else 0
    words = (steps, centimetres // 100, cal, asleep[1], asleep[2], mean)
    data = b"".join(word.to_bytes(4, "big") for word in words) + bytes(6)
    return Block(data, (Entry("day_totals", midnight, steps, None, (centimetres, cal)),))
