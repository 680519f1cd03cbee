"""Message codecs beyond the vectors."""

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import DeviceRefused, LimitExceeded, MessageError, RemoteProtocolError
from protocols.fitcloud.features import INVERTED, Feature, Features
from protocols.fitcloud.fit_sports import FIT_SPORT, GENERIC, fit_sport
from protocols.fitcloud.messages import clock
from protocols.fitcloud.messages.auth import (
    decode_bind_reply,
    decode_login_reply,
    decode_unbind_reply,
    encode_bind,
    encode_identity,
)
from protocols.fitcloud.messages.battery import Battery, decode_battery
from protocols.fitcloud.messages.configuration import (
    MANDATORY,
    decode_configuration,
    encode_entries,
    in_vendor_order,
    split_entries,
)
from protocols.fitcloud.messages.device_info import decode_device_info
from protocols.fitcloud.messages.event import EventKind, decode_event
from protocols.fitcloud.messages.firmware import decode_extra_firmware
from protocols.fitcloud.messages.goal import ExerciseGoal, decode_goal, encode_goal
from protocols.fitcloud.messages.hardware import decode_hardware
from protocols.fitcloud.messages.limits import decode_limits
from protocols.fitcloud.messages.motion import Motion, decode_motion
from protocols.fitcloud.messages.profile import clamp, encode_profile
from protocols.fitcloud.messages.push_events import (
    PUSHES,
    DietResultLimit,
    Push,
    Pushed,
    TextMessage,
    decode_push,
)
from protocols.fitcloud.messages.sport_link import (
    LinkedSport,
    LinkedSportTotals,
    SportReport,
    SportStatus,
    decode_status_push,
    decode_status_reply,
    decode_totals_push,
    encode_report,
    encode_status,
)
from protocols.fitcloud.messages.totals import decode_daily_hrv, decode_resting, decode_totals
from protocols.fitcloud.messages.vitals import (
    Quantity,
    Vitals,
    decode_latest,
    decode_measured,
    encode_start,
    encode_stop,
    ended_by_watch,
    is_complete,
)
from protocols.fitcloud.sports import SPORTS, sport_name
from protocols.model.readings import (
    BloodPressure,
    DailyHrv,
    HeartRate,
    Method,
    OxygenSaturation,
    RespiratoryRate,
    Stress,
    Temperature,
)
from protocols.model.time import DeviceTime, device_time
from protocols.session import Wearer

TEN = device_time(2025, 6, 1, 10, 0, 7)
times = st.integers(device_time(2000, 1, 1), device_time(2063, 12, 31, 23, 59, 59)).map(DeviceTime)
INFO = bytes(38)
ALL_FEATURES = Features(frozenset(Feature))


@given(times)
@settings(derandomize=True)
def test_times_survive_the_round_trip(at: DeviceTime) -> None:
    assert clock.decode_ts4(clock.encode_ts4(at)) == at
    assert clock.decode_dmin4(clock.encode_dmin4(at)) == at - at % 60
    assert clock.decode_date2(clock.encode_date2(at)) == at - at % 86400


@given(st.integers(0, 0xFFFFFFFF))
@settings(derandomize=True)
def test_any_four_bytes_are_a_time_that_encodes_back_or_none(raw: int) -> None:
    at = clock.stamp(raw)
    if at is None:
        with pytest.raises(MessageError):
            clock.time_from_ts4(raw)
    else:
        assert clock.encode_ts4(at) == raw.to_bytes(4, "big")


@pytest.mark.parametrize(
    "raw",
    [
        "00000000",
        "00020000",
        "00400000",
        "00438000",
        "00bc0000",
        "00420f00",
        "0042003c",
        "008fa000",
    ],
)
def test_impossible_times_are_refused_and_not_invented(raw: str) -> None:
    with pytest.raises(MessageError):
        clock.decode_ts4(bytes.fromhex(raw))


def test_minutes_beyond_a_day_roll_over() -> None:
    assert clock.decode_dmin4(bytes.fromhex("319f05a0")) == device_time(2025, 1, 1)
    assert clock.decode_dmin4(bytes.fromhex("319fffff")) == device_time(2024, 12, 31) + 65535 * 60


