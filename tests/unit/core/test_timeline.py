"""From the watch's face to UTC, through clock changes."""

# ruff: noqa: DTZ001 - a watch knows no time zone

import json
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewayd.core import timeline as timeline_module
from gatewayd.core.clock import Clock
from gatewayd.core.timeline import Timeline, system_zone
from protocols.model.time import DeviceTime, from_datetime, to_datetime
from protocols.testing.virtual_watch.samples import from_ts4

VECTORS = Path(__file__).parents[3] / "protocols/fitcloud/vectors/data-connect.jsonl"
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",  # 5:45
    "Australia/Lord_Howe",  # half an hour of summer time
    "Europe/Dublin",  # its winter time is the exception
    "Antarctica/Troll",  # two hours
    "America/Santiago",  # the other hemisphere, at midnight
    "Pacific/Chatham",  # 12:45 and 13:45
    "Africa/Casablanca",  # back and forth around Ramadan
)
FIRST = int(datetime(2012, 1, 1, tzinfo=UTC).timestamp())
LAST = int(datetime(2036, 1, 1, tzinfo=UTC).timestamp())

zones = st.sampled_from(ZONES).map(ZoneInfo)
moments = st.integers(FIRST, LAST)


def wall(unix_s: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(unix_s, zone).replace(tzinfo=None)


def by_search(at: datetime, zone: tzinfo) -> int:
    """The rule of the specification (9.1), found by trying every offset that is near."""
    naive = int(at.replace(tzinfo=UTC).timestamp())
    around = (naive + hours * 3600 for hours in range(-36, 37))
    offsets = {
        int((datetime.fromtimestamp(near, zone).utcoffset() or timedelta()).total_seconds())
        for near in around
    }
    fitting = [naive - offset for offset in offsets if wall(naive - offset, zone) == at]
    if fitting:
        return max(fitting)  # the second occurrence
    before = datetime.fromtimestamp(naive - 36 * 3600, zone).utcoffset()
    return naive - int((before or timedelta()).total_seconds())  # shifted forward


@given(zones, moments)
@example(ZoneInfo("America/New_York"), 1741503600)
@example(ZoneInfo("Australia/Lord_Howe"), 1743865200)
def test_a_time_is_resolved_as_the_specification_says(zone: ZoneInfo, moment: int) -> None:
    at = wall(moment, zone)
    assert Timeline(zone).utc_s(from_datetime(at)) == by_search(at, zone)


@given(zones, moments)
def test_any_time_of_the_face_is_resolved_even_one_that_no_clock_shows(
    zone: ZoneInfo, moment: int
) -> None:
    at = wall(moment, UTC)  # any reading of a clock, not only those of this zone
    assert Timeline(zone).utc_s(from_datetime(at)) == by_search(at, zone)


@given(zones, st.lists(st.integers(0, 4 * 86_400), min_size=1, max_size=60), moments)
def test_what_is_remembered_does_not_change_the_answer(
    zone: ZoneInfo, steps: list[int], moment: int
) -> None:
    remembering = Timeline(zone)
    for step in steps:
        at = from_datetime(wall(moment + step, UTC))
        assert remembering.utc_s(at) == Timeline(zone).utc_s(at)


@given(zones, moments)
def test_local_and_back_is_the_same_moment_or_the_second_of_two(
    zone: ZoneInfo, moment: int
) -> None:
    line = Timeline(zone)
    back = line.utc_s(line.local(moment))
    assert back == moment or (back > moment and line.local(back) == line.local(moment))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline_module, "_SLOTS_KEPT", 8)
    line = Timeline(ZoneInfo("Europe/Berlin"))
    for day in range(400):
        line.offset_s(from_datetime(datetime(2026, 1, 1) + timedelta(days=day)))
        assert len(line._offsets) <= 8
    assert line.offset_s(from_datetime(datetime(2026, 7, 1))) == 7200


def test_golden_vectors_of_clock_changes() -> None:
    vectors = [json.loads(line) for line in VECTORS.read_text().splitlines()]
    checked = 0
    for vector in vectors:
        if vector.get("op") == "timestamp_seconds" and vector.get("kind") == "decode":
            at = from_ts4(bytes.fromhex(vector["hex"]))
            if at is None or not isinstance(vector.get("expect"), int):
                continue
            line = Timeline(ZoneInfo(vector["params"]["tz"]))
            assert line.utc_s(from_datetime(at)) * 1000 == vector["expect"], vector["name"]
            checked += "dst" in vector["name"]
    assert checked


@pytest.mark.parametrize(
    ("face", "utc"),
    [
        (datetime(2026, 3, 29, 1, 59, 59), datetime(2026, 3, 29, 0, 59, 59)),
        (datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 1, 30)),  # 03:30 on the new clock
        (datetime(2026, 3, 29, 3, 0), datetime(2026, 3, 29, 1, 0)),
        (datetime(2026, 10, 25, 1, 59, 59), datetime(2026, 10, 24, 23, 59, 59)),
        (datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 1, 30)),  # the second of two
        (datetime(2026, 10, 25, 3, 0), datetime(2026, 10, 25, 2, 0)),
    ],
)
def test_berlin(face: datetime, utc: datetime) -> None:
    line = Timeline(ZoneInfo("Europe/Berlin"))
    assert line.utc_s(from_datetime(face)) == utc.replace(tzinfo=UTC).timestamp()


def test_the_systems_zone_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ":Asia/Kathmandu")
    assert system_zone() == ZoneInfo("Asia/Kathmandu")


def test_a_zone_that_does_not_exist_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Middle/Earth")
    named = system_zone()
    monkeypatch.delenv("TZ")
    assert str(named) == str(system_zone())


def test_the_clock_shows_the_owners_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_772_884_800.75)
    monkeypatch.setattr("time.monotonic", lambda: 12.5)
    clock = Clock(Timeline(ZoneInfo("Asia/Kathmandu")))
    assert clock.now().seconds == 12.5
    assert to_datetime(clock.now().local) == datetime(2026, 3, 7, 17, 45)
    assert clock.unix_s() == 1_772_884_800.75


def test_times_before_the_epoch_of_the_face_are_times() -> None:
    assert Timeline(UTC).utc_s(DeviceTime(-1)) == 946_684_799
