"""What is written can be read: by our own replay here, by tshark in the integration tests."""

import errno
import io
import json
import os
import stat
import sys
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.recording import Passage, Step
from gatewayd.errors import OutputFailed
from gatewayd.trace.gatt import TO_DEVICE, Operation, Value
from gatewayd.trace.outcome import AnomalySeen, AttSeen, ConnectionSeen
from gatewayd.trace.replay import Replay, ReplayOptions
from gatewayd.trace.talk import Side, Talk
from gatewayd.trace.write import (
    NOTICE,
    SUFFIXES,
    DirectoryRecorder,
    FileRecorder,
    Format,
    encoder,
)
from protocols.session import LinkFacts, Property
from tests.unit.trace.conversation import BATTERY, NOTIFY, SERVICE, WRITE
from tests.unit.trace.feeding import of, summary, told

BATTERY_SERVICE = "0000180f-0000-1000-8000-00805f9b34fb"
STRANGER = "11111111-2222-3333-4444-555555555555"
START_NS = 1_770_000_000_123_456_000
SERVICES = {WRITE: SERVICE, NOTIFY: SERVICE, BATTERY: BATTERY_SERVICE}
FACTS = LinkFacts(
    "C0:FF:EE:00:00:01",
    "Watch",
    182,
    frozenset({SERVICE, BATTERY_SERVICE}),
    MappingProxyType(
        {
            WRITE: Property.WRITE | Property.WRITE_WITHOUT_RESPONSE,
            NOTIFY: Property.NOTIFY,
            BATTERY: Property.READ | Property.INDICATE,
        }
    ),
    MappingProxyType(SERVICES),
)
HCI = (Format.BTSNOOP, Format.PCAPNG)


def steps(*items: tuple[Passage, str, bytes] | tuple[Passage, str, bytes, bool]) -> list[Step]:
    return [Step(START_NS + n * 1_000_000, *item) for n, item in enumerate(items, 1)]


TALK = steps(
    (Passage.SUBSCRIBE, NOTIFY, b""),
    (Passage.SUBSCRIBE, NOTIFY, b"", True),
    (Passage.SUBSCRIBE, BATTERY, b""),
    (Passage.SUBSCRIBE, BATTERY, b"", True),
    (Passage.WRITE, WRITE, b"\xab\x01"),
    (Passage.NOTIFICATION, NOTIFY, b"\xab\x10"),
    (Passage.WRITE, WRITE, b"", True),
    (Passage.WRITE_COMMAND, WRITE, b"\xab\x02"),
    (Passage.READ, BATTERY, b""),
    (Passage.READ, BATTERY, b"\x50", True),
    (Passage.INDICATION, BATTERY, b"\x4f"),
)
VALUES = [
    (Operation.WRITE, WRITE, b"\xab\x01"),
    (Operation.NOTIFICATION, NOTIFY, b"\xab\x10"),
    (Operation.WRITE_COMMAND, WRITE, b"\xab\x02"),
    (Operation.READ, BATTERY, b"\x50"),
    (Operation.INDICATION, BATTERY, b"\x4f"),
]


def encoded(kind: Format, talk: list[Step], facts: LinkFacts = FACTS) -> bytes:
    made = encoder(kind)
    last_ns = talk[-1].at_ns if talk else START_NS
    parts = [made.begin(facts, START_NS), *map(made.step, talk), made.end(last_ns, lost=False)]
    return b"".join(parts)


def values(data: bytes) -> list[tuple[Operation, str | None, bytes]]:
    """Whole values as the replay understands them, whatever PDUs they came in."""
    seen: list[tuple[Operation, str | None, bytes]] = []

    class Spying(Replay):
        def _deliver(
            self, talk: Talk, side: Side, value: Value, uuid: str | None, at_ns: int | None
        ) -> None:
            seen.append((value.operation, uuid, value.data))
            super()._deliver(talk, side, value, uuid, at_ns)

    outcomes = list(Spying(ReplayOptions()).run(io.BytesIO(data)))
    assert of(AnomalySeen, outcomes) == []
    return seen


@pytest.mark.parametrize("kind", Format)
def test_every_value_is_read_back_with_its_uuid_and_in_order(kind: Format) -> None:
    found = values(encoded(kind, TALK))
    if kind in HCI:
        # subscriptions are writes to a descriptor, which only packets show
        descriptor = "00002902-0000-1000-8000-00805f9b34fb"
        assert found[:2] == [
            (Operation.WRITE, descriptor, b"\x01\x00"),
            (Operation.WRITE, descriptor, b"\x02\x00"),
        ]
        found = found[2:]
    assert found == VALUES


