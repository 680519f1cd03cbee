"""The way up: a batch from a session becomes durable, and only then counts.

consent → times → one transaction (readings, raw bytes, outbox, state) → the publisher is told.
"""

from collections.abc import Callable, Collection, Sequence

from gatewayd.core.derived import last_night
from gatewayd.core.latest import latest_values
from gatewayd.core.ports import Broker, Committed, KnownDevice, Row, StateValue, Store
from gatewayd.core.rows import row_of, settled, times_of
from gatewayd.core.sleep import SEARCH_S, Session, night_of, sessions, undone
from gatewayd.core.timeline import Timeline
from gatewayd.logs import get_logger
from protocols.model.catalog import Category
from protocols.model.consent import all_permitted
from protocols.model.time import midnight
from protocols.session import Batch

_log = get_logger()


class Ingest:
    """One device's way into the store. Calls must not overlap (the driver makes one at a time)."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        device: KnownDevice,
        timeline: Timeline,
        consent: Collection[Category],
        wall_clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._broker = broker
        self._device = device
        self._timeline = timeline
        self._consent = consent
        self._wall_clock = wall_clock

    async def take(self, batch: Batch) -> Committed:
        """Make a batch durable. Raises StoreError, and then nothing of it was stored."""
        readings = all_permitted(batch.readings, self._consent)
        rows = [row_of(reading, self._timeline) for reading in readings]
        state = latest_values(readings, rows)
        stages = [row for row in rows if row.kind == "sleep_stage"]
        if stages:
            slept, of_sleep = await self._sleep(stages, naps=batch.naps)
            rows += of_sleep
            state += last_night(slept)
        committed = await self._store.commit(
            self._device, rows, state, batch.raw, self._wall_clock()
        )
        self._tell(committed)
        return committed

    async def synchronised(self) -> None:
        """A synchronisation has ended: `last_sync` in the state."""
        now = int(self._wall_clock())
        value = StateValue("last_sync", None, now)
        self._tell(await self._store.commit(self._device, (), (value,), None, now))

    def _tell(self, committed: Committed) -> None:
        if committed.conflicts:
            _log.warning(
                "conflicting_readings", device=self._device.slug, count=committed.conflicts
            )
        self._broker.offer(committed.outgoing)
        if committed.state is not None:
            self._broker.state(self._device.slug, committed.state)

    async def _sleep(
        self, stages: Sequence[Row], *, naps: bool
    ) -> tuple[Sequence[Session], Sequence[Row]]:
        """The sessions of all days that new stages belong, or belonged, to; and their rows, with
        those of the stored sessions that are none any more."""
        nights = {night_of(row) for row in stages}
        midnights = [self._timeline.utc_s(midnight(night)) for night in nights]
        span = (min(midnights) - SEARCH_S, max(midnights) + SEARCH_S)
        known = {
            row.key: row for row in await self._store.readings(self._device, "sleep_stage", *span)
        }
        for stage in stages:
            before = known.get(stage.key)
            if before is not None:
                nights.add(night_of(before))
            known[stage.key] = stage if before is None else settled(stage, times_of(before))
        found = sessions((row for row in known.values() if night_of(row) in nights), naps=naps)
        rows = [session.row(self._timeline) for session in found]
        earlier = [
            row
            for row in await self._store.readings(self._device, "sleep_session", *span)
            if night_of(row) in nights
        ]
        return found, [*rows, *undone(earlier, {row.key for row in rows}, self._timeline)]
