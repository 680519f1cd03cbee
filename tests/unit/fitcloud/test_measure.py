"""Measurement on demand: start, stream, stop, time-out, refusal. Source: §10."""

from collections.abc import Iterator

import pytest

from protocols.errors import (
    DeviceRefused,
    MessageError,
    ProtocolError,
    SessionTimeout,
    UnsupportedIntent,
)
from protocols.fitcloud import commands as c
from protocols.fitcloud.features import Feature, Features
from protocols.fitcloud.frame import Packet, encode_frame, encode_packet
from protocols.fitcloud.measure import (
    FIRST_VALUE_S,
    MeasureContext,
    measurable,
    measure,
)
from protocols.fitcloud.raw_stream import ECG_ENDING, Ending
from protocols.model.catalog import Category, kind_of
from protocols.model.intents import Measurable, Measure, ReadBattery
from protocols.model.readings import (
    BloodPressure,
    Ecg,
    HeartRate,
    Method,
    Reading,
)
from protocols.model.time import DeviceTime
from protocols.procedure import RESPONSE_TIMEOUT_S
from protocols.testing.playbook import START, Playbook
from protocols.testing.virtual_watch import MODERN, NOTIFY_UUID, WatchProfile
from tests.unit.fitcloud.delivery import connect, watch

EVERYTHING = Features(frozenset(Feature) - {Feature.BLOOD_PRESSURE_AIR_PUMP})
VALUES = bytes.fromhex("00000000 0000 48 61 50 78 10 00 0c34 0e0f 28")
"""72 bpm, SpO2 97 %, 120 over 80 mmHg, 16 breaths, 31.24 and 35.99 °C, stress 40."""

NO_VALUES = bytes(17)
START_HEART = c.packet(c.MEASURE, bytes.fromhex("00010501"))
STOP_HEART = c.packet(c.MEASURE, bytes.fromhex("00000501"))
START_ECG = c.packet(c.MEASURE, bytes.fromhex("00100101"))
STOP_ECG = c.packet(c.MEASURE, bytes.fromhex("00000101"))


class Stage:
    """A playbook with what a measurement publishes, and how the link stands."""

    def __init__(self, play: Playbook[Packet], features: Features = EVERYTHING) -> None:
        self.play = play
        self.published: list[Reading] = []
        self.unframed: list[Ending | None] = []
        self.context = MeasureContext(
            features,
            frozenset(Category),
            lambda: play.now,
            self.published.append,
            self.unframed.append,
        )

    def start(self, quantity: Measurable, duration_s: float = 60) -> Playbook[Packet]:
        return self.play.start(measure(Measure(quantity, duration_s), self.context))


@pytest.fixture
def stage(play: Playbook[Packet]) -> Stage:
    return Stage(play)


@pytest.fixture
def play() -> Iterator[Playbook[Packet]]:
    with Playbook[Packet]() as playbook:
        yield playbook


def test_heart_rate_is_streamed_until_the_time_is_over(stage: Stage) -> None:
    play = stage.start(Measurable.HEART_RATE).wrote(START_HEART)
    play.reply(c.packet(c.MEASURED, NO_VALUES), c.packet(c.MEASURED, VALUES)).passes(5)
    play.reply(c.packet(c.MEASURED, VALUES))
    play.passes(60).wrote(STOP_HEART).returned(None)
    at = START.local
    later = DeviceTime(at + 5)
    assert stage.published == [HeartRate(at, 72, Method.LIVE), HeartRate(later, 72, Method.LIVE)]


@pytest.mark.parametrize(
    ("quantity", "mask"),
    [
        (Measurable.OXYGEN_SATURATION, "0002"),
        (Measurable.BLOOD_PRESSURE, "0004"),
        (Measurable.RESPIRATORY_RATE, "0008"),
        (Measurable.TEMPERATURE, "0020"),
        (Measurable.STRESS, "0040"),
    ],
)
def test_only_what_was_asked_for_is_published_and_it_is_live(
    stage: Stage, quantity: Measurable, mask: str
) -> None:
    play = stage.start(quantity, 61).wrote(c.packet(c.MEASURE, bytes.fromhex(mask + "0502")))
    play.reply(c.packet(c.MEASURED, VALUES)).passes(61)
    play.wrote(c.packet(c.MEASURE, bytes.fromhex("00000502"))).returned(None)
    (reading,) = stage.published
    assert kind_of(reading).name == quantity
    assert getattr(reading, "method") is Method.LIVE  # noqa: B009 - of any kind


