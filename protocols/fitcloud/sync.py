"""History synchronisation: item by item, each erased only once it is durable.
Source: transport-and-data.md §8; vectors data-sync-flow."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from protocols.errors import DeviceRefused, MessageError, RemoteProtocolError, UnexpectedMessage
from protocols.fitcloud import commands as c
from protocols.fitcloud.features import Feature
from protocols.fitcloud.frame import Packet
from protocols.fitcloud.messages.clock import encode_ts4
from protocols.fitcloud.messages.configuration import Configuration
from protocols.fitcloud.messages.totals import decode_daily_hrv, decode_resting, decode_totals
from protocols.fitcloud.plan import (
    BLOOD_PRESSURE_SPOT,
    DAILY_HRV,
    DAY_TOTALS,
    ECG,
    RESTING_HEART_RATE,
    SPORT,
    Item,
    permitted_plan,
)
from protocols.fitcloud.raw_stream import ITEM_ENDING, SILENCE_S, Ending
from protocols.fitcloud.records.table import Decoded, RecordContext, decode
from protocols.model.catalog import Category
from protocols.model.consent import all_permitted, wholly_permitted
from protocols.model.events import SyncFinished, SyncProgress, SyncStarted
from protocols.model.readings import BloodPressure, DayTotals, Workout
from protocols.model.time import DAY_S, DeviceTime
from protocols.procedure import RESPONSE_TIMEOUT_S, Procedure, ask, emit, expect, persist, tell
from protocols.session import Anomaly, AnomalyKind, Batch, Raise, Raw

MAX_ITEM_BYTES: Final = 8 * 1024 * 1024
"""Far more than such a watch has memory for; what claims to be longer is not believed."""

MAX_BARREN: Final = 64
"""Starts and empty data frames in a row that one item may bring; more would never end."""

CLOCK_TOLERANCE_S: Final = 15 * 60
"""How far a record may be ahead of our clock; the vendor uses the same margin."""

NEW_DAY_AFTER_S: Final = 60
"""Running totals have no date. So soon after midnight they may still be yesterday's, on a watch
whose clock is a moment behind; the next synchronisation tells today's."""

_KIND_IN_RAW: Final = {
    DAY_TOTALS: DayTotals,
    SPORT: Workout,
    BLOOD_PRESSURE_SPOT: BloodPressure,
}
"""Items whose bytes hold values of further categories, by the kind that says which."""

ACCEPTED: Final = b"\x00"
REJECTED: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class SyncContext:
    """What a synchronisation needs to know. `clock` tells the owner's local time.

    `unframed` makes the link take what comes for bare samples until that ending, or until None.
    """

    configuration: Configuration
    consent: frozenset[Category]
    clock: Callable[[], DeviceTime]
    unframed: Callable[[Ending | None], None]


@dataclass(slots=True)
class _Progress:
    total: int
    received: int = 0
    readings: int = 0
    shown_pct: int = -1


def synchronise(context: SyncContext) -> Procedure[int]:
    """Transfer everything permitted; returns the number of readings handed over.

    What was confirmed before an error stays confirmed; the rest stays on the watch. Raises
    DeviceRefused(reason="busy") while an ECG is being taken, SessionTimeout, RemoteProtocolError.
    """
    yield from tell(c.packet(c.SET_TIME, encode_ts4(context.clock())))
    waiting = yield from ask(
        c.packet(c.WAITING),
        lambda p: decode_waiting(p.value) if p[:2] == c.WAITING_REPLY else None,
        what="amount of stored data",
    )
    progress = _Progress(max(0, waiting))
    yield from emit(Raise(SyncStarted(progress.total)))
    features = context.configuration.device_info.features
    if waiting and Feature.ECG in features:
        yield from _expect_no_ecg()
    for item in permitted_plan(features, waiting, context.consent):
        yield from _synchronise_item(item, context, progress)
    yield from emit(Raise(SyncFinished(progress.readings, progress.received)))
    return progress.readings


