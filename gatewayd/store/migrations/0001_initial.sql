-- Readings are append-only: what a watch once said is never changed, a revision is a new row.

CREATE TABLE device (
    number INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    slug TEXT NOT NULL UNIQUE,
    protocol TEXT NOT NULL
) STRICT;

-- The bytes that readings were decoded from. `digest` covers source, context and data.
CREATE TABLE raw (
    number INTEGER PRIMARY KEY,
    device INTEGER NOT NULL REFERENCES device,
    source TEXT NOT NULL,
    context TEXT NOT NULL,
    data BLOB NOT NULL,
    digest BLOB NOT NULL,
    received_utc_s REAL NOT NULL,
    UNIQUE (device, digest)
) STRICT;

CREATE TABLE reading (
    number INTEGER PRIMARY KEY,
    device INTEGER NOT NULL REFERENCES device,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    start_utc_s INTEGER NOT NULL,
    end_utc_s INTEGER,
    utc_offset_s INTEGER NOT NULL,
    fields TEXT NOT NULL,
    verified INTEGER NOT NULL,
    merge TEXT NOT NULL,
    received_utc_s REAL NOT NULL,
    raw INTEGER REFERENCES raw,
    UNIQUE (device, kind, key, revision)
) STRICT;

-- Ranges by time and counts by kind are answered from this index alone.
CREATE INDEX reading_by_start ON reading (device, kind, start_utc_s, revision);

-- Committed readings that the broker has not yet taken. AUTOINCREMENT: a number is never used
-- again, so that "above the last one seen" stays true when the table has been empty.
CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    reading INTEGER NOT NULL REFERENCES reading
) STRICT;

-- Other values that arrived for an immutable reading, each once.
CREATE TABLE conflict (
    number INTEGER PRIMARY KEY,
    device INTEGER NOT NULL REFERENCES device,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    start_utc_s INTEGER NOT NULL,
    end_utc_s INTEGER,
    utc_offset_s INTEGER NOT NULL,
    fields TEXT NOT NULL,
    verified INTEGER NOT NULL,
    received_utc_s REAL NOT NULL,
    raw INTEGER REFERENCES raw
) STRICT;

CREATE UNIQUE INDEX conflict_once
    ON conflict (device, kind, key, fields, ifnull(end_utc_s, -1), verified);

CREATE TABLE latest (
    device INTEGER NOT NULL REFERENCES device,
    key TEXT NOT NULL,
    value ANY,
    at_utc_s INTEGER NOT NULL,
    PRIMARY KEY (device, key)
) STRICT, WITHOUT ROWID;