@pytest.mark.parametrize("value", [b"", b"\0\0\0", bytes(5)])
def test_times_have_exactly_their_size(value: bytes) -> None:
    with pytest.raises(MessageError):
        clock.decode_ts4(value)


@pytest.mark.parametrize("year", [1999, 2064])
def test_years_that_the_watch_cannot_write_are_refused(year: int) -> None:
    with pytest.raises(LimitExceeded):
        clock.encode_ts4(device_time(year, 1, 1))


# --- binding ----------------------------------------------------------------------------------


def test_identity_is_cut_after_28_bytes_even_within_a_character() -> None:
    value = encode_identity("a" * 27 + "é")
    assert (len(value), value[27:]) == (32, b"\xc3\0\0\0\0")


def test_a_pairing_code_beyond_one_length_byte_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        encode_bind("1", "1" * 256)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (2, "refused_by_user"),
        (3, "confirmation_timeout"),
        (5, "reset_required"),
        (1, "unknown"),
        (4, "unknown"),
        (255, "unknown"),
    ],
)
def test_bind_refusals_have_reasons(status: int, reason: str) -> None:
    with pytest.raises(DeviceRefused) as caught:
        decode_bind_reply(bytes([status, 0]))
    assert caught.value.reason == reason


def test_login_refusals_tell_not_bound_from_the_rest() -> None:
    with pytest.raises(DeviceRefused) as caught:
        decode_login_reply(b"\1")
    assert caught.value.reason == "not_bound"
    with pytest.raises(DeviceRefused) as caught:
        decode_login_reply(b"\2")
    assert caught.value.reason == "unknown"
    decode_login_reply(b"\0\1")
    decode_bind_reply(b"\0")


def test_empty_replies_are_malformed() -> None:
    for decode in (decode_bind_reply, decode_login_reply, decode_unbind_reply, decode_battery):
        with pytest.raises(MessageError):
            decode(b"")


# --- profile, goal, totals --------------------------------------------------------------------


def test_profiles_that_do_not_fit_are_refused() -> None:
    for wearer in (Wearer(height_cm=256), Wearer(weight_kg=512), Wearer(age_years=300)):
        with pytest.raises(LimitExceeded):
            encode_profile(wearer)


def test_absurd_profiles_are_replaced() -> None:
    assert clamp(Wearer(True, -1, 501, float("nan"))) == Wearer(True, 20, 170.0, 50.0)


def test_goals_survive_the_round_trip_and_an_impossible_time_is_none() -> None:
    goal = ExerciseGoal(8000, 500_000, 300_000, TEN, 30)
    assert decode_goal(encode_goal(goal)) == goal
    assert decode_goal(bytes(18)).set_at is None
    assert len(encode_goal(ExerciseGoal(1, 2, 3))) == 12


def test_totals_are_a_reading_of_the_day_of_now() -> None:
    value = b"".join(number.to_bytes(4, "big") for number in (9000, 6500, 300_500, 90, 300, 0))
    totals = decode_totals(value + bytes(8))
    assert totals is not None
    assert totals.reading(TEN) == (
        device_time(2025, 6, 1), 9000, 6500.0, 300.5, 90, 300, None, 0, True,
    )  # fmt: skip
    assert decode_totals(value + bytes(5)) is None


def test_resting_heart_rates_without_value_or_time_are_dropped() -> None:
    entry = clock.encode_ts4(TEN)
    value = entry + b"\x37" + entry + b"\0" + bytes(4) + b"\x38" + entry
    assert [(r.at, r.bpm) for r in decode_resting(value)] == [(TEN, 0x37)]
    assert [r.bpm for r in decode_resting(value, keep_zero=True)] == [0x37, 0]


def test_a_battery_level_that_is_no_percentage_is_no_reading() -> None:
    assert Battery(False, 3, -1).reading(TEN) is None
    assert decode_battery(b"\2\x05\x64").reading(TEN) == (TEN, 100, False, True)


# --- configuration ----------------------------------------------------------------------------


def test_a_configuration_is_read_in_any_order() -> None:
    block = encode_entries([(0xC9, b"\x1b\0\6"), (0x99, b"?"), (0x11, INFO)])
    configuration = decode_configuration(block + b"\x14\x09")
    assert configuration.limits.heart_rate_bytes_per_sport_item == 6
    assert set(configuration.entries) == {0xC9, 0x99, 0x11}
    assert Feature.SLEEP in configuration.device_info.features


