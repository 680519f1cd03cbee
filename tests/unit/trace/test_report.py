"""How outcomes look."""

import json
import re

import pytest

from gatewayd.trace.gatt import Database
from gatewayd.trace.outcome import EventSeen, ReadingSeen
from gatewayd.trace.report import Report, event_kind, utc_text
from protocols.model.catalog import KINDS
from protocols.model.events import SyncProgress
from protocols.model.readings import (
    DailyHrv,
    DayTotals,
    Ecg,
    GpsTrack,
    HeartRate,
    TrackPoint,
    Workout,
)
from protocols.model.time import device_time
from tests.unit.trace import writers as w
from tests.unit.trace.conversation import answered, connection, discovery, notification
from tests.unit.trace.feeding import of, told

ADDRESS = "C0:FF:EE:00:00:01"
TRACE = w.btsnoop(
    w.as_h4(w.timed(connection(*discovery(), *answered(notification(0x14, b"noise"))))), 1002
)
AT = device_time(2026, 3, 10, 21, 0, 5)
CONNECTION = told(TRACE)[0].connection  # type: ignore[union-attr]


def seen(reading: object) -> ReadingSeen:
    return ReadingSeen(CONNECTION, 1_770_000_000_123_456_789, "fitcloud", reading)  # type: ignore[arg-type]


def rows(*, full: bool = False, att: bool = False) -> list[dict[str, object]]:
    report = Report(full=full)
    outcomes = told(TRACE, with_att=att)
    found = [json.loads(report.json(outcome)) for outcome in outcomes]
    assert found == [report.row(outcome) for outcome in outcomes]
    return found


def test_a_replay_is_a_connection_what_it_showed_and_a_summary() -> None:
    opened, anomaly, summary = rows()
    assert opened == {
        "type": "connection",
        "connection": 1,
        "at": "2026-02-02T02:40:00.000000Z",
        "address": "…00:01",
        "address_type": "random",
        "role": "central",
        "adapter": 0,
        "handle": "0x0040",
        "on_air": False,
        "protocols": ["fitcloud"],
    }
    assert (anomaly["type"], anomaly["kind"], anomaly["connection"]) == ("anomaly", "bad_frame", 1)
    assert summary == {
        "type": "summary",
        "packets": 13,
        "connections": 1,
        "att_pdus": 11,
        "readings": 0,
        "events": 0,
        "anomalies": 1,
        "encrypted": 0,
        "undecoded": 0,
        "unread": {},
        "notifications": [
            {
                "address": "…00:01",
                "handle": "0x0014",
                "uuid": "0000ff03-0000-1000-8000-00805f9b34fb",
                "notifications": 1,
                "indications": 0,
            }
        ],
    }


def test_each_att_pdu_has_direction_opcode_handle_uuid_and_value() -> None:
    pdus = [row for row in rows(att=True) if row["type"] == "att"]
    assert len(pdus) == 11
    assert pdus[-1] == {
        "type": "att",
        "connection": 1,
        "at": "2026-02-02T02:40:00.011000Z",
        "direction": "rx",
        "opcode": "handle_value_notification",
        "handle": "0x0014",
        "uuid": "0000ff03-0000-1000-8000-00805f9b34fb",
        "value": b"noise".hex(),
    }
    assert pdus[0]["direction"] == "tx"


def test_addresses_are_shortened_unless_asked_for() -> None:
    assert ADDRESS not in json.dumps(rows(att=True))
    assert rows(full=True)[0]["address"] == ADDRESS
    text = "\n".join(line for o in told(TRACE) for line in Report(full=False).lines(o))
    assert ADDRESS not in text


@pytest.mark.parametrize(
    ("reading", "row"),
    [
        (
            HeartRate(AT, 72),
            {"kind": "heart_rate", "start": "2026-03-10T21:00:05", "bpm": 72, "method": "periodic"},
        ),
        (
            DailyHrv(AT, 40, 30, 50, 42, verified=False),
            {"kind": "daily_hrv", "start": "2026-03-10", "mean_ms": 40, "verified": False},
        ),
        (
            DayTotals(AT, 100, 75.5, 3.2, None, None, None, verified=False),
            {
                "kind": "day_totals",
                "start": "2026-03-10T21:00:05",
                "steps": 100,
                "distance_m": 75.5,
                "energy_kcal": 3.2,
                "verified": False,
            },
        ),
        (
            Workout(AT, "walk", 3, 60, 100, 75, 3.2),
            {"start": "2026-03-10T21:00:05", "end": "2026-03-10T21:01:05", "sport": "walk"},
        ),
        (
            GpsTrack(AT, "t", 5, (TrackPoint(1, 1.5, 2.5, 3, 4),)),
            {
                "points": [
                    {
                        "elapsed_s": 1,
                        "latitude_deg": 1.5,
                        "longitude_deg": 2.5,
                        "altitude_m": 3,
                        "satellites": 4,
                        "new_segment": False,
                    }
                ]
            },
        ),
        (Ecg(AT, 0, 100, (1, 2)), {"samples": [1, 2]}),
    ],
)
def test_a_reading_has_the_watchs_own_time_and_the_values_that_are_published(
    reading: object, row: dict[str, object]
) -> None:
    found = Report(full=False).row(seen(reading))
    common = {"type": "reading", "connection": 1, "protocol": "fitcloud", "verified": True}
    wanted = {"at": "2026-02-02T02:40:00.123456Z", **common, **row}
    assert {name: found.get(name) for name in wanted} == wanted
    (line,) = Report(full=False).lines(seen(reading))
    assert "2026-03-10" in line
    assert line.endswith("(unverified)") is (wanted["verified"] is False)


def test_no_kind_has_a_value_whose_name_the_report_needs() -> None:
    taken = {"type", "connection", "at", "protocol", "kind", "start", "end", "verified"}
    for kind in KINDS:
        values = set(kind.type._fields) - {kind.start, kind.end, "verified"}
        assert not values & taken, kind.name


def test_an_event_has_the_name_of_its_class() -> None:
    event = EventSeen(CONNECTION, None, "fitcloud", SyncProgress("3", 10, 20))
    assert Report(full=False).row(event) == {
        "type": "event",
        "connection": 1,
        "at": None,
        "protocol": "fitcloud",
        "kind": "sync_progress",
        "item": "3",
        "received_bytes": 10,
        "total_bytes": 20,
    }
    assert event_kind("SOS") == "s_o_s"


def test_text_is_a_headline_lines_with_times_and_totals() -> None:
    lines = [line for o in told(TRACE, with_att=True) for line in Report(full=False).lines(o)]
    assert lines[0].startswith("connection 1: …00:01 (random), we are central, since 2026-02-02T")
    assert re.fullmatch(r"  1  02:40:00\.\d{3}  → exchange_mtu_request 0502", lines[1])
    assert "13 packets, 1 connections, 11 ATT PDUs" in lines
    assert any(line.strip().startswith("0x0014  0000ff03-") for line in lines)


def test_tables_of_handles_name_their_device() -> None:
    database = Database(uuids={0x14: "0000ff03-0000-1000-8000-00805f9b34fb"})
    assert list(Report(full=False).tables([(ADDRESS, database)])) == [
        "# …00:01",
        "0x0014 0000ff03-0000-1000-8000-00805f9b34fb",
    ]


def test_times_are_rfc_3339_in_utc() -> None:
    assert utc_text(None) is None
    assert utc_text(1) == "1970-01-01T00:00:00.000000Z"
    assert of(ReadingSeen, told(TRACE)) == []
