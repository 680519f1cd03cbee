"""Reads along in a conversation between a FitCloud watch and any app.

Source: transport-and-data.md §2–§4, §7–§10. The frames are those of `receiver`, the items those of
`sync`; what differs is that here nobody answers, and that both sides are heard.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Final

from protocols.errors import RemoteProtocolError
from protocols.fitcloud import commands as c
from protocols.fitcloud.connect import CONFIRMATION_TIMEOUT_S
from protocols.fitcloud.features import Features
from protocols.fitcloud.frame import (
    Packet,
    decode_ack,
    decode_packets,
)
from protocols.fitcloud.measure_watch import MeasureWatch
from protocols.fitcloud.messages.battery import Battery, decode_battery
from protocols.fitcloud.messages.clock import decode_ts4
from protocols.fitcloud.messages.configuration import Configuration, decode_configuration
from protocols.fitcloud.messages.event import EventKind, decode_event
from protocols.fitcloud.messages.limits import Limits
from protocols.fitcloud.messages.push_events import decode_push
from protocols.fitcloud.messages.totals import decode_daily_hrv, decode_resting, decode_totals
from protocols.fitcloud.passive_cipher import Keys
from protocols.fitcloud.plan import BLOOD_PRESSURE, ECG, SLEEP, SPORT, STEPS
from protocols.fitcloud.raw_stream import ITEM_ENDING, RawStream
from protocols.fitcloud.receiver import Incoming, Receiver
from protocols.fitcloud.records.context import END_OF_TIME
from protocols.fitcloud.records.table import RecordContext, decode
from protocols.fitcloud.sync import CLOCK_TOLERANCE_S, MAX_ITEM_BYTES, decode_waiting
from protocols.model.events import ClockWanted, ConfirmationNeeded, SyncStarted, SyncWanted
from protocols.model.readings import HeartRate, Reading
from protocols.model.time import DeviceTime, Moment
from protocols.observer import Observation
from protocols.session import Anomaly, AnomalyKind, Batch, Raise

NEEDS_FEATURES: Final = frozenset({STEPS, SLEEP, BLOOD_PRESSURE, SPORT})
"""Items whose layout depends on what the watch says of itself."""

MAX_UNREAD_KEYS: Final = 512

_CONVERSATION: Final = frozenset(
    {
        c.BIND_REPLY,
        c.LOGIN_REPLY,
        c.UNBIND_REPLY,
        c.ECG_STATE_REPLY,
        c.EXTRA_FIRMWARE_REPLY,
        c.CONFIGURATION_CHANGED,
    }
)
"""Keys of the watch that tell nothing which an owner would want to see."""


class FitCloudObserver:
    """Implements `protocols.observer.Observer`. Holds one frame a side and one item."""

    def __init__(self) -> None:
        self._watch = Receiver()
        self._host = Receiver()
        self._raw: RawStream | None = None
        self._keys = Keys(self._watch, self._host)
        self._now = Moment(0.0, DeviceTime(0))
        self._ahead_s: int | None = None
        self._configuration: Configuration | None = None
        self._asked: int | None = None
        self._item: bytearray | None = None
        self._measure = MeasureWatch()
        self._seen: deque[Observation] = deque()
        self._unread: Counter[str] = Counter()

    # --- inputs -------------------------------------------------------------------------------

    def opened(self, address: str | None, at: Moment) -> None:
        """The address is a part of the key of encrypted frames."""
        self._keys.address = address
        self._now = at

    def written(self, characteristic: str, data: bytes, at: Moment) -> bool:
        """What the host says."""
        if characteristic != c.WRITE:
            return False
        self._now = at
        self._keys.before(data, to_watch=True)
        self._take("host", self._host.tick(at.seconds))
        for message in self._messages("host", self._host.feed(data, at.seconds)):
            try:
                self._asks(message)
            except RemoteProtocolError as error:
                self._oddity(AnomalyKind.BAD_MESSAGE, f"host, {message}: {error}")
        return True

    def notified(self, characteristic: str, data: bytes, at: Moment) -> bool:
        """What the watch says."""
        if characteristic != c.NOTIFY:
            return False
        self._now = at
        if self._raw is not None:
            self._samples(self._raw, data)
            return True
        self._keys.before(data, to_watch=False)
        self._take("watch", self._watch.tick(at.seconds))
        for message in self._messages("watch", self._watch.feed(data, at.seconds)):
            self._hear(message)
        return True

    def closed(self, at: Moment) -> None:
        """What was under way is reported as not complete."""
        self._now = at
        self._abandon("the connection ended")
        self._publish(self._measure.end())

    # --- outputs ------------------------------------------------------------------------------

    def next_observation(self) -> Observation | None:
        """The next one."""
        return self._seen.popleft() if self._seen else None

    def unread(self) -> Mapping[str, int]:
        """Keys, as `02/9A`; what is known by name has it, as `02/9A find_phone`."""
        return self._unread

    # --- frames -------------------------------------------------------------------------------

    def _take(self, side: str, incoming: Incoming) -> None:
        if incoming.oddity is not None:
            self._oddity(incoming.oddity.kind, f"{side}: {incoming.oddity.detail}")

    def _messages(self, side: str, incoming: Incoming) -> Iterable[Packet]:
        self._take(side, incoming)
        if incoming.payload is None:
            return ()
        messages = tuple(decode_packets(incoming.payload))
        if not messages:
            what = f"{side}: a packet of {len(incoming.payload)} bytes without a whole key"
            self._oddity(AnomalyKind.BAD_MESSAGE, what)
        return messages

    def _samples(self, stream: RawStream, data: bytes) -> None:
        if not stream.begun and decode_ack(data) is not None:
            return
        taken = stream.feed(data)
        for part in taken.samples:
            if self._item is not None:
                self._append(part)
            else:
                self._measure.samples(part)
        if taken.ended is not None:
            self._raw = None
            self._hear(taken.ended.packet)

    # --- the host -----------------------------------------------------------------------------

    def _asks(self, message: Packet) -> None:
        match message[:2]:
            case c.LOGIN | c.BIND:
                self._keys.identified(message.value)
                if message[:2] == c.BIND:
                    self._seen.append(Raise(ConfirmationNeeded(CONFIRMATION_TIMEOUT_S)))
            case c.SET_TIME:
                self._ahead_s = decode_ts4(message.value) - self._now.local
            case c.ITEM_REQUEST:
                self._abandon("the host asked for another item")
                self._asked = message.value[0] if len(message.value) == 1 else None
            case c.MEASURE:
                self._raw = None
                self._publish(self._measure.asked(message.value, self._clock()))
            case _:
                pass

    # --- the watch ----------------------------------------------------------------------------

    def _hear(self, message: Packet) -> None:
        try:
            self._understand(message)
        except RemoteProtocolError as error:
            self._oddity(AnomalyKind.BAD_MESSAGE, f"{message}: {error}")

    def _understand(self, message: Packet) -> None:
        value = message.value
        match message[:2]:
            case c.ITEM_START:
                self._start_item()
            case c.ITEM_DATA:
                self._append(value)
            case c.ITEM_END:
                self._end_item(value)
            case c.CONFIGURATION_REPLY:
                self._configuration = decode_configuration(value)
            case c.WAITING_REPLY:
                self._seen.append(Raise(SyncStarted(max(0, decode_waiting(value)))))
            case c.TIME_WANTED:
                self._seen.append(Raise(ClockWanted()))
            case c.EVENT:
                self._event(message)
            case c.MEASURED | c.MEASURE_ENDED | c.ECG_LIVE:
                self._measured(message)
            case _:
                if not self._told_at_once(message):
                    self._other(message)

    def _told_at_once(self, message: Packet) -> bool:
        """Whether it is one of the replies that are readings by themselves."""
        value = message.value
        match message[:2]:
            case c.BATTERY_REPLY:
                self._battery(decode_battery(value))
            case c.DAY_TOTALS_REPLY:
                totals = decode_totals(value)
                self._publish(() if totals is None else (totals.reading(self._clock()),))
            case c.RESTING_HEART_RATE_REPLY:
                self._publish(decode_resting(value))
            case c.DAILY_HRV_REPLY:
                self._publish(decode_daily_hrv(value) or ())
            case _:
                return False
        return True

    def _measured(self, message: Packet) -> None:
        heard = self._measure.heard(message, self._features, self._clock())
        self._publish(heard.readings)
        if heard.raw is not None:
            self._raw = RawStream(heard.raw)

    def _event(self, message: Packet) -> None:
        event = decode_event(message.value)
        if event is None:
            self._count(f"{message}")
            return
        match event.data:
            case Battery():
                self._battery(event.data)
            case HeartRate(bpm=bpm, at=at) if bpm and at <= (self._latest() or at):
                self._publish((event.data,))
        if event.kind is EventKind.WORKOUT_FINISHED:
            self._seen.append(Raise(SyncWanted()))

    def _battery(self, battery: Battery) -> None:
        reading = battery.reading(self._clock())
        if reading is None:
            what = f"battery at {battery.level_pct} %"
            self._oddity(AnomalyKind.IMPLAUSIBLE_VALUE, what)
        else:
            self._publish((reading,))

    def _other(self, message: Packet) -> None:
        if message[:2] in _CONVERSATION:
            return
        if message.command not in c.COMMANDS:
            self._oddity(AnomalyKind.UNKNOWN_MESSAGE, f"{message}, which is no FitCloud key")
        pushed = decode_push(*message)
        self._count(f"{message}" if pushed is None else f"{message} {pushed.kind}")

    # --- items --------------------------------------------------------------------------------

    def _start_item(self) -> None:
        if self._item is not None:
            return  # the watch may start again within an item, as in `sync.transfer`
        self._item = bytearray()
        if self._asked == ECG:
            self._raw = RawStream(ITEM_ENDING)

    def _append(self, data: bytes) -> None:
        if self._item is None:
            self._oddity(AnomalyKind.UNKNOWN_MESSAGE, "data of an item without its start")
        elif len(self._item) + len(data) > MAX_ITEM_BYTES:
            self._abandon("it is larger than any watch")
        else:
            self._item += data

    def _end_item(self, value: bytes) -> None:
        stream, type_id = self._item, self._asked
        self._item = self._asked = None
        if stream is None:
            self._oddity(AnomalyKind.UNKNOWN_MESSAGE, "end of an item without its start")
            return
        name = "an item that was not asked for" if type_id is None else f"item {type_id}"
        count = int.from_bytes(value, "big") if len(value) == 4 else 0
        if count != len(stream):
            what = f"{name}: {len(stream)} bytes arrived, the watch counts {count}"
            self._oddity(AnomalyKind.COUNT_MISMATCH, what)
        elif type_id is None:
            what = f"{len(stream)} bytes of an item whose request is not in the trace"
            self._oddity(AnomalyKind.UNKNOWN_MESSAGE, what)
        elif stream:
            self._decode_item(type_id, bytes(stream))

    def _decode_item(self, type_id: int, stream: bytes) -> None:
        configuration = self._configuration
        if configuration is None and type_id in NEEDS_FEATURES:
            what = (
                f"item {type_id}: {len(stream)} bytes, whose layout depends on features that the"
                " watch tells when it is connected; that is not in the trace"
            )
            self._oddity(AnomalyKind.UNKNOWN_MESSAGE, what)
            return
        limits = Limits() if configuration is None else configuration.limits
        context = RecordContext(
            features=self._features or Features(),
            heart_rate_bytes_per_item=limits.heart_rate_bytes_per_sport_item,
            not_after=self._latest(),
        )
        try:
            decoded = decode(type_id, stream, context)
        except RemoteProtocolError as error:
            what = f"item {type_id}: {len(stream)} bytes could not be decoded: {error}"
            self._oddity(AnomalyKind.BAD_MESSAGE, what)
            return
        for kind, detail in decoded.oddities:
            self._oddity(kind, f"item {type_id}: {detail}")
        self._publish(decoded.readings)

    def _abandon(self, why: str) -> None:
        self._raw = None
        item, self._item = self._item, None
        if item is not None:
            what = f"item {self._asked} is not complete after {len(item)} bytes: {why}"
            self._oddity(AnomalyKind.TRUNCATED, what)
        self._asked = None

    # --- inside -------------------------------------------------------------------------------

    def _publish(self, readings: tuple[Reading, ...]) -> None:
        if readings:
            self._seen.append(Batch(readings))

    def _oddity(self, kind: AnomalyKind, detail: str) -> None:
        self._seen.append(Anomaly(kind, detail))

    def _count(self, name: str) -> None:
        if name in self._unread or len(self._unread) < MAX_UNREAD_KEYS:
            self._unread[name] += 1

    @property
    def _features(self) -> Features | None:
        return None if self._configuration is None else self._configuration.device_info.features

    def _clock(self) -> DeviceTime:
        """What the watch's face shows: it was told, and the trace's own clock may lie."""
        return DeviceTime(min(END_OF_TIME, max(0, self._now.local + (self._ahead_s or 0))))

    def _latest(self) -> DeviceTime | None:
        """The latest credible time, None as long as the watch's clock is not known."""
        if self._ahead_s is None:
            return None
        return DeviceTime(self._clock() + CLOCK_TOLERANCE_S)