def test_a_configuration_without_device_information_is_refused() -> None:
    for block in (b"", encode_entries([(0x14, b"")]), encode_entries([(0x11, bytes(37))])):
        with pytest.raises(MessageError):
            decode_configuration(block)


def test_the_vendor_keeps_entries_up_to_the_first_misplaced_one() -> None:
    ordered = [(kind, b"") for kind in MANDATORY] + [(0xC9, b""), (0x48, b"")]
    assert list(in_vendor_order(ordered)) == ordered
    assert len(in_vendor_order([*ordered[:2], *ordered[3:]])) == 2


def test_an_all_zero_block_supports_exactly_the_inverted_features() -> None:
    assert decode_device_info(INFO).features.numbers == INVERTED


def test_features_beyond_the_extension_bytes_are_absent() -> None:
    info = decode_device_info(INFO + b"\x01\x01" + b"\xff" * 3 + b"\x01")
    assert set(info.features) == (INVERTED | {512})
    assert info.chip == "unknown"


def test_limits_default_where_the_watch_is_silent() -> None:
    limits = decode_limits(b"\x0c\1\2\x0b\0\3\x0d\4\0\x02")
    assert limits.listed == (0, 3, 4, 0)
    assert (limits.max_alarms, limits.max_schedules, limits.value_bytes) == (5, 10, None)
    assert limits.max_contacts(Features()) == 0
    assert limits.max_contacts(Features(frozenset({271, 525}))) == 100


def test_hardware_parts_are_read_by_type() -> None:
    value = bytes.fromhex("09090501020304000101" + "080b01020304138850" + "0214" + "021401" + "ff")
    hardware = decode_hardware(value)
    assert hardware.heart_rate_sensor is not None
    assert hardware.heart_rate_sensor.algorithm_version == "01020304"
    assert hardware.charger is not None
    assert (hardware.charger.voltage, hardware.charger.percent) == (5000, 80)


# --- any bytes --------------------------------------------------------------------------------

DECODERS = [
    clock.decode_ts4,
    decode_battery,
    decode_configuration,
    decode_daily_hrv,
    decode_device_info,
    decode_event,
    decode_extra_firmware,
    decode_goal,
    decode_hardware,
    decode_limits,
    decode_login_reply,
    decode_motion,
    decode_resting,
    decode_status_push,
    decode_status_reply,
    decode_totals,
    decode_totals_push,
    split_entries,
    partial(decode_latest, features=ALL_FEATURES),
    partial(decode_measured, asked=Quantity(127), features=ALL_FEATURES),
    *(partial(decode_push, *key) for key in PUSHES),
]


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.sampled_from(DECODERS), st.binary(max_size=120))
def test_any_bytes_give_a_message_or_a_remote_error(decoder: object, value: bytes) -> None:
    assert callable(decoder)
    try:
        decoder(value)
    except RemoteProtocolError:
        return


@pytest.mark.parametrize("value", ["", "0a00", "0405", "0103014b", "0405000000005a", "0600"])
def test_unknown_short_and_impossible_events_are_ignored(value: str) -> None:
    assert decode_event(bytes.fromhex(value)) is None


def test_events_without_data_need_no_length() -> None:
    event = decode_event(b"\2")
    assert event is not None
    assert (event.kind, event.data) == (EventKind.WORKOUT_FINISHED, None)


def test_sports_have_unique_names_and_unknown_ones_their_number() -> None:
    assert len(set(SPORTS.values())) == len(SPORTS) == 158
    assert (sport_name(469), sport_name(473), sport_name(5)) == (
        "pool_swim", "open_water_swim", "outdoor_run",
    )  # fmt: skip
    assert sport_name(2) == "sport_2"


# --- vital signs ------------------------------------------------------------------------------