def decode_waiting(value: bytes) -> int:
    """Bytes waiting on the watch, which the vendor reads as a signed number.

    Raises MessageError below four bytes. Source: §8.1; vectors sync-size-*.
    """
    if len(value) < 4:
        raise MessageError(f"amount of stored data in {len(value)} bytes, 4 wanted")
    return int.from_bytes(value[:4], "big", signed=True)


def transfer(
    type_id: int,
    on_data: Callable[[int], Iterable[Raise]],
    unframed: Callable[[Ending | None], None] | None = None,
) -> Procedure[bytes]:
    """Receive one item whole. Nothing is erased yet: the caller answers `ITEM_RESULT`, except that
    a byte count that does not match is rejected here. With `unframed` the data come bare (§8.3).

    Raises UnexpectedMessage when data come before the start, MessageError for a wrong count, an
    item beyond `MAX_ITEM_BYTES` or one that goes on without data.
    """
    yield from ask(c.packet(c.ITEM_REQUEST, bytes((type_id,))), _starts, what="start of the item")
    if unframed is None:
        return (yield from _receive(type_id, on_data, RESPONSE_TIMEOUT_S))
    unframed(ITEM_ENDING)
    try:
        return (yield from _receive(type_id, on_data, SILENCE_S))
    finally:
        unframed(None)


def _receive(
    type_id: int, on_data: Callable[[int], Iterable[Raise]], timeout_s: float
) -> Procedure[bytes]:
    stream = bytearray()
    barren = 0
    while True:
        message = yield from expect(_continues, what="more data of the item", timeout_s=timeout_s)
        if message[:2] == c.ITEM_END:
            break
        data = message.value if message[:2] == c.ITEM_DATA else b""
        stream += data
        barren = 0 if data else barren + 1
        if len(stream) > MAX_ITEM_BYTES or barren > MAX_BARREN:
            yield from tell(c.packet(c.ITEM_RESULT, REJECTED))
            raise MessageError(f"item {type_id} does not end: {len(stream)} bytes so far")
        for effect in on_data(len(data)) if data else ():
            yield from emit(effect)
    count = int.from_bytes(message.value, "big") if len(message.value) == 4 else 0
    if count != len(stream):
        what = f"item {type_id}: {len(stream)} bytes arrived, the watch counts {count}"
        yield from emit(Anomaly(AnomalyKind.COUNT_MISMATCH, what))
        yield from tell(c.packet(c.ITEM_RESULT, REJECTED))
        raise MessageError(what)
    return bytes(stream)


def _starts(message: Packet) -> Packet | None:
    key = message[:2]
    if key in (c.ITEM_DATA, c.ITEM_END):
        raise UnexpectedMessage("the watch sent data before the item's start")
    return message if key == c.ITEM_START else None


def _continues(message: Packet) -> Packet | None:
    return message if message[:2] in (c.ITEM_START, c.ITEM_DATA, c.ITEM_END) else None


def _expect_no_ecg() -> Procedure[None]:
    reply = yield from ask(
        c.packet(c.ECG_STATE),
        lambda p: p if p[:2] == c.ECG_STATE_REPLY else None,
        what="state of the ECG",
    )
    if len(reply.value) < 4 or any(reply.value[:4]):
        raise DeviceRefused("the watch is busy with an ECG; try again later", reason="busy")


