"""Tables of handles beside a trace."""

import pytest

from gatewayd.trace.errors import TraceError
from gatewayd.trace.handles import full_uuid, parse_table, table_lines
from gatewayd.trace.outcome import AttSeen, ReadingSeen
from tests.unit.trace import writers as w
from tests.unit.trace.conversation import NOTIFY, SERVICE, answered, notification
from tests.unit.trace.feeding import of, told

TABLE = f"""
# my watch
0x0010 service {SERVICE}
0x0012 ff02          # commands
20 = 0000FF03-0000-1000-8000-00805F9B34FB
"""


def test_a_table_is_read_as_people_write_it_and_written_as_it_is_read() -> None:
    table = parse_table(TABLE.splitlines())
    assert table.services == {0x10: (0x10, SERVICE)}
    assert table.uuids[0x14] == NOTIFY
    assert parse_table(table_lines(table)) == table


@pytest.mark.parametrize(
    "line", ["0x12", "0x12 xyz", "0 ff02", "0x10000 ff02", "99999 ff02", "ff02 0x12", "0x12 ff020"]
)
def test_a_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(TraceError, match="line 2 "):
        parse_table(["0x0012 ff02", line])


@pytest.mark.parametrize(
    ("text", "uuid"),
    [
        ("2A19", "00002a19-0000-1000-8000-00805f9b34fb"),
        ("12345678", "12345678-0000-1000-8000-00805f9b34fb"),
        (SERVICE.upper(), SERVICE),
        ("2a1", None),
        ("", None),
    ],
)
def test_uuids_have_one_form(text: str, uuid: str | None) -> None:
    assert full_uuid(text) == uuid


def test_a_capture_that_begins_late_is_decoded_with_the_owners_table() -> None:
    # 02/1C, the battery at 80 %, in a frame with sequence id 1
    frame = bytes.fromhex("ab000008") + bytes.fromhex("0000") + b"\x00\x01"
    body = bytes.fromhex("02001c0003005050")
    from protocols.codec import crc16_arc

    frame = frame[:4] + crc16_arc(body).to_bytes(2, "big") + frame[6:] + body
    trace = w.pcap(w.with_direction(w.timed(answered(notification(0x14, frame)))), 201)
    assert of(ReadingSeen, told(trace)) == []
    table = parse_table(TABLE.splitlines())
    (seen,) = of(ReadingSeen, told(trace, table=table))
    assert seen.reading[1] == 80
    assert of(AttSeen, told(trace, table=table, with_att=True))[0].uuid == NOTIFY
