"""A hand-driven central for the virtual watch: bytes in, bytes out, no codec of ours."""

from collections.abc import Callable

from protocols.testing.virtual_watch import (
    NOTIFY_UUID,
    WRITE_UUID,
    Drop,
    Notify,
    VirtualWatch,
)

USER = b"me".ljust(32, b"\x00")


def crc(payload: bytes) -> int:
    value = 0
    for byte in payload:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


def frame(payload: bytes, sequence: int) -> bytes:
    head = b"\xab\x00" + len(payload).to_bytes(2, "big") + crc(payload).to_bytes(2, "big")
    return head + sequence.to_bytes(2, "big") + payload


def ack(sequence: int, *, error: bool = False) -> bytes:
    return bytes((0xAB, 0x30 if error else 0x10, 0, 0, 0, 0)) + sequence.to_bytes(2, "big")


class Host:
    """Writes keys, acknowledges what comes whole and right, sorts what it hears."""

    def __init__(self, watch: VirtualWatch, *, mtu: int = 247, now: float = 0.0) -> None:
        self.watch = watch
        self.now = now
        self.mtu = mtu
        self.sequence = 0
        self.collecting = b""
        self.notified: list[bytes] = []  # every notification
        self.acked: list[int] = []  # our frames that the watch acknowledged
        self.nacked: list[int] = []
        self.frames: list[tuple[int, bytes]] = []  # (sequence, payload), duplicates included
        self.bad: list[bytes] = []  # complete, wrong check value
        self.dropped = False
        self.acknowledges: Callable[[int], bool] = lambda _sequence: True
        watch.connected(mtu, now)
        watch.subscribed()

    def drain(self) -> list[bytes]:
        """Everything until the watch has nothing more to say; returns the new payloads."""
        before = len(self.frames)
        while (effect := self.watch.next_effect()) is not None:
            match effect:
                case Drop():
                    self.dropped = True
                case Notify(characteristic, data):
                    assert characteristic == NOTIFY_UUID
                    assert 0 < len(data) <= self.mtu - 3
                    self.notified.append(data)
                    self._heard(data)
        return [payload for _, payload in self.frames[before:]]

    def _heard(self, data: bytes) -> None:
        if len(data) == 8 and data[1] & 0x10 and not any(data[2:6]):
            answers = self.nacked if data[1] & 0x20 else self.acked
            answers.append(int.from_bytes(data[6:8], "big"))
            return
        if not self.collecting or data[:4] == self.collecting[:4]:  # a new frame, or again
            assert data[0] == 0xAB
            self.collecting = data
        else:
            self.collecting += data
        length = int.from_bytes(self.collecting[2:4], "big")
        if length > 1024:
            self._answer(error=True)
        elif len(self.collecting) == length + 8:
            whole, payload = self.collecting, self.collecting[8:]
            if int.from_bytes(whole[4:6], "big") == crc(payload):
                self.frames.append((int.from_bytes(whole[6:8], "big"), payload))
                self._answer(error=False)
            else:
                self.bad.append(whole)
                self._answer(error=True)

    def _answer(self, *, error: bool) -> None:
        sequence = int.from_bytes(self.collecting[6:8], "big")
        self.collecting = b""
        if error or self.acknowledges(sequence):
            self.watch.written(WRITE_UUID, ack(sequence, error=error), self.now)

    def write(self, data: bytes) -> None:
        self.watch.written(WRITE_UUID, data, self.now)

    def send(self, command: int, key: int, value: bytes = b"") -> list[bytes]:
        """One key in one frame; returns the payloads that come back."""
        self.sequence += 1
        payload = bytes((command, 0, key)) + len(value).to_bytes(2, "big") + value
        self.write(frame(payload, self.sequence))
        return self.drain()

    def ask(self, command: int, key: int, value: bytes = b"") -> list[bytes]:
        """Like `send`, waiting out every time-out of the watch."""
        return [*self.send(command, key, value), *self.wait()]

    def wait(self) -> list[bytes]:
        payloads = []
        while (at := self.watch.deadline()) is not None and not self.dropped:
            self.now = max(self.now, at)
            self.watch.tick(self.now)
            payloads += self.drain()
        return payloads

    def login(self) -> list[bytes]:
        return self.send(3, 0x13, USER)

    def item(self, kind: int) -> tuple[bytes, int | None, int | None]:
        """05/01: (data without duplicates, announced size, final count)."""
        start = len(self.frames)
        self.ask(5, 0x01, bytes((kind,)))
        data, size, count, last = b"", None, None, None
        for sequence, payload in self.frames[start:]:
            key, value = payload[2], payload[5:]
            if payload[0] != 5 or sequence == last:
                continue
            last = sequence
            if key == 0x07:
                size = int.from_bytes(value, "big")
            elif key == 0x30:
                data += value
            elif key == 0x08:
                count = int.from_bytes(value, "big")
        return data, size, count
