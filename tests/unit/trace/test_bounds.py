"""However long a trace is, the memory that reading it takes is the same."""

import io
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from gatewayd.trace.record import CHUNK_BYTES, Window
from gatewayd.trace.replay import Replay, ReplayOptions
from protocols.fitcloud.spec import SPEC
from tests.unit.trace import writers as w
from tests.unit.trace.conversation import answered, connection, discovery, notification

LIMIT_BYTES = 16 * CHUNK_BYTES


class Endless(io.RawIOBase):
    """A file that is made while it is read."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._left = b""

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (part := next(self._parts, b"")):
            self._left += part
        found, self._left = self._left[:size], self._left[size:]
        return found


def peak(parts: Iterator[bytes]) -> int:
    tracemalloc.start()
    stream = Endless(parts)
    for _ in Replay(ReplayOptions(specs=(SPEC,))).run(stream):  # type: ignore[arg-type]
        pass
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return highest


def strangers(number: int) -> list[tuple[bool, bytes]]:
    """Each from another address, none ever ends."""
    address = ":".join(f"{byte:02X}" for byte in number.to_bytes(6, "big"))
    handle = number % 0xE00 + 1
    return connection(*discovery(handle), handle=handle, address=address)[:-1]


def noise(number: int) -> list[tuple[bool, bytes]]:
    """Notifications of ever other handles, frames that announce more than comes."""
    start = b"\xab\x00\x03\xff" + bytes(4)
    return [
        *answered(notification(number & 0xFFFF, bytes(20)), handle=number % 7 + 1),
        *answered(notification(0x14, start + bytes(100)), handle=1),
    ]


@pytest.mark.parametrize(("items", "many"), [(strangers, 1000), (noise, 5000)])
def test_memory_does_not_grow_with_the_trace(
    items: Callable[[int], list[tuple[bool, bytes]]], many: int
) -> None:
    def parts(rounds: int) -> Iterator[bytes]:
        yield w.btsnoop([], 1002)
        for number in range(rounds):
            yield w.btsnoop(w.as_h4(w.timed(items(number))), 1002)[16:]

    short, long = peak(parts(many)), peak(parts(2 * many))
    assert long < short * 1.25 + CHUNK_BYTES
    assert long < LIMIT_BYTES


def test_a_window_holds_a_chunk_and_a_record_at_most() -> None:
    numbers = count()
    window = Window(Endless(next(numbers).to_bytes(4, "big") for _ in range(10**6)))  # type: ignore[arg-type]
    while window.has(1000):
        window.take(1000)
        assert len(window.data) <= 2 * CHUNK_BYTES
