"""The last night's sleep, worked out from stages that come in any portions."""

import json
from collections.abc import Iterable
from itertools import accumulate
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.derived import SLEEP_MEASURES, last_night
from gatewayd.core.ports import Row, StateValue
from gatewayd.core.sleep import sessions
from protocols.model.catalog import Merge
from protocols.model.readings import Stage

EVENING = 1_772_834_400
MINUTE = 60


def stage(start_min: int, end_min: int, name: Stage, night: str = "2026-03-07") -> Row:
    start = EVENING + start_min * MINUTE
    return Row(
        "sleep_stage",
        str(start),
        Merge.REVISABLE,
        start,
        EVENING + end_min * MINUTE,
        3600,
        json.dumps({"stage": name, "night": night}),
        verified=True,
    )


def state(rows: Iterable[Row]) -> tuple[StateValue, ...]:
    return last_night(sessions(rows, naps=False))


def totals(*rows: Row) -> dict[str, float | str | None]:
    return {value.key.removeprefix("sleep_"): value.value for value in state(rows)}


NIGHT = (
    stage(0, 20, Stage.AWAKE),
    stage(20, 100, Stage.LIGHT),
    stage(100, 160, Stage.DEEP),
    stage(160, 170, Stage.AWAKE),
    stage(170, 200, Stage.REM),
    stage(200, 230, Stage.AWAKE),
)


def test_time_awake_counts_only_between_the_first_and_the_last_sleep() -> None:
    assert totals(*NIGHT) == {
        "asleep_min": 170,
        "deep_min": 60,
        "light_min": 80,
        "rem_min": 30,
        "awake_min": 10,
    }


def test_the_values_stand_for_the_time_at_which_sleep_ended() -> None:
    assert {value.at_utc_s for value in state(NIGHT)} == {EVENING + 200 * MINUTE}


def test_every_value_has_its_measure() -> None:
    assert [value.key for value in state(NIGHT)] == [m.key for m in SLEEP_MEASURES]


def test_no_sleep_is_no_statement() -> None:
    assert state([]) == ()
    assert state([stage(0, 30, Stage.AWAKE)]) == ()


def test_only_the_latest_night_counts() -> None:
    before = stage(-1440, -1000, Stage.DEEP, "2026-03-06")
    assert totals(before, *NIGHT) == totals(*NIGHT)


def test_a_later_row_replaces_an_earlier_one_of_the_same_start() -> None:
    early = stage(200, 210, Stage.LIGHT)
    late = stage(200, 260, Stage.LIGHT)
    assert totals(*NIGHT[:5], early, late)["light_min"] == 140
    assert totals(*NIGHT[:5], late, early)["light_min"] == 90


def test_what_overlaps_is_counted_once() -> None:
    # the second transfer cut the night elsewhere
    assert totals(stage(0, 60, Stage.LIGHT), stage(30, 90, Stage.DEEP)) == {
        "asleep_min": 90,
        "deep_min": 30,
        "light_min": 60,
        "rem_min": 0,
        "awake_min": 0,
    }
    assert totals(stage(0, 90, Stage.LIGHT), stage(30, 60, Stage.DEEP))["asleep_min"] == 90


@given(
    st.lists(
        st.tuples(st.integers(1, 120), st.sampled_from(Stage)), min_size=1, max_size=30
    ).filter(lambda parts: any(name is not Stage.AWAKE for _, name in parts)),
    st.integers(0, 30),
    st.randoms(use_true_random=False),
)
def test_however_a_night_is_portioned_its_totals_are_the_same(
    parts: list[tuple[int, Stage]], cut: int, chance: Random
) -> None:
    ends = list(accumulate(length for length, _ in parts))
    rows = [stage(end - length, end, name) for (length, name), end in zip(parts, ends, strict=True)]
    whole = totals(*rows)
    assert totals(*rows[cut:], *rows[:cut]) == whole
    shuffled = [*rows, *rows[:cut]]  # some of it twice
    chance.shuffle(shuffled)
    assert totals(*shuffled) == whole
    asleep = [name is not Stage.AWAKE for _, name in parts]
    first, last = asleep.index(True), len(asleep) - asleep[::-1].index(True)
    span = ends[last - 1] - (ends[first] - parts[first][0])
    assert int(str(whole["asleep_min"])) + int(str(whole["awake_min"])) == span
