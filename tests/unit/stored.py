"""A store with something of every sort in it, for what reads stores."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gatewayd.core.ingest import Ingest
from gatewayd.core.timeline import Timeline
from gatewayd.store import SqliteStore
from protocols.model.catalog import Category
from protocols.model.readings import (
    BatteryLevel,
    DayTotals,
    GpsTrack,
    HeartRate,
    Reading,
    SleepStage,
    Stage,
    StepInterval,
    TrackPoint,
    Workout,
    WorkoutSample,
    WorkoutSummary,
)
from protocols.model.time import DeviceTime, device_time
from protocols.session import Batch, Raw
from tests.unit.core.fakes import FakeBroker

LINE = Timeline(ZoneInfo("Europe/Berlin"))
DAY = device_time(2026, 7, 1)
RUN = device_time(2026, 7, 1, 18)
RUN_UTC_S = int(datetime(2026, 7, 1, 16, tzinfo=UTC).timestamp())
RECEIVED_UTC_S = 1_782_950_400.25
"""2026-07-02T00:00:00.250Z"""

TRACK_ID = "20260701180000000005"
OUTDOOR_RUN = Workout(
    RUN,
    "outdoor_run",
    5,
    1_200,
    1_800,
    3_000,
    210.4,
    track_id=TRACK_ID,
    samples=(
        WorkoutSample(60, 150, 160, 11.0, 121),
        WorkoutSample(120, 160, 170, 11.5, None),
    ),
    heart_rates=((0, 101), (90, 130), (100, 0)),
    summary=WorkoutSummary(mean_bpm=128, max_bpm=151),
)
TRACK = GpsTrack(
    RUN,
    TRACK_ID,
    5,
    (
        TrackPoint(0, 52.5, 13.4, 34, 9),
        TrackPoint(60, 52.501, 13.401, 35, 9),
        TrackPoint(400, 52.51, -13.41, -3, 7, new_segment=True),
    ),
)
INDOOR = Workout(device_time(2026, 7, 1, 20), "yoga", 41, 600, 0, 0, 30.0)


def readings() -> tuple[Reading, ...]:
    noon = device_time(2026, 7, 1, 12)
    return (
        *(HeartRate(DeviceTime(noon + 300 * k), 60 + k) for k in range(10)),
        StepInterval(noon, 300, 40, 28.5, 1.5),
        SleepStage(DAY, DeviceTime(DAY + 3_600), Stage.DEEP, DAY),
        DayTotals(DAY, 4_000, 2_800.0, 160.5, None, None, None),
        OUTDOOR_RUN,
        TRACK,
        INDOOR,
    )


async def filled(path: Path) -> SqliteStore:
    """Two watches: `alice` with everything, `bob` with one battery level. Still open."""
    store = await SqliteStore.open(path)
    everything = frozenset(Category)

    async def take(slug: str, *batches: Batch) -> None:
        watch = await store.know(f"AA:BB:CC:00:00:{len(slug):02}", slug, "fitcloud")
        ingest = Ingest(store, FakeBroker(), watch, LINE, everything, lambda: RECEIVED_UTC_S)
        for batch in batches:
            await ingest.take(batch)

    later = DayTotals(DAY, 5_000, 3_500.0, 200.0, None, None, None)
    other = HeartRate(device_time(2026, 7, 1, 12), 99)
    await take(
        "alice",
        Batch(readings(), Raw("fitcloud/item/3", b"\x01\xff", {"features": "1 5"}), naps=True),
        Batch((later, other)),
    )
    await take("bob", Batch((BatteryLevel(device_time(2026, 7, 1, 9), 80, charging=False),)))
    await store.delivered([1, 2, 3])
    return store


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]
