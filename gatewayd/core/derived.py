"""What the gateway works out from readings, for `state`: the last night's sleep.

Everything here is derived and says so by its name; the readings it stands on are published as they
are. A night's totals do not count time awake before the first and after the last sleep.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gatewayd.core.ports import Row, StateValue
from protocols.model.catalog import Measure
from protocols.model.readings import Stage


def _sleep(key: str, name: str, icon: str = "mdi:sleep") -> Measure:
    return Measure(key, name, lambda _: None, unit="min", device_class="duration", icon=icon)


SLEEP_MEASURES: Final[tuple[Measure, ...]] = (
    _sleep("sleep_asleep_min", "Sleep"),
    _sleep("sleep_deep_min", "Deep sleep"),
    _sleep("sleep_light_min", "Light sleep"),
    _sleep("sleep_rem_min", "REM sleep"),
    _sleep("sleep_awake_min", "Awake in the night"),
)
"""State keys of the last night; Home Assistant shows them where sleep is collected."""


def last_night(rows: Iterable[Row]) -> tuple[StateValue, ...]:
    """Totals of the latest night among stored and new rows of kind `sleep_stage`.

    Later rows win over earlier ones with the same key. Nothing when there is no sleep.
    """
    latest: dict[str, Row] = {row.key: row for row in rows}
    nights: dict[str, list[Row]] = {}
    stage_of: dict[str, Stage] = {}
    for row in latest.values():
        values: Mapping[str, str] = json.loads(row.values)
        nights.setdefault(values["night"], []).append(row)
        stage_of[row.key] = Stage(values["stage"])
    if not nights:
        return ()
    night = sorted(nights[max(nights)], key=lambda row: row.start_utc_s)
    asleep = [i for i, row in enumerate(night) if stage_of[row.key] is not Stage.AWAKE]
    if not asleep:
        return ()
    return _totals(night[asleep[0] : asleep[-1] + 1], stage_of)


def _totals(night: Sequence[Row], stage_of: Mapping[str, Stage]) -> tuple[StateValue, ...]:
    seconds = dict.fromkeys(Stage, 0)
    until = night[0].start_utc_s
    for row in night:
        start, end = max(row.start_utc_s, until), row.end_utc_s or row.start_utc_s
        if end > start:
            seconds[stage_of[row.key]] += end - start
            until = end
    sums = {
        "sleep_asleep_min": sum(seconds.values()) - seconds[Stage.AWAKE],
        "sleep_deep_min": seconds[Stage.DEEP],
        "sleep_light_min": seconds[Stage.LIGHT],
        "sleep_rem_min": seconds[Stage.REM],
        "sleep_awake_min": seconds[Stage.AWAKE],
    }
    return tuple(StateValue(key, round(value / 60), until) for key, value in sums.items())
