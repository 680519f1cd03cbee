"""Whatever a watch sends, a session neither raises, hangs nor grows; and it says what was odd."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.engine import MAX_WAITING
from protocols.errors import ProtocolError
from protocols.fitcloud import commands as c
from protocols.fitcloud.frame import MAX_PAYLOAD
from protocols.fitcloud.link import MAX_QUEUED
from protocols.fitcloud.session import FitCloudSession
from protocols.model.intents import ReadBattery, Sync
from protocols.session import AnomalyKind, Ticket
from protocols.testing.duet import Duet
from protocols.testing.virtual_watch import NOTIFY_UUID
from protocols.testing.virtual_watch.frames import ack, data_frame, header, nack, packet
from tests.unit.fitcloud.delivery import Owner, connect, delivered, held, synchronise, watch

MAX_EFFECTS = MAX_PAYLOAD
"""Of one notification: a frame has a key for each three bytes, and a key at most two effects."""

CLEAN_STEPS = 120
"""A synchronisation of one day takes about as many."""

KEYS = [value for name, value in vars(c).items() if name.isupper() and isinstance(value, tuple)]

values = st.one_of(
    st.binary(max_size=60),
    st.binary(min_size=4, max_size=4),
    st.integers(0, 40).map(lambda size: size.to_bytes(4, "big")),
    st.binary(max_size=3).map(lambda tail: b"\x04\x05" + tail.ljust(5, b"\xff")),
)
packets = st.builds(
    lambda key, value: packet(*key, value),
    st.one_of(st.sampled_from(KEYS), st.tuples(st.integers(0, 255), st.integers(0, 255))),
    values,
)
several = st.lists(packets, min_size=1, max_size=12).map(
    lambda parts: parts[0][:2] + b"".join(part[2:] for part in parts)
)
valid_frames = st.builds(
    data_frame, st.one_of(packets, several, st.binary(max_size=80)), st.integers(0, 0xFFFF)
)
acknowledgements = st.builds(
    lambda make, sequence: make(sequence), st.sampled_from([ack, nack]), st.integers(0, 60)
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A frame with something wrong: cut, too long, a bit turned, another magic, an odd length."""
    frame = bytearray(draw(valid_frames))
    match draw(st.integers(0, 5)):
        case 0:
            del frame[draw(st.integers(0, len(frame))) :]
        case 1:
            frame += draw(st.binary(min_size=1, max_size=30))
        case 2:
            at = draw(st.integers(4, len(frame) - 1))
            frame[at] ^= 1 << draw(st.integers(0, 7))
        case 3:
            frame[0] = draw(st.integers(0, 0xAA))
        case 4:
            frame[2:4] = draw(st.integers(0, 0xFFFF)).to_bytes(2, "big")
        case _:
            frame[1] = draw(st.integers(0, 0xFF))
    return bytes(frame)


noise = st.one_of(st.binary(max_size=40), damaged(), st.binary(min_size=200, max_size=1200))
anything = st.one_of(noise, valid_frames, acknowledgements)

