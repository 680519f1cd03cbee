"""Reading a store from another process, also while the daemon writes to it.

Opened read-only and without the daemon's lock: WAL lets any number read beside one writer. Every
reader sees the store as it was when it was opened, however long it takes.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Self
from urllib.parse import quote

from gatewayd.core.ports import KnownDevice, Outgoing, Tally
from gatewayd.errors import PermissionRefused, StoreDamaged, StoreError, StoreNewer
from gatewayd.store import outbox, readings
from gatewayd.store.database import APPLICATION_ID, migrations, reported

_BUSY_MS: Final = 5_000
_ROWS_AT_ONCE: Final = 1_000


class StoredDevice(NamedTuple):
    """A device that has been served. `last_received_utc_s` is when its last reading came."""

    known: KnownDevice
    protocol: str
    last_received_utc_s: float | None
    tallies: tuple[Tally, ...]


class Wanted(NamedTuple):
    """Which readings: by slugs and kinds (None: all), by start in the half-open interval.

    `latest` keeps that many, the newest; `revisions` adds those that were replaced since.
    """

    devices: Collection[str] | None = None
    kinds: Collection[str] | None = None
    since_utc_s: float | None = None
    until_utc_s: float | None = None
    latest: int | None = None
    revisions: bool = False


class Conflict(NamedTuple):
    """Another value that came for a reading that never changes; `fields` is a JSON object."""

    slug: str
    kind: str
    start_utc_s: int
    end_utc_s: int | None
    utc_offset_s: int
    fields: str
    verified: bool
    received_utc_s: float


class RawBytes(NamedTuple):
    """What readings were decoded from; `context` is a JSON object."""

    slug: str
    source: str
    context: str
    data: bytes
    received_utc_s: float


class StoreReader:
    """One view of a store. Use `open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Raises StoreError (there is none), StoreDamaged, StoreNewer, PermissionRefused."""
        connection = _connect(path)
        try:
            yield cls(path, connection)
        finally:
            connection.close()

    @property
    def schema(self) -> int:
        """Version of the store's schema."""
        with reported(self.path):
            return _pragma(self._connection, "user_version")

    def devices(self) -> Sequence[StoredDevice]:
        """All devices, by slug."""
        with reported(self.path):
            rows = self._connection.execute(
                "SELECT number, identity, slug, protocol,"
                " (SELECT max(received_utc_s) FROM reading WHERE device = device.number)"
                " FROM device ORDER BY slug"
            ).fetchall()
            return [
                StoredDevice(
                    known := KnownDevice(number, identity, slug),
                    protocol,
                    last,
                    tuple(readings.tallies(self._connection, known)),
                )
                for number, identity, slug, protocol, last in rows
            ]

    def kinds(self) -> Sequence[str]:
        """Names of the kinds that are stored, in order."""
        with reported(self.path):
            rows = self._connection.execute("SELECT DISTINCT kind FROM reading ORDER BY kind")
            return [kind for (kind,) in rows]

    def readings(self, wanted: Wanted) -> Iterator[Outgoing]:
        """In order of start. `sequence` is 0: these do not go out."""
        where, values = _conditions(wanted)
        newest_first = " DESC" if wanted.latest is not None else ""
        query = (
            "SELECT identity, slug, kind, key, revision, start_utc_s, end_utc_s, utc_offset_s,"  # noqa: S608 - only placeholders are put in
            " fields, verified, received_utc_s"
            " FROM reading AS this JOIN device ON device.number = this.device"
            f"{where} ORDER BY start_utc_s{newest_first}, this.number{newest_first}"
        )
        if wanted.latest is None:
            yield from map(_outgoing, self._rows(query, values))
        else:
            found = [*self._rows(f"{query} LIMIT ?", [*values, wanted.latest])]
            yield from map(_outgoing, reversed(found))

    def conflicts(self) -> Iterator[Conflict]:
        """All of them, in the order in which they came."""
        query = (
            "SELECT slug, kind, start_utc_s, end_utc_s, utc_offset_s, fields, verified,"
            " received_utc_s FROM conflict JOIN device ON device.number = conflict.device"
            " ORDER BY conflict.number"
        )
        for row in self._rows(query, ()):
            conflict = Conflict._make(row)
            yield conflict._replace(verified=bool(conflict.verified))

    def raw(self) -> Iterator[RawBytes]:
        """All bytes that were kept, in the order in which they came."""
        query = (
            "SELECT slug, source, context, data, received_utc_s"
            " FROM raw JOIN device ON device.number = raw.device ORDER BY raw.number"
        )
        yield from map(RawBytes._make, self._rows(query, ()))

    def _rows(self, query: str, values: Sequence[object]) -> Iterator[tuple[object, ...]]:
        with reported(self.path):
            cursor = self._connection.execute(query, values)
        while True:
            # not around the whole loop: what a caller raises is not the store's fault
            with reported(self.path):
                rows = cursor.fetchmany(_ROWS_AT_ONCE)
            if not rows:
                return
            yield from rows


def _outgoing(row: tuple[object, ...]) -> Outgoing:
    identity, slug, kind, key, revision, start, end, offset, fields, verified, received = row
    known = KnownDevice(0, str(identity), str(slug))
    return Outgoing(
        sequence=0,
        slug=known.slug,
        reading_id=outbox.reading_id(known, str(kind), str(key), _int(revision)),
        kind=str(kind),
        start_utc_s=_int(start),
        end_utc_s=None if end is None else _int(end),
        utc_offset_s=_int(offset),
        values=str(fields),
        verified=bool(verified),
        revision=_int(revision),
        received_utc_s=float(str(received)),
    )


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("the schema is strict, and says that this is an integer")
    return value


def _conditions(wanted: Wanted) -> tuple[str, list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    for column, names in (("slug", wanted.devices), ("kind", wanted.kinds)):
        if names is not None:
            conditions.append(f"{column} IN ({', '.join('?' * len(names))})")
            values += names
    for comparison, limit in ((">=", wanted.since_utc_s), ("<", wanted.until_utc_s)):
        if limit is not None:
            conditions.append(f"start_utc_s {comparison} ?")
            values.append(limit)
    if not wanted.revisions:
        conditions.append(
            "NOT EXISTS (SELECT 1 FROM reading AS later WHERE later.device = this.device"
            " AND later.kind = this.kind AND later.key = this.key"
            " AND later.revision > this.revision)"
        )
    return f" WHERE {' AND '.join(conditions)}" if conditions else "", values


def _connect(path: Path) -> sqlite3.Connection:
    """Open, check that it is ours, and begin the one transaction that fixes the view."""
    try:
        if not path.exists():
            raise StoreError(
                f"There is no store at {path}",
                "It is made by the first gatewayd run; is this the right configuration?",
            )
        connection = _open(path, "mode=ro")
        try:
            _begin(connection)
        except sqlite3.OperationalError:
            connection.close()
            if Path(f"{path}-wal").exists():
                raise
            # a directory that we may not write to, and nobody who writes: it does not change
            connection = _open(path, "mode=ro&immutable=1")
            _begin(connection)
    except PermissionError as error:
        raise _closed_to_us(path) from error
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in {
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_PERM,
            sqlite3.SQLITE_READONLY,
        }:
            raise _closed_to_us(path) from error
        with reported(path):
            raise
    except sqlite3.Error:
        with reported(path):
            raise
    try:
        _check(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True, isolation_level=None)


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("BEGIN")
    _pragma(connection, "user_version")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    with reported(path):
        if _pragma(connection, "application_id") != APPLICATION_ID:
            raise StoreDamaged(f"{path} is not a store of gatewayd", "Name another file")
        known = migrations()[-1].version
        if _pragma(connection, "user_version") > known:
            raise StoreNewer(
                f"The store {path} was written by a newer gatewayd",
                "Use that version for reading, too",
            )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def _closed_to_us(path: Path) -> PermissionRefused:
    return PermissionRefused(
        f"The store {path} cannot be read",
        "Run this command as the user that gatewayd runs as",
    )
