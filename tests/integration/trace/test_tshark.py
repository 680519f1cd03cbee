"""The same files, read by tshark: as many attribute PDUs, in order, with the same bytes."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gatewayd.trace.connection import Connection
from gatewayd.trace.outcome import ReadingSeen, Summary
from gatewayd.trace.replay import Replay, ReplayOptions
from tests.integration.trace.captures import Capture
from tests.integration.trace.reference import TSHARK, att_pdus, per_handle, wanted
from tests.unit.trace import writers as w
from tests.unit.trace.feeding import of, summary, told

EDITCAP = shutil.which("editcap")
pytestmark = wanted(TSHARK, "tshark")

Packets = list[w.Packet]

HCI: dict[str, Callable[[Packets], bytes]] = {
    "h1.btsnoop": lambda p: w.btsnoop(w.as_h1(p), 1001),
    "h4.btsnoop": lambda p: w.btsnoop(w.as_h4(p), 1002),
    "monitor.btsnoop": lambda p: w.btsnoop(w.as_monitor(p), 2001),
    "h4.pcap": lambda p: w.pcap(w.bare(p), 187),
    "h4-phdr.pcap": lambda p: w.pcap(w.with_direction(p), 201),
    "h4-phdr-big-endian-nano.pcap": lambda p: w.pcap(
        w.with_direction(p), 201, order=">", nano=True
    ),
    "monitor.pcap": lambda p: w.pcap(w.with_opcode(p), 254),
    "h4-phdr.pcapng": lambda p: w.pcapng(w.with_direction(p), 201),
    "h4-big-endian.pcapng": lambda p: w.pcapng(w.bare(p), 187, order=">"),
}
AIR: dict[str, Callable[[list[w.Air]], bytes]] = {
    "le.pcap": lambda a: w.pcap(w.air_bare(a), 251),
    "le-phdr.pcap": lambda a: w.pcap(w.air_phdr(a), 256),
    "le-phdr.pcapng": lambda a: w.pcapng(w.air_phdr(a), 256),
    "nrf-1.pcap": lambda a: w.pcap(w.air_nrf(a, version=1), 272),
    "nrf-2.pcap": lambda a: w.pcap(w.air_nrf(a, version=2), 272),
    "nrf-3.pcapng": lambda a: w.pcapng(w.air_nrf(a, version=3), 272),
}


def first_connection(capture: Capture) -> Packets:
    packets = w.from_btsnoop(capture.btsnoop)
    end = next(n for n, packet in enumerate(packets) if packet.h4[:2] == b"\x04\x05")
    return packets[: end + 1]


def written(name: str, capture: Capture, directory: Path) -> Path:
    path = directory / name
    if name in HCI:
        path.write_bytes(HCI[name](w.from_btsnoop(capture.btsnoop)))
    else:
        path.write_bytes(AIR[name](w.on_air(first_connection(capture), capture.address)))
    return path


class Recorder(Replay):
    """Keeps what the followers find, byte by byte."""

    def __init__(self) -> None:
        super().__init__(ReplayOptions())
        self.pdus: list[bytes] = []

    def att(
        self, connection: Connection, pdu: bytes, at_ns: int | None, *, from_peer: bool
    ) -> None:
        self.pdus.append(pdu)
        super().att(connection, pdu, at_ns, from_peer=from_peer)


def heard(path: Path) -> tuple[list[bytes], Summary]:
    recorder = Recorder()
    with path.open("rb") as stream:
        *_, last = recorder.run(stream)
    assert isinstance(last, Summary)
    return recorder.pdus, last


def agree(path: Path) -> list[bytes]:
    """Ours, which must be theirs: all PDUs, and how many notifications each handle has."""
    ours, last = heard(path)
    assert ours == att_pdus(path)
    assert Counter({item.handle: item.notifications for item in last.pushed}) == per_handle(path)
    return ours


@pytest.mark.parametrize("name", [*HCI, *AIR])
def test_tshark_reads_the_same_pdus(name: str, captured: Capture, tmp_path: Path) -> None:
    path = written(name, captured, tmp_path)
    assert len(agree(path)) > (300 if name in HCI else 150)
    assert summary(told(path.read_bytes())).anomalies == 0


@pytest.mark.parametrize("kind", ["pcap", "pcapng", "nsecpcap"])
@wanted(EDITCAP, "editcap")
def test_what_editcap_converts_is_read_too(kind: str, captured: Capture, tmp_path: Path) -> None:
    source, path = tmp_path / "source.btsnoop", tmp_path / f"converted.{kind}"
    source.write_bytes(captured.btsnoop)
    assert EDITCAP is not None
    subprocess.run([EDITCAP, "-F", kind, source, path], check=True, capture_output=True)
    agree(path)
    converted = of(ReadingSeen, told(path.read_bytes()))
    original = of(ReadingSeen, told(captured.btsnoop))
    assert [seen.reading for seen in converted] == [seen.reading for seen in original]
    # pcap keeps microseconds, as the source does
    assert [seen.at_ns for seen in converted] == [seen.at_ns for seen in original]


def test_tshark_finds_no_check_value_of_our_on_air_writer_wrong(
    captured: Capture, tmp_path: Path
) -> None:
    path = written("le.pcap", captured, tmp_path)
    assert TSHARK is not None
    done = subprocess.run(
        [TSHARK, "-r", path, "-Y", "btle.crc.incorrect"], capture_output=True, check=True
    )
    assert done.stdout == b""


def test_tshark_reads_multiple_notifications_and_long_values_as_we_do(tmp_path: Path) -> None:
    from struct import pack

    from tests.unit.trace.conversation import answered, asked, connection

    items = connection(
        *answered(b"\x23" + pack("<2H", 4, 2) + b"ab" + pack("<2H", 6, 1) + b"c"),
        *asked(b"\x16" + pack("<2H", 9, 0) + b"x" * 18),
        *answered(b"\x17" + pack("<2H", 9, 0) + b"x" * 18),
        *asked(b"\x18\x01"),
        *answered(b"\x19"),
        *asked(b"\xd2" + pack("<H", 9) + b"signed" + bytes(12)),
        *answered(b"\x1d" + pack("<H", 9) + b"i" * 400, size=27),
    )
    path = tmp_path / "odd.btsnoop"
    path.write_bytes(w.btsnoop(w.as_h4(w.timed(items)), 1002))
    ours, _ = heard(path)
    assert len(ours) == 7
    assert ours == att_pdus(path)
