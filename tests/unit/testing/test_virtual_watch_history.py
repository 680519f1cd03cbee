"""The history is plausible, complete and says truly what it holds."""

# ruff: noqa: DTZ001 - a watch knows no time zone

from collections import Counter
from datetime import datetime, timedelta

import pytest

from protocols.testing.virtual_watch import MODERN, PLAIN, RICH, History, build_history
from protocols.testing.virtual_watch.samples import date2, dmin4, from_ts4, ts4
from protocols.testing.virtual_watch.workouts import JUMP_ROPE, POOL_SWIM

NOW = datetime(2026, 3, 12, 21, 30)


@pytest.fixture(scope="module")
def history() -> History:
    return build_history(NOW, profile=RICH)


def groups(stream: bytes, size: int) -> list[tuple[datetime, int, list[bytes]]]:
    found, at = [], 0
    while at < len(stream):
        count, date, minute, interval = (
            int.from_bytes(stream[at + k : at + k + 2], "big") for k in (0, 2, 4, 6)
        )
        start = datetime(2000 + (date >> 9), date >> 5 & 15, date & 31) + timedelta(minutes=minute)
        at += 8
        items = [stream[at + size * k : at + size * (k + 1)] for k in range(count)]
        at += size * count
        found.append((start, interval, items))
    assert at == len(stream)  # nothing is left over
    return found


def test_the_date_packings_are_those_of_the_captures_and_of_the_vectors() -> None:
    assert ts4(datetime(2020, 9, 18, 0, 3, 1)) == bytes.fromhex("526400c1")
    assert from_ts4(bytes.fromhex("526400c1")) == datetime(2020, 9, 18, 0, 3, 1)
    assert from_ts4(bytes(4)) is None
    # heart_rate-crosses-midnight: 1709164200000 ms is 2024-02-28 23:50 UTC
    assert dmin4(datetime(2024, 2, 28, 23, 50)) == bytes.fromhex("305c0596")
    assert date2(datetime(2025, 5, 1)) == bytes.fromhex("32a1")


@pytest.mark.parametrize("kind", [3, 4, 18])
def test_interval_streams_hold_exactly_their_entries(history: History, kind: int) -> None:
    block = history.blocks[kind]
    seen = [
        (start + timedelta(minutes=interval * k), item[0])
        for start, interval, items in groups(block.data, 1)
        for k, item in enumerate(items)
        if item[0]
    ]
    assert seen == [(entry.at, entry.value) for entry in block.entries]
    assert any(0 in item for _, _, items in groups(block.data, 1) for item in items)  # not worn


@pytest.mark.parametrize(("profile", "size"), [(MODERN, 6), (PLAIN, 2)])
def test_step_streams_hold_exactly_their_entries(profile: object, size: int) -> None:
    block = build_history(NOW, profile=profile).blocks[1]
    seen = [
        (start + timedelta(minutes=interval * k), int.from_bytes(item[:2], "big"))
        for start, interval, items in groups(block.data, size)
        for k, item in enumerate(items)
        if any(item[:2])
    ]
    assert seen == [(entry.at, entry.value) for entry in block.entries]


def test_sleep_points_hold_exactly_their_stages(history: History) -> None:
    block = history.blocks[2]
    covered = timedelta()
    for start, _, items in groups(block.data, 5):
        before = start
        for item in items:
            (at, _, _) = groups(b"\x00\x00" + item[:4] + b"\x00\x00", 1)[0]
            assert at > before
            (stage,) = [
                entry
                for entry in block.entries
                if entry.until is not None and entry.at <= before and at <= entry.until
            ]
            assert stage.value == item[4]
            covered += at - before
            before = at
    assert covered == sum((e.until - e.at for e in block.entries if e.until), timedelta())
    assert {entry.value for entry in block.entries} == {1, 2, 3, 4}


def test_old_sleep_tells_of_the_five_minutes_before_each_item() -> None:
    block = build_history(NOW, profile=PLAIN).blocks[2]
    for start, interval, items in groups(block.data, 1):
        assert interval == 5
        for k, item in enumerate(items):
            end = start + timedelta(minutes=5 * k)
            middle = end - timedelta(minutes=2)
            (stage,) = [e for e in block.entries if e.until and e.at <= middle < e.until]
            assert stage.value == item[0] in {1, 2, 3}
        assert items[0] != b"\x03" != items[-1]


def test_a_week_is_what_a_person_could_have_lived(history: History) -> None:
    count = Counter(entry.kind for entry in history.entries)
    assert count["heart_rate"] > 1800
    assert count["resting_heart_rate"] == count["sleep_score"] == 7
    assert count["spot_heart_rate"] == 14
    assert count["workout"] == 6
    for entry in history.entries:
        low, high = {
            "steps": (1, 800),
            "heart_rate": (40, 120),
            "spot_heart_rate": (50, 120),
            "resting_heart_rate": (50, 70),
            "blood_oxygen": (94, 99),
            "stress": (1, 100),
            "sleep_score": (60, 100),
        }.get(entry.kind, (0, 30_000))
        assert low <= entry.value <= high, entry
    steps = Counter()
    asleep = Counter()
    for entry in history.entries:
        if entry.kind == "steps":
            steps[entry.at.date()] += entry.value
        if entry.kind == "sleep_stage" and entry.until:
            asleep[entry.until.date()] += (entry.until - entry.at).seconds // 60
    assert all(4000 < day < 20_000 for day in steps.values())
    assert all(420 < night < 640 for night in [sum(asleep.values()) / 7])


def test_nothing_is_later_than_the_watchs_clock() -> None:
    for until in (NOW, datetime(2026, 3, 12, 0, 0), datetime(2026, 1, 1, 6, 20)):
        history = build_history(until, days=3)
        for entry in history.entries:
            assert entry.at <= until
            assert entry.until is None or entry.until <= until


def test_keys_are_unique_so_that_duplicates_can_be_counted(history: History) -> None:
    keys = Counter((entry.kind, entry.at) for entry in history.entries)
    assert max(keys.values()) == 1


def test_workouts_have_a_display_list_and_the_pool_swim_its_extra_block(history: History) -> None:
    stream, at, found = history.blocks[16].data, 0, []
    while at < len(stream):
        count = int.from_bytes(stream[at : at + 2], "big")
        extra = int.from_bytes(stream[at + 6 : at + 8], "big")
        shown = stream[at + 8]
        assert shown >= 1
        at += 9 + shown
        size = 13 + extra
        items = [stream[at + size * k : at + size * (k + 1)] for k in range(count)]
        at += size * count
        sport = int.from_bytes(items[0][:2], "big")
        assert [int.from_bytes(item[2:4], "big") for item in items] == [
            60 * (k + 1) for k in range(count)
        ]
        totals = tuple(sum(int.from_bytes(i[k : k + 2], "big") for i in items) for k in (4, 6, 8))
        found.append((sport, totals, 60 * count))
        if sport == 469:
            assert items[-1][13:] == POOL_SWIM.extra
            assert len(POOL_SWIM.extra) == 9
        if sport == 49:
            assert items[-1][13:] == JUMP_ROPE.extra
    assert at == len(stream)
    assert found == [
        (entry.value, entry.details[:3], entry.details[3]) for entry in history.blocks[16].entries
    ]
    assert {5, 469, 49} == {sport for sport, _, _ in found}


def test_a_plain_watch_holds_only_steps_and_sleep() -> None:
    assert set(build_history(NOW, profile=PLAIN).blocks) == {1, 2}


def test_the_same_day_gives_the_same_bytes(history: History) -> None:
    assert build_history(NOW, profile=RICH) == history