@pytest.mark.parametrize("kind", Format)
def test_the_connection_and_its_services_are_read_back(kind: Format) -> None:
    outcomes = told(encoded(kind, TALK), with_att=True)
    (seen,) = of(ConnectionSeen, outcomes)
    assert seen.connection.address == FACTS.address
    assert seen.connection.role == "central"
    assert seen.connection.began_ns == START_NS
    assert summary(outcomes).connections == 1
    replay = Replay(ReplayOptions())
    for _ in replay.run(io.BytesIO(encoded(kind, TALK))):
        pass
    ((address, database),) = replay.devices()
    assert address == FACTS.address
    assert {uuid for _, uuid in database.services.values()} == FACTS.services


@pytest.mark.parametrize("kind", Format)
def test_times_are_kept_to_the_microsecond(kind: Format) -> None:
    outcomes = told(encoded(kind, TALK), with_att=True)
    (pushed,) = (
        seen for seen in of(AttSeen, outcomes) if seen.uuid == NOTIFY and seen.value == b"\xab\x10"
    )
    assert pushed.at_ns == TALK[5].at_ns


@pytest.mark.parametrize("kind", HCI)
def test_each_characteristic_stands_within_its_service(kind: Format) -> None:
    replay = Replay(ReplayOptions())
    for _ in replay.run(io.BytesIO(encoded(kind, TALK))):
        pass
    ((_, database),) = replay.devices()
    for handle, uuid in database.uuids.items():
        around = [s for first, (last, s) in database.services.items() if first <= handle <= last]
        if uuid in SERVICES:
            assert around == [SERVICES[uuid]]


@pytest.mark.parametrize("kind", HCI)
def test_every_request_of_the_discovery_has_its_response(kind: Format) -> None:
    seen = of(AttSeen, told(encoded(kind, []), with_att=True))
    assert len(seen) >= 12
    for asked, answered in zip(seen[::2], seen[1::2], strict=True):
        assert not asked.from_peer
        assert answered.from_peer
        expected = asked.opcode.replace("request", "response")
        assert answered.opcode in {expected, "error_response"}


@pytest.mark.parametrize("kind", Format)
def test_what_was_asked_of_a_characteristic_that_is_not_there_was_never_sent(kind: Format) -> None:
    asked = steps((Passage.WRITE, STRANGER, b"x"), (Passage.SUBSCRIBE, STRANGER, b""))
    assert values(encoded(kind, asked)) == []


def test_characteristics_without_a_known_service_are_discovered_all_the_same() -> None:
    facts = LinkFacts("00:00:00:00:00:01", None, 20, characteristics={NOTIFY: Property.NOTIFY})
    talk = steps((Passage.NOTIFICATION, NOTIFY, b"x"))
    assert values(encoded(Format.BTSNOOP, talk, facts)) == [(Operation.NOTIFICATION, NOTIFY, b"x")]


UUIDS = st.uuids().map(str) | st.integers(0x2900, 0x2FFF).map(
    lambda number: f"0000{number:04x}-0000-1000-8000-00805f9b34fb"
)


@given(
    services=st.lists(UUIDS, unique=True, max_size=12),
    characteristics=st.lists(UUIDS, unique=True, min_size=1, max_size=40),
    write_size=st.integers(20, 512),
    data=st.data(),
)
def test_any_device_and_any_values_survive_the_way_through_packets(
    services: list[str], characteristics: list[str], write_size: int, data: st.DataObject
) -> None:
    every = Property.READ | Property.WRITE | Property.WRITE_WITHOUT_RESPONSE | Property.NOTIFY
    parents = {uuid: data.draw(st.sampled_from(services)) for uuid in characteristics if services}
    facts = LinkFacts(
        "C0:FF:EE:00:00:01",
        None,
        write_size,
        frozenset(services),
        dict.fromkeys(characteristics, every),
        parents,
    )
    kind = data.draw(st.sampled_from(HCI))
    wanted = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from((Operation.NOTIFICATION, Operation.WRITE_COMMAND, Operation.READ)),
                st.sampled_from(characteristics),
                st.binary(max_size=512),
            ),
            max_size=6,
        )
    )
    talk: list[tuple[Passage, str, bytes, bool]] = []
    for operation, uuid, value in wanted:
        if operation is Operation.READ:
            talk.append((Passage.READ, uuid, b"", False))
        talk.append((Passage(operation.value), uuid, value, operation is Operation.READ))
    assert values(encoded(kind, steps(*talk), facts)) == wanted


# --- words ------------------------------------------------------------------------------------


def test_the_first_line_says_that_it_holds_personal_data() -> None:
    first = json.loads(encoded(Format.GATT, TALK).splitlines()[0])
    assert first["notice"] == NOTICE
    assert "personal data" in NOTICE


def test_a_pcapng_says_so_too() -> None:
    assert NOTICE.encode() in encoded(Format.PCAPNG, TALK)[:1024]


