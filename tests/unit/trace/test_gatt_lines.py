"""Our own traces."""

import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.trace.errors import TraceError
from gatewayd.trace.gatt import TO_DEVICE, Operation
from gatewayd.trace.gatt_lines import (
    MAX_LINE_BYTES,
    GattHeader,
    GattLine,
    encode_header,
    encode_line,
    read,
)
from gatewayd.trace.outcome import AttSeen, ConnectionSeen
from gatewayd.trace.record import Window
from tests.unit.trace.conversation import NOTIFY, SERVICE, WRITE
from tests.unit.trace.feeding import of, replayed, summary, told

START_NS = 1_770_000_000 * 10**9
HEADER = GattHeader("C0:FF:EE:00:00:01", START_NS, (SERVICE,))
LINES = [
    GattLine(START_NS, None, connected=True),
    GattLine(START_NS + 10**9, Operation.WRITE, WRITE, b"\xab"),
    GattLine(START_NS + 2 * 10**9, Operation.NOTIFICATION, NOTIFY, b"\xab\x10"),
    GattLine(START_NS + 3 * 10**9, None),
]


def text(header: GattHeader, lines: list[GattLine]) -> bytes:
    rows = [encode_header(header), *(encode_line(line, START_NS) for line in lines)]
    return "".join(f"{row}\n" for row in rows).encode()


LINE = st.builds(
    lambda at, operation, data: GattLine(START_NS + at * 1000, operation, NOTIFY, data),
    st.integers(0, 10**9),
    st.sampled_from(Operation),
    st.binary(max_size=300),
)


@given(st.lists(LINE, max_size=20))
def test_what_is_written_is_read_again(lines: list[GattLine]) -> None:
    header, found = read(Window(io.BytesIO(text(HEADER, lines))))
    assert header == HEADER
    assert list(found) == lines


def test_a_line_is_as_the_format_says() -> None:
    assert json.loads(encode_line(LINES[2], START_NS)) == {
        "t": 2.0,
        "dir": "rx",
        "op": "notification",
        "uuid": NOTIFY,
        "value": "ab10",
    }
    assert json.loads(encode_line(LINES[1], START_NS))["dir"] == "tx"
    assert json.loads(encode_line(LINES[3], START_NS)) == {"t": 3.0, "op": "disconnected"}
    assert {Operation.WRITE, Operation.WRITE_COMMAND} == TO_DEVICE


def test_it_replays_like_a_capture() -> None:
    outcomes = told(text(HEADER, LINES), with_att=True)
    (opened,) = of(ConnectionSeen, outcomes)
    assert opened.connection.address == HEADER.device
    seen = of(AttSeen, outcomes)
    assert [(s.from_peer, s.opcode, s.uuid) for s in seen] == [
        (False, "write", WRITE),
        (True, "notification", NOTIFY),
    ]
    assert summary(outcomes).pushed[0].notifications == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2 is no JSON"),
        ("[1]", "line 2 is no JSON object"),
        ('{"op": "sing"}', "line 2 has no known operation"),
        ('{"op": "write", "uuid": "ff02", "value": "xy"}', "line 2 has no known operation"),
        ('{"op": "write", "uuid": "ff", "value": ""}', "line 2 has no UUID"),
        ('{"t": NaN, "op": "write"}', "line 2 has no time"),
        (f'{{"t": 1{"0" * 400}, "op": "write"}}', "line 2 has no time"),
        ("[" * 100_000, "line 2 is no JSON"),
    ],
)
def test_a_damaged_line_is_named(line: str, words: str) -> None:
    _, error = replayed(f"{encode_header(HEADER)}\n{line}\n".encode())
    assert error is not None
    assert words in error.summary


@pytest.mark.parametrize(
    "header", ["{}", '{"type": "gatt.jsonl", "version": 2}', '{"type": "gatt.jsonl"']
)
def test_another_file_of_json_is_refused(header: str) -> None:
    _, error = replayed(header.encode())
    assert error is not None


def test_a_line_without_end_is_refused_in_bounded_memory() -> None:
    endless = io.BytesIO(text(HEADER, []) + b'{"value": "' + b"0" * (20 * MAX_LINE_BYTES))
    tracemalloc.start()
    _, lines = read(Window(endless))
    with pytest.raises(TraceError, match="longer than"):
        list(lines)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MAX_LINE_BYTES


@given(st.binary(max_size=300), st.data())
def test_noise_gives_only_our_own_error(noise: bytes, data: st.DataObject) -> None:
    whole = text(HEADER, LINES)
    at = data.draw(st.integers(0, len(whole)))
    replayed(whole[:at])
    replayed(whole[:at] + noise + whole[at:])