def test_a_cuff_ends_the_measurement_with_its_value(play: Playbook[Packet]) -> None:
    stage = Stage(play, Features(frozenset({2, 21})))
    stage.start(Measurable.BLOOD_PRESSURE).wrote(c.packet(c.MEASURE, bytes.fromhex("00040501")))
    play.reply(c.packet(c.MEASURED, NO_VALUES[:11])).wrote_nothing()
    play.reply(c.packet(c.MEASURED, VALUES[:11]))
    play.wrote(c.packet(c.MEASURE, bytes.fromhex("00000501"))).returned(None)
    assert stage.published == [BloodPressure(START.local, 120, 80, None, Method.LIVE)]


@pytest.mark.parametrize(
    ("value", "reason"), [(b"\0", "not_worn"), (b"\1", "unknown"), (b"", "unknown")]
)
def test_a_watch_that_ends_it_by_itself_is_not_told_to_stop(
    stage: Stage, value: bytes, reason: str
) -> None:
    play = stage.start(Measurable.HEART_RATE).wrote(START_HEART)
    error = play.reply(c.packet(c.MEASURE_ENDED, value)).raised(DeviceRefused)
    assert isinstance(error, DeviceRefused)
    assert error.reason == reason


@pytest.mark.parametrize("state", [2, 3, 4])
def test_a_temperature_that_cannot_be_measured_is_refused_and_stopped(
    stage: Stage, state: int
) -> None:
    play = stage.start(Measurable.TEMPERATURE)
    play.wrote(c.packet(c.MEASURE, bytes.fromhex("00200501")))
    play.reply(c.packet(c.MEASURED, VALUES[:11] + bytes([state]) + VALUES[12:]))
    play.wrote(c.packet(c.MEASURE, bytes.fromhex("00000501"))).raised(DeviceRefused)
    assert stage.published == []


def test_a_value_too_short_stops_the_measurement(stage: Stage) -> None:
    play = stage.start(Measurable.HEART_RATE).wrote(START_HEART)
    play.reply(c.packet(c.MEASURED, VALUES[:10])).wrote(STOP_HEART).raised(MessageError)


def test_without_any_value_it_is_given_up_and_stopped(stage: Stage) -> None:
    play = stage.start(Measurable.HEART_RATE, 240)
    play.wrote(c.packet(c.MEASURE, bytes.fromhex("00010504")))
    play.reply(c.packet(c.MEASURED, NO_VALUES)).passes(FIRST_VALUE_S)
    play.wrote(c.packet(c.MEASURE, bytes.fromhex("00000504"))).raised(SessionTimeout)


@pytest.mark.parametrize("quantity", Measurable)
def test_what_the_watch_has_not_is_not_asked_for(
    play: Playbook[Packet], quantity: Measurable
) -> None:
    Stage(play, Features()).start(quantity).raised(UnsupportedIntent)


@pytest.mark.parametrize("quantity", Measurable)
def test_what_is_not_collected_is_not_measured(quantity: Measurable) -> None:
    assert quantity in measurable(EVERYTHING, frozenset(Category))
    assert measurable(EVERYTHING, frozenset()) == frozenset()


# --- ECG --------------------------------------------------------------------------------------


def raw(*values: int) -> Packet:
    return Packet(*c.ITEM_DATA, b"".join(value.to_bytes(2, "big") for value in values))


def test_an_ecg_is_one_reading_of_all_its_samples(stage: Stage) -> None:
    play = stage.start(Measurable.ECG).wrote(START_ECG)
    play.reply(c.packet(c.ECG_LIVE, b"\1\4"))
    assert stage.unframed == [ECG_ENDING]
    play.reply(raw(1000, 0)).passes(1).reply(raw(990))
    play.reply(c.packet(c.ECG_LIVE, bytes(10))).wrote(STOP_ECG).returned(None)
    assert stage.published == [Ecg(START.local, 0, 250, (1000, 0, 990), Method.LIVE)]
    assert stage.unframed == [ECG_ENDING, None]


