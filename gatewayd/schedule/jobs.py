"""Periodic work, by APScheduler: synchronisation, battery, and the watch's clock.

Jobs live in memory only, since the configuration says all about them. A job merely notes that
something is wanted; a watch that is away catches up when it is back, once.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, tzinfo
from typing import Final, NamedTuple

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from protocols.model.intents import Intent, ReadBattery, SetTime, Sync

SPREAD_S: Final = 30
"""Random shift of periodic work, so that several watches do not want the radio at once."""

CLOCK_HOUR: Final = 3
CLOCK_MINUTE: Final = 5
"""Shortly after the hour at which most zones change their clocks."""


class Scheduled(NamedTuple):
    """Whom to ask, and by which zone its days go."""

    request: Callable[[type[Intent]], None]
    zone: tzinfo


@contextmanager
def schedule(
    devices: Sequence[Scheduled], *, sync_every_min: int, battery_every_min: int
) -> Iterator[AsyncIOScheduler]:
    """Run the jobs for as long as the context is open. Needs a running event loop."""
    scheduler = AsyncIOScheduler(
        timezone=UTC, job_defaults={"coalesce": True, "misfire_grace_time": None}
    )
    for device in devices:
        scheduler.add_job(
            device.request,
            IntervalTrigger(minutes=sync_every_min, jitter=SPREAD_S, timezone=UTC),
            args=(Sync,),
        )
        scheduler.add_job(
            device.request,
            IntervalTrigger(minutes=battery_every_min, jitter=SPREAD_S, timezone=UTC),
            args=(ReadBattery,),
        )
        scheduler.add_job(
            device.request,
            CronTrigger(hour=CLOCK_HOUR, minute=CLOCK_MINUTE, timezone=device.zone),
            args=(SetTime,),
        )
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.shutdown(wait=False)
