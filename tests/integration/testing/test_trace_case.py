"""A trace beside its table and in its zone, as a test of another project would have it."""

import io
from pathlib import Path

import pytest

from gatewayd import plugins
from gatewayd.testing.traces import TraceCase
from gatewayd.trace.handles import table_lines
from gatewayd.trace.replay import Replay, ReplayOptions
from protocols.model.events import SyncStarted
from protocols.model.readings import BatteryLevel, HeartRate, StepInterval
from tests.integration.trace.captures import Capture, capture
from tests.unit.trace.writers import as_h4, btsnoop, from_btsnoop

HOUR_S = 3600
H4 = 1002


@pytest.fixture(scope="module")
def captured() -> Capture:
    return capture(days=1)


@pytest.fixture
def path(captured: Capture, tmp_path: Path) -> Path:
    path = tmp_path / "watch.btsnoop"
    path.write_bytes(captured.btsnoop)
    return path


def test_it_tells_what_the_gateway_was_told(captured: Capture, path: Path) -> None:
    trace = TraceCase(path)
    assert len(trace.readings) == len(captured.readings)
    assert trace.of(StepInterval) == [
        reading for reading in captured.readings if isinstance(reading, StepInterval)
    ]
    assert trace.of(SyncStarted) == [
        event for event in captured.events if isinstance(event, SyncStarted)
    ]
    assert trace.events[0] == captured.events[0]
    assert trace.fault is None


def cut(captured: Capture, path: Path, first: int) -> Path:
    """The capture from its first-th packet on; the path of the table of handles for it."""
    packets = from_btsnoop(captured.btsnoop)
    path.write_bytes(btsnoop(as_h4(packets[first:]), H4))
    replay = Replay(ReplayOptions(specs=plugins.ready(plugins.discover())))
    list(replay.run(io.BytesIO(captured.btsnoop)))
    ((_, database),) = replay.devices()
    table = path.with_name("watch.handles")
    table.write_text("\n".join(table_lines(database)))
    return table


def test_a_table_beside_it_stands_in_for_the_discovery(captured: Capture, path: Path) -> None:
    packets = from_btsnoop(captured.btsnoop)
    # behind the headers of H4, ACL and L2CAP stands the opcode of a notification
    first = next(at for at, packet in enumerate(packets) if packet.h4[9:10] == b"\x1b")
    table = cut(captured, path, first)
    assert len(TraceCase(path).readings) == len(captured.readings)
    table.write_text("nonsense")
    with pytest.raises(pytest.fail.Exception, match="line 1 of the table of handles"):
        TraceCase(path).check()
    table.unlink()
    assert TraceCase(path).readings == []


def test_what_a_device_left_undated_is_dated_where_it_was_captured(
    captured: Capture, path: Path
) -> None:
    cut(captured, path, -20)  # long after the clock was set
    here, there = TraceCase(path), TraceCase(path, zone="Asia/Tokyo")
    (utc,), (tokyo,) = here.of(BatteryLevel), there.of(BatteryLevel)
    assert tokyo.at - utc.at == 9 * HOUR_S
    assert there.of(HeartRate) == here.of(HeartRate)
    assert here.of(HeartRate)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"zone": "Nowhere/Ever"}, "Nowhere/Ever"), ({"protocol": "no"}, "there is no protocol no")],
)
def test_what_it_cannot_be_replayed_with_fails(
    path: Path, options: dict[str, str], says: str
) -> None:
    with pytest.raises(pytest.fail.Exception, match=says):
        TraceCase(path, **options).check()


def test_a_trace_that_is_not_there_fails(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"x\.btsnoop"):
        TraceCase(tmp_path / "x.btsnoop").check()