def test_an_ecg_that_never_ends_is_stopped_and_kept(stage: Stage) -> None:
    play = stage.start(Measurable.ECG).wrote(START_ECG).reply(c.packet(c.ECG_LIVE, b"\1\0"))
    for _ in range(8):
        play.passes(4).reply(raw(5))
    play.passes(2).reply(raw(6)).wrote(STOP_ECG).returned(None)
    assert stage.published == [Ecg(START.local, 0, 100, (5,) * 8 + (6,), Method.LIVE)]


def test_a_silent_ecg_is_stopped_and_the_link_framed_again(stage: Stage) -> None:
    play = stage.start(Measurable.ECG).wrote(START_ECG).reply(c.packet(c.ECG_LIVE, b"\1\4"))
    play.reply(raw(5)).passes(5).wrote(STOP_ECG).raised(SessionTimeout)
    assert stage.published == []
    assert stage.unframed[-1] is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (c.packet(c.ECG_LIVE, b"\1"), MessageError),
        (c.packet(c.ECG_LIVE, b"\0\4"), DeviceRefused),
        (c.packet(c.MEASURE_ENDED, b"\0"), DeviceRefused),
    ],
)
def test_an_ecg_that_does_not_start_is_an_error(
    stage: Stage, answer: Packet, error: type[ProtocolError]
) -> None:
    play = stage.start(Measurable.ECG).wrote(START_ECG).reply(answer)
    play.wrote(STOP_ECG).raised(error)
    assert stage.unframed == []


def test_an_ecg_without_an_answer_times_out(stage: Stage) -> None:
    play = stage.start(Measurable.ECG).wrote(START_ECG)
    play.passes(RESPONSE_TIMEOUT_S).wrote(STOP_ECG).raised(SessionTimeout)


# --- in a session -----------------------------------------------------------------------------


def test_a_session_measures_what_its_watch_can_and_refuses_the_rest() -> None:
    duet = connect(watch())
    assert duet.run(until=lambda: duet.description is not None)
    assert duet.description is not None
    offered = {i for i in duet.description.capabilities.intents if i.startswith("measure_")}
    assert offered == {"measure_heart_rate"}
    refused = duet.submit(Measure(Measurable.ECG))
    measured = duet.submit(Measure(Measurable.HEART_RATE, 20))
    asked = encode_packet(START_HEART)
    assert duet.run(until=lambda: any(asked in data for data in duet.writes))
    duet.run(steps=1)  # the watch acknowledges
    for value in (72, 75):
        payload = encode_packet(c.packet(c.MEASURED, bytes(6) + bytes([value, 0, 0, 0, 0])))
        duet.wait(1)
        duet.inject(NOTIFY_UUID, encode_frame(payload, 0x4000 + value))
    assert duet.run(until=lambda: measured in duet.settled)
    assert isinstance(duet.settled[refused], UnsupportedIntent)
    assert duet.settled[measured] is None
    live = [r for r in duet.readings if isinstance(r, HeartRate)]
    assert [(r.bpm, r.method) for r in live] == [(72, Method.LIVE), (75, Method.LIVE)]
    assert any(encode_packet(STOP_HEART) in data for data in duet.writes)


def test_a_session_takes_an_ecg_and_its_link_frames_again_afterwards() -> None:
    profile = WatchProfile(MODERN.features | {Feature.ECG})
    duet = connect(watch(profile=profile))
    assert duet.run(until=lambda: duet.description is not None)
    taken = duet.submit(Measure(Measurable.ECG))
    assert duet.run(until=lambda: any(encode_packet(START_ECG) in data for data in duet.writes))
    duet.run(steps=1)  # the watch acknowledges
    begun = encode_frame(encode_packet(c.packet(c.ECG_LIVE, b"\1\4")), 0x4001)
    ended = encode_frame(encode_packet(c.packet(c.ECG_LIVE, bytes(10))), 0x4002)
    for data in (begun, b"\3\xe8\3\xf2", b"\3\xde", ended[:8], ended[8:]):
        duet.inject(NOTIFY_UUID, data)
    assert duet.run(until=lambda: taken in duet.settled)
    assert duet.settled[taken] is None
    read = duet.submit(ReadBattery())
    assert duet.run(until=lambda: read in duet.settled)
    assert duet.settled[read] is None
    ecgs = (reading for reading in duet.readings if isinstance(reading, Ecg))
    assert duet.run(until=lambda: not duet.commits)
    (ecg,) = ecgs
    assert (ecg.samples, ecg.sampling_rate_hz) == ((1000, 1010, 990), 250)
    assert duet.anomalies == []
