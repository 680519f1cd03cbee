"""Whole frames in, typed readings out: receiver, check value, packets, records. No event loop.

`python -m tests.bench.decode`. Each figure is the median of seven runs over at least 200 kB.
"""

import struct
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from protocols.fitcloud import commands as c
from protocols.fitcloud.features import Feature, Features
from protocols.fitcloud.frame import encode_frame, encode_packet
from protocols.fitcloud.link import FrameLink
from protocols.fitcloud.records.context import RecordContext
from protocols.fitcloud.records.table import decode
from protocols.fitcloud.session import FitCloudSession
from protocols.model.catalog import Category
from protocols.model.intents import Sync
from protocols.model.time import DeviceTime, Moment, from_datetime
from protocols.session import Commit, Read, SessionSettings, Subscribe, Ticket, Write
from protocols.testing.virtual_watch import MODERN, NOTIFY_UUID, Notify, VirtualWatch, build_history
from protocols.testing.virtual_watch.history import HEART_RATE, SLEEP, SPORT, STEPS
from tests.bench.direct_radio import link_facts
from tests.bench.figures import Figure, median, run

LINK_BYTES_PER_S: Final = 90_000
"""What a fast link delivers at best (LE 2M or 1M with data length extension)."""

GOAL_TIMES: Final = 20
RUNS: Final = 7
AT_LEAST_BYTES: Final = 200_000
UNTIL: Final = datetime(2026, 3, 31, 21, 0)  # noqa: DTZ001 - a watch face has no zone
DATA_BYTES: Final = 480
EIGHT_BYTE_STEPS: Final = MODERN.features | {Feature.ACTIVITY_SPORT_DURATION}

Input = Callable[[FitCloudSession], None]


def measure() -> Iterator[Figure]:
    """Per type, then the whole session of a month's history at two sizes of MTU."""
    blocks = build_history(UNTIL, days=30).blocks
    streams = {
        "steps, 8-byte items": (STEPS, _eight_byte_steps(), EIGHT_BYTE_STEPS),
        "heart rate": (HEART_RATE, blocks[HEART_RATE].data, MODERN.features),
        "sleep": (SLEEP, blocks[SLEEP].data, MODERN.features),
        "sport": (SPORT, blocks[SPORT].data, MODERN.features),
    }
    for name, (type_id, stream, features) in streams.items():
        context = RecordContext(features=Features(features))
        notifications = list(_notifications(stream, 244))
        once = partial(_receive_and_decode, notifications, type_id, context)
        yield from _figures(f"decode {name}", once, sum(map(len, notifications)))
    for mtu in (247, 23):
        inputs, size = _recorded_session(mtu)
        yield from _figures(f"decode 30 days, session, MTU {mtu}", partial(_replay, inputs), size)


def _figures(name: str, once: Callable[[], int], size: int) -> Iterator[Figure]:
    repeats = max(1, AT_LEAST_BYTES // size)
    records = once()
    assert records, name
    took = median([_timed(once, repeats) for _ in range(RUNS)])
    rate = size / took
    yield Figure(
        f"{name}: bytes",
        rate / 1e6,
        "MB/s",
        goal=GOAL_TIMES * LINK_BYTES_PER_S / 1e6,
        at_most=False,
        reference=f"{rate / LINK_BYTES_PER_S:.0f} × a link of 90 kB/s",
    )
    yield Figure(f"{name}: readings", records / took, "1/s", reference=f"{records:,} in {size:,} B")


def _timed(once: Callable[[], int], repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        once()
    return (time.perf_counter() - started) / repeats


# --- one item ---------------------------------------------------------------------------------


def _receive_and_decode(notifications: list[bytes], type_id: int, context: RecordContext) -> int:
    link = FrameLink("bench")
    stream = bytearray()
    now = Moment(0.0, DeviceTime(0))
    for data in notifications:
        for message in link.received(c.NOTIFY, data, now):
            stream += message.value
        while link.next_effect() is not None:  # acknowledgements
            pass
    return len(decode(type_id, bytes(stream), context).readings)


def _notifications(stream: bytes, size: int) -> Iterator[bytes]:
    for sequence, at in enumerate(range(0, len(stream), DATA_BYTES), 1):
        payload = encode_packet(c.packet(c.ITEM_DATA, stream[at : at + DATA_BYTES]))
        frame = encode_frame(payload, sequence)
        yield from (frame[i : i + size] for i in range(0, len(frame), size))


def _eight_byte_steps() -> bytes:
    """A month of five-minute intervals, in one group a day."""
    days = []
    for back in range(30):
        day = (UNTIL - timedelta(days=back)).date()
        date = (day.year - 2000) << 9 | day.month << 5 | day.day
        values = [(i % 400 + 1, i % 400 * 70, i % 400 * 40, i % 6) for i in range(288)]
        head = struct.pack(">HHHH", len(values), date, 0, 5)
        days.append(head + b"".join(struct.pack(">HHHH", *value) for value in values))
    return b"".join(days)


# --- a whole session --------------------------------------------------------------------------


def _recorded_session(mtu: int) -> tuple[list[Input], int]:
    """All inputs of a session that synchronises a month, and the size of its notifications."""
    user = "bench"
    watch = VirtualWatch(
        build_history(UNTIL, days=30), bound_user=None, data_bytes=min(DATA_BYTES, 1000)
    )
    now = Moment(1.0, from_datetime(UNTIL))
    session = FitCloudSession(_settings(user))
    inputs: list[Input] = []
    size = 0

    def feed(step: Input) -> None:
        inputs.append(step)
        step(session)

    watch.connected(mtu, now.seconds)
    facts = link_facts(watch, mtu)
    feed(lambda s: s.opened(facts, now))
    submitted = False
    while True:
        effect = session.next_effect()
        match effect:
            case Write(characteristic=characteristic, data=data):
                watch.written(characteristic, data, now.seconds)
                feed(lambda s: s.written(now))
            case Subscribe():
                watch.subscribed()
                feed(lambda s: s.written(now))
            case Commit(receipt=receipt):
                feed(partial(lambda receipt, s: s.confirm(receipt, now), receipt))
            case Read():
                raise AssertionError("nothing is read")
            case None:
                heard = watch.next_effect()
                if isinstance(heard, Notify):
                    size += len(heard.data)
                    feed(partial(lambda data, s: s.received(NOTIFY_UUID, data, now), heard.data))
                elif not submitted:
                    submitted = True
                    feed(lambda s: s.submit(Ticket(1), Sync(), now))
                else:
                    return inputs, size
            case _:
                pass


def _replay(inputs: Iterable[Input]) -> int:
    """The same inputs into a new session; the number of readings that come out."""
    session = FitCloudSession(_settings("bench"))
    readings = 0
    for feed in inputs:
        feed(session)
        while (effect := session.next_effect()) is not None:
            if isinstance(effect, Commit):
                readings += len(effect.batch.readings)
            elif isinstance(effect, Write | Subscribe):
                break  # the next input tells that it was carried out
    return readings


def _settings(user: str) -> SessionSettings:
    return SessionSettings(user_id=user, may_bind=True, consent=frozenset(Category))


if __name__ == "__main__":
    run(measure)
