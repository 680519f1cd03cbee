"""Invariants over every kind of reading, so that a new row cannot be half right."""

import re
from collections import Counter
from typing import get_args, get_type_hints

import pytest

from protocols.model.catalog import (
    BY_NAME,
    BY_TYPE,
    KINDS,
    Category,
    Kind,
    Measure,
    kind_of,
    with_derived,
)
from protocols.model.readings import (
    OxygenSaturation,
    Reading,
    StepInterval,
    Stress,
    Temperature,
)
from protocols.model.time import DeviceTime

MEASURES = [(kind, measure) for kind in KINDS for measure in kind.measures]
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

# Home Assistant, sensor documentation: units that a device class takes, state classes that fit it
UNITS = {
    "battery": {"%"},
    "distance": {"m", "km", "cm"},
    "duration": {"s", "min", "h"},
    "energy": {"kcal", "cal", "kJ"},
    "pressure": {"mmHg"},
    "temperature": {"°C"},
}
STATE_CLASSES = {
    "battery": {"measurement"},
    "distance": {"measurement", "total", "total_increasing"},
    "duration": {"measurement", "total", "total_increasing"},
    "energy": {"total", "total_increasing"},
    "pressure": {"measurement"},
    "temperature": {"measurement"},
}

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
each_measure_of_kind = pytest.mark.parametrize(
    ("kind", "measure"), MEASURES, ids=[measure.key for _, measure in MEASURES]
)
each_measure = pytest.mark.parametrize(
    "measure", [measure for _, measure in MEASURES], ids=lambda measure: measure.key
)


def sample(kind: Kind) -> Reading:
    """A reading with a different small number in each field that wants one."""
    fields = get_type_hints(kind.type)
    required = [name for name in fields if name not in kind.type._field_defaults]
    return kind.type(**{name: number for number, name in enumerate(required, 1)})  # type: ignore[call-arg]


def test_every_reading_has_its_row_and_every_row_its_reading() -> None:
    assert {kind.type for kind in KINDS} == set(get_args(Reading))
    assert len(BY_TYPE) == len(BY_NAME) == len(KINDS)


def test_names_and_keys_are_unique() -> None:
    keys = Counter(measure.key for _, measure in MEASURES)
    assert not [key for key, count in keys.items() if count > 1]
    names = Counter(measure.name for _, measure in MEASURES)
    assert not [name for name, count in names.items() if count > 1]


def test_every_category_is_used() -> None:
    assert {kind.category for kind in KINDS} == set(Category)


@each_kind
def test_names_are_fit_for_a_topic(kind: Kind) -> None:
    assert NAME.fullmatch(kind.name)
    for measure in kind.measures:
        assert NAME.fullmatch(measure.key)


@each_kind
def test_a_row_names_fields_that_exist(kind: Kind) -> None:
    fields = get_type_hints(kind.type)
    assert kind.key
    for name in (kind.start, *kind.key, *kind.days, *filter(None, (kind.end, kind.duration))):
        assert name in fields


@each_kind
def test_a_field_is_not_named_like_what_stands_beside_it_in_a_message(kind: Kind) -> None:
    beside = {"id", "kind", "start", "end", "utc_offset_s", "received", "revision", "verified"}
    exported = {"type", "device", "derived"}
    assert not set(kind.fields) & (beside | exported)


@each_kind
def test_what_is_derived_derives_from_a_kind_that_devices_tell(kind: Kind) -> None:
    assert kind.derived == (kind.derived_from is not None)
    if kind.derived_from is not None:
        source = BY_NAME[kind.derived_from]
        assert not source.derived
        assert source.category is kind.category
        assert with_derived({source.name}) >= {source.name, kind.name}
    assert with_derived({"steps"}) == {"steps"}


@each_kind
def test_times_are_times(kind: Kind) -> None:
    fields = get_type_hints(kind.type)
    for name in (kind.start, *kind.days, *filter(None, (kind.end,))):
        assert fields[name] is DeviceTime
    if kind.duration is not None:
        assert fields[kind.duration] is int
        assert kind.end is None


@each_kind
def test_the_time_is_part_of_the_key(kind: Kind) -> None:
    assert kind.start in kind.key


@each_kind
def test_every_reading_says_whether_it_is_verified(kind: Kind) -> None:
    assert kind.type._field_defaults["verified"] is True


@each_kind
def test_start_and_end_come_from_the_reading(kind: Kind) -> None:
    reading = sample(kind)
    assert kind_of(reading) is kind
    start = kind.starts(reading)
    assert start == getattr(reading, kind.start)
    if kind.end is None and kind.duration is None:
        assert kind.ends(reading) is None
    elif kind.end is not None:
        assert kind.ends(reading) == getattr(reading, kind.end)
    else:
        assert kind.ends(reading) == start + getattr(reading, str(kind.duration))


def test_the_end_of_an_interval_is_its_start_and_duration() -> None:
    assert kind_of(reading := StepInterval(DeviceTime(600), 300, 5)).ends(reading) == 900


@each_measure_of_kind
def test_a_measure_takes_its_value_from_the_reading(kind: Kind, measure: Measure) -> None:
    value = measure.value(sample(kind))
    assert value is None or isinstance(value, int | float | str)


@each_measure
def test_a_device_class_has_its_unit_and_state_class(measure: Measure) -> None:
    if measure.device_class is None:
        return
    assert measure.unit in UNITS[measure.device_class]
    assert measure.state_class in STATE_CLASSES[measure.device_class]


@each_measure
def test_a_key_ends_with_its_unit(measure: Measure) -> None:
    suffixes = {
        "%": "_pct",
        "bpm": "_bpm",
        "m": "_m",
        "s": "_s",
        "kcal": "_kcal",
        "mmHg": "_mmhg",
        "°C": "_c",
        "ms": "_ms",
        "breaths/min": "_per_min",
    }
    if measure.unit in suffixes:
        assert measure.key.endswith(suffixes[measure.unit])


@each_measure
def test_only_running_totals_of_a_day_increase(measure: Measure) -> None:
    assert (measure.state_class == "total_increasing") == ("_today" in measure.key)


@each_measure_of_kind
def test_words_have_no_state_class(kind: Kind, measure: Measure) -> None:
    if measure.unit is None and measure.device_class is None:
        assert measure.precision is None
    if isinstance(measure.value(sample(kind)), str):
        assert measure.state_class is None


def test_sig_numbers_are_characteristics() -> None:
    for kind in KINDS:
        assert kind.sig_uuid is None or 0x2A00 <= kind.sig_uuid <= 0x2BFF


def test_spot_live_and_periodic_values_of_one_moment_are_three_readings() -> None:
    for kind in KINDS:
        if "method" in kind.type._fields:
            assert "method" in kind.key


def test_a_value_that_cannot_be_meant_is_not_shown() -> None:
    shown = {
        measure.key: measure.value(reading)
        for reading in (
            OxygenSaturation(DeviceTime(0), 255, verified=False),
            Stress(DeviceTime(0), 101, verified=False),
            Temperature(DeviceTime(0), 31.0, 327.67, verified=False),
        )
        for measure in kind_of(reading).measures
    }
    assert set(shown.values()) == {None}
    assert kind_of(spo2 := OxygenSaturation(DeviceTime(0), 97)).measures[0].value(spo2) == 97
