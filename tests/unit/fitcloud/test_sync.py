"""History, item by item: durable first, then forgotten. Source: §8; vectors data-sync-flow."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from protocols.errors import (
    DeviceRefused,
    LinkClosed,
    MessageError,
    SessionTimeout,
    Unacknowledged,
    UnexpectedMessage,
)
from protocols.fitcloud import commands as c
from protocols.fitcloud import sync
from protocols.fitcloud.features import Feature, Features
from protocols.fitcloud.frame import Packet
from protocols.fitcloud.messages.clock import encode_dmin4, encode_ts4
from protocols.fitcloud.messages.configuration import Configuration, decode_configuration
from protocols.fitcloud.sync import (
    ACCEPTED,
    CLOCK_TOLERANCE_S,
    MAX_BARREN,
    REJECTED,
    SyncContext,
    decode_waiting,
    synchronise,
)
from protocols.model.catalog import Category
from protocols.model.events import SyncFinished, SyncProgress, SyncStarted
from protocols.model.readings import (
    DayTotals,
    HeartRate,
    Reading,
    RestingHeartRate,
    StepInterval,
    Workout,
)
from protocols.model.time import DAY_S, DeviceTime, Moment
from protocols.session import Anomaly, AnomalyKind, Commit, Raise
from protocols.testing.playbook import START, Playbook
from protocols.testing.virtual_watch import MODERN

HEALTH = frozenset(Category) - {Category.DEVICE}
T0 = DeviceTime(START.local - 7200 - START.local % 60)


def group(values: bytes, *, start: DeviceTime = T0, minutes: int = 5, count: int = 0) -> bytes:
    head = (count or len(values)).to_bytes(2, "big") + encode_dmin4(start)
    return head + minutes.to_bytes(2, "big") + values


STEPS = group(b"\0\x0c\0\x0d", count=2)
STEP_READINGS: tuple[Reading, ...] = (
    StepInterval(T0, 300, 12),
    StepInterval(DeviceTime(T0 + 300), 300, 13),
)
BPM = group(b"\x48\x00\x50")
HEART_READINGS: tuple[Reading, ...] = (
    HeartRate(T0, 72),
    HeartRate(DeviceTime(T0 + 600), 80),
)
# one slice of an outdoor run: 60 s, 120 steps, 100 m, 8000 cal, pace, 121 bpm
WORKOUT = group(bytes.fromhex("0005 003c 0078 0064 1f40 0000 79"), minutes=0, count=1)
TOTALS = b"".join(n.to_bytes(4, "big") for n in (9000, 6000, 400_000, 90, 300, 71)) + bytes(6)


def configuration(*features: int) -> Configuration:
    entries = MODERN.configuration().items()
    plain = decode_configuration(b"".join(bytes((k, len(v))) + v for k, v in entries))
    info = replace(plain.device_info, features=Features(frozenset(features)))
    return replace(plain, device_info=info)


def context(
    play: Playbook[Packet], *features: int, consent: frozenset[Category] = HEALTH
) -> SyncContext:
    return SyncContext(configuration(*features), consent, play.clock, lambda _: None)


def start(size: int = 0) -> Packet:
    return c.packet(c.ITEM_START, size.to_bytes(4, "big"))


def data(value: bytes) -> Packet:
    return c.packet(c.ITEM_DATA, value)


def end(size: int) -> Packet:
    return c.packet(c.ITEM_END, size.to_bytes(4, "big"))


def item(type_id: int) -> Packet:
    return c.packet(c.ITEM_REQUEST, bytes((type_id,)))


def result(value: bytes) -> Packet:
    return c.packet(c.ITEM_RESULT, value)


TOTALS_REQUEST = c.packet(c.DAY_TOTALS)
TOTALS_REPLY = c.packet(c.DAY_TOTALS_REPLY, TOTALS)
RESTING_REQUEST = c.packet(c.RESTING_HEART_RATE)


@pytest.fixture
def play() -> Iterator[Playbook[Packet]]:
    with Playbook[Packet]() as playbook:
        yield playbook


def begin(
    play: Playbook[Packet],
    *features: int,
    waiting: int = 1000,
    consent: frozenset[Category] = HEALTH,
) -> Playbook[Packet]:
    play.start(synchronise(context(play, *features, consent=consent)))
    play.wrote(c.packet(c.SET_TIME, encode_ts4(play.clock())))
    play.wrote(c.packet(c.WAITING))
    play.reply(c.packet(c.WAITING_REPLY, waiting.to_bytes(4, "big", signed=True)))
    return play.emitted(Raise(SyncStarted(max(0, waiting))))


def stored(play: Playbook[Packet], type_id: int, stream: bytes) -> Playbook[Packet]:
    """The watch hands an item over; its progress is looked at elsewhere."""
    play.wrote(item(type_id)).reply(start(len(stream)))
    if stream:
        play.reply(data(stream))
        skip_progress(play)
    return play.reply(end(len(stream)))


def skip_progress(play: Playbook[Packet]) -> None:
    while play._seen and isinstance(effect := play._seen[0][1], Raise):
        if not isinstance(effect.event, SyncProgress):
            return
        play.emitted(effect)


def commit(play: Playbook[Packet]) -> Commit:
    """The commit that comes next, which the script has not named yet."""
    effect = play._seen[0][1]
    assert isinstance(effect, Commit)
    return effect


def finished(play: Playbook[Packet], readings: int, received: int) -> None:
    play.emitted(Raise(SyncFinished(readings, received))).returned(readings)


# --- the whole exchange ---------------------------------------------------------------------------


def test_a_whole_synchronisation_in_the_vendors_order(play: Playbook[Packet]) -> None:
    begin(play, Feature.HEART_RATE, Feature.HEART_RATE_RESTING)
    stored(play, 1, STEPS).committed(*STEP_READINGS).confirm().wrote(result(ACCEPTED))
    stored(play, 2, b"").wrote(result(ACCEPTED))
    stored(play, 3, BPM).committed(*HEART_READINGS).confirm().wrote(result(ACCEPTED))
    resting = RestingHeartRate(T0, 55)
    play.wrote(RESTING_REQUEST)
    play.reply(c.packet(c.RESTING_HEART_RATE_REPLY, encode_ts4(T0) + b"\x37"))
    play.committed(resting).confirm().wrote(TOTALS_REQUEST).reply(TOTALS_REPLY)
    midnight = DeviceTime(START.local - START.local % 86_400)
    play.committed(DayTotals(midnight, 9000, 6000.0, 400.0, 90, 300, 71)).confirm()
    finished(play, 6, len(STEPS) + len(BPM))


def test_nothing_waiting_asks_only_for_what_is_not_stored(play: Playbook[Packet]) -> None:
    begin(play, Feature.HEART_RATE, Feature.HEART_RATE_RESTING, Feature.ECG, waiting=0)
    play.wrote(RESTING_REQUEST).reply(c.packet(c.RESTING_HEART_RATE_REPLY))
    play.wrote(TOTALS_REQUEST).reply(c.packet(c.DAY_TOTALS_REPLY))
    finished(play, 0, 0)


def test_the_watch_forgets_only_after_the_confirmation(play: Playbook[Packet]) -> None:
    begin(play)
    stored(play, 1, STEPS).committed(*STEP_READINGS).wrote_nothing()
    play.passes(86_400).wrote_nothing()
    play.confirm().wrote(result(ACCEPTED), acknowledged=False).close().raised(LinkClosed)


def test_the_bytes_are_kept_as_they_came_with_what_a_decoder_needs(
    play: Playbook[Packet],
) -> None:
    begin(play, Feature.HEART_RATE)
    stored(play, 1, STEPS)
    raw = commit(play).batch.raw
    assert raw is not None
    assert (raw.source, raw.data) == ("fitcloud/item/1", STEPS)
    assert raw.context["features"] == "0"
    play.committed(*STEP_READINGS, raw=raw).close().raised(LinkClosed)


def test_records_may_straddle_frames_at_any_byte(play: Playbook[Packet]) -> None:
    begin(play)
    play.wrote(item(1)).reply(start(), *(data(STEPS[i : i + 1]) for i in range(len(STEPS))))
    skip_progress(play)
    play.reply(end(len(STEPS))).committed(*STEP_READINGS).close().raised(LinkClosed)


def test_an_empty_item_needs_no_commit(play: Playbook[Packet]) -> None:
    begin(play)
    stored(play, 1, b"").wrote(result(ACCEPTED), acknowledged=False).close().raised(LinkClosed)


def test_progress_is_told_once_a_percent(play: Playbook[Packet]) -> None:
    begin(play, waiting=200)
    play.wrote(item(1)).reply(start())
    play.reply(data(bytes(1))).emitted(Raise(SyncProgress("1", 1, 200)))
    play.reply(data(bytes(1))).emitted(Raise(SyncProgress("1", 2, 200)))
    play.reply(data(bytes(1))).wrote_nothing()
    play.reply(data(bytes(397))).emitted(Raise(SyncProgress("1", 400, 400)))
    play.close().raised(LinkClosed)


def test_an_absurd_amount_of_waiting_data_does_no_harm(play: Playbook[Packet]) -> None:
    begin(play, waiting=-1)
    play.wrote(item(1)).reply(start(), data(b"")).reply(data(b"x"))
    play.emitted(Raise(SyncProgress("1", 1, 1))).close().raised(LinkClosed)


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "00", "000000"])
def test_an_amount_below_four_bytes_is_an_error(play: Playbook[Packet], value: str) -> None:
    with pytest.raises(MessageError):
        decode_waiting(bytes.fromhex(value))
    play.start(synchronise(context(play))).wrote(
        c.packet(c.SET_TIME, encode_ts4(play.clock()))
    ).wrote(c.packet(c.WAITING)).reply(c.packet(c.WAITING_REPLY, bytes.fromhex(value)))
    play.raised(MessageError)


@pytest.mark.parametrize(
    "ending",
    [
        end(len(STEPS) + 1),
        end(0),
        c.packet(c.ITEM_END),  # not four bytes count as 0
        c.packet(c.ITEM_END, bytes((0, 0, len(STEPS)))),
        c.packet(c.ITEM_END, bytes((0, 0, 0, len(STEPS), 0))),
    ],
    ids=["one more", "zero", "empty", "three bytes", "five bytes"],
)
def test_a_wrong_byte_count_is_rejected_and_ends_the_synchronisation(
    play: Playbook[Packet], ending: Packet
) -> None:
    begin(play)
    play.wrote(item(1)).reply(start(), data(STEPS))
    skip_progress(play)
    play.reply(ending)
    count = int.from_bytes(ending.value, "big") if len(ending.value) == 4 else 0
    what = f"item 1: {len(STEPS)} bytes arrived, the watch counts {count}"
    play.emitted(Anomaly(AnomalyKind.COUNT_MISMATCH, what)).wrote(result(REJECTED))
    play.raised(MessageError, what)


def test_a_short_end_matches_an_empty_item(play: Playbook[Packet]) -> None:
    begin(play)
    play.wrote(item(1)).reply(start(), c.packet(c.ITEM_END))
    play.wrote(result(ACCEPTED), acknowledged=False).close().raised(LinkClosed)


@pytest.mark.parametrize("early", [data(STEPS), end(0)], ids=["data", "end"])
def test_what_comes_before_the_start_ends_the_synchronisation(
    play: Playbook[Packet], early: Packet
) -> None:
    begin(play)
    play.wrote(item(1)).reply(early).raised(UnexpectedMessage)


def test_a_second_start_has_no_effect(play: Playbook[Packet]) -> None:
    begin(play)
    play.wrote(item(1)).reply(start(5), start(7), data(STEPS))
    skip_progress(play)
    play.reply(start(9), end(len(STEPS))).committed(*STEP_READINGS).close().raised(LinkClosed)


def test_other_messages_in_between_are_handed_on(play: Playbook[Packet]) -> None:
    begin(play)
    battery = c.packet(c.BATTERY_REPLY, b"\0PP")
    play.wrote(item(1)).reply(battery, start(), battery, data(STEPS), battery)
    skip_progress(play)
    play.reply(end(len(STEPS))).committed(*STEP_READINGS).close().raised(LinkClosed)
    assert play.unsolicited == [battery] * 3


def test_fifteen_seconds_without_data_end_the_synchronisation(play: Playbook[Packet]) -> None:
    begin(play)
    play.wrote(item(1)).reply(start()).passes(14).reply(data(STEPS))
    skip_progress(play)
    play.passes(14.9).wrote_nothing().passes(0.1)
    play.raised(SessionTimeout, "more data of the item")


def test_a_watch_that_never_starts_the_item_ends_the_synchronisation(
    play: Playbook[Packet],
) -> None:
    begin(play)
    play.wrote(item(1)).passes(15).raised(SessionTimeout, "start of the item")


def test_a_result_that_is_not_acknowledged_ends_the_synchronisation(
    play: Playbook[Packet],
) -> None:
    begin(play)
    stored(play, 1, STEPS).committed(*STEP_READINGS).confirm()
    play.wrote(result(ACCEPTED), acknowledged=False).lose().raised(Unacknowledged)


def test_an_item_beyond_all_memory_is_rejected(
    play: Playbook[Packet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "MAX_ITEM_BYTES", 100)
    begin(play)
    play.wrote(item(1)).reply(start(), data(bytes(100)))
    skip_progress(play)
    play.reply(data(b"x")).wrote(result(REJECTED)).raised(MessageError, "101 bytes so far")


@pytest.mark.parametrize("barren", [start(), data(b"")], ids=["start", "data"])
def test_an_item_that_goes_on_without_data_is_rejected(
    play: Playbook[Packet], barren: Packet
) -> None:
    begin(play)
    play.wrote(item(1)).reply(start(), *[barren] * MAX_BARREN)
    skip_progress(play)
    play.reply(barren).wrote(result(REJECTED)).raised(MessageError, "does not end")


@pytest.mark.parametrize("state", ["00000001", "00000002", "01000000", "", "0000"])
def test_nothing_is_transferred_while_an_ecg_is_taken(play: Playbook[Packet], state: str) -> None:
    begin(play, Feature.ECG).wrote(c.packet(c.ECG_STATE))
    play.reply(c.packet(c.ECG_STATE_REPLY, bytes.fromhex(state)))
    error = play.raised(DeviceRefused)
    assert isinstance(error, DeviceRefused)
    assert error.reason == "busy"


def test_an_idle_ecg_lets_the_synchronisation_go_on(play: Playbook[Packet]) -> None:
    begin(play, Feature.ECG).wrote(c.packet(c.ECG_STATE))
    play.reply(c.packet(c.ECG_STATE_REPLY, bytes(4))).wrote(item(1)).close().raised(LinkClosed)


# --- what cannot be read --------------------------------------------------------------------------

UNREADABLE = group(b"", minutes=300, count=1) + bytes(400)
"""A sport record whose items would have 313 bytes: nothing behind it can be found."""


def test_an_item_that_cannot_be_decoded_is_kept_as_it_is(play: Playbook[Packet]) -> None:
    begin(play, Feature.SPORT, Feature.SPORT_ITEM_EXTRA)
    stored(play, 1, b"").wrote(result(ACCEPTED))
    stored(play, 2, b"").wrote(result(ACCEPTED))
    stored(play, 16, UNREADABLE)
    anomaly = play._seen[0][1]
    assert isinstance(anomaly, Anomaly)
    assert anomaly.kind is AnomalyKind.BAD_MESSAGE
    play.emitted(anomaly)
    raw = commit(play).batch.raw
    assert raw is not None
    assert raw.data == UNREADABLE
    play.committed().confirm().wrote(result(ACCEPTED), acknowledged=False).close().raised(
        LinkClosed
    )


def test_what_can_be_neither_decoded_nor_kept_stays_and_holds_nothing_else_up(
    play: Playbook[Packet],
) -> None:
    consent = frozenset({Category.WORKOUT, Category.MOOD})
    begin(play, Feature.SPORT, Feature.SPORT_ITEM_EXTRA, Feature.MOOD, consent=consent)
    stored(play, 16, UNREADABLE)
    anomaly = play._seen[0][1]
    assert isinstance(anomaly, Anomaly)
    play.emitted(anomaly).wrote(result(REJECTED))
    stored(play, 20, b"").wrote(result(ACCEPTED))
    play.emitted(Raise(SyncFinished(0, len(UNREADABLE)))).returned(0)


def test_a_record_without_content_is_no_reason_to_reject(play: Playbook[Packet]) -> None:
    begin(play, Feature.SPORT, consent=frozenset({Category.WORKOUT}))
    stored(play, 16, group(b"")).wrote(result(ACCEPTED), acknowledged=False).close().raised(
        LinkClosed
    )


def test_oddities_of_a_stream_are_told_and_it_is_kept(play: Playbook[Packet]) -> None:
    begin(play)
    stream = group(b"\0\x0c", count=2)
    stored(play, 1, stream)
    anomaly = play._seen[0][1]
    assert isinstance(anomaly, Anomaly)
    assert anomaly.kind is AnomalyKind.TRUNCATED
    assert anomaly.detail.startswith("item 1: ")
    play.emitted(anomaly).committed(STEP_READINGS[0]).close().raised(LinkClosed)


def test_records_from_the_future_are_kept_as_bytes_only(play: Playbook[Packet]) -> None:
    begin(play)
    late = DeviceTime(START.local + CLOCK_TOLERANCE_S + 120)
    stream = STEPS + group(b"\0\x0e", count=1, start=late)
    stored(play, 1, stream)
    anomaly = play._seen[0][1]
    assert isinstance(anomaly, Anomaly)
    assert anomaly.kind is AnomalyKind.FUTURE_DATED
    play.emitted(anomaly)
    raw = commit(play).batch.raw
    assert raw is not None
    assert raw.data == stream
    play.committed(*STEP_READINGS).close().raised(LinkClosed)


# --- consent --------------------------------------------------------------------------------------

EVERY = (
    Feature.HEART_RATE,
    Feature.MEASURE_DATA_SYNCABLE,
    Feature.SPORT,
    Feature.SLEEP_SCORE,
    Feature.HEART_RATE_RESTING,
    Feature.OXYGEN,
    Feature.GPS,
    Feature.DYNAMIC_HEART_RATE,
)


@pytest.mark.parametrize(
    ("consent", "types"),
    [
        (frozenset(), []),
        ({Category.ACTIVITY}, [1, 255]),
        ({Category.HEART}, [3, 131, 254]),
        ({Category.SLEEP}, [22, 2]),
        ({Category.WORKOUT}, [16]),
        ({Category.OXYGEN}, [4, 132]),
        ({Category.LOCATION}, [10]),
        (HEALTH, [1, 22, 2, 3, 131, 4, 132, 16, 10, 254, 255]),
    ],
    ids=["nothing", "activity", "heart", "sleep", "workout", "oxygen", "location", "everything"],
)
def test_nothing_is_asked_for_of_a_category_that_is_off(
    play: Playbook[Packet], consent: frozenset[Category], types: list[int]
) -> None:
    begin(play, *EVERY, consent=frozenset(consent))
    for type_id in types:
        match type_id:
            case 254:
                play.wrote(RESTING_REQUEST).reply(c.packet(c.RESTING_HEART_RATE_REPLY))
            case 255:
                play.wrote(TOTALS_REQUEST).reply(c.packet(c.DAY_TOTALS_REPLY))
            case _:
                stored(play, type_id, b"").wrote(result(ACCEPTED))
    finished(play, 0, 0)


def test_a_workout_without_heart_is_stripped_and_its_bytes_are_not_kept(
    play: Playbook[Packet],
) -> None:
    begin(play, *EVERY[2:3], Feature.DYNAMIC_HEART_RATE, consent=frozenset({Category.WORKOUT}))
    stored(play, 16, WORKOUT)
    batch = commit(play).batch
    assert batch.raw is None
    (workout,) = batch.readings
    assert isinstance(workout, Workout)
    assert (workout.steps, workout.heart_rates) == (120, ())
    assert workout.samples[0].bpm is None
    play.committed(workout).confirm().wrote(result(ACCEPTED))
    finished(play, 1, len(WORKOUT))


def test_a_workout_with_heart_keeps_everything(play: Playbook[Packet]) -> None:
    consent = frozenset({Category.WORKOUT, Category.HEART})
    begin(play, Feature.SPORT, Feature.DYNAMIC_HEART_RATE, consent=consent)
    stored(play, 16, WORKOUT)
    batch = commit(play).batch
    assert batch.raw is not None
    (workout,) = batch.readings
    assert isinstance(workout, Workout)
    assert workout.heart_rates == ((60, 121),)
    play.committed(workout).close().raised(LinkClosed)


@pytest.mark.parametrize(
    ("consent", "asleep", "bpm", "kept"),
    [
        ({Category.ACTIVITY}, (None, None), None, False),
        ({Category.ACTIVITY, Category.HEART}, (None, None), 71, False),
        ({Category.ACTIVITY, Category.SLEEP}, (90, 300), None, False),
        ({Category.ACTIVITY, Category.SLEEP, Category.HEART}, (90, 300), 71, True),
    ],
    ids=["activity", "with heart", "with sleep", "with both"],
)
def test_totals_hold_what_is_permitted_and_their_bytes_only_if_all_is(
    play: Playbook[Packet],
    consent: set[Category],
    asleep: tuple[int | None, int | None],
    bpm: int | None,
    kept: bool,
) -> None:
    begin(play, waiting=0, consent=frozenset(consent)).wrote(TOTALS_REQUEST).reply(TOTALS_REPLY)
    batch = commit(play).batch
    (totals,) = batch.readings
    assert isinstance(totals, DayTotals)
    assert (totals.deep_sleep_min, totals.light_sleep_min) == asleep
    assert totals.mean_heart_rate_bpm == bpm
    assert (batch.raw is not None) == kept
    play.committed(totals).confirm()
    finished(play, 1, 0)


@pytest.mark.parametrize(("second", "dated"), [(0, False), (59, False), (60, True)])
def test_totals_so_soon_after_midnight_may_be_yesterdays_and_are_given_no_day(
    second: int, dated: bool
) -> None:
    midnight = DeviceTime(START.local - START.local % DAY_S)
    with Playbook[Packet](Moment(START.seconds, DeviceTime(midnight + second))) as play:
        begin(play, waiting=0).wrote(TOTALS_REQUEST).reply(TOTALS_REPLY)
        batch = commit(play).batch
        assert batch.raw is not None  # the bytes are kept either way
        assert [one.day for one in batch.readings if isinstance(one, DayTotals)] == (
            [midnight] if dated else []
        )
        play.committed(*batch.readings).confirm()
        finished(play, int(dated), 0)
