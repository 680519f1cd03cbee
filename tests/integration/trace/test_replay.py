"""A real conversation, replayed: what the watch held comes out of the trace."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gatewayd.trace.outcome import ConnectionSeen, EventSeen, ReadingSeen
from protocols.model.events import ConfirmationNeeded, SyncStarted
from protocols.model.readings import BatteryLevel, HeartRate, Method
from tests.integration.trace.captures import USER, Capture
from tests.unit.fitcloud.delivery import delivered, held
from tests.unit.trace import writers as w
from tests.unit.trace.feeding import of, replayed, told

ROOT = Path(__file__).parents[3]


def command(
    *arguments: str | Path, data: bytes | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "gatewayd", "replay", *map(str, arguments)],
        cwd=ROOT,
        input=None if data is None else data.decode("latin-1"),
        capture_output=True,
        text=True,
        encoding="utf-8" if data is None else "latin-1",
        check=False,
    )


def rows(done: "subprocess.CompletedProcess[str]") -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def trace(captured: Capture, tmp_path: Path) -> Path:
    path = tmp_path / "watch.btsnoop"
    path.write_bytes(captured.btsnoop)
    return path


def test_the_trace_tells_what_the_watch_held_and_what_the_gateway_stored(captured: Capture) -> None:
    outcomes = told(captured.btsnoop)
    readings = [seen.reading for seen in of(ReadingSeen, outcomes)]
    assert Counter(readings) == Counter(captured.readings)
    stored = [r for r in readings if not isinstance(r, BatteryLevel) and not _is_live(r, captured)]
    found = delivered(stored)
    # totals and resting heart rate are asked for on each connection
    assert set(found) == set(held(captured.held))
    assert all(
        count == 1 or entry.kind in ("day_totals", "resting_heart_rate")
        for entry, count in found.items()
    )
    events = [seen.event for seen in of(EventSeen, outcomes)]
    assert [type(event) for event in events] == [ConfirmationNeeded, SyncStarted, SyncStarted]
    headlines = of(ConnectionSeen, outcomes)
    assert [seen.protocols for seen in headlines] == [("fitcloud",), ("fitcloud",)]


def _is_live(reading: object, captured: Capture) -> bool:
    """Measured while the gateway was connected, after the watch's history was built."""
    last = max(entry.at for entry in captured.held if entry.kind != "day_totals")
    from protocols.model.time import from_datetime

    return (
        isinstance(reading, HeartRate)
        and reading.method is Method.SPOT
        and reading.at > from_datetime(last)
    )


@pytest.mark.parametrize(
    "convert",
    [
        lambda p, _: w.btsnoop(w.as_h1(p), 1001),
        lambda p, _: w.btsnoop(w.as_monitor(p), 2001),
        lambda p, _: w.pcap(w.bare(p), 187),
        lambda p, _: w.pcap(w.with_direction(p), 201, nano=True),
        lambda p, _: w.pcapng(w.with_opcode(p), 254, order=">"),
    ],
)
def test_every_hci_container_gives_the_same_readings(
    convert: Callable[[list[w.Packet], str], bytes], captured: Capture
) -> None:
    data = convert(w.from_btsnoop(captured.btsnoop), captured.address)
    readings = [seen.reading for seen in of(ReadingSeen, told(data))]
    assert Counter(readings) == Counter(captured.readings)


def test_the_second_connection_is_understood_by_what_the_first_one_showed(
    captured: Capture,
) -> None:
    packets = w.from_btsnoop(captured.btsnoop)
    end = next(n for n, packet in enumerate(packets) if packet.h4[:2] == b"\x04\x05")
    without = [
        packet
        for n, packet in enumerate(packets)
        if n <= end or packet.h4[0] != 2 or packet.h4[9] not in range(4, 0x12)
    ]
    readings = of(ReadingSeen, told(w.btsnoop(w.as_h4(without), 1002)))
    assert Counter(seen.reading for seen in readings) == Counter(captured.readings)


def test_the_command_prints_a_json_object_a_line(trace: Path, captured: Capture) -> None:
    done = command(trace, "--format", "json", "--att")
    assert (done.returncode, done.stderr) == (0, "")
    found = rows(done)
    kinds = Counter(row["type"] for row in found)
    assert kinds["connection"] == 2
    assert kinds["reading"] == len(captured.readings)
    assert kinds["att"] == found[-1]["att_pdus"]
    assert found[-1]["type"] == "summary"
    assert captured.address not in done.stdout
    assert USER not in done.stdout
    assert captured.address in command(trace, "--format", "json", "--full").stdout


