BEGIN TRANSACTION;
PRAGMA application_id = 1735877748;
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
INSERT INTO "conflict" VALUES(1,1,'heart_rate','k1',1763900000,NULL,3600,'{"bpm":99}',1,1763900101.5,NULL);
CREATE TABLE device (
    number INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    slug TEXT NOT NULL UNIQUE,
    protocol TEXT NOT NULL
) STRICT;
INSERT INTO "device" VALUES(1,'aa:bb','alice','fitcloud');
CREATE TABLE latest (
    device INTEGER NOT NULL REFERENCES device,
    key TEXT NOT NULL,
    value ANY,
    at_utc_s INTEGER NOT NULL,
    PRIMARY KEY (device, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "latest" VALUES(1,'heart_rate_bpm',61,200);
CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    reading INTEGER NOT NULL REFERENCES reading
) STRICT;
INSERT INTO "outbox" VALUES(2,2);
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
INSERT INTO "raw" VALUES(1,1,'fitcloud/sync/3','{"features":7}',X'0102',X'6140B49F470ACA54150556FE3CC042DA',1763900100.5);
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
INSERT INTO "reading" VALUES(1,1,'heart_rate','k1',1,1763900000,NULL,3600,'{"bpm":60}',1,'immutable',1763900100.5,1);
INSERT INTO "reading" VALUES(2,1,'heart_rate','k2',1,1763900000,NULL,3600,'{"bpm":61}',1,'immutable',1763900100.5,1);
CREATE INDEX reading_by_start ON reading (device, kind, start_utc_s, revision);
CREATE UNIQUE INDEX conflict_once
    ON conflict (device, kind, key, fields, ifnull(end_utc_s, -1), verified);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',2);
PRAGMA user_version = 1;
COMMIT;
