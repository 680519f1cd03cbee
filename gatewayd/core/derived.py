"""What the gateway works out from readings, for `state`: the last night's sleep.

Everything here is derived and says so by its name; the readings it stands on are published as they
are. The night is a session of `gatewayd.core.sleep`, whose numbers these are.
"""

from collections.abc import Iterable
from typing import Final

from gatewayd.core.ports import StateValue
from gatewayd.core.sleep import Session
from protocols.model.catalog import Measure
from protocols.model.sleep import SleepType


def _sleep(key: str, name: str) -> Measure:
    return Measure(key, name, lambda _: None, unit="min", device_class="duration", icon="mdi:sleep")


SLEEP_MEASURES: Final[tuple[Measure, ...]] = (
    _sleep("sleep_asleep_min", "Sleep"),
    _sleep("sleep_deep_min", "Deep sleep"),
    _sleep("sleep_light_min", "Light sleep"),
    _sleep("sleep_rem_min", "REM sleep"),
    _sleep("sleep_awake_min", "Awake in the night"),
)
"""State keys of the last night; Home Assistant shows them where sleep is collected."""


def last_night(sessions: Iterable[Session]) -> tuple[StateValue, ...]:
    """Totals of the latest night among sessions, for the time at which it ended; nothing when
    there is none. A night replaces itself when more of it is known, and earlier nights."""
    nights = [one for one in sessions if one.reading.session is SleepType.NIGHT]
    if not nights:
        return ()
    latest = max(nights, key=lambda one: one.reading.night)
    night = latest.reading
    seconds = {
        "sleep_asleep_min": night.asleep_s,
        "sleep_deep_min": night.deep_s,
        "sleep_light_min": night.light_s,
        "sleep_rem_min": night.rem_s,
        "sleep_awake_min": night.awake_s,
    }
    return tuple(
        StateValue(key, round(value / 60), latest.end_utc_s, night.night)
        for key, value in seconds.items()
    )
