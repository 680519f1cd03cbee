"""Recordings: a link's traffic as a file that others can read, and that is worth protecting.

A recording holds what a person's body did and who that person is to the device. So it is readable
by its owner only, never replaces a file, and says what it holds as far as its format has a place
for words. What has passed is in the file at once: a recording outlives the process that is killed.
"""

import os
import struct
import sys
from collections.abc import Callable, Container, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from gatewayd.core.recording import Passage, Step, Tape
from gatewayd.errors import OutputFailed
from gatewayd.trace.btsnoop import EPOCH_US, MAGIC
from gatewayd.trace.gatt import Operation
from gatewayd.trace.gatt_lines import GattHeader, GattLine, encode_header, encode_line
from gatewayd.trace.synthesis import COMMENT, Packet, Synthesis
from protocols.session import LinkFacts

NOTICE: Final = (
    "This recording holds personal data: the address and identity of a device and its owner, and"
    " everything they told each other. Scrub it (gatewayd replay --scrub) before you share it"
)
LIMIT_BYTES: Final = 256 * 1024 * 1024
"""Where a recording ends by itself; a synchronised week is below 1 MB."""

OnFault = Callable[[OutputFailed], None]
_OWNER_ONLY: Final = 0o600
STANDARD_OUTPUT: Final = Path("-")


class Format(StrEnum):
    """How a recording is written."""

    GATT = "gatt"
    BTSNOOP = "btsnoop"
    PCAPNG = "pcapng"


SUFFIXES: Final = {
    Format.GATT: ".gatt.jsonl",
    Format.BTSNOOP: ".btsnoop",
    Format.PCAPNG: ".pcapng",
}


class Encoder(Protocol):
    """Turns one link into the bytes of a file."""

    def begin(self, facts: LinkFacts, at_ns: int) -> bytes:
        """The file's beginning, and the link's."""

    def step(self, step: Step) -> bytes:
        """What passed; empty when the format has no word for it."""

    def end(self, at_ns: int, *, lost: bool) -> bytes:
        """The link's end, which is the file's."""


def encoder(kind: Format) -> Encoder:
    """A fresh encoder for one file."""
    match kind:
        case Format.GATT:
            return GattEncoder()
        case Format.BTSNOOP:
            return HciEncoder(_btsnoop_header(), _btsnoop_record)
        case Format.PCAPNG:
            return HciEncoder(_pcapng_header(), _pcapng_record)


# --- files ------------------------------------------------------------------------------------


class FileRecorder:
    """Records the first link into one file, which is created at once, or to standard output.

    `on_fault` hears once of what ended the recording too early: OutputFailed for a full disk and
    the like. Raises OutputFailed when the file cannot be created, or exists.
    """

    def __init__(self, path: Path, kind: Format, on_fault: OnFault) -> None:
        self._file = _File(path, on_fault, LIMIT_BYTES)
        self._encoder = encoder(kind)
        self._is_used = False

    @property
    def steps(self) -> int:
        """How many values and requests have been recorded."""
        return self._file.writes

    def begin(self, facts: LinkFacts, at_ns: int) -> Tape:
        """The link to be recorded. Raises ValueError for a second one."""
        if self._is_used:
            raise ValueError("one file records one link")
        self._is_used = True
        return _FileTape(self._file, self._encoder, facts, at_ns)

    def close(self) -> None:
        """Close the file; one that nothing was written to is removed."""
        self._file.close()


