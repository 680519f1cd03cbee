"""One SQLite file: its lock, its schema, its transactions and what its errors mean.

WAL, and two levels of durability. A commit of readings is `synchronous=FULL`: the log is on the
medium when it returns, because the watch may forget at once. An acknowledgement by the broker is
`synchronous=NORMAL`: no sync of its own. That cannot harm a reading, since the log is one file in
order of commit: it is replayed only up to the first frame that did not reach the medium, so a
FULL commit also carries every NORMAL one before it, and a power cut can take back only the last
acknowledgements. Their readings are then published once more under the same id.
"""

import fcntl
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from gatewayd.errors import (
    GatewayError,
    PermissionRefused,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreNewer,
)

T = TypeVar("T")

APPLICATION_ID: Final = 0x67776474
"""Marks the file as ours ("gwdt" in ASCII), in the place that SQLite's format has for that."""

_HEADER: Final = b"SQLite format 3\x00"
_BUSY_MS: Final = 5_000
_OWNER_ONLY: Final = 0o600

_COMMITS_PER_CHECKPOINT: Final = 100
_CHECKPOINT_PAGES: Final = 4_000
"""A log of that many pages is folded in by the very commit that finds it: a sync never pauses."""


class Sync(StrEnum):
    """How far a commit must have got when it returns."""

    FULL = "FULL"
    NORMAL = "NORMAL"


class Migration(NamedTuple):
    """The script that leads to schema `version` from the one before."""

    version: int
    script: str


def migrations() -> tuple[Migration, ...]:
    """The packaged scripts `NNNN_subject.sql`, in order."""
    found = [
        Migration(int(number[1]), entry.read_text("utf-8"))
        for entry in (files("gatewayd.store") / "migrations").iterdir()
        if (number := re.fullmatch(r"(\d{4})_\w+\.sql", entry.name)) is not None
    ]
    return tuple(sorted(found))


class Database:
    """An open, locked and migrated database. All methods belong to the thread that opened it."""

    def __init__(self, path: Path, steps: Sequence[Migration] | None = None) -> None:
        """Open or create. Raises StoreLocked, StoreDamaged, StoreNewer, StoreFull, StoreError."""
        self.path = path
        self._sync: Sync | None = None
        self._unfolded = 0
        self._lock = _lock(path)
        try:
            with reported(path):
                self.connection = _connect(path)
                try:
                    _check(self.connection, path)
                    _migrate(self.connection, path, migrations() if steps is None else steps)
                    self.connection.execute("PRAGMA foreign_keys = ON")
                except BaseException:
                    self.connection.close()
                    raise
        except BaseException:
            os.close(self._lock)
            raise

    def transact(self, sync: Sync, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work` in one transaction: all of it is committed, or nothing.

        Raises StoreError of the fitting kind; then nothing was stored.
        """
        connection = self.connection
        with reported(self.path):
            if sync is not self._sync:
                # inside a transaction SQLite ignores this pragma
                connection.execute(f"PRAGMA synchronous = {sync}")
                self._sync = sync
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                # after a full disk SQLite may have rolled back by itself
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._unfolded += 1
            return result

    def query(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work` without a transaction, for reading."""
        with reported(self.path):
            return work(self.connection)

    def fold(self) -> None:
        """Fold the log into the file if it is time to; for a moment when nobody waits. SQLite would
        do it within a commit, which then takes ten times as long."""
        if self._unfolded < _COMMITS_PER_CHECKPOINT:
            return
        self._unfolded = 0
        # nothing is lost if it fails: the log is still there, and the next commit tells
        with suppress(sqlite3.Error):
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Fold the log into the file and give it free."""
        self._unfolded = 0
        try:
            with reported(self.path):
                try:
                    # a full disk leaves the log as it is; it is read at the next start
                    with suppress(sqlite3.OperationalError):
                        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    self.connection.close()
        finally:
            os.close(self._lock)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A second connection to a database that is open already, for queries that take long."""
    with reported(path):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        connection.execute("PRAGMA query_only = ON")
        return connection


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Translates what SQLite raises into what an owner can act on."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def _translated(error: sqlite3.Error, path: Path) -> GatewayError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"No space left for the store {path}", "Free some space on its disk")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(path, str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreLocked(
            f"Another program holds the store {path}", "Close it (a database browser?)"
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return _not_ours(path)
    return StoreError(f"The store {path} failed: {error}", "Check its disk")


def _damaged(path: Path, what: str) -> StoreDamaged:
    return StoreDamaged(
        f"The store {path} is damaged ({what})",
        "Move it away, and restore a backup or start afresh: watches hand over again what they "
        "still hold",
    )


def _not_ours(path: Path) -> PermissionRefused:
    return PermissionRefused(
        f"The store {path} cannot be written",
        "Give its directory to the user that gatewayd runs as",
    )


def _lock(path: Path) -> int:
    """Take the lock beside the database; the descriptor holds it until it is closed.

    SQLite's own locks allow two writing processes in turn. Two gateways on one store would each
    publish the other's outbox.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
    except PermissionError as error:
        raise _not_ours(path) from error
    except OSError as error:
        raise StoreError(f"The store {path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StoreLocked(
            f"Another gatewayd is using the store {path}", "Stop it, or give this one its own store"
        ) from error
    return descriptor


def _connect(path: Path) -> sqlite3.Connection:
    """Connect; a new file is the owner's alone from its first moment on."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY))
        path.chmod(_OWNER_ONLY)
        with path.open("rb") as file:
            header = file.read(len(_HEADER))
    except PermissionError as error:
        raise _not_ours(path) from error
    except OSError as error:
        raise StoreError(f"The store {path} cannot be opened: {error.strerror}") from error
    if header not in (b"", _HEADER):
        raise _damaged(path, "not a database")
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """A look at what costs nothing: header, size, schema. Deeper damage shows when it is met,
    as the same StoreDamaged."""
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(
            f"The store {path} is on a file system without shared memory", "Use a local disk"
        )
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and tables:
        raise _damaged(path, "a database of another program")
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    # pages that are only in the log yet are counted, but not in the file
    log = Path(f"{path}-wal")
    pending = log.stat().st_size if log.exists() else 0
    if path.stat().st_size + pending < pages * page_size:
        raise _damaged(path, "cut short")


def _migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[Migration]) -> None:
    """All missing steps in one transaction, so that a failure leaves the old version usable."""
    (current,) = connection.execute("PRAGMA user_version").fetchone()
    newest = steps[-1].version
    if current > newest:
        raise StoreNewer(
            f"The store {path} was written by a newer gatewayd (schema {current}, known {newest})",
            "Install that version again",
        )
    missing = [step for step in steps if step.version > current]
    if not missing:
        return
    script = "\n".join(step.script for step in missing)
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {newest};\nCOMMIT;"
        )
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
