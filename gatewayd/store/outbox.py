"""Committed readings that wait for the broker, in order of commit."""

import sqlite3
from collections.abc import Sequence
from hashlib import blake2b

from gatewayd.core.ports import KnownDevice, Outgoing


def reading_id(device: KnownDevice, kind: str, key: str, revision: int) -> str:
    """The published id: the same for the same reading even if the store is lost and refilled."""
    return f"{_stem(device.identity, kind, key)}.{revision}"


def next_sequence(connection: sqlite3.Connection) -> int:
    """The number of the next reading to go out; never given twice."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
    return 1 if row is None else int(row[0]) + 1


def append(connection: sqlite3.Connection, waiting: Sequence[tuple[int, int]]) -> None:
    """Queue (sequence, number of the reading)."""
    connection.executemany("INSERT INTO outbox (sequence, reading) VALUES (?, ?)", waiting)


def pending(connection: sqlite3.Connection, after: int, limit: int) -> Sequence[Outgoing]:
    """Undelivered readings above `after`, in order, at most `limit`."""
    rows = connection.execute(
        "SELECT outbox.sequence, device.identity, device.slug, kind, key, revision, start_utc_s,"
        " end_utc_s, utc_offset_s, fields, verified, received_utc_s"
        " FROM outbox JOIN reading ON reading.number = outbox.reading"
        " JOIN device ON device.number = reading.device"
        " WHERE outbox.sequence > ? ORDER BY outbox.sequence LIMIT ?",
        (after, limit),
    )
    return [
        Outgoing(
            sequence=sequence,
            slug=slug,
            reading_id=f"{_stem(identity, kind, key)}.{revision}",
            kind=kind,
            start_utc_s=start_utc_s,
            end_utc_s=end_utc_s,
            utc_offset_s=utc_offset_s,
            values=fields,
            verified=bool(verified),
            revision=revision,
            received_utc_s=received_utc_s,
        )
        for (
            sequence,
            identity,
            slug,
            kind,
            key,
            revision,
            start_utc_s,
            end_utc_s,
            utc_offset_s,
            fields,
            verified,
            received_utc_s,
        ) in rows
    ]


def remove(connection: sqlite3.Connection, sequences: Sequence[int]) -> None:
    """Forget that these wait. Unknown numbers are passed over."""
    connection.executemany(
        "DELETE FROM outbox WHERE sequence = ?", [(sequence,) for sequence in sequences]
    )


def _stem(identity: str, kind: str, key: str) -> str:
    return blake2b(f"{identity}|{kind}|{key}".encode(), digest_size=8).hexdigest()
