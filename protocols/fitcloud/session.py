"""One connection to a FitCloud watch. Source: transport-and-data.md §4, §7, §8."""

from protocols.engine import Engine
from protocols.errors import (
    DeviceRefused,
    ProtocolError,
    RemoteProtocolError,
    UnsupportedIntent,
    WrongState,
)
from protocols.fitcloud import commands as c
from protocols.fitcloud.connect import Greeting, connect, read_configuration
from protocols.fitcloud.description import describe
from protocols.fitcloud.frame import Packet
from protocols.fitcloud.link import FrameLink
from protocols.fitcloud.measure import MeasureContext, measure
from protocols.fitcloud.messages.auth import decode_unbind_reply
from protocols.fitcloud.messages.battery import Battery, decode_battery
from protocols.fitcloud.messages.clock import encode_ts4
from protocols.fitcloud.messages.configuration import Configuration
from protocols.fitcloud.messages.event import EventKind, decode_event
from protocols.fitcloud.sync import CLOCK_TOLERANCE_S, SyncContext, synchronise
from protocols.model.consent import permitted
from protocols.model.events import ClockWanted, SyncWanted
from protocols.model.intents import Intent, Measure, ReadBattery, SetTime, Sync, Unbind
from protocols.model.readings import HeartRate, Reading
from protocols.model.time import DeviceTime, Moment
from protocols.procedure import Procedure, ask, tell
from protocols.session import (
    Anomaly,
    AnomalyKind,
    Batch,
    Close,
    Describe,
    Effect,
    LinkFacts,
    Raise,
    Receipt,
    SessionSettings,
    Settled,
    Ticket,
)


