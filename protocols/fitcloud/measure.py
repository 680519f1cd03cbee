"""Measurement on demand: start, stream, stop. Source: transport-and-data §10; vectors
data-realtime, ecg-realtime."""

import math
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from protocols.errors import (
    DeviceRefused,
    MessageError,
    RemoteProtocolError,
    SessionTimeout,
    Unacknowledged,
    UnsupportedIntent,
)
from protocols.fitcloud import commands as c
from protocols.fitcloud.features import Feature, Features
from protocols.fitcloud.frame import Packet
from protocols.fitcloud.messages.vitals import (
    Quantity,
    decode_measured,
    encode_start,
    encode_stop,
    ended_by_watch,
    is_complete,
)
from protocols.fitcloud.raw_stream import ECG_ENDING, SILENCE_S, Ending
from protocols.fitcloud.records.ecg import SAMPLE_BYTES, sampling_rate_hz
from protocols.model.catalog import BY_NAME, Category, kind_of
from protocols.model.intents import Measurable, Measure
from protocols.model.readings import Ecg, Method, Reading
from protocols.model.time import Moment
from protocols.procedure import Procedure, ask, expect, tell

MAX_MINUTES: Final = 255
ECG_LIMIT_S: Final = 33.0
"""No ECG takes longer, whatever the watch does."""

FIRST_VALUE_S: Final = 60.0
"""A measurement that has no value after so long is given up: the watch is not worn, or broken."""

_STARTED: Final = 1


class _How(NamedTuple):
    quantity: Quantity
    needs: Feature


_HOW: Final = MappingProxyType(
    {
        Measurable.HEART_RATE: _How(Quantity.HEART_RATE, Feature.HEART_RATE),
        Measurable.OXYGEN_SATURATION: _How(Quantity.OXYGEN, Feature.OXYGEN),
        Measurable.BLOOD_PRESSURE: _How(Quantity.BLOOD_PRESSURE, Feature.BLOOD_PRESSURE),
        Measurable.RESPIRATORY_RATE: _How(Quantity.RESPIRATION, Feature.RESPIRATORY_RATE),
        Measurable.TEMPERATURE: _How(Quantity.TEMPERATURE, Feature.TEMPERATURE),
        Measurable.STRESS: _How(Quantity.STRESS, Feature.PRESSURE),
        Measurable.ECG: _How(Quantity.ECG, Feature.ECG),
    }
)


@dataclass(frozen=True, slots=True)
class MeasureContext:
    """What a measurement needs to know. `now` tells the time, `publish` takes each reading, and
    `unframed` is the link's (see `sync.SyncContext`)."""

    features: Features
    consent: frozenset[Category]
    now: Callable[[], Moment]
    publish: Callable[[Reading], None]
    unframed: Callable[[Ending | None], None]


def measure(intent: Measure, context: MeasureContext) -> Procedure[None]:
    """Measure for the whole duration, or until the watch has nothing to add.

    Raises UnsupportedIntent for what the watch cannot or the owner does not collect, DeviceRefused
    (`not_worn`, `too_high`, `too_low`, `unknown`) when the watch ends it, SessionTimeout when no
    value comes.
    """
    if _HOW[intent.quantity].needs not in context.features:
        raise UnsupportedIntent(f"this watch cannot measure {intent.quantity} on demand")
    if intent.quantity not in measurable(context.features, context.consent):
        raise UnsupportedIntent(f"{intent.quantity} is not collected from this watch")
    if intent.quantity is Measurable.ECG:
        yield from _measure_ecg(context)
    else:
        yield from _stream(_HOW[intent.quantity].quantity, intent, context)


def measurable(features: Features, consent: Collection[Category]) -> frozenset[Measurable]:
    """What the watch can measure on demand and the owner wants collected."""
    return frozenset(
        quantity
        for quantity, how in _HOW.items()
        if how.needs in features and BY_NAME[quantity].category in consent
    )


