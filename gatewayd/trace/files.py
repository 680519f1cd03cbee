"""Tells what a file is by its first bytes, never by its name."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from gatewayd.trace import btsnoop, gatt_lines, pcap, pcapng
from gatewayd.trace.errors import TraceError
from gatewayd.trace.gatt_lines import GattTrace
from gatewayd.trace.record import Record, Window

_SUGGESTIONS: Final = {
    b"\x1f\x8b": "it is compressed with gzip. Unpack it first",
    b"PK\x03\x04": "it is a zip archive. Unpack it first, and look for a btsnoop file in it",
}
_PROBE_BYTES: Final = 64
_FORMATS: Final = "btsnoop, pcap, pcapng or .gatt.jsonl"


def open_trace(stream: BinaryIO) -> Iterator[Record] | GattTrace:
    """The packets of a trace, or what stands in a `.gatt.jsonl`.

    Raises TraceError when it is of no known type; reading on raises it, too.
    """
    window = Window(stream)
    window.has(_PROBE_BYTES)
    start = window.data[:_PROBE_BYTES]
    if start.startswith(btsnoop.MAGIC):
        return btsnoop.records(window)
    if start.startswith(pcapng.MAGIC):
        return pcapng.records(window)
    if start[:4] in pcap.MAGICS:
        return pcap.records(window)
    if start.lstrip()[:1] == b"{":
        return gatt_lines.read(window)
    if not start:
        raise TraceError("the file is empty", f"Give a capture: {_FORMATS}")
    for magic, words in _SUGGESTIONS.items():
        if start.startswith(magic):
            raise TraceError(words)
    raise TraceError("this is no trace of Bluetooth traffic", f"Give {_FORMATS}")