def test_latest_values_put_the_diastolic_pressure_first_and_end_with_stress() -> None:
    value = bytes.fromhex("48624f760ce40e4728")
    vitals = decode_latest(value, Features(frozenset({10, 13})))
    assert tuple(vitals.readings(TEN, Method.LIVE)) == (
        HeartRate(TEN, 72, Method.LIVE),
        OxygenSaturation(TEN, 98, Method.LIVE),
        BloodPressure(TEN, 118, 79, None, Method.LIVE),
        Temperature(TEN, 33.0, 36.55, Method.LIVE),
        Stress(TEN, 40, Method.LIVE),
    )
    with pytest.raises(MessageError):
        decode_latest(value[:8], Features(frozenset({10, 13})))
    assert decode_latest(value, Features()).stress_score == 0


def test_zeros_and_half_a_blood_pressure_are_no_readings() -> None:
    assert tuple(Vitals(diastolic_mmhg=80).readings(TEN, Method.LIVE)) == ()
    assert tuple(Vitals(wrist_hundredths_c=3000).readings(TEN, Method.LIVE)) == ()
    assert tuple(Vitals(breaths_per_min=15).readings(TEN, Method.LIVE)) == (
        RespiratoryRate(TEN, 15, Method.LIVE),
    )
    (absurd,) = Vitals(spo2_pct=255).readings(TEN, Method.LIVE)
    assert not absurd.verified


def test_temperature_and_stress_are_read_only_when_asked_for() -> None:
    value = bytes(6) + bytes.fromhex("4600000000" + "020bab0e1f" + "62")
    both = Features(frozenset({10, 13}))
    assert decode_measured(value, Quantity.HEART_RATE, both) == Vitals(bpm=70)
    assert decode_measured(value, Quantity.STRESS, both) == Vitals(bpm=70, stress_score=98)
    assert decode_measured(value[:11], Quantity.HEART_RATE, both) == Vitals(bpm=70)
    with pytest.raises(DeviceRefused) as refused:
        decode_measured(value, Quantity.TEMPERATURE | Quantity.STRESS, both)
    assert refused.value.reason == "not_worn"
    usable = value[:11] + b"\1" + value[12:]
    vitals = decode_measured(usable, Quantity.TEMPERATURE, both)
    assert vitals == Vitals(bpm=70, wrist_hundredths_c=0x0BAB, body_hundredths_c=0x0E1F)


@pytest.mark.parametrize(
    ("size", "asked", "features"),
    [(10, 1, {0}), (15, 32, {10}), (16, 64, {10, 13}), (11, 64, {13}), (16, 96, {10, 13})],
)
def test_a_measured_value_too_short_for_what_was_asked_is_refused(
    size: int, asked: int, features: set[int]
) -> None:
    with pytest.raises(MessageError):
        decode_measured(bytes(size), Quantity(asked), Features(frozenset(features)))
    decode_measured(bytes(size + 1), Quantity(asked), Features(frozenset(features)))


def test_only_a_cuff_completes_and_only_with_both_pressures() -> None:
    cuff = Features(frozenset({2, 21}))
    whole = Vitals(systolic_mmhg=120, diastolic_mmhg=80)
    assert is_complete(whole, Quantity.BLOOD_PRESSURE, cuff)
    assert not is_complete(whole, Quantity.HEART_RATE, cuff)
    assert not is_complete(whole, Quantity.BLOOD_PRESSURE, Features(frozenset({2})))
    assert not is_complete(whole._replace(diastolic_mmhg=0), Quantity.BLOOD_PRESSURE, cuff)


def test_an_ecg_alone_has_a_form_of_its_own() -> None:
    assert encode_start(Quantity.ECG, 30).hex() == "00100101"
    assert encode_stop(Quantity.ECG, 30).hex() == "00000101"
    assert encode_start(Quantity.ECG | Quantity.HEART_RATE, 2).hex() == "00110502"
    with pytest.raises(LimitExceeded):
        encode_start(Quantity.HEART_RATE, 256)


def test_why_a_watch_ended_a_measurement() -> None:
    assert [ended_by_watch(value).reason for value in (b"\0", b"\1", b"")] == [
        "not_worn", "unknown", "unknown",
    ]  # fmt: skip