def record_ecg(
    context: MeasureContext,
    on_start: Callable[[int], None],
    on_samples: Callable[[tuple[int, ...]], None],
) -> Procedure[None]:
    """Record until the watch ends it: the sampling rate in Hz first, then samples as they come.

    Raises DeviceRefused when the watch does not start, MessageError, SessionTimeout when it falls
    silent.
    """
    ends_at = context.now().seconds + ECG_LIMIT_S
    stop = c.packet(c.MEASURE, encode_stop(Quantity.ECG, 1))
    try:
        yield from _record(context, ends_at, on_start, on_samples)
    except (RemoteProtocolError, SessionTimeout) as error:
        if not isinstance(error, Unacknowledged):
            yield from tell(stop)
        raise
    yield from tell(stop)


def _record(
    context: MeasureContext,
    ends_at: float,
    on_start: Callable[[int], None],
    on_samples: Callable[[tuple[int, ...]], None],
) -> Procedure[None]:
    start = c.packet(c.MEASURE, encode_start(Quantity.ECG, 1))
    reply = yield from ask(start, _ecg_started, what="start of the ECG")
    if len(reply.value) < 2:
        raise MessageError(f"start of an ECG in {len(reply.value)} bytes, 2 wanted")
    if reply.value[0] != _STARTED:
        raise DeviceRefused("the watch does not start an ECG now", reason="unknown")
    on_start(sampling_rate_hz(reply.value[1]))
    context.unframed(ECG_ENDING)
    try:
        while context.now().seconds < ends_at:
            message = yield from expect(_ecg_goes_on, what="more of the ECG", timeout_s=SILENCE_S)
            if message[:2] == c.ECG_LIVE:
                return
            count = len(message.value) // SAMPLE_BYTES
            on_samples(struct.unpack_from(f">{count}H", message.value))
    finally:
        context.unframed(None)


def _measure_ecg(context: MeasureContext) -> Procedure[None]:
    began = context.now().local
    rates: list[int] = []
    samples: list[int] = []
    yield from record_ecg(context, rates.append, samples.extend)
    if samples:
        context.publish(Ecg(began, 0, rates[0], tuple(samples), Method.LIVE))


def _stream(quantity: Quantity, intent: Measure, context: MeasureContext) -> Procedure[None]:
    minutes = min(MAX_MINUTES, max(1, math.ceil(intent.duration_s / 60)))
    yield from tell(c.packet(c.MEASURE, encode_start(quantity, minutes)))
    stop = c.packet(c.MEASURE, encode_stop(quantity, minutes))
    try:
        yield from _follow(quantity, intent, context)
    except _EndedByWatch as ended:
        raise ended.error from None
    except (RemoteProtocolError, SessionTimeout) as error:
        if not isinstance(error, Unacknowledged):
            yield from tell(stop)
        raise
    yield from tell(stop)


def _follow(quantity: Quantity, intent: Measure, context: MeasureContext) -> Procedure[None]:
    """Publish values until the time is over."""
    began = context.now().seconds
    ends_at = began + min(intent.duration_s, MAX_MINUTES * 60)
    published = 0
    while (now := context.now().seconds) < ends_at:
        gives_up_at = ends_at if published else min(ends_at, began + FIRST_VALUE_S)
        try:
            message = yield from expect(
                _measured, what=f"value of {intent.quantity}", timeout_s=gives_up_at - now
            )
        except SessionTimeout:
            if published:
                return
            raise
        if message[:2] == c.MEASURE_ENDED:
            raise _EndedByWatch(ended_by_watch(message.value))
        vitals = decode_measured(message.value, quantity, context.features)
        for reading in vitals.readings(context.now().local, Method.LIVE):
            if kind_of(reading).name == intent.quantity:
                context.publish(reading)
                published += 1
        if is_complete(vitals, quantity, context.features):
            return
    if not published:
        raise SessionTimeout(f"no value of {intent.quantity} in {intent.duration_s:g} s")


class _EndedByWatch(Exception):
    """The watch has ended it by itself, so that it must not be told to stop."""

    def __init__(self, error: DeviceRefused) -> None:
        super().__init__(str(error))
        self.error = error


def _ecg_started(message: Packet) -> Packet | None:
    if message[:2] == c.MEASURE_ENDED:
        raise ended_by_watch(message.value)
    return message if message[:2] == c.ECG_LIVE else None


def _ecg_goes_on(message: Packet) -> Packet | None:
    return message if message[:2] in (c.ITEM_DATA, c.ECG_LIVE) else None


def _measured(message: Packet) -> Packet | None:
    return message if message[:2] in (c.MEASURED, c.MEASURE_ENDED) else None