def test_directions_in_a_gatt_trace_are_those_of_its_format() -> None:
    rows = [json.loads(line) for line in encoded(Format.GATT, TALK).splitlines()[1:]]
    assert [row["op"] for row in rows] == [
        "connected",
        *(operation for operation, _, _ in VALUES),
        "disconnected",
    ]
    for row in rows[1:-1]:
        assert row["dir"] == ("tx" if Operation(row["op"]) in TO_DEVICE else "rx")


# --- files ------------------------------------------------------------------------------------


class Faults(list[OutputFailed]):
    def __call__(self, error: OutputFailed) -> None:
        self.append(error)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("kind", Format)
def test_a_recording_is_its_owners_alone_whatever_the_umask(tmp_path: Path, kind: Format) -> None:
    before = os.umask(0)
    try:
        recorder = FileRecorder(tmp_path / "out", kind, Faults())
        assert mode(tmp_path / "out") == 0o600
    finally:
        os.umask(before)
    tape = recorder.begin(FACTS, START_NS)
    for step in TALK:
        tape.add(step)
    tape.end(TALK[-1].at_ns, lost=False)
    recorder.close()
    assert (tmp_path / "out").read_bytes() == encoded(kind, TALK)
    assert mode(tmp_path / "out") == 0o600


def test_what_has_passed_is_in_the_file_before_the_tape_ends(tmp_path: Path) -> None:
    recorder = FileRecorder(tmp_path / "out", Format.GATT, Faults())
    tape = recorder.begin(FACTS, START_NS)
    tape.add(TALK[5])
    found = (tmp_path / "out").read_bytes()
    assert found.endswith(b"\n")
    assert values(found) == [VALUES[1]]
    recorder.close()


def test_a_file_that_exists_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("precious")
    with pytest.raises(OutputFailed, match="exists"):
        FileRecorder(path, Format.GATT, Faults())
    assert path.read_text() == "precious"


def test_a_link_to_somewhere_else_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputFailed):
        FileRecorder(tmp_path / "out", Format.GATT, Faults())
    assert not (tmp_path / "elsewhere").exists()


def test_a_recording_of_nothing_leaves_no_file(tmp_path: Path) -> None:
    recorder = FileRecorder(tmp_path / "out", Format.GATT, Faults())
    recorder.close()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_none_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputFailed, match="cannot be written"):
        DirectoryRecorder(tmp_path / "file", Format.GATT, Faults())
    with pytest.raises(OutputFailed, match="cannot be written"):
        FileRecorder(tmp_path / "no" / "out", Format.GATT, Faults())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_ends_the_recording_with_one_word_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults()
    recorder = FileRecorder(tmp_path / "out", Format.GATT, faults)
    tape = recorder.begin(FACTS, START_NS)
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123
        os.dup2(full.fileno(), recorder._file._descriptor or -1)
    for step in TALK:
        tape.add(step)
    tape.end(START_NS, lost=True)
    assert len(faults) == 1
    assert os.strerror(errno.ENOSPC) in faults[0].summary


def test_each_link_of_a_gateway_has_a_file_of_its_own(tmp_path: Path) -> None:
    recorder = DirectoryRecorder(tmp_path / "new", Format.GATT, Faults())
    first, second = recorder.begin(FACTS, START_NS), recorder.begin(FACTS, START_NS)
    second.add(TALK[5])
    first.add(TALK[4])
    for tape in (first, second):
        tape.end(START_NS, lost=True)
    files = sorted((tmp_path / "new").iterdir())
    assert [values(file.read_bytes()) for file in files] == [[VALUES[0]], [VALUES[1]]]
    for file in files:
        assert mode(file) == 0o600
        assert file.name.endswith(SUFFIXES[Format.GATT])
        assert "C0:FF:EE".lower() not in file.name.lower()
    assert mode(tmp_path / "new") == 0o700


def test_recording_stops_at_its_limit_and_says_so_once(tmp_path: Path) -> None:
    faults = Faults()
    recorder = DirectoryRecorder(tmp_path, Format.GATT, faults, limit_bytes=2000)
    for _ in range(3):
        tape = recorder.begin(FACTS, START_NS)
        for step in TALK:
            tape.add(step)
        tape.end(START_NS, lost=False)
    written = [file.stat().st_size for file in tmp_path.iterdir()]
    assert len(written) == 2
    assert 1000 < sum(written) <= 2000
    assert len(faults) == 1
    assert "limit" in faults[0].summary


def test_standard_output_is_a_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "stdout").open("wb") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        recorder = FileRecorder(Path("-"), Format.PCAPNG, Faults())
        recorder.begin(FACTS, START_NS).end(START_NS, lost=False)
        recorder.close()
        assert not stdout.closed
    assert (tmp_path / "stdout").read_bytes() == encoded(Format.PCAPNG, [])
