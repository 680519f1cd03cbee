"""Readings: merging new ones in, and finding stored ones.

The merge rules, per (device, kind, key):
- nothing stored: revision 1;
- else it counts for the time in UTC that was stored first (the owner's zone may have changed);
- the latest revision says the same (fields, end, verified): a duplicate, nothing is written;
- it differs and the kind is immutable: a conflict is recorded, the first value stays;
- it differs and the kind is revisable: the next revision.
"""

import json
import sqlite3
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from gatewayd.core.ports import KnownDevice, Outgoing, Row, Tally
from gatewayd.core.rows import Times, settled
from gatewayd.store import outbox
from protocols.model.catalog import Merge
from protocols.session import Raw

_INSERT = (
    "INSERT INTO reading (device, kind, key, revision, start_utc_s, end_utc_s, utc_offset_s,"
    " fields, verified, merge, received_utc_s, raw, end_offset_s)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (device, kind, key, revision) DO NOTHING"
)


class Merged(NamedTuple):
    """What became of a batch."""

    outgoing: tuple[Outgoing, ...]
    duplicates: int
    conflicts: int


def merge(
    connection: sqlite3.Connection,
    device: KnownDevice,
    rows: Sequence[Row],
    raw: int | None,
    received_utc_s: float,
) -> Merged:
    """Apply the merge rules to each row in turn; what is new also goes to the outbox."""
    outgoing: list[Outgoing] = []
    waiting: list[tuple[int, int]] = []
    duplicates = conflicts = 0
    sequence = outbox.next_sequence(connection)
    for row in rows:
        revision = 1
        # most rows are new, so the attempt comes first: the index answers whether it was
        number = _insert(connection, device, row, revision, raw, received_utc_s)
        if number is None:
            stored, start_utc_s, utc_offset_s, end_offset_s, *said = connection.execute(
                "SELECT revision, start_utc_s, utc_offset_s, end_offset_s, fields, end_utc_s,"
                " verified FROM reading"
                " WHERE device = ? AND kind = ? AND key = ? ORDER BY revision DESC LIMIT 1",
                (device.number, row.kind, row.key),
            ).fetchone()
            first = Times(start_utc_s, said[1], utc_offset_s, end_offset_s)
            row = settled(row, first)  # noqa: PLW2901 - what it counts for from here on
            if said == [row.values, row.end_utc_s, row.verified]:
                duplicates += 1
                continue
            if row.merge is Merge.IMMUTABLE:
                conflicts += 1
                _record_conflict(connection, device, row, raw, received_utc_s)
                continue
            revision = stored + 1
            number = _insert(connection, device, row, revision, raw, received_utc_s)
            if number is None:
                raise AssertionError("a revision above the latest one exists")
        waiting.append((sequence, number))
        outgoing.append(
            Outgoing(
                sequence=sequence,
                slug=device.slug,
                reading_id=outbox.reading_id(device, row.kind, row.key, revision),
                kind=row.kind,
                start_utc_s=row.start_utc_s,
                end_utc_s=row.end_utc_s,
                utc_offset_s=row.utc_offset_s,
                values=row.values,
                verified=row.verified,
                revision=revision,
                received_utc_s=received_utc_s,
            )
        )
        sequence += 1
    outbox.append(connection, waiting)
    return Merged(tuple(outgoing), duplicates, conflicts)


def keep_raw(
    connection: sqlite3.Connection, device: KnownDevice, raw: Raw, received_utc_s: float
) -> int:
    """Store the bytes unless this device has sent the very same before; the number of the row."""
    context = json.dumps(dict(raw.context), sort_keys=True, separators=(",", ":"))
    digest = blake2b(digest_size=16)
    for part in (raw.source.encode(), context.encode(), raw.data):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    found = connection.execute(
        "SELECT number FROM raw WHERE device = ? AND digest = ?", (device.number, digest.digest())
    ).fetchone()
    if found is None:
        found = connection.execute(
            "INSERT INTO raw (device, source, context, data, digest, received_utc_s)"
            " VALUES (?, ?, ?, ?, ?, ?) RETURNING number",
            (device.number, raw.source, context, raw.data, digest.digest(), received_utc_s),
        ).fetchone()
    return int(found[0])


def between(
    connection: sqlite3.Connection,
    device: KnownDevice,
    kind: str,
    start_utc_s: int,
    end_utc_s: int,
) -> Sequence[Row]:
    """Latest revisions that start in the half-open interval, in order of start, then key."""
    rows = connection.execute(
        "SELECT key, merge, start_utc_s, end_utc_s, utc_offset_s, fields, verified, end_offset_s"
        " FROM reading AS this"
        " WHERE device = :device AND kind = :kind"
        " AND start_utc_s >= :start AND start_utc_s < :end"
        " AND NOT EXISTS (SELECT 1 FROM reading AS later WHERE later.device = :device"
        " AND later.kind = :kind AND later.key = this.key AND later.revision > this.revision)"
        " ORDER BY start_utc_s, key",
        {"device": device.number, "kind": kind, "start": start_utc_s, "end": end_utc_s},
    )
    return [
        Row(kind, key, Merge(policy), start, end, offset_s, fields, bool(verified), end_offset_s)
        for key, policy, start, end, offset_s, fields, verified, end_offset_s in rows
    ]


def tallies(connection: sqlite3.Connection, device: KnownDevice) -> Sequence[Tally]:
    """Readings (each counted once, whatever its revisions) and waiting publishes, by kind."""
    waiting = dict(
        connection.execute(
            # CROSS: from the outbox to its readings, never the other way round, which the planner
            # would take for better although it looks through the outbox once a reading
            "SELECT kind, count(*) FROM outbox"
            " CROSS JOIN reading ON reading.number = outbox.reading WHERE device = ? GROUP BY kind",
            (device.number,),
        )
    )
    rows = connection.execute(
        "SELECT kind, sum(revision = 1), min(start_utc_s), max(start_utc_s) FROM reading"
        " WHERE device = ? GROUP BY kind ORDER BY kind",
        (device.number,),
    )
    return [
        Tally(kind, count, first_utc_s, last_utc_s, waiting.get(kind, 0))
        for kind, count, first_utc_s, last_utc_s in rows
    ]


def _insert(
    connection: sqlite3.Connection,
    device: KnownDevice,
    row: Row,
    revision: int,
    raw: int | None,
    received_utc_s: float,
) -> int | None:
    """The number of the new row, or None if that revision exists."""
    cursor = connection.execute(
        _INSERT,
        (
            device.number,
            row.kind,
            row.key,
            revision,
            row.start_utc_s,
            row.end_utc_s,
            row.utc_offset_s,
            row.values,
            row.verified,
            row.merge,
            received_utc_s,
            raw,
            row.end_offset_s,
        ),
    )
    return cursor.lastrowid if cursor.rowcount else None


def _record_conflict(
    connection: sqlite3.Connection,
    device: KnownDevice,
    row: Row,
    raw: int | None,
    received_utc_s: float,
) -> None:
    connection.execute(
        "INSERT INTO conflict (device, kind, key, start_utc_s, end_utc_s, utc_offset_s, fields,"
        " verified, received_utc_s, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (
            device.number,
            row.kind,
            row.key,
            row.start_utc_s,
            row.end_utc_s,
            row.utc_offset_s,
            row.values,
            row.verified,
            received_utc_s,
            raw,
        ),
    )