def _synchronise_item(item: Item, context: SyncContext, progress: _Progress) -> Procedure[None]:
    if item.type_id == DAY_TOTALS:
        reply = yield from _request(c.DAY_TOTALS, c.DAY_TOTALS_REPLY, "day totals")
        totals, now = decode_totals(reply.value), context.clock()
        if totals is None or now % DAY_S < NEW_DAY_AFTER_S:
            decoded = Decoded(())
        else:
            decoded = Decoded((totals.reading(now),))
        yield from _keep(item, reply.value, decoded, context, progress)
    elif item.type_id == RESTING_HEART_RATE:
        reply = yield from _request(
            c.RESTING_HEART_RATE, c.RESTING_HEART_RATE_REPLY, "resting heart rate"
        )
        decoded = Decoded(decode_resting(reply.value), ())
        yield from _keep(item, reply.value, decoded, context, progress)
    elif item.type_id == DAILY_HRV:
        reply = yield from _request(c.DAILY_HRV, c.DAILY_HRV_REPLY, "daily heart-rate variability")
        decoded = Decoded(decode_daily_hrv(reply.value) or (), ())
        yield from _keep(item, reply.value, decoded, context, progress)
    else:
        yield from _synchronise_stored(item, context, progress)


def _request(request: c.Key, reply: c.Key, what: str) -> Procedure[Packet]:
    return ask(c.packet(request), lambda p: p if p[:2] == reply else None, what=what)


def _synchronise_stored(item: Item, context: SyncContext, progress: _Progress) -> Procedure[None]:
    def on_data(size: int) -> Iterable[Raise]:
        progress.received += size
        total = max(progress.total, progress.received)
        percent = 100 * progress.received // total
        if percent != progress.shown_pct:
            progress.shown_pct = percent
            yield Raise(SyncProgress(str(item.type_id), progress.received, total))

    unframed = context.unframed if item.type_id == ECG else None
    stream = yield from transfer(item.type_id, on_data, unframed)
    if stream:
        try:
            decoded = decode(item.type_id, stream, _record_context(context))
        except RemoteProtocolError as error:
            what = f"{len(stream)} bytes could not be decoded: {error}"
            decoded = Decoded((), ((AnomalyKind.BAD_MESSAGE, what),))
        kept = yield from _keep(item, stream, decoded, context, progress)
        if not kept:
            # It stays on the watch, and must not keep the items behind it there for ever. That a
            # watch goes on after a rejection is unverified; one that does not runs into a time-out.
            yield from tell(c.packet(c.ITEM_RESULT, REJECTED))
            return
    yield from tell(c.packet(c.ITEM_RESULT, ACCEPTED))


def _record_context(context: SyncContext) -> RecordContext:
    configuration = context.configuration
    return RecordContext(
        features=configuration.device_info.features,
        heart_rate_bytes_per_item=configuration.limits.heart_rate_bytes_per_sport_item,
        not_after=DeviceTime(context.clock() + CLOCK_TOLERANCE_S),
    )


def _keep(
    item: Item, stream: bytes, decoded: Decoded, context: SyncContext, progress: _Progress
) -> Procedure[bool]:
    """Make an item durable: its readings as far as permitted, and its bytes when all that they
    hold is permitted. False when neither was possible and something was unreadable, so that the
    watch must keep it."""
    for kind, detail in decoded.oddities:
        yield from emit(Anomaly(kind, f"item {item.type_id}: {detail}"))
    readings = all_permitted(decoded.readings, context.consent)
    raw = None
    if stream and _raw_permitted(item, context.consent):
        raw = Raw(f"fitcloud/item/{item.type_id}", stream, _raw_context(context))
    if raw is not None or readings:
        naps = Feature.SLEEP_NAP in context.configuration.device_info.features
        yield from persist(Batch(readings, raw, naps))
    progress.readings += len(readings)
    return raw is not None or bool(decoded.readings) or not decoded.oddities


def _raw_permitted(item: Item, consent: frozenset[Category]) -> bool:
    also = _KIND_IN_RAW.get(item.type_id)
    return also is None or wholly_permitted(also, consent)


def _raw_context(context: SyncContext) -> dict[str, int | str]:
    configuration = context.configuration
    info = configuration.device_info
    return {
        "features": " ".join(str(number) for number in sorted(info.features)),
        "firmware": info.firmware,
        "heart_rate_bytes_per_item": configuration.limits.heart_rate_bytes_per_sport_item or 0,
    }
