"""The way up: a batch from a session becomes durable, and only then counts.

consent → times → one transaction (readings, raw bytes, outbox, state) → the publisher is told.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from gatewayd.core.derived import last_night
from gatewayd.core.ports import Broker, Committed, KnownDevice, Row, StateValue, Store
from gatewayd.core.rows import row_of
from gatewayd.core.timeline import Timeline
from gatewayd.logs import get_logger
from protocols.model.catalog import Category, kind_of
from protocols.model.consent import all_permitted
from protocols.model.readings import Reading, SleepStage
from protocols.session import Batch

_log = get_logger()
_DAY_S: Final = 86_400


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
        state = [*latest_values(readings, rows), *await self._sleep(readings, rows)]
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
        self, readings: Sequence[Reading], rows: Sequence[Row]
    ) -> Sequence[StateValue]:
        new = [row for reading, row in zip(readings, rows, strict=True) if _is_sleep(reading)]
        if not new:
            return ()
        first = min(row.start_utc_s for row in new)
        last = max(row.start_utc_s for row in new)
        stored = await self._store.readings(
            self._device, "sleep_stage", first - _DAY_S, last + _DAY_S
        )
        return last_night([*stored, *new])


def latest_values(readings: Sequence[Reading], rows: Sequence[Row]) -> list[StateValue]:
    """The newest value of each of the catalogue's measures in a batch."""
    newest: dict[str, StateValue] = {}
    for reading, row in zip(readings, rows, strict=True):
        at = row.start_utc_s if row.end_utc_s is None else row.end_utc_s
        for measure in kind_of(reading).measures:
            value = measure.value(reading)
            known = newest.get(measure.key)
            if value is not None and (known is None or at >= known.at_utc_s):
                newest[measure.key] = StateValue(measure.key, value, at)
    return list(newest.values())


def _is_sleep(reading: Reading) -> bool:
    return isinstance(reading, SleepStage)