GARBAGE = settings(
    derandomize=True,
    deadline=None,
    max_examples=120,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Probe:
    """Feeds a session and watches what that costs."""

    def __init__(self, duet: Duet) -> None:
        self.duet = duet

    def feed(self, data: bytes) -> None:
        before = self._effects()
        self.duet.inject(NOTIFY_UUID, data)
        assert self._effects() - before <= MAX_EFFECTS
        self.check()

    def wait(self, seconds: float) -> None:
        self.duet.wait(seconds)
        self.check()

    def check(self) -> None:
        session = self.duet.session
        assert isinstance(session, FitCloudSession)
        link, engine = session._link, session._engine
        assert len(link._receiver._body) <= MAX_PAYLOAD
        assert len(link._acks) <= MAX_QUEUED
        assert len(link._anomalies) <= MAX_QUEUED
        assert sum(len(chunk) for chunk in link._chunks) <= 3 * (MAX_PAYLOAD + 8)
        assert len(engine._waiting) <= MAX_WAITING
        assert not engine._effects

    def _effects(self) -> int:
        duet = self.duet
        return len(duet.anomalies) + len(duet.events) + len(duet.commits) + len(duet.settled)


def ends(duet: Duet, tickets: Sequence[Ticket]) -> None:
    """The session comes to an end of each ticket, or of the link, without help."""
    finished = duet.run(until=lambda: all(ticket in duet.settled for ticket in tickets))
    assert finished or duet.ended is not None
    for ticket in tickets:
        assert duet.settled[ticket] is None or isinstance(duet.settled[ticket], ProtocolError)


@GARBAGE
@given(st.lists(anything, max_size=12), st.integers(0, CLEAN_STEPS), st.lists(st.floats(0, 16)))
def test_nothing_that_comes_raises_hangs_or_grows(
    notifications: list[bytes], steps: int, pauses: list[float]
) -> None:
    duet = connect(watch(1))
    probe = Probe(duet)
    tickets = [duet.submit(Sync()), duet.submit(ReadBattery())]
    duet.run(steps=steps)
    for number, data in enumerate(notifications):
        probe.feed(data)
        if number < len(pauses):
            probe.wait(pauses[number])
        duet.run(steps=1)
        probe.check()
    ends(duet, tickets)


@GARBAGE
@given(
    st.lists(
        st.tuples(st.integers(0, CLEAN_STEPS), st.one_of(valid_frames, acknowledgements)),
        max_size=30,
    )
)
def test_sound_frames_of_any_content_at_any_time_do_no_harm(
    scattered: list[tuple[int, bytes]],
) -> None:
    duet = connect(watch(1))
    probe = Probe(duet)
    tickets = [duet.submit(Sync()), duet.submit(ReadBattery())]
    done = 0
    for step, data in sorted(scattered):
        duet.run(steps=step - done)
        done = max(done, step)
        probe.feed(data)
    ends(duet, tickets)


@GARBAGE
@given(st.lists(st.tuples(st.integers(0, CLEAN_STEPS), noise), max_size=12))
def test_noise_costs_time_and_no_reading(scattered: list[tuple[int, bytes]]) -> None:
    peripheral = watch(1)
    expected = held(peripheral.entries)
    owner = Owner(peripheral)
    duet = owner.connect()
    probe = Probe(duet)
    ticket = duet.submit(Sync())
    done = 0
    for step, data in sorted(scattered):
        duet.run(steps=step - done)
        done = max(done, step)
        if data[:1] != b"\xab":  # what begins like a frame might be a sound one by chance
            probe.feed(data)
    ends(duet, [ticket])
    owner.keep(duet)
    owner.fetch()
    assert set(expected) <= set(delivered(owner.readings))


@GARBAGE
@given(st.binary(min_size=1, max_size=400), st.integers(1, 40))
def test_any_bytes_in_any_pieces_are_survived(data: bytes, size: int) -> None:
    duet = connect(watch(1))
    probe = Probe(duet)
    for start in range(0, len(data), size):
        probe.feed(data[start : start + size])
    ends(duet, [duet.submit(ReadBattery())])


@pytest.mark.parametrize("interval_s", [0.0, 0.4, 4.0])
def test_a_flood_of_frames_does_not_starve_the_owner(interval_s: float) -> None:
    duet = connect(watch(1))
    probe = Probe(duet)
    duet.run(until=lambda: duet.description is not None)
    for number in range(500):
        probe.feed(data_frame(packet(2, 0x51) + packet(2, 0x51)[2:], 1000 + number))
        duet.now = type(duet.now)(duet.now.seconds + interval_s, duet.now.local)
    ticket = duet.submit(ReadBattery())
    ends(duet, [ticket])
    assert duet.settled[ticket] is None


def test_an_endless_item_comes_to_an_end() -> None:
    duet = connect(watch(1))
    probe = Probe(duet)
    ticket = duet.submit(Sync())
    duet.run(until=lambda: duet.session._engine._step is not None and bool(duet.events))  # type: ignore[attr-defined]
    for number in range(2000):
        if ticket in duet.settled:
            break
        probe.feed(data_frame(packet(5, 0x07, bytes(4)), 2000 + number))
        duet.run(steps=1)
    ends(duet, [ticket])


# --- a name for each kind of badness --------------------------------------------------------------

BAD = {
    "wrong magic": ([b"\xbc" + data_frame(packet(2, 0x51), 900)[1:]], AnomalyKind.BAD_FRAME),
    "too short": ([b"\xab\x00\x00"], AnomalyKind.BAD_FRAME),
    "nothing": ([b""], AnomalyKind.BAD_FRAME),
    "acknowledgement with content": ([header(3, 1, 900, 0x10) + b"abc"], AnomalyKind.BAD_FRAME),
    "announced too long": ([header(1025, 0, 900)], AnomalyKind.OVERSIZED),
    "overfull": ([data_frame(packet(2, 0x51), 900) + b"x"], AnomalyKind.OVERSIZED),
    "empty frame": ([header(0, 0, 900), b"x"], AnomalyKind.OVERSIZED),
    "wrong check value": ([header(5, 1, 900) + packet(2, 0x51)], AnomalyKind.BAD_CHECK_VALUE),
    "sent again": ([data_frame(packet(2, 0xD1), 900)] * 2, AnomalyKind.DUPLICATE),
    "unknown key": ([data_frame(packet(2, 0xD1), 900)], AnomalyKind.UNKNOWN_MESSAGE),
    "unknown event": ([data_frame(packet(2, 0xCA, b"\x63"), 900)], AnomalyKind.UNKNOWN_MESSAGE),
    "truncated key": ([data_frame(packet(2, 0xD1)[:4], 900)], AnomalyKind.BAD_MESSAGE),
    "short value": ([data_frame(packet(2, 0x1C, b"\0"), 900)], AnomalyKind.BAD_MESSAGE),
    "no percentage": (
        [data_frame(packet(2, 0x1C, b"\0\xff\xff"), 900)],
        AnomalyKind.IMPLAUSIBLE_VALUE,
    ),
}


@pytest.mark.parametrize("place", ["connecting", "idle", "synchronising"])
@pytest.mark.parametrize(("notifications", "kind"), BAD.values(), ids=BAD)
def test_each_kind_of_badness_is_told(
    place: str, notifications: list[bytes], kind: AnomalyKind
) -> None:
    peripheral = watch(1)
    expected = held(peripheral.entries)
    duet = connect(peripheral)
    if place != "connecting":
        duet.run(until=lambda: duet.description is not None)
    if place == "synchronising":
        first = duet.submit(Sync())
        duet.run(until=lambda: duet.events[-1:] != [] and not duet._notifications)
    for data in notifications:
        duet.inject(NOTIFY_UUID, data)
    if place == "synchronising":
        ends(duet, [first])
    assert synchronise(duet) is None
    assert kind in {anomaly.kind for anomaly in duet.anomalies}
    for anomaly in duet.anomalies:
        assert len(anomaly.detail) < 120
    assert set(expected) == {entry for entry in delivered(duet.readings) if entry.kind != "battery"}


def test_a_frame_that_stops_is_told_and_refused() -> None:
    duet = connect(watch(1))
    duet.run(until=lambda: duet.description is not None)
    duet.inject(NOTIFY_UUID, header(50, 0, 900) + b"abc")
    duet.run(until=lambda: bool(duet.anomalies))
    assert [anomaly.kind for anomaly in duet.anomalies] == [AnomalyKind.STALLED]
    duet.run()
    assert duet.writes[-1] == nack(900)
