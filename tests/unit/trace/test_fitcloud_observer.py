"""Reading along with a FitCloud watch: what the session got is what the observer tells."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.fitcloud import commands as c
from protocols.fitcloud.cipher import Cipher
from protocols.fitcloud.frame import Packet, encode_frame, encode_packet
from protocols.fitcloud.messages.clock import encode_ts4
from protocols.fitcloud.observer import NEEDS_FEATURES, FitCloudObserver
from protocols.fitcloud.session import FitCloudSession
from protocols.fitcloud.spec import SPEC
from protocols.fitcloud.sync import MAX_ITEM_BYTES
from protocols.model.events import ConfirmationNeeded, SyncStarted, SyncWanted
from protocols.model.readings import BatteryLevel, DayTotals, Ecg, HeartRate, Method, Reading
from protocols.model.time import DAY_S, DeviceTime, Moment
from protocols.session import Anomaly, AnomalyKind, Batch, Raise
from protocols.testing.duet import Duet
from protocols.testing.virtual_watch import Faults, Notify, VirtualWatch, effects
from tests.unit.fitcloud.delivery import (
    FACTS,
    SETTINGS,
    START,
    USER,
    delivered,
    held,
    history,
    synchronise,
)


class Said(NamedTuple):
    """One value on its way."""

    to_watch: bool
    data: bytes
    at_s: float


class Overheard(VirtualWatch):
    """A watch whose conversation is written down."""

    def __init__(self, faults: Faults | None = None) -> None:
        super().__init__(history(2), faults=faults or Faults(), bound_user=USER)
        self.said: list[Said] = []

    def written(self, characteristic: str, data: bytes, now: float) -> None:
        self.said.append(Said(True, data, now))
        super().written(characteristic, data, now)

    def next_effect(self) -> effects.Effect | None:
        effect = super().next_effect()
        if isinstance(effect, Notify):
            self.said.append(Said(False, effect.data, self._now))
        return effect


class Told:
    """What an observer tells."""

    def __init__(self) -> None:
        self.observer = FitCloudObserver()
        self.observer.opened(FACTS.address, Moment(0.0, DeviceTime(0)))
        self.readings: list[Reading] = []
        self.events: list[object] = []
        self.anomalies: list[Anomaly] = []

    def hear(self, said: Iterable[Said]) -> "Told":
        for to_watch, data, at_s in said:
            # the trace's own clock is half a day wrong; the watch was told the right time
            at = Moment(at_s, DeviceTime(START.local + int(at_s - START.seconds) - DAY_S // 2))
            if to_watch:
                assert self.observer.written(c.WRITE, data, at)
            else:
                assert self.observer.notified(c.NOTIFY, data, at)
            self._drain()
        return self

    def end(self) -> "Told":
        self.observer.closed(Moment(1e6, DeviceTime(0)))
        self._drain()
        return self

    def _drain(self) -> None:
        while (seen := self.observer.next_observation()) is not None:
            match seen:
                case Batch(readings=readings):
                    self.readings += readings
                case Raise(event=event):
                    self.events.append(event)
                case Anomaly():
                    self.anomalies.append(seen)

    def kinds(self) -> list[AnomalyKind]:
        return [anomaly.kind for anomaly in self.anomalies]


def conversation(watch: Overheard) -> Duet:
    duet = Duet(FitCloudSession(SETTINGS), watch, FACTS, start=START)
    synchronise(duet)
    return duet


def packets(*messages: Packet, to_watch: bool = False, first: int = 1) -> list[Said]:
    return [
        Said(to_watch, encode_frame(encode_packet(message), number), 100.0)
        for number, message in enumerate(messages, first)
    ]


def item(type_id: int, stream: bytes, count: int | None = None) -> list[Said]:
    size = len(stream) if count is None else count
    return [
        *packets(c.packet(c.ITEM_REQUEST, bytes((type_id,))), to_watch=True),
        *packets(
            c.packet(c.ITEM_START),
            c.packet(c.ITEM_DATA, stream),
            c.packet(c.ITEM_END, size.to_bytes(4, "big")),
        ),
    ]


GROUP = bytes.fromhex("0002") + encode_ts4(START.local)[:2] + bytes.fromhex("0000") + bytes(2)


def test_everything_that_the_session_gets_is_told() -> None:
    watch = Overheard()
    duet = conversation(watch)
    told = Told().hear(watch.said).end()
    assert Counter(told.readings) == Counter(duet.readings)
    assert delivered(told.readings) == held(history(2).entries)
    assert told.anomalies == []
    assert [type(event) for event in told.events] == [SyncStarted]
    assert told.observer.unread() == {}


@pytest.mark.parametrize(
    "faults",
    [
        Faults(unacknowledged=frozenset({4, 9})),
        Faults(repeated=frozenset({5, 11})),
        Faults(wrong_crc=frozenset({6})),
        Faults(interrupted=frozenset({1})),
        Faults(empty_groups=True, truncated_tail=True),
    ],
)
def test_what_goes_wrong_on_the_link_changes_no_reading(faults: Faults) -> None:
    watch = Overheard(faults=faults)
    duet = conversation(watch)
    told = Told().hear(watch.said).end()
    assert Counter(told.readings) == Counter(duet.readings)


def test_an_item_with_a_wrong_count_is_told_when_it_comes_again() -> None:
    watch = Overheard(faults=Faults(wrong_count=frozenset({1})))
    duet = conversation(watch)
    told = Told().hear(watch.said).end()
    assert AnomalyKind.COUNT_MISMATCH in told.kinds()
    assert Counter(told.readings) == Counter(duet.readings)


def test_binding_and_a_finished_workout_are_events() -> None:
    said = [
        *packets(c.packet(c.BIND, USER.encode().ljust(32, b"\0")), to_watch=True),
        *packets(c.packet(c.EVENT, b"\x02\x00")),
    ]
    events = Told().hear(said).events
    assert [type(event) for event in events] == [ConfirmationNeeded, SyncWanted]


def test_times_are_those_of_the_watch_once_it_was_told_the_time() -> None:
    said = [
        *packets(c.packet(c.SET_TIME, encode_ts4(START.local)), to_watch=True),
        *packets(c.packet(c.BATTERY_REPLY, b"\x00\x50\x50")),
    ]
    (reading,) = Told().hear(said).readings
    assert reading == BatteryLevel(START.local, 80, charging=False)


def test_values_from_the_future_are_doubted_only_when_the_time_is_known() -> None:
    later = DeviceTime(START.local + 3 * DAY_S)
    event = packets(c.packet(c.EVENT, b"\x04\x05" + encode_ts4(later) + b"\x48"))
    assert Told().hear(event).readings == [HeartRate(later, 72, Method.SPOT)]
    known = packets(c.packet(c.SET_TIME, encode_ts4(START.local)), to_watch=True)
    assert Told().hear([*known, *event]).readings == []


@pytest.mark.parametrize("type_id", sorted(NEEDS_FEATURES))
def test_an_item_that_depends_on_unknown_features_is_not_guessed(type_id: int) -> None:
    told = Told().hear(item(type_id, bytes(24)))
    assert told.readings == []
    (anomaly,) = told.anomalies
    assert anomaly.kind is AnomalyKind.UNKNOWN_MESSAGE
    assert "features" in anomaly.detail


def test_items_that_depend_on_nothing_are_told_without_a_configuration() -> None:
    watch = Overheard()
    conversation(watch)
    whole = Told().hear(watch.said).readings
    # the trace begins with the question how much is waiting, long after the configuration
    asked = bytes((5, 0, 5))
    begins = next(n for n, s in enumerate(watch.said) if s.to_watch and s.data[8:11] == asked)
    spoiled = watch.said[begins:]
    told = Told().hear(spoiled)
    wanted = [r for r in whole if isinstance(r, HeartRate | DayTotals)]
    assert [r for r in told.readings if isinstance(r, HeartRate | DayTotals)] == wanted
    assert len(told.readings) < len(whole)
    assert sum("features" in anomaly.detail for anomaly in told.anomalies) == 3


def test_an_item_that_was_cut_off_is_reported() -> None:
    told = Told().hear(item(3, b"x" * 30)[:-1]).end()
    assert told.kinds() == [AnomalyKind.TRUNCATED]
    assert "30 bytes" in told.anomalies[0].detail


def test_an_item_without_its_request_is_reported_and_not_guessed() -> None:
    told = Told().hear(item(3, b"x" * 30)[1:])
    assert told.readings == []
    assert told.kinds() == [AnomalyKind.UNKNOWN_MESSAGE]


def test_an_item_is_bounded() -> None:
    start = item(3, b"")[:2]
    part = packets(c.packet(c.ITEM_DATA, bytes(1000)), first=7)
    told = Told().hear(start)
    for number in range(MAX_ITEM_BYTES // 1000 + 1):
        told.observer._append(part[0].data[13:])
        assert len(told.observer._item or b"") <= MAX_ITEM_BYTES, number
    told._drain()
    assert told.kinds() == [AnomalyKind.TRUNCATED]


def test_a_measurement_on_demand_is_live() -> None:
    watch = Overheard()
    conversation(watch)
    told = Told().hear(watch.said)
    before = len(told.readings)
    said = [
        *packets(c.packet(c.MEASURE, bytes.fromhex("00010501")), to_watch=True, first=900),
        *packets(c.packet(c.MEASURED, bytes(6) + b"\x48\x61\x50\x78\x10" + bytes(8)), first=900),
        *packets(c.packet(c.MEASURE, bytes.fromhex("00000501")), to_watch=True, first=901),
        *packets(c.packet(c.MEASURED, bytes(6) + b"\x49\x61\x50\x78\x10" + bytes(8)), first=901),
    ]
    readings = told.hear(said).readings[before:]
    assert [(r.bpm, r.method) for r in readings if isinstance(r, HeartRate)] == [(72, Method.LIVE)]
    assert len(readings) == 1


def test_an_ecg_on_demand_is_bare_samples_between_its_start_and_its_end() -> None:
    ending = encode_frame(encode_packet(c.packet(c.ECG_LIVE, bytes(10))), 9)
    said = [
        *packets(c.packet(c.MEASURE, bytes.fromhex("00100101")), to_watch=True),
        *packets(c.packet(c.ECG_LIVE, b"\x01\x0a")),
        Said(False, b"\x01\x00\x02\x00" * 5, 101.0),
        Said(False, b"\x03\x00" * 10, 102.0),
        Said(False, ending[:8], 103.0),
        Said(False, ending[8:], 103.0),
        *packets(c.packet(c.BATTERY_REPLY, b"\x00\x50\x50"), first=10),
    ]
    ecg, battery = Told().hear(said).readings
    assert isinstance(ecg, Ecg)
    assert ecg.samples == (0x100, 0x200) * 5 + (0x300,) * 10
    assert isinstance(battery, BatteryLevel)


def test_a_stored_ecg_ends_where_the_trace_does() -> None:
    told = Told().hear([*item(7, b"")[:2], Said(False, b"\x00\x01" * 30, 101.0)]).end()
    assert told.kinds() == [AnomalyKind.TRUNCATED]
    assert "60 bytes" in told.anomalies[0].detail


@pytest.mark.parametrize("size", [20, 48, 188])
def test_encrypted_frames_are_read_with_the_key_that_the_login_shows(size: int) -> None:
    cipher = Cipher(USER, FACTS.address)
    time = encode_packet(c.packet(c.SET_TIME, encode_ts4(START.local)))
    padded = time + encode_packet(c.packet((2, 0x99), bytes(60)))[2:]
    host = encode_frame(padded, 2, body=cipher.encrypt(padded, 2, size), encrypted=True)
    reply = encode_packet(c.packet(c.BATTERY_REPLY, b"\x01\x50\x50"))
    watch = encode_frame(reply, 5, body=cipher.decrypt(reply, 5), encrypted=True)
    said = [
        *packets(c.packet(c.LOGIN, USER.encode().ljust(32, b"\0")), to_watch=True),
        *(Said(True, host[at : at + size], 100.0) for at in range(0, len(host), size)),
        Said(False, watch, 100.0),
    ]
    told = Told().hear(said)
    assert told.anomalies == []
    assert told.readings == [BatteryLevel(START.local, 80, charging=True)]


def test_what_has_no_meaning_here_is_counted_by_name() -> None:
    told = Told().hear(packets(c.packet((2, 0x9C)), c.packet((2, 0x9C)), c.packet((2, 0xFE))))
    assert told.observer.unread() == {"02/9C voice_assistant": 2, "02/FE": 1}


def test_other_characteristics_are_left_to_others() -> None:
    observer = FitCloudObserver()
    assert not observer.written("00002a19-0000-1000-8000-00805f9b34fb", b"x", START)
    assert not observer.notified("00002a19-0000-1000-8000-00805f9b34fb", b"x", START)
    assert not observer.notified(c.WRITE, b"x", START)


def test_the_protocol_offers_its_observer() -> None:
    assert SPEC.observe is not None
    assert isinstance(SPEC.observe(), FitCloudObserver)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=80)), max_size=30))
def test_noise_raises_nothing(noise: list[tuple[bool, bytes]]) -> None:
    Told().hear(Said(*part, 100.0 + n) for n, part in enumerate(noise)).end()


KEYS = sorted({value for value in vars(c).values() if isinstance(value, tuple)})


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(KEYS), st.binary(max_size=80)), max_size=30)
)
def test_no_sequence_of_sound_frames_raises_anything(
    messages: list[tuple[bool, tuple[int, int], bytes]],
) -> None:
    said = [
        Said(to_watch, encode_frame(encode_packet(c.packet(key, value)), number), 100.0 + number)
        for number, (to_watch, key, value) in enumerate(messages)
    ]
    Told().hear(said).end()