def test_daily_variability_is_sorted_and_impossible_days_are_dropped() -> None:
    rows = (b"\x32\xc2\1\2\3\4\xff", b"\x32\xc1\5\6\7\x08\xff", b"\0\0\1\1\1\1\xff", b"\x32\xc3")
    assert decode_daily_hrv(b"\7" + b"".join(rows)) == (
        DailyHrv(device_time(2025, 6, 1), 8, 5, 6, 7, verified=False),
        DailyHrv(device_time(2025, 6, 2), 4, 1, 2, 3, verified=False),
    )
    assert decode_daily_hrv(b"") is decode_daily_hrv(b"\6" + bytes(12)) is None
    assert decode_daily_hrv(b"\x07") == ()


# --- pushes and linked sport ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "pushed"),
    [
        ((2, 0x84), b"\1\2\3\xaa\xbb\xcc", Pushed(Push.AUDIO_ADDRESS, "01:02:03:AA:BB:CC")),
        ((2, 0x95), b"\2hi!", Pushed(Push.CALL_REJECTED_WITH_TEXT, "hi")),
        ((2, 0xBE), b"\x0212\2hi", Pushed(Push.TEXT_MESSAGE, TextMessage("12", "hi"))),
        ((2, 0xD1), b"\x07", Pushed(Push.RECORDING_STOPPED)),
        ((2, 0xE4), b"\1\1x", Pushed(Push.PARTNER_MESSAGE, b"x")),
        ((7, 3), b"\5", Pushed(Push.VOLUME_UP)),
        ((7, 8), b"\1\2", Pushed(Push.GLUCOSE_METER, 2)),
        ((8, 0x6C), b"\2\2\0", Pushed(Push.DIET_RESULT_LIMIT, DietResultLimit(2, 512))),
        ((2, 0x84), b"\1\2", None),
        ((2, 0x92), b"\4", None),
        ((2, 0x95), b"\5hi", None),
        ((2, 0xBE), b"\x0212\0", None),
        ((2, 0xE4), b"\2\1x", None),
        ((5, 0x44), bytes(10), None),
        ((7, 3), b"\7", None),
        ((9, 9), b"\0", None),
    ],
)
def test_a_push_says_what_it_says_and_a_short_one_nothing(
    key: tuple[int, int], value: bytes, pushed: Pushed | None
) -> None:
    assert decode_push(*key, value) == pushed


@given(times, st.integers(0, 0xFFFF), st.sampled_from(SportStatus), st.integers(0, 0xFFFFFFFF))
@settings(derandomize=True)
def test_a_sport_status_survives_the_round_trip(
    start: DeviceTime, code: int, status: SportStatus, duration: int
) -> None:
    value = encode_status(code, status, start, duration)
    assert decode_status_push(value) == LinkedSport(start, status, code, duration)
    reply = clock.encode_ts4(start) + code.to_bytes(2, "big") + bytes([status, 0])
    assert decode_status_reply(reply) == LinkedSport(start, status, code)


def test_sport_totals_and_reports() -> None:
    head = clock.encode_ts4(TEN)
    totals = head + bytes.fromhex("0000007b0000010050")
    assert decode_totals_push(totals) == LinkedSportTotals(TEN, 123, 256, 80)
    report = SportReport(TEN, 12_345, 678, 300, 90)
    assert encode_report(report) == head + bytes.fromhex("00003039000002a60000012c0000005a")
    assert len(encode_report(replace(report, steps=5))) == 24


def test_motion_comes_as_z_x_y() -> None:
    assert decode_motion(bytes.fromhex("5a5a0064ff9c03e8")) == Motion(-100, 1000, 100)
    assert decode_motion(bytes.fromhex("5a5a0064ff9c03e84601")) == Motion(-100, 1000, 100, 70)
    assert decode_motion(bytes.fromhex("5a5b0064ff9c03e8")) is None
    assert decode_motion(bytes.fromhex("5a5a0064ff9c03")) is None


def test_fit_numbers_belong_to_sports_that_the_watch_has() -> None:
    assert set(FIT_SPORT) <= set(SPORTS)
    assert all(0 <= sport < 254 and 0 <= sub < 254 for sport, sub in FIT_SPORT.values())
    assert (fit_sport(469), fit_sport(153), fit_sport(29)) == ((5, 17), (1, 3), (64, 95))
    assert fit_sport(389) == fit_sport(2) == GENERIC