class DirectoryRecorder:
    """Records each link into a file of its own, named by the time and the end of the address.

    Raises OutputFailed when the directory cannot be made. After the first fault, or once
    `limit_bytes` have been written in all, no more is recorded.
    """

    def __init__(
        self, directory: Path, kind: Format, on_fault: OnFault, limit_bytes: int = LIMIT_BYTES
    ) -> None:
        self._directory = directory
        self._kind = kind
        self._on_fault = on_fault
        self._left = limit_bytes
        self._is_over = False
        self._number = 0
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(directory, error) from error

    def begin(self, facts: LinkFacts, at_ns: int) -> Tape:
        """A link is open."""
        if self._is_over:
            return _Blank()
        self._number += 1
        began = datetime.fromtimestamp(at_ns // 10**9, UTC)
        tail = facts.address[-5:].replace(":", "").lower()
        name = f"{began:%Y%m%dT%H%M%SZ}-{tail}-{os.getpid()}-{self._number}"
        try:
            path = self._directory / f"{name}{SUFFIXES[self._kind]}"
            file = _File(path, self._failed, self._left, self._spent)
        except OutputFailed as error:
            self._failed(error)
            return _Blank()
        return _FileTape(file, encoder(self._kind), facts, at_ns)

    def _spent(self, count: int) -> None:
        self._left -= count

    def _failed(self, error: OutputFailed) -> None:
        if not self._is_over:
            self._is_over = True
            self._on_fault(error)


class _File:
    """A file that is created readable by its owner only. After a fault nothing more is written."""

    def __init__(
        self,
        path: Path,
        on_fault: OnFault,
        limit_bytes: int,
        on_written: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._on_fault = on_fault
        self._on_written = on_written
        self._left = limit_bytes
        self.writes = 0
        self._descriptor: int | None = _created(path)

    def write(self, data: bytes) -> None:
        """All of it, or a fault."""
        if self._descriptor is None or not data:
            return
        if len(data) > self._left:
            limit = f"{self._path}: the recording has reached its limit"
            self._fail(OutputFailed(limit, "It ends here; start a new one"))
            return
        self._left -= len(data)
        self._on_written(len(data))
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self._fail(_unwritable(self._path, error))
        else:
            self.writes += 1

    def close(self) -> None:
        """Close it; again is harmless."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None and self._path != STANDARD_OUTPUT:
            os.close(descriptor)
            if not self.writes:
                self._path.unlink(missing_ok=True)

    def _fail(self, error: OutputFailed) -> None:
        self.close()
        self._on_fault(error)


class _FileTape:
    def __init__(self, file: _File, encoder: Encoder, facts: LinkFacts, at_ns: int) -> None:
        self._file = file
        self._encoder = encoder
        file.write(encoder.begin(facts, at_ns))

    def add(self, step: Step) -> None:
        """Something passed."""
        self._file.write(self._encoder.step(step))

    def end(self, at_ns: int, *, lost: bool) -> None:
        """The link is gone."""
        self._file.write(self._encoder.end(at_ns, lost=lost))
        self._file.close()


class _Blank:
    """A tape that keeps nothing."""

    def add(self, step: Step) -> None:
        """Not kept."""

    def end(self, at_ns: int, *, lost: bool) -> None:
        """Not kept."""


def _created(path: Path) -> int:
    if path == STANDARD_OUTPUT:
        return sys.stdout.fileno()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, _OWNER_ONLY)
    except FileExistsError as error:
        raise OutputFailed(f"{path} exists", "Name a file that does not exist yet") from error
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputFailed:
    return OutputFailed(
        f"{path} cannot be written ({error.strerror})", "Choose another place, or make room there"
    )


# --- formats ----------------------------------------------------------------------------------

_PUSHED_OR_SENT: Final = {
    Passage.NOTIFICATION: Operation.NOTIFICATION,
    Passage.INDICATION: Operation.INDICATION,
    Passage.WRITE: Operation.WRITE,
    Passage.WRITE_COMMAND: Operation.WRITE_COMMAND,
}


class GattEncoder:
    """`.gatt.jsonl`. It has no word for a subscription, nor for the answer to a write. What is
    asked of a characteristic that the device lacks was never sent, and is no line."""

    def __init__(self) -> None:
        self._started_ns = 0
        self._known: Container[str] = ()

    def begin(self, facts: LinkFacts, at_ns: int) -> bytes:
        """The header with its notice, and the connection."""
        self._known = facts.characteristics
        # the header tells microseconds
        self._started_ns = at_ns // 1000 * 1000
        header = GattHeader(facts.address, self._started_ns, tuple(sorted(facts.services)))
        first = encode_header(header, NOTICE).encode() + b"\n"
        return first + self._line(GattLine(at_ns, None, connected=True))

    def step(self, step: Step) -> bytes:
        """A line for each value."""
        operation = _operation(step)
        if operation is None or step.characteristic not in self._known:
            return b""
        return self._line(GattLine(step.at_ns, operation, step.characteristic, step.data))

    def end(self, at_ns: int, *, lost: bool) -> bytes:
        """The disconnection."""
        return self._line(GattLine(at_ns, None))

    def _line(self, line: GattLine) -> bytes:
        return encode_line(line, self._started_ns).encode() + b"\n"


class HciEncoder:
    """HCI packets in a container, with handles of our own making (`trace.synthesis`)."""

    def __init__(self, header: bytes, record: Callable[[int, Packet], bytes]) -> None:
        self._header = header
        self._record = record
        self._synthesis: Synthesis | None = None

    def begin(self, facts: LinkFacts, at_ns: int) -> bytes:
        """The container's header, the connection and the discovery."""
        self._synthesis = Synthesis(facts)
        return self._header + self._packed(at_ns, self._synthesis.opening())

    def step(self, step: Step) -> bytes:
        """The packets of a step."""
        if self._synthesis is None:
            raise ValueError("a recording begins with a link")
        return self._packed(step.at_ns, self._synthesis.step(step))

    def end(self, at_ns: int, *, lost: bool) -> bytes:
        """The disconnection."""
        return self._packed(at_ns, (Synthesis.closing(lost=lost),))

    def _packed(self, at_ns: int, packets: Iterable[Packet]) -> bytes:
        return b"".join(self._record(at_ns, packet) for packet in packets)


def _operation(step: Step) -> Operation | None:
    if step.passage is Passage.READ and step.answered:
        return Operation.READ
    return None if step.answered else _PUSHED_OR_SENT.get(step.passage)


# btsnoop (RFC 1761, with the link type of HCI behind a type byte)


def _btsnoop_header() -> bytes:
    return struct.pack(">8s2I", MAGIC, 1, 1002)


def _btsnoop_record(at_ns: int, packet: Packet) -> bytes:
    is_event = packet.h4[0] == 4
    flags = packet.received | is_event << 1
    size = len(packet.h4)
    return struct.pack(">4Iq", size, size, flags, 0, at_ns // 1000 + EPOCH_US) + packet.h4


# pcapng (draft-ietf-opsawg-pcapng), little-endian, one interface of link type 201, nanoseconds

_END: Final = b"\0\0\0\0"
_OPTION_COMMENT: Final = 1
_OPTION_APPLICATION: Final = 4
_OPTION_RESOLUTION: Final = 9


def _pcapng_header() -> bytes:
    words = _option(_OPTION_COMMENT, NOTICE.encode()) + _option(_OPTION_APPLICATION, b"gatewayd")
    section = struct.pack("<I2Hq", 0x1A2B3C4D, 1, 0, -1) + words + _END
    options = _option(_OPTION_COMMENT, COMMENT.encode()) + _option(_OPTION_RESOLUTION, b"\x09")
    interface = struct.pack("<2HI", 201, 0, 0) + options + _END
    return _block(0x0A0D0D0A, section) + _block(1, interface)


def _pcapng_record(at_ns: int, packet: Packet) -> bytes:
    data = struct.pack(">I", packet.received) + packet.h4
    head = struct.pack("<5I", 0, at_ns >> 32, at_ns & 0xFFFFFFFF, len(data), len(data))
    return _block(6, head + _padded(data))


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<2H", code, len(value)) + _padded(value)


def _block(kind: int, body: bytes) -> bytes:
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
