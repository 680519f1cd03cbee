"""Whole sessions against the virtual watch: everything arrives, whatever happens on the way."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

import pytest

from protocols.errors import (
    DeviceRefused,
    LinkClosed,
    MessageError,
    NotThisProtocol,
    UnsupportedIntent,
    WrongState,
)
from protocols.fitcloud.session import FitCloudSession
from protocols.model.catalog import Category, kind_of
from protocols.model.events import ClockWanted, SyncFinished, SyncWanted
from protocols.model.intents import ReadBattery, SetTime, Sync, Unbind
from protocols.model.readings import BatteryLevel, HeartRate, Method
from protocols.model.time import from_datetime
from protocols.session import AnomalyKind, Close, Receipt, SessionSettings, Ticket
from protocols.testing.duet import Action, Duet
from protocols.testing.virtual_watch import (
    MODERN,
    NOTIFY_UUID,
    PLAIN,
    RICH,
    BindAnswer,
    Confirmation,
    EraseReason,
    Faults,
    Impostor,
    VirtualWatch,
    WatchProfile,
)
from protocols.testing.virtual_watch.frames import data_frame, packet
from tests.unit.fitcloud.delivery import (
    FACTS,
    NOW,
    SETTINGS,
    START,
    USER,
    Owner,
    connect,
    delivered,
    held,
    history,
    synchronise,
    watch,
)

FRAMES = 60
"""About as many frames as a synchronisation of the small history has, in each direction."""

FAULTS = {
    "none": Faults(),
    "unacknowledged": Faults(unacknowledged=frozenset(range(1, FRAMES, 3))),
    "refused": Faults(refused=frozenset(range(1, FRAMES, 3))),
    "duplicates are acted on": Faults(
        unacknowledged=frozenset(range(1, FRAMES, 5)), acts_on_duplicates=True
    ),
    "deaf": Faults(deaf=frozenset(range(1, FRAMES, 2))),
    "repeated": Faults(repeated=frozenset(range(1, FRAMES))),
    "wrong check values": Faults(wrong_crc=frozenset(range(1, FRAMES))),
    "oversized": Faults(oversized=frozenset(range(1, FRAMES))),
    "stalled": Faults(stalled=frozenset(range(1, FRAMES, 4))),
    "lost within a frame": Faults(drop_at=frozenset({1, 9, 25})),
    "records straddle frames": Faults(data_sizes=(1, 7, 100, 3)),
    "small notifications": Faults(chunk_bytes=8),
    "lost before the end": Faults(drop_before_end=frozenset({1, 3, 7})),
    "lost before the result": Faults(drop_before_result=frozenset({1, 3, 7})),
    "wrong byte counts": Faults(wrong_count=frozenset({1, 4})),
    "interrupted": Faults(interrupted=frozenset(range(1, 9))),
    "from the future": Faults(future_dated=True),
    "empty groups": Faults(empty_groups=True),
    "truncated tail": Faults(truncated_tail=True),
}


def test_every_fault_of_the_virtual_watch_is_tried() -> None:
    tried = {
        name
        for faults in FAULTS.values()
        for name in Faults.__dataclass_fields__
        if getattr(faults, name) != getattr(Faults(), name)
    }
    assert set(Faults.__dataclass_fields__) - tried == {"login_refused", "impostor"}


# --- everything, once -----------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [MODERN, RICH, PLAIN], ids=["modern", "rich", "plain"])
def test_everything_that_the_watch_holds_arrives_exactly_once(profile: WatchProfile) -> None:
    peripheral = watch(5, profile)
    expected = held(peripheral.entries)
    duet = connect(peripheral)
    assert synchronise(duet) is None
    assert delivered(duet.readings) == expected
    assert duet.anomalies == []
    assert duet.early_erasures == []
    assert not peripheral.held
    size = sum(len(block.data) for block in history(5, profile).blocks.values())
    assert duet.events[-1] == SyncFinished(len(duet.readings), size)


def test_a_second_synchronisation_brings_nothing_that_was_brought() -> None:
    peripheral = watch()
    duet = connect(peripheral)
    synchronise(duet)
    first = len(duet.readings)
    assert synchronise(duet) is None
    kinds = {kind_of(reading).name for reading in duet.readings[first:]}
    assert kinds == {"resting_heart_rate", "day_totals"}


def test_what_is_recorded_meanwhile_comes_with_the_next_one() -> None:
    peripheral = watch()
    duet = connect(peripheral)
    synchronise(duet)
    peripheral.add_heart_rate(NOW, 77)
    synchronise(duet)
    assert HeartRate(from_datetime(NOW), 77) in duet.readings


def test_the_watch_tells_what_it_is_and_can() -> None:
    duet = connect(watch())
    assert duet.run(until=lambda: duet.description is not None)
    assert duet.description is not None
    capabilities = duet.description.capabilities
    assert duet.description.protocol == "fitcloud"
    assert capabilities.kinds == {
        "steps",
        "sleep_stage",
        "sleep_score",
        "heart_rate",
        "resting_heart_rate",
        "workout",
        "day_totals",
        "battery",
    }
    assert capabilities.limits["max_alarms"] == 10


def test_what_is_off_is_neither_told_nor_asked_for() -> None:
    peripheral = watch()
    duet = connect(peripheral, replace(SETTINGS, consent=frozenset({Category.SLEEP})))
    assert synchronise(duet) is None
    assert duet.description is not None
    assert duet.description.capabilities.kinds == {"sleep_stage", "sleep_score", "battery"}
    assert {kind_of(reading).category for reading in duet.readings} == {Category.SLEEP}
    assert {heard.value[0] for heard in peripheral.log if heard[:2] == (5, 1)} == {22, 2}
    assert {block.kind for block in peripheral.erased} == {22, 2}


# --- whatever goes wrong --------------------------------------------------------------------------


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_everything_arrives_in_spite_of_faults(faults: Faults) -> None:
    peripheral = watch(faults=faults)
    expected = held(peripheral.entries)
    owner = Owner(peripheral)
    connections = owner.fetch()
    arrived = delivered(owner.readings)
    arrived = type(arrived)({entry: n for entry, n in arrived.items() if entry.kind != "battery"})
    assert set(arrived) == set(expected)
    assert not peripheral.held
    if connections == 1:
        assert arrived == expected


@pytest.mark.parametrize("seed", range(40))
def test_everything_arrives_in_spite_of_random_faults(seed: int) -> None:
    peripheral = watch(faults=Faults().seeded(seed, frames=400, one_in=4))
    expected = held(peripheral.entries)
    owner = Owner(peripheral)
    owner.fetch()
    assert set(delivered(owner.readings)) == set(expected)


def steps_of_a_clean_run() -> int:
    duet = connect(watch(1))
    synchronise(duet)
    return duet.steps


@pytest.mark.parametrize("stored", [False, True], ids=["not stored", "stored"])
def test_the_link_may_be_lost_at_every_single_step(stored: bool) -> None:
    """Not stored: the batch under way is lost too. Stored: only its confirmation is."""
    steps = steps_of_a_clean_run()
    assert steps > 80
    for step in range(steps):
        peripheral = watch(1)
        expected = held(peripheral.entries)
        owner = Owner(peripheral)
        duet = owner.connect()
        ticket = duet.submit(Sync())
        duet.run(steps=step)
        owner.keep(duet, stored=stored)
        assert isinstance(duet.settled[ticket], LinkClosed), step
        assert owner.fetch() == 1
        assert set(delivered(owner.readings)) == set(expected), step


@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_forgotten_early_in_any_interleaving(seed: int) -> None:
    random = Random(seed)

    def choose(actions: Sequence[Action]) -> Action:
        # time that passes at random would only ever be time-outs
        patient = [action for action in actions if action is not Action.WAIT]
        return random.choice(patient if patient and random.random() < 0.98 else actions)

    peripheral = watch(1, faults=Faults().seeded(seed, frames=200, one_in=12))
    expected = held(peripheral.entries)
    owner = Owner(peripheral, connections=12)
    for _ in range(12):
        duet = owner.connect(choose)
        error = synchronise(duet)
        owner.keep(duet, stored=random.random() < 0.5)
        if error is None:
            break
    assert set(delivered(owner.readings)) == set(expected)


def test_a_slow_store_holds_the_watch_and_loses_nothing() -> None:
    peripheral = watch()
    duet = connect(peripheral, auto_confirm=False)
    duet.submit(Sync())
    for number in range(1, 4):
        assert duet.run(until=lambda: bool(duet.commits), steps=500)
        duet.wait(3600)
        duet.run(steps=5)
        assert len(peripheral.erased) == number - 1
        duet.confirm()
        duet.run(until=lambda n=number: len(peripheral.erased) == n, steps=50)  # type: ignore[misc]
    assert duet.early_erasures == []


def test_a_wrong_byte_count_fails_the_sync_and_keeps_the_item() -> None:
    peripheral = watch(faults=Faults(wrong_count=frozenset({2})))
    duet = connect(peripheral)
    assert isinstance(synchronise(duet), MessageError)
    assert [anomaly.kind for anomaly in duet.anomalies] == [AnomalyKind.COUNT_MISMATCH]
    assert [block.kind for block in peripheral.erased] == [1]
    assert synchronise(duet) is None


# --- who may in -----------------------------------------------------------------------------------


def ended(duet: Duet) -> Close:
    assert duet.run(until=lambda: duet.ended is not None)
    assert duet.ended is not None
    return duet.ended


def test_a_watch_of_somebody_else_ends_the_link() -> None:
    peripheral = watch(bound_user="somebody else")
    duet = connect(peripheral)
    ticket = duet.submit(Sync())
    assert isinstance(ended(duet).error, DeviceRefused)
    assert duet.settled[ticket] is not None
    assert peripheral.bound_user == "somebody else"
    assert peripheral.erased == ()


def test_a_refused_login_ends_the_link() -> None:
    error = ended(connect(watch(faults=Faults(login_refused=True)))).error
    assert isinstance(error, DeviceRefused)
    assert error.reason == "not_bound"


def test_a_new_watch_is_bound_with_the_owners_word() -> None:
    peripheral = watch(bound_user=None, confirmation=Confirmation(delay_s=25))
    duet = connect(peripheral, replace(SETTINGS, may_bind=True))
    assert synchronise(duet) is None
    assert peripheral.bound_user == USER
    assert peripheral.erased[0].reason is EraseReason.CONFIRMED


def test_a_wearer_who_refuses_is_not_asked_again() -> None:
    peripheral = watch(bound_user=None, confirmation=Confirmation(BindAnswer.REFUSED, 5))
    error = ended(connect(peripheral, replace(SETTINGS, may_bind=True))).error
    assert isinstance(error, DeviceRefused)
    assert error.reason == "refused_by_user"
    assert len([heard for heard in peripheral.log if heard[:2] == (3, 0x11)]) == 1


@pytest.mark.parametrize("impostor", [kind for kind in Impostor if kind is not Impostor.NO])
def test_an_impostor_is_recognised_without_another_try(impostor: Impostor) -> None:
    peripheral = watch(faults=Faults(impostor=impostor))
    duet = connect(peripheral)
    assert isinstance(ended(duet).error, NotThisProtocol)
    assert duet.now.seconds - START.seconds <= 15
    assert {heard[:2] for heard in peripheral.log} <= {(3, 0x13)}


# --- intents --------------------------------------------------------------------------------------


def done(duet: Duet, ticket: Ticket) -> bool:
    return duet.run(until=lambda: ticket in duet.settled)


def test_the_battery_is_read() -> None:
    duet = connect(watch())
    ticket = duet.submit(ReadBattery())
    assert done(duet, ticket)
    assert duet.settled[ticket] is None
    duet.run(until=lambda: not duet.commits)
    assert duet.readings == [BatteryLevel(START.local, 80, charging=False)]


def test_the_time_is_set_to_the_owners() -> None:
    peripheral = watch()
    duet = connect(peripheral)
    duet.run(until=lambda: duet.description is not None)
    duet.wait(3600)
    assert done(duet, duet.submit(SetTime()))
    assert peripheral.times_set == [NOW, NOW + timedelta(hours=1)]


def test_the_watch_is_given_free() -> None:
    peripheral = watch()
    duet = connect(peripheral)
    ticket = duet.submit(Unbind())
    assert done(duet, ticket)
    assert duet.settled[ticket] is None
    assert peripheral.bound_user is None


def test_a_refusal_to_be_given_free_is_told() -> None:
    peripheral = watch()
    duet = connect(peripheral)
    first, second = duet.submit(Unbind()), duet.submit(Unbind())
    assert done(duet, second)
    assert duet.settled[first] is None
    assert isinstance(duet.settled[second], DeviceRefused)


@dataclass(frozen=True)
class Dance:
    """What no watch can do."""


def test_what_the_watch_cannot_do_is_unsupported() -> None:
    duet = connect(watch())
    ticket = duet.submit(Dance())  # type: ignore[arg-type]
    assert done(duet, ticket)
    assert isinstance(duet.settled[ticket], UnsupportedIntent)


def test_intents_are_carried_out_in_order() -> None:
    duet = connect(watch())
    tickets = [duet.submit(intent) for intent in (Sync(), ReadBattery(), SetTime())]
    assert done(duet, tickets[-1])
    assert list(duet.settled) == tickets


def test_after_the_end_an_intent_fails_at_once() -> None:
    duet = connect(watch())
    duet.cut()
    assert isinstance(duet.settled[duet.submit(Sync())], LinkClosed)


def test_a_watch_without_the_characteristic_ends_the_link() -> None:
    duet = connect(watch())
    duet.fail(LinkClosed("no such characteristic"))
    assert str(ended(duet).error) == "no such characteristic"


def test_a_write_that_fails_fails_its_intent_and_no_other(idle: Duet) -> None:
    first, second = idle.submit(SetTime()), idle.submit(ReadBattery())
    idle.fail(LinkClosed("not permitted"))
    assert done(idle, second)
    assert isinstance(idle.settled[first], LinkClosed)
    assert idle.settled[second] is None


def test_a_session_serves_one_connection() -> None:
    session = FitCloudSession(SessionSettings(USER))
    session.opened(FACTS, START)
    with pytest.raises(WrongState):
        session.opened(FACTS, START)


def test_a_receipt_that_was_never_issued_is_refused() -> None:
    duet = connect(watch())
    with pytest.raises(WrongState):
        duet.session.confirm(Receipt(1), START)


# --- what the watch tells by itself ---------------------------------------------------------------


@pytest.fixture
def idle() -> Duet:
    duet = connect(watch())
    assert duet.run(until=lambda: duet.description is not None)
    return duet


def peripheral_of(duet: Duet) -> VirtualWatch:
    assert isinstance(duet.peripheral, VirtualWatch)
    return duet.peripheral


def test_a_change_of_the_battery_is_a_reading(idle: Duet) -> None:
    peripheral_of(idle).set_battery(42, idle.now.seconds, charging=True)
    idle.wait(0)
    idle.run()
    assert idle.readings == [BatteryLevel(START.local, 42, charging=True)]


def test_a_battery_beyond_a_hundred_percent_is_not_believed(idle: Duet) -> None:
    peripheral_of(idle).set_battery(142, idle.now.seconds)
    idle.wait(0)
    idle.run()
    assert idle.readings == []
    assert [anomaly.kind for anomaly in idle.anomalies] == [AnomalyKind.IMPLAUSIBLE_VALUE]


def test_a_measurement_on_the_watch_is_told_at_once(idle: Duet) -> None:
    peripheral_of(idle).measure_heart_rate(NOW, 91, idle.now.seconds)
    idle.wait(0)
    idle.run()
    assert idle.readings == [HeartRate(from_datetime(NOW), 91, Method.SPOT)]


def test_a_measurement_is_not_taken_without_consent() -> None:
    peripheral = watch()
    duet = connect(peripheral, replace(SETTINGS, consent=frozenset({Category.SLEEP})))
    duet.run(until=lambda: duet.description is not None)
    peripheral.measure_heart_rate(NOW, 91, duet.now.seconds)
    duet.wait(0)
    duet.run()
    assert duet.readings == []


def test_a_measurement_of_the_future_is_not_believed(idle: Duet) -> None:
    peripheral_of(idle).measure_heart_rate(NOW + timedelta(days=1), 91, idle.now.seconds)
    idle.wait(0)
    idle.run()
    assert idle.readings == []


def test_a_finished_workout_is_a_good_moment_to_synchronise(idle: Duet) -> None:
    peripheral_of(idle).finish_workout(NOW - timedelta(hours=1), idle.now.seconds)
    idle.wait(0)
    idle.run()
    assert SyncWanted() in idle.events


def test_a_watch_that_asks_for_the_time_gets_it(idle: Duet) -> None:
    peripheral = peripheral_of(idle)
    idle.wait(60)
    peripheral.ask_for_time(idle.now.seconds)
    idle.wait(0)
    idle.run()
    assert idle.events == [ClockWanted()]
    assert peripheral.times_set == [NOW, NOW + timedelta(minutes=1)]


def test_a_changed_configuration_is_read_again(idle: Duet) -> None:
    before, idle.description = idle.description, None
    peripheral_of(idle).push(2, 0x51, b"", idle.now.seconds)
    idle.wait(0)
    idle.run()
    assert idle.description == before


def test_a_wish_that_is_repeated_is_fulfilled_once(idle: Duet) -> None:
    wishes = packet(8, 0x26) + packet(8, 0x26)[2:] * 99
    idle.inject(NOTIFY_UUID, data_frame(wishes, 1000))
    changes = packet(2, 0x51) + packet(2, 0x51)[2:] * 99
    idle.inject(NOTIFY_UUID, data_frame(changes, 1001))
    ticket = idle.submit(ReadBattery())
    assert done(idle, ticket)
    assert idle.settled[ticket] is None
    peripheral = peripheral_of(idle)
    assert len(peripheral.times_set) == 2
    assert len([heard for heard in peripheral.log if heard[:2] == (2, 0x20)]) == 2


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (packet(2, 0x99, b"12"), AnomalyKind.UNKNOWN_MESSAGE),
        (packet(9, 0x01), AnomalyKind.UNKNOWN_MESSAGE),
        (packet(2, 0xCA), AnomalyKind.UNKNOWN_MESSAGE),
        (packet(2, 0xCA, b"\x63\x00"), AnomalyKind.UNKNOWN_MESSAGE),
        (packet(2, 0x1C, b"\0"), AnomalyKind.BAD_MESSAGE),
    ],
    ids=["unknown key", "unknown command", "empty event", "unknown event", "short battery"],
)
def test_what_it_does_not_understand_is_acknowledged_and_told(
    idle: Duet, payload: bytes, kind: AnomalyKind
) -> None:
    idle.inject(NOTIFY_UUID, data_frame(payload, 1000))
    assert [anomaly.kind for anomaly in idle.anomalies] == [kind]
    idle.run(steps=1)
    assert idle.writes[-1] == bytes.fromhex("ab100000000003e8")
