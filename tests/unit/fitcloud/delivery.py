"""A session, a virtual watch and what the owner has in the end, for the tests beside this file."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache

from protocols.errors import ProtocolError
from protocols.fitcloud.session import FitCloudSession
from protocols.model.catalog import Category
from protocols.model.intents import Sync
from protocols.model.readings import (
    BatteryLevel,
    DayTotals,
    HeartRate,
    Method,
    OxygenSaturation,
    Reading,
    RestingHeartRate,
    SleepScore,
    SleepStage,
    Stage,
    StepInterval,
    Stress,
    Workout,
)
from protocols.model.time import DeviceTime, Moment, from_datetime, to_datetime
from protocols.session import LinkFacts, Property, SessionSettings
from protocols.testing.duet import Action, Duet, in_order
from protocols.testing.virtual_watch import (
    MODERN,
    NOTIFY_UUID,
    SERVICE_UUID,
    WRITE_UUID,
    Entry,
    Faults,
    History,
    VirtualWatch,
    WatchProfile,
    build_history,
)

NOW = datetime(2026, 3, 10, 21, 0)  # noqa: DTZ001 - a watch knows no time zone
USER = "me@example.org"
HEALTH = frozenset(Category)
SETTINGS = SessionSettings(USER, consent=HEALTH)
FACTS = LinkFacts(
    address="C0:FF:EE:00:00:01",
    name="P6_VIRTUAL",
    write_size=244,
    services=frozenset({SERVICE_UUID}),
    characteristics={WRITE_UUID: Property.WRITE, NOTIFY_UUID: Property.NOTIFY},
)
START = Moment(100.0, from_datetime(NOW))

_STATUS = {Stage.DEEP: 1, Stage.LIGHT: 2, Stage.AWAKE: 3, Stage.REM: 4}


@lru_cache
def history(days: int = 2, profile: WatchProfile = MODERN) -> History:
    return build_history(NOW, days=days, profile=profile)


def watch(
    days: int = 2,
    profile: WatchProfile = MODERN,
    faults: Faults = Faults(),  # noqa: B008 - frozen
    **options: object,
) -> VirtualWatch:
    return VirtualWatch(
        history(days, profile),
        profile=profile,
        faults=faults,
        **{"bound_user": USER, **options},  # type: ignore[arg-type]
    )


def connect(
    peripheral: VirtualWatch,
    settings: SessionSettings = SETTINGS,
    *,
    start: Moment = START,
    choose: Callable[[Sequence[Action]], Action] = in_order,
    auto_confirm: bool = True,
) -> Duet:
    session = FitCloudSession(settings)
    return Duet(session, peripheral, FACTS, start=start, choose=choose, auto_confirm=auto_confirm)


def synchronise(duet: Duet) -> ProtocolError | None:
    """Submit a sync and run it to its end; gives the error it ended with."""
    ticket = duet.submit(Sync())
    assert duet.run(until=lambda: ticket in duet.settled)
    return duet.settled[ticket]


class Owner:
    """Keeps whatever becomes durable, over as many connections as it takes."""

    def __init__(self, peripheral: VirtualWatch, *, connections: int = 6) -> None:
        self.peripheral = peripheral
        self.now = START
        self.readings: list[Reading] = []
        self.connections = connections

    def fetch(self) -> int:
        """Connect and synchronise until nothing is left; gives the number of connections."""
        for number in range(1, self.connections + 1):
            duet = self.connect()
            error = synchronise(duet)
            self.keep(duet)
            if error is None:
                return number
        raise AssertionError(f"not done after {self.connections} connections: {error}")

    def connect(self, choose: Callable[[Sequence[Action]], Action] = in_order) -> Duet:
        """The next connection. What is durable stays so, for the duet's check of erasures."""
        return connect(self.peripheral, start=self.now, choose=choose)

    def keep(self, duet: Duet, *, stored: bool = False) -> None:
        """Lose the link, keep what is durable."""
        duet.cut(stored=stored)
        assert duet.early_erasures == []
        self.readings += duet.readings
        self.now = Moment(duet.now.seconds + 5, DeviceTime(duet.now.local + 5))


def delivered(readings: Iterable[Reading]) -> Counter[Entry]:
    """Readings in the virtual watch's own words."""
    return Counter(_entry(reading) for reading in readings)


def held(entries: Iterable[Entry]) -> Counter[Entry]:
    """Entries as a faithful gateway delivers them; totals are told in whole metres."""
    return Counter(
        entry._replace(details=(entry.details[0] // 100, *entry.details[1:]))
        if entry.kind == "day_totals"
        else entry
        for entry in entries
    )


def _entry(reading: Reading) -> Entry:
    match reading:
        case StepInterval():
            extra: tuple[int, ...] = ()
            if reading.distance_m is not None and reading.energy_kcal is not None:
                extra = (round(reading.distance_m * 100), round(reading.energy_kcal * 1000))
            end = DeviceTime(reading.start + reading.duration_s)
            return Entry("steps", _wall(reading.start), reading.steps, _wall(end), extra)
        case HeartRate():
            kind = "spot_heart_rate" if reading.method is Method.SPOT else "heart_rate"
            return Entry(kind, _wall(reading.at), reading.bpm)
        case RestingHeartRate():
            return Entry("resting_heart_rate", _wall(reading.at), reading.bpm)
        case SleepStage():
            status = _STATUS[reading.stage]
            return Entry("sleep_stage", _wall(reading.start), status, _wall(reading.end))
        case SleepScore():
            detail = (reading.efficiency_pct,)
            return Entry("sleep_score", _wall(reading.at), reading.score, None, detail)
        case DayTotals():
            detail = (round(reading.distance_m), round(reading.energy_kcal * 1000))
            return Entry("day_totals", _wall(reading.day), reading.steps, None, detail)
        case Workout():
            end = DeviceTime(reading.start + reading.duration_s)
            details = (
                reading.steps,
                reading.distance_m,
                round(reading.energy_kcal * 1000),
                reading.duration_s,
            )
            code = reading.sport_code
            return Entry("workout", _wall(reading.start), code, _wall(end), details)
        case BatteryLevel():
            return Entry("battery", _wall(reading.at), reading.level_pct)
        case OxygenSaturation():
            return Entry("blood_oxygen", _wall(reading.at), reading.spo2_pct)
        case Stress():
            return Entry("stress", _wall(reading.at), reading.score)
        case _:
            raise AssertionError(f"no virtual watch holds {reading}")


def _wall(at: DeviceTime) -> datetime:
    return to_datetime(at)
