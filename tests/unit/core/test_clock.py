"""A clock that was never set, and a zone that changes while we run."""

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import pytest

from gatewayd.core.clock import EARLIEST, Clock
from gatewayd.core.timeline import Timeline
from gatewayd.errors import ClockNotSet
from protocols.model.time import device_time

NOON = device_time(2026, 7, 1, 12)


@pytest.mark.parametrize("shown", [0.0, 3_600.0, EARLIEST.timestamp() - 1])
def test_a_clock_that_was_never_set_is_not_worked_with(
    monkeypatch: pytest.MonkeyPatch, shown: float
) -> None:
    monkeypatch.setattr("time.time", lambda: shown)
    with pytest.raises(ClockNotSet) as refused:
        Clock(Timeline(UTC)).check()
    assert refused.value.retry
    assert "system clock has not been set" in refused.value.summary


def test_a_clock_that_shows_a_time_since_then_is_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.time", EARLIEST.timestamp)
    Clock(Timeline(UTC)).check()


def test_a_new_zone_counts_from_the_next_check_on() -> None:
    zones: list[tzinfo] = [ZoneInfo("Europe/Berlin")]
    line = Timeline(zones[0], lambda: zones[-1])
    clock = Clock(line)
    before = line.utc_s(NOON)
    zones.append(ZoneInfo("Asia/Tokyo"))
    assert line.utc_s(NOON) == before
    clock.check()
    assert line.zone == ZoneInfo("Asia/Tokyo")
    assert line.utc_s(NOON) == before - 7 * 3600
    assert not line.look_again()


def test_a_zone_that_was_named_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Timeline(ZoneInfo("Europe/Berlin"))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert not line.look_again()
    assert line.zone == ZoneInfo("Europe/Berlin")


def test_the_machines_zone_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    line = Timeline.of_system()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert line.look_again()
    assert line.offset_s(NOON) == 9 * 3600
