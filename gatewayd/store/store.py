"""The system of record: `Store` over one SQLite file."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from gatewayd.core.ports import Committed, KnownDevice, Outgoing, Row, StateValue, Tally
from gatewayd.store import devices, outbox, readings
from gatewayd.store.database import Database, Migration, Sync, open_for_reading, reported
from gatewayd.store.worker import Worker
from protocols.session import Raw

T = TypeVar("T")


class SqliteStore:
    """Implements `gatewayd.core.ports.Store`. Use `open`.

    One thread writes, and reads what writing depends on. A second one answers questions that may
    take long (history, counts), so that an export never keeps a live reading waiting.
    """

    def __init__(self, database: Database, writer: Worker) -> None:
        self._database = database
        self._writer = writer
        self._reading: tuple[Worker, sqlite3.Connection] | None = None

    @classmethod
    async def open(cls, path: Path, steps: Sequence[Migration] | None = None) -> Self:
        """Open or create the store at `path`; `steps` replace the packaged migrations.

        Raises StoreLocked, StoreDamaged, StoreNewer, StoreFull, StoreError, PermissionRefused.
        """
        writer = Worker("store-writer")
        try:
            database = await writer.run(partial(Database, path, steps))
        except BaseException:
            await writer.stop()
            raise
        writer.idle = database.fold
        return cls(database, writer)

    async def close(self) -> None:
        """Finish what was asked for, fold the log into the file, give the store free."""
        if self._reading is not None:
            reader, connection = self._reading
            await reader.run(connection.close)
            await reader.stop()
            self._reading = None
        try:
            await self._writer.run(self._database.close)
        finally:
            await self._writer.stop()

    async def know(self, identity: str, slug: str, protocol: str) -> KnownDevice:
        def work(connection: sqlite3.Connection) -> KnownDevice:
            return devices.know(connection, identity, slug, protocol)

        return await self._write(Sync.FULL, work)

    async def commit(
        self,
        device: KnownDevice,
        rows: Sequence[Row],
        state: Sequence[StateValue],
        raw: Raw | None,
        received_utc_s: float,
    ) -> Committed:
        def work(connection: sqlite3.Connection) -> Committed:
            source = (
                None if raw is None else readings.keep_raw(connection, device, raw, received_utc_s)
            )
            merged = readings.merge(connection, device, rows, source, received_utc_s)
            return Committed(
                merged.outgoing,
                merged.duplicates,
                merged.conflicts,
                devices.advance(connection, device, state),
            )

        return await self._write(Sync.FULL, work)

    async def readings(
        self, device: KnownDevice, kind: str, start_utc_s: int, end_utc_s: int
    ) -> Sequence[Row]:
        return await self._read(
            lambda connection: readings.between(connection, device, kind, start_utc_s, end_utc_s)
        )

    async def state(self, device: KnownDevice) -> Mapping[str, StateValue]:
        return await self._look(lambda connection: devices.state(connection, device))

    async def pending(self, after: int, limit: int) -> Sequence[Outgoing]:
        return await self._look(lambda connection: outbox.pending(connection, after, limit))

    async def delivered(self, sequences: Sequence[int]) -> None:
        if sequences:
            await self._write(Sync.NORMAL, lambda connection: outbox.remove(connection, sequences))

    async def tallies(self, device: KnownDevice) -> Sequence[Tally]:
        return await self._read(lambda connection: readings.tallies(connection, device))

    async def _write(self, sync: Sync, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._writer.run(partial(self._database.transact, sync, work))

    async def _look(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """A short query, in order with the writes."""
        return await self._writer.run(partial(self._database.query, work))

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """A query that may take long, beside the writes; it sees every commit that returned."""
        if self._reading is None:
            connection = open_for_reading(self._database.path)
            self._reading = (Worker("store-reader"), connection)
        reader, connection = self._reading

        def call() -> T:
            with reported(self._database.path):
                return work(connection)

        return await reader.run(call)