def test_the_command_prints_text(trace: Path) -> None:
    done = command(trace)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("connection 1: …00:01 (random), we are central")
    assert "heart_rate" in done.stdout
    assert "ATT PDUs" in done.stdout


def test_a_table_from_one_capture_decodes_another_that_begins_late(
    trace: Path, tmp_path: Path, captured: Capture
) -> None:
    packets = w.from_btsnoop(captured.btsnoop)
    late = tmp_path / "late.btsnoop"
    first = next(
        n for n, packet in enumerate(packets) if packet.h4[0] == 2 and packet.h4[9] == 0x1B
    )
    late.write_bytes(w.btsnoop(w.as_h4(packets[first:]), 1002))
    before = rows(command(late, "--format", "json"))
    table = tmp_path / "handles"
    table.write_text(command(trace, "--uuids").stdout, "utf-8")
    after = rows(command(late, "--format", "json", "--map", table))
    # the second connection has its own discovery; the first one needs the table
    assert any(row["type"] == "reading" and row["connection"] == 1 for row in after)
    assert not any(row["type"] == "reading" and row["connection"] == 1 for row in before)
    assert before[-1]["undecoded"] != 0
    assert after[-1]["undecoded"] == 0
    handles = ["--handle", "0x0012=ff03", "--handle", "0x0010=ff02", "--protocol", "fitcloud"]
    assert rows(command(late, "--format", "json", *handles))[-1]["undecoded"] == 0


def test_a_trace_may_come_by_standard_input(captured: Capture) -> None:
    done = command("-", "--format", "json", data=captured.btsnoop)
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1])["readings"] == len(captured.readings)


def test_a_truncated_file_prints_what_was_readable_then_one_line_and_65(
    trace: Path, captured: Capture
) -> None:
    trace.write_bytes(captured.btsnoop[:-7])
    done = command(trace, "--format", "json")
    assert done.returncode == 65
    assert rows(done)[-1]["type"] == "summary"
    assert rows(done)[-1]["readings"] == len(captured.readings)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"gatewayd: {trace}: the file ends within record ")


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 65, "empty"),
        (b"hello, this is no trace\n" * 10, 65, "no trace of Bluetooth"),
        (None, 74, "No such file"),
    ],
)
def test_what_is_no_trace_is_one_line(
    content: bytes | None, status: int, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    done = command(path)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_a_protocol_that_is_not_installed_is_named(trace: Path) -> None:
    done = command(trace, "--protocol", "fitclout")
    assert done.returncode == 70
    assert "Did you mean fitcloud?" in done.stderr


def test_a_directory_is_no_trace(tmp_path: Path) -> None:
    done = command(tmp_path)
    assert done.returncode == 74
    assert done.stderr.count("\n") == 1


def test_a_mutated_trace_gives_readings_or_anomalies_and_nothing_else(captured: Capture) -> None:
    import random

    dice = random.Random(20260310)
    for _ in range(150):
        data = bytearray(captured.btsnoop)
        for _ in range(dice.randrange(1, 40)):
            data[dice.randrange(16, len(data))] = dice.randrange(256)
        replayed(bytes(data), with_att=True)


def test_a_scrubbed_trace_tells_the_same_readings_and_nobodys_name(
    trace: Path, tmp_path: Path, captured: Capture
) -> None:
    once, twice = tmp_path / "once.gatt.jsonl", tmp_path / "twice.gatt.jsonl"
    assert command(trace, "--scrub", once).returncode == 0
    text = once.read_text("utf-8")
    assert captured.address not in text
    assert USER not in text
    assert USER.encode().hex() not in text
    readings = [seen.reading for seen in of(ReadingSeen, told(once.read_bytes()))]
    assert Counter(readings) == Counter(captured.readings)
    assert command(once, "--scrub", twice).returncode == 0
    assert twice.read_bytes() == once.read_bytes()


def test_a_scrubbed_trace_is_never_written_over_another_file(trace: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("precious", "utf-8")
    done = command(trace, "--scrub", out)
    assert done.returncode == 74
    assert out.read_text("utf-8") == "precious"


def test_a_trace_of_which_nothing_can_be_scrubbed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.btsnoop"
    path.write_bytes(w.btsnoop([], 1002))
    done = command(path, "--scrub", tmp_path / "out")
    assert done.returncode == 65
    assert done.stderr.count("\n") == 1
