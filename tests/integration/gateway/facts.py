"""What a watch holds, what a store holds and what a subscriber got, in one form to compare.

Nothing here asks a decoder: a watch's entries were noted while its bytes were put together, and the
other two are read as any outsider would read them.
"""

# ruff: noqa: DTZ001 - a watch knows no time zone

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from protocols.testing.virtual_watch import Entry

ZONE = "Asia/Kathmandu"
OFFSET_S = (5 * 60 + 45) * 60
"""No whole hour, and no clock changes."""

PER_CONNECTION = frozenset({"battery", "day_totals"})
"""Read anew with each connection, at times of the gateway's own clock."""

BESIDE = PER_CONNECTION | {"sleep_session"}
"""Those, and what the gateway works out by itself."""

_STATUS = {"deep": 1, "light": 2, "awake": 3, "rem": 4}
_EPOCH = datetime(1970, 1, 1)


class Fact(NamedTuple):
    """One reading; times are those on the watch's face."""

    kind: str
    at: datetime
    until: datetime | None
    values: tuple[int, ...]


def held(entries: Iterable[Entry]) -> Counter[Fact]:
    """What a watch holds, without what each connection reads anew."""
    return Counter(_held(entry) for entry in entries if entry.kind not in PER_CONNECTION)


def published(payloads: Iterable[Mapping[str, object]]) -> Counter[Fact]:
    """What a subscriber got, without what each connection reads anew."""
    return Counter(
        _reported(
            str(payload["kind"]),
            _local(payload["start"], payload),
            _local(payload["end"], payload) if "end" in payload else None,
            payload,
        )
        for payload in payloads
        if payload["kind"] not in BESIDE
    )


def stored(path: Path) -> Counter[Fact]:
    """What is in the store at this moment, read from outside."""
    rows = query(path, "SELECT kind, start_utc_s, end_utc_s, utc_offset_s, fields FROM reading")
    facts: Counter[Fact] = Counter()
    for kind, start, end, offset, fields in rows:
        if kind in BESIDE:
            continue
        at = _EPOCH + timedelta(seconds=start + offset)
        until = None if end is None else _EPOCH + timedelta(seconds=end + offset)
        facts[_reported(kind, at, until, json.loads(fields))] += 1
    return facts


def query(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """Ask the store's file, which the gateway may have open, or may have left as a kill left it."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


def _held(entry: Entry) -> Fact:
    return Fact(entry.kind, entry.at, entry.until, (entry.value, *entry.details))


def _reported(
    kind: str, at: datetime, until: datetime | None, values: Mapping[str, object]
) -> Fact:
    def number(name: str, factor: int = 1) -> int:
        value = values[name]
        assert isinstance(value, int | float)
        return round(value * factor)

    found: tuple[int, ...]
    match kind:
        case "steps":
            found = (number("steps"), number("distance_m", 100), number("energy_kcal", 1000))
            return Fact(kind, at, until, found)
        case "heart_rate":
            kinds = {"periodic": "heart_rate", "spot": "spot_heart_rate"}
            return Fact(kinds[str(values["method"])], at, until, (number("bpm"),))
        case "resting_heart_rate":
            return Fact(kind, at, until, (number("bpm"),))
        case "sleep_stage":
            return Fact(kind, at, until, (_STATUS[str(values["stage"])],))
        case "sleep_score":
            return Fact(kind, at, until, (number("score"), number("efficiency_pct")))
        case "workout":
            found = (
                number("sport_code"),
                number("steps"),
                number("distance_m"),
                number("energy_kcal", 1000),
                number("duration_s"),
            )
            return Fact(kind, at, until, found)
        case _:
            raise AssertionError(f"a kind that the watch does not have: {kind}")


def _local(text: object, payload: Mapping[str, object]) -> datetime:
    at = datetime.fromisoformat(str(text))
    assert at.utcoffset() == timedelta(0), text
    assert payload["utc_offset_s"] == OFFSET_S, payload
    return at.astimezone(UTC).replace(tzinfo=None) + timedelta(seconds=OFFSET_S)
