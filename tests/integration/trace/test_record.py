"""What is recorded live tells the same as what was lived: to our replay, and to tshark."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from gatewayd.ble.bluez import BleakRadio
from gatewayd.core.clock import Clock
from gatewayd.core.driver import Driver
from gatewayd.core.recording import Passage, RecordingRadio, Step, Tape
from gatewayd.core.timeline import Timeline, system_zone
from gatewayd.trace.outcome import AnomalySeen, ConnectionSeen, ReadingSeen
from gatewayd.trace.write import FileRecorder, Format
from gatewayd.virtual.air import Air
from gatewayd.virtual.peripheral import on_air
from protocols.fitcloud.session import FitCloudSession
from protocols.model.catalog import Category
from protocols.model.intents import ReadBattery, Sync
from protocols.model.readings import BatteryLevel, Reading
from protocols.model.time import DeviceTime
from protocols.session import LinkFacts, SessionSettings
from protocols.testing.virtual_watch import VirtualWatch, build_history
from tests.integration.trace.captures import Owner
from tests.integration.trace.reference import TSHARK, att_pdus, wanted
from tests.unit.trace import writers as w
from tests.unit.trace.feeding import of, summary, told

USER = "record-of-tests-0001"
ODD = f"_ws.malformed or _ws.expert.severity >= {0x600000:d}"
"""Warnings and worse."""

HCI = (Format.BTSNOOP, Format.PCAPNG)


@dataclass
class Lived:
    """One connection: what passed, what came of it, and its recordings."""

    files: dict[Format, Path]
    readings: tuple[Reading, ...] = ()
    facts: list[LinkFacts] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


class Tee:
    """One tape for many, and for the test."""

    def __init__(self, lived: Lived, recorders: list[FileRecorder]) -> None:
        self._lived = lived
        self._recorders = recorders
        self._tapes: list[Tape] = []

    def begin(self, facts: LinkFacts, at_ns: int) -> "Tee":
        self._lived.facts.append(facts)
        self._tapes = [recorder.begin(facts, at_ns) for recorder in self._recorders]
        return self

    def add(self, step: Step) -> None:
        self._lived.steps.append(step)
        for tape in self._tapes:
            tape.add(step)

    def end(self, at_ns: int, *, lost: bool) -> None:
        for tape in self._tapes:
            tape.end(at_ns, lost=lost)


def no_fault(error: Exception) -> None:
    raise AssertionError(error)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    directory = tmp_path_factory.mktemp("recordings")
    return asyncio.run(live(Lived({kind: directory / kind for kind in Format})))


async def live(lived: Lived) -> Lived:
    """Bind, synchronise and measure, with everything on tape in every format."""
    now = datetime.now().replace(microsecond=0)  # noqa: DTZ005 - a watch knows no time zone
    watch = VirtualWatch(build_history(now, days=2), bound_user=None)
    recorders = [FileRecorder(path, kind, no_fault) for kind, path in lived.files.items()]
    owner = Owner()
    settings = SessionSettings(USER, may_bind=True, consent=frozenset(Category))
    clock = Clock(Timeline(system_zone()))
    async with on_the_bench(watch) as bare, asyncio.timeout(60):
        radio = RecordingRadio(bare, Tee(lived, recorders))
        link = await radio.connect(watch.advertisement.address)
        driver = Driver(FitCloudSession(settings), link, owner, clock.now, "recorded")
        async with asyncio.TaskGroup() as group:
            running = group.create_task(driver.run())
            await owner.ready.wait()
            await driver.request(Sync())
            await driver.request(ReadBattery())
            running.cancel()
        await link.close()
        await radio.close()
    lived.readings = tuple(owner.readings)
    return lived


@asynccontextmanager
async def on_the_bench(watch: VirtualWatch) -> AsyncIterator[BleakRadio]:
    air = Air()
    async with on_air(air, watch, watch.advertisement), air.central() as central:
        yield BleakRadio(
            scanner_backend=central.scanner_backend, client_backend=central.client_backend
        )


# --- against our own replay -------------------------------------------------------------------


@pytest.mark.parametrize("kind", Format)
def test_a_recording_replays_to_the_readings_of_the_live_session(
    lived: Lived, kind: Format
) -> None:
    outcomes = told(lived.files[kind].read_bytes())
    assert len(lived.readings) > 500
    assert of(AnomalySeen, outcomes) == []
    found = [seen.reading for seen in of(ReadingSeen, outcomes)]
    assert undated(found) == undated(lived.readings)
    (seen,) = of(ConnectionSeen, outcomes)
    assert seen.protocols == ("fitcloud",)
    assert seen.connection.address == lived.facts[0].address


def undated(readings: list[Reading] | tuple[Reading, ...]) -> Counter[Reading]:
    """A battery's reading is dated by our clock, and the recording may have looked at it a second
    earlier."""
    return Counter(
        reading._replace(at=DeviceTime(0)) if isinstance(reading, BatteryLevel) else reading
        for reading in readings
    )


def test_every_notification_is_counted(lived: Lived) -> None:
    pushed = sum(step.passage is Passage.NOTIFICATION for step in lived.steps)
    for path in lived.files.values():
        counts = summary(told(path.read_bytes())).pushed
        assert sum(item.notifications for item in counts) == pushed > 50


def test_the_radio_tells_in_which_service_a_characteristic_stands(lived: Lived) -> None:
    (facts,) = lived.facts
    assert facts.service_of.keys() == facts.characteristics.keys()
    assert set(facts.service_of.values()) <= facts.services


# --- against tshark ---------------------------------------------------------------------------


def tshark(path: Path, *arguments: str) -> list[str]:
    assert TSHARK is not None
    done = subprocess.run(
        [TSHARK, "-r", path, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@wanted(TSHARK, "tshark")
@pytest.mark.parametrize("kind", HCI)
def test_tshark_finds_nothing_malformed(lived: Lived, kind: Format) -> None:
    assert tshark(lived.files[kind], "-Y", ODD) == []


@wanted(TSHARK, "tshark")
def test_tshark_would_find_something_malformed(lived: Lived, tmp_path: Path) -> None:
    packets = w.from_btsnoop(lived.files[Format.BTSNOOP].read_bytes())
    asked = next(n for n, packet in enumerate(packets) if packet.h4[9:10] == b"\x02")
    ((_, cut),) = w.acl(packets[asked].h4[9:11], received=False)
    packets[asked] = packets[asked]._replace(h4=cut)
    path = tmp_path / "odd.btsnoop"
    path.write_bytes(w.btsnoop(w.as_h4(packets), 1002))
    assert "Malformed" in tshark(path, "-Y", ODD)[0]


@wanted(TSHARK, "tshark")
@pytest.mark.parametrize("kind", HCI)
def test_tshark_reads_the_values_that_passed(lived: Lived, kind: Format) -> None:
    opcodes = {
        Passage.WRITE: 0x12,
        Passage.WRITE_COMMAND: 0x52,
        Passage.NOTIFICATION: 0x1B,
        Passage.INDICATION: 0x1D,
    }
    passed = [
        (opcodes[step.passage], step.data)
        for step in lived.steps
        if step.passage in opcodes and not step.answered
    ]
    pdus = att_pdus(lived.files[kind])
    found = [(pdu[0], pdu[3:]) for pdu in pdus if pdu[0] in opcodes.values()]
    # the one subscription is a write to a descriptor
    found.remove((0x12, b"\x01\x00"))
    assert found == passed


@wanted(TSHARK, "tshark")
@pytest.mark.parametrize("kind", HCI)
def test_tshark_knows_the_characteristics_by_their_uuid(lived: Lived, kind: Format) -> None:
    lines = tshark(
        lived.files[kind], "-Y", "btatt.opcode == 0x1b", "-T", "fields", "-e", "btatt.uuid128",
        "-e", "bthci_acl.src.bd_addr",
    )  # fmt: skip
    address = lived.facts[0].address.lower()
    uuids = {step.characteristic for step in lived.steps if step.passage is Passage.NOTIFICATION}
    shown = tshark(
        lived.files[kind], "-Y", "btatt.opcode == 0x1b", "-T", "fields", "-e", "btatt.uuid16",
        "-e", "bthci_acl.src.bd_addr",
    )  # fmt: skip
    both = {tuple(line.split("\t")) for line in (*lines, *shown)}
    assert {where for _, where in both} == {address}
    short = {f"0x{uuid[4:8]}" for uuid in uuids}
    long = {uuid.replace("-", ":") for uuid in uuids}
    assert {uuid for uuid, _ in both if uuid} <= short | long
    assert any(uuid for uuid, _ in both)


@wanted(TSHARK, "tshark")
def test_wireshark_shows_the_notice_of_a_pcapng(lived: Lived) -> None:
    data = lived.files[Format.PCAPNG].read_bytes()
    assert b"personal data" in data[:512]
    times = tshark(lived.files[Format.PCAPNG], "-T", "fields", "-e", "frame.time_epoch")
    assert abs(float(times[-1]) - lived.steps[-1].at_ns / 1e9) < 1
