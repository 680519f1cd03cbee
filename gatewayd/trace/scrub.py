"""Makes of any trace a `.gatt.jsonl` that may be shown: what a bug report needs, and nobody's name.

Only values that a protocol can scrub are passed on (`protocols.observer.Scrubber`). Everything else
in the trace stays behind: other devices, advertisements, names, keys, vendors' logs. Devices are
numbered in order of appearance and get an address made of that number.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final, TextIO

from gatewayd.trace.gatt import Operation
from gatewayd.trace.gatt_lines import GattHeader, GattLine, encode_header, encode_line
from protocols.model.time import DeviceTime, Moment
from protocols.observer import Observation, Said, Scrubber
from protocols.spec import ProtocolSpec

MAX_DEVICES: Final = 256
"""Addresses that are told apart; further devices share the last one."""

_NONE: Final[Mapping[str, int]] = MappingProxyType({})


class ScrubbedFile:
    """The file being written. Hand `specs` to a replay, run it to the end, then `close`."""

    def __init__(self, out: TextIO, specs: Sequence[ProtocolSpec]) -> None:
        self._out = out
        self._started_ns: int | None = None
        self._devices: dict[str | None, int] = {}
        self._services = tuple(sorted(uuid for spec in specs for uuid in spec.services))
        self.connections = 0
        self.values = 0
        self.specs: tuple[ProtocolSpec, ...] = tuple(
            replace(spec, observe=self._observing(spec.scrub))
            for spec in specs
            if spec.scrub is not None
        )
        """The protocols that can scrub, made to write into the file."""

    def close(self) -> None:
        """A trace without any value still has a header."""
        self._begin(0)

    # --- for connections ----------------------------------------------------------------------

    def connected(self, address: str | None, at: Moment) -> int:
        """Note a new connection; gives its number."""
        self.connections += 1
        number = self._devices.setdefault(address, len(self._devices) + 1)
        if len(self._devices) > MAX_DEVICES:
            number = MAX_DEVICES
            del self._devices[address]
        device = f"02:00:00:00:{number >> 8:02X}:{number & 0xFF:02X}"
        at_ns = _nanoseconds(at)
        self._write(
            GattLine(at_ns, None, connected=True, connection=self.connections, device=device)
        )
        return self.connections

    def value(self, connection: int, said: Said) -> None:
        """Note a value that is fit to be shown."""
        self.values += 1
        operation = Operation.WRITE if said.to_device else Operation.NOTIFICATION
        at_ns = _nanoseconds(said.at)
        self._write(
            GattLine(at_ns, operation, said.characteristic, said.data, connection=connection)
        )

    def disconnected(self, connection: int, at: Moment) -> None:
        """Note a connection's end."""
        self._write(GattLine(_nanoseconds(at), None, connection=connection))

    # --- inside -------------------------------------------------------------------------------

    def _observing(self, scrub: Callable[[], Scrubber]) -> "Callable[[], _Passage]":
        return lambda: _Passage(scrub(), self)

    def _begin(self, at_ns: int) -> int:
        if self._started_ns is None:
            self._started_ns = at_ns
            header = GattHeader(None, at_ns or None, self._services)
            self._out.write(f"{encode_header(header)}\n")
        return self._started_ns

    def _write(self, line: GattLine) -> None:
        started_ns = self._begin(line.at_ns or 0)
        self._out.write(f"{encode_line(line, started_ns)}\n")


class _Passage:
    """Implements `protocols.observer.Observer`: values of one connection pass into the file."""

    def __init__(self, scrubber: Scrubber, file: ScrubbedFile) -> None:
        self._scrubber = scrubber
        self._file = file
        self._opened: tuple[str | None, Moment] = (None, Moment(0.0, DeviceTime(0)))
        self._connection = 0
        """0 until it has shown a value: one without any is left out."""

    def opened(self, address: str | None, at: Moment) -> None:
        self._scrubber.opened(address)
        self._opened = (address, at)

    def written(self, characteristic: str, data: bytes, at: Moment) -> bool:
        return self._pass(Said(True, characteristic, data, at))  # noqa: FBT003

    def notified(self, characteristic: str, data: bytes, at: Moment) -> bool:
        return self._pass(Said(False, characteristic, data, at))  # noqa: FBT003

    def closed(self, at: Moment) -> None:
        self._scrubber.close()
        self._drain()
        if self._connection:
            self._file.disconnected(self._connection, at)

    def next_observation(self) -> Observation | None:
        return None

    def unread(self) -> Mapping[str, int]:
        return _NONE

    def _pass(self, said: Said) -> bool:
        taken = self._scrubber.take(said)
        self._drain()
        return taken

    def _drain(self) -> None:
        while (said := self._scrubber.next_said()) is not None:
            if not self._connection:
                self._connection = self._file.connected(*self._opened)
            self._file.value(self._connection, said)


def _nanoseconds(at: Moment) -> int:
    """To the microsecond, which a moment's seconds still tell."""
    return round(at.seconds * 10**6) * 1000