class FitCloudSession:
    """Implements `protocols.session.Session`. Intents wait until the watch is connected."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._link = FrameLink(settings.user_id)
        self._engine: Engine[Packet] = Engine(self._link, self._unsolicited)
        self._now = Moment(0.0, DeviceTime(0))
        self._configuration: Configuration | None = None
        self._opened = False
        self._owed: set[c.Key] = set()

    # --- inputs -------------------------------------------------------------------------------

    def opened(self, facts: LinkFacts, now: Moment) -> None:
        """Start the connection sequence. Raises WrongState when called twice."""
        if self._opened:
            raise WrongState("a session serves one connection")
        self._opened = True
        self._now = now
        self._link.opened(facts)
        self._engine.run(
            connect(self._settings, self._clock, self._link.heard), self._connected, now
        )

    def received(self, characteristic: str, data: bytes, now: Moment) -> None:
        """Bytes from the watch."""
        self._now = now
        self._engine.received(characteristic, data, now)

    def written(self, now: Moment) -> None:
        """The outstanding write was carried out."""
        self._now = now
        self._engine.written(now)

    def failed(self, error: ProtocolError, now: Moment) -> None:
        """The outstanding write was not carried out."""
        self._now = now
        self._engine.failed(error, now)

    def submit(self, ticket: Ticket, intent: Intent, now: Moment) -> None:
        """Queue an intent."""
        self._now = now

        def done(_: object, error: ProtocolError | None) -> None:
            self._engine.emit(Settled(ticket, error))

        self._engine.run(self._carry_out(intent), done, now)

    def confirm(self, receipt: Receipt, now: Moment) -> None:
        """A batch is durable."""
        self._now = now
        self._engine.confirm(receipt, now)

    def tick(self, now: Moment) -> None:
        """Time has passed."""
        self._now = now
        self._engine.tick(now)

    def closed(self, now: Moment) -> None:
        """The link is gone."""
        self._now = now
        self._engine.close(now)

    def deadline(self) -> float | None:
        """When `tick` is wanted."""
        return self._engine.deadline()

    def next_effect(self) -> Effect | None:
        """The next effect."""
        return self._engine.next_effect()

    # --- connection ---------------------------------------------------------------------------

    def _connected(self, greeting: Greeting | None, error: ProtocolError | None) -> None:
        if greeting is None:
            self._engine.emit(Close(error))
            return
        self._configuration = greeting.configuration
        self._engine.emit(Describe(describe(greeting.configuration, self._settings.consent)))

    def _reconfigured(self, configuration: Configuration | None, _: ProtocolError | None) -> None:
        self._owed.discard(c.CONFIGURATION_CHANGED)
        if configuration is not None:
            self._configuration = configuration
            self._engine.emit(Describe(describe(configuration, self._settings.consent)))

    # --- intents ------------------------------------------------------------------------------

    def _carry_out(self, intent: Intent) -> Procedure[None]:
        configuration = self._configuration
        if configuration is None:
            raise WrongState("the watch is not connected yet")
        match intent:
            case Sync():
                context = SyncContext(
                    configuration, self._settings.consent, self._clock, self._link.unframed
                )
                yield from synchronise(context)
            case ReadBattery():
                reply = yield from ask(
                    c.packet(c.BATTERY),
                    lambda p: p if p[:2] == c.BATTERY_REPLY else None,
                    what="battery level",
                )
                self._battery(decode_battery(reply.value))
            case SetTime():
                yield from self._set_time()
            case Measure():
                yield from measure(intent, self._measure_context(configuration))
            case Unbind():
                reply = yield from ask(
                    c.packet(c.UNBIND),
                    lambda p: p if p[:2] == c.UNBIND_REPLY else None,
                    what="unbinding",
                )
                if not decode_unbind_reply(reply.value):
                    raise DeviceRefused("the watch would not be unbound", reason="unknown")
            case _:
                raise UnsupportedIntent(f"a FitCloud watch cannot do {type(intent).__name__}")

    def _measure_context(self, configuration: Configuration) -> MeasureContext:
        return MeasureContext(
            features=configuration.device_info.features,
            consent=self._settings.consent,
            now=lambda: self._now,
            publish=self._publish,
            unframed=self._link.unframed,
        )

    def _set_time(self) -> Procedure[None]:
        yield from tell(c.packet(c.SET_TIME, encode_ts4(self._clock())))

    # --- what comes by itself -----------------------------------------------------------------

    def _unsolicited(self, message: Packet, now: Moment) -> None:
        try:
            match message[:2]:
                case c.EVENT:
                    self._event(message.value)
                case c.BATTERY_REPLY:
                    self._battery(decode_battery(message.value))
                case c.TIME_WANTED:
                    self._engine.emit(Raise(ClockWanted()))
                    if self._owes(c.TIME_WANTED):
                        self._engine.run(self._set_time(), self._time_told, now)
                case c.CONFIGURATION_CHANGED:
                    if self._owes(c.CONFIGURATION_CHANGED):
                        self._engine.run(read_configuration(), self._reconfigured, now)
                case c.MEASURED | c.MEASURE_ENDED:
                    pass  # left over from a measurement that has been stopped
                case _:
                    self._oddity(
                        AnomalyKind.UNKNOWN_MESSAGE, f"{message} of {len(message.value)} bytes"
                    )
        except RemoteProtocolError as error:
            self._oddity(AnomalyKind.BAD_MESSAGE, f"{message}: {error}")

    def _owes(self, wish: c.Key) -> bool:
        """Whether a wish of the watch is new; one that is repeated is fulfilled once."""
        if wish in self._owed:
            return False
        self._owed.add(wish)
        return True

    def _time_told(self, _: object, __: ProtocolError | None) -> None:
        """A courtesy: that it failed shows on the link soon enough."""
        self._owed.discard(c.TIME_WANTED)

    def _event(self, value: bytes) -> None:
        event = decode_event(value)
        if event is None:
            self._oddity(AnomalyKind.UNKNOWN_MESSAGE, f"event of {len(value)} bytes")
            return
        match event.data:
            case Battery():
                self._battery(event.data)
            case HeartRate(bpm=bpm, at=at) if bpm and at <= self._clock() + CLOCK_TOLERANCE_S:
                self._publish(event.data)
        if event.kind is EventKind.WORKOUT_FINISHED:
            self._engine.emit(Raise(SyncWanted()))

    def _battery(self, battery: Battery) -> None:
        reading = battery.reading(self._clock())
        if reading is None:
            self._oddity(AnomalyKind.IMPLAUSIBLE_VALUE, f"battery at {battery.level_pct} %")
        else:
            self._publish(reading)

    def _publish(self, reading: Reading) -> None:
        kept = permitted(reading, self._settings.consent)
        if kept is not None:
            self._engine.commit(Batch((kept,)))

    def _oddity(self, kind: AnomalyKind, detail: str) -> None:
        self._engine.emit(Anomaly(kind, detail))

    def _clock(self) -> DeviceTime:
        return self._now.local
