"""Golden vectors as a quarry of real bytes, and the two date packings. Source: spec 4.2, 9.1.

The vectors' values are drawn at random from all that a decoder must survive, so each pool below
keeps only those that a person could have produced.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from itertools import chain
from typing import Final, cast

GROUP_HEADER_BYTES: Final = 8


def date2(day: datetime) -> bytes:
    """Year since 2000, month and day in two bytes."""
    return ((day.year - 2000) << 9 | day.month << 5 | day.day).to_bytes(2, "big")


def dmin4(at: datetime) -> bytes:
    """Date and minute of the day in four bytes."""
    return date2(at) + (at.hour * 60 + at.minute).to_bytes(2, "big")


def ts4(at: datetime) -> bytes:
    """Date and time to the second in four bytes."""
    date = (at.year - 2000) << 26 | at.month << 22 | at.day << 17
    return (date | at.hour << 12 | at.minute << 6 | at.second).to_bytes(4, "big")


def from_ts4(data: bytes) -> datetime | None:
    """The inverse of `ts4`; None when that is no date."""
    packed = int.from_bytes(data, "big")
    try:
        return datetime(  # noqa: DTZ001 - the watch knows no zone
            2000 + (packed >> 26),
            packed >> 22 & 0xF,
            packed >> 17 & 0x1F,
            packed >> 12 & 0x1F,
            packed >> 6 & 0x3F,
            packed & 0x3F,
        )
    except ValueError:
        return None


def group(start: datetime, interval_min: int, items: list[bytes]) -> bytes:
    """One group of equally long items."""
    head = len(items).to_bytes(2, "big") + dmin4(start) + interval_min.to_bytes(2, "big")
    return head + b"".join(items)


@lru_cache(maxsize=32)
def rows(name: str) -> tuple[Mapping[str, object], ...]:
    """The lines of one vector file."""
    # Found by path: importing the package of the protocol under test is what we never do.
    file = files("protocols").joinpath("fitcloud", "vectors", f"{name}.jsonl")
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(cast("Mapping[str, object]", json.loads(line)) for line in lines)


def vector(file: str, name: str) -> bytes:
    """The bytes of one vector."""
    return next(_bytes(row) for row in rows(file) if row["name"] == name)


def items(file: str, size: int, *, features: frozenset[int] | None = None) -> Iterator[bytes]:
    """Every whole item of every group in a file, optionally of vectors with these features."""
    for row in rows(file):
        if row.get("op") != "sync_data":
            continue
        parameters = cast("Mapping[str, list[int]]", row["params"])
        if features is None or frozenset(parameters["features"]) == features:
            yield from _items(_bytes(row), size)


def _items(stream: bytes, size: int) -> Iterator[bytes]:
    at = 0
    while at + GROUP_HEADER_BYTES <= len(stream):
        count = int.from_bytes(stream[at : at + 2], "big")
        at += GROUP_HEADER_BYTES
        for _ in range(count):
            if at + size > len(stream):
                return
            yield stream[at : at + size]
            at += size


def _bytes(row: Mapping[str, object]) -> bytes:
    text = row["hex"]
    return bytes.fromhex(text if isinstance(text, str) else "".join(cast("list[str]", text)))


def one_byte_values(file: str, low: int, high: int) -> tuple[bytes, ...]:
    """One-byte items between two values, in the order of the file."""
    return tuple(item for item in items(file, 1) if low <= item[0] <= high)


@lru_cache(maxsize=1)
def step_items() -> tuple[bytes, ...]:
    """Steps, distance and calories of five minutes: a stride of 0.2 to 1.2 m, 800 steps at most."""
    return tuple(
        item
        for item in items("data-step", 6, features=frozenset({259}))
        if 0 < _u16(item, 0) <= 800 and 20 <= _u16(item, 2) / _u16(item, 0) <= 120
    )


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


@lru_cache(maxsize=1)
def sleep_nights() -> tuple[tuple[tuple[int, int], ...], ...]:
    """Sleep in the new format: per vector the points as (minutes since start, status 1–4).

    Only points that move time forward are kept, so that every point ends one stage.
    """
    return tuple(
        tuple(_points(vector("data-sleep", name))) for name in ("sleep-new-01", "sleep-new-05")
    )


def _points(stream: bytes) -> Iterator[tuple[int, int]]:
    start = stream[2:6]
    previous = 0
    for item in _items(stream, 5):
        days = _u16(item, 0) - _u16(start, 0)
        minutes = days * 1440 + _u16(item, 2) - _u16(start, 2)
        if minutes > previous and 1 <= item[4] <= 4:
            previous = minutes
            yield minutes, item[4]


@lru_cache(maxsize=1)
def sleep_statuses() -> bytes:
    """A night in the old format: statuses 1–3 of five minutes each, awake at neither end."""
    names = ("sleep-old-00", "sleep-old-04", "sleep-old-08", "sleep-old-07")
    night = bytes(
        item[0]
        for item in chain.from_iterable(_items(vector("data-sleep", name), 1) for name in names)
        if 1 <= item[0] <= 3
    )
    return night.strip(b"\x03")


@lru_cache(maxsize=1)
def workout_slices() -> tuple[bytes, ...]:
    """One minute of sport: steps, distance, calories, pace (8 bytes) and one heart rate."""
    slices: list[bytes] = []
    for name, extra in (
        ("sport-f9-0", 0),
        ("sport-f9_546-0", 9),
        ("sport-extra-pool-swim", 9),
        ("sport-extra-open-swim", 9),
        ("sport-extra-rowing4", 4),
        ("sport-extra-other-extra", 9),
    ):
        slices += (item[4:13] for item in _items(vector("data-sport", name), 13 + extra))
    return tuple(piece for piece in slices if piece[8] == 0 or 60 <= piece[8] <= 180)


def display_list() -> bytes:
    """The display list of a sport record, its length in front."""
    record = vector("data-sport", "sport-f530-0")
    return record[8 : 9 + record[8]]
