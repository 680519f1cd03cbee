"""The watch's memory, and the transfer of one type out of it. Source: spec 8.2, 13.7.

A confirmed transfer deletes exactly the bytes that it carried: what was recorded meanwhile stays.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import cycle
from typing import Final

from protocols.testing.virtual_watch.entry import Entry
from protocols.testing.virtual_watch.faults import Faults
from protocols.testing.virtual_watch.frames import crc16, packet
from protocols.testing.virtual_watch.history import INTERVAL_ITEM_BYTES, STEPS, Block, History
from protocols.testing.virtual_watch.samples import group

MAX_DATA_BYTES: Final = 1016
"""Value bytes of one 05/30 frame (13.7)."""

_FUTURE: Final = timedelta(days=2)
_TRUNCATED_COUNT: Final = 5


class EraseReason(StrEnum):
    """Why the watch forgot."""

    CONFIRMED = "confirmed"
    """The host answered 05/20 00."""
    REBOUND = "rebound"
    """Somebody else bound the watch."""
    UNBOUND = "unbound"


@dataclass(frozen=True, slots=True)
class Erased:
    """One block that the watch forgot, with the bytes that it forgot."""

    kind: int
    data: bytes
    entries: tuple[Entry, ...]
    at_s: float
    reason: EraseReason


@dataclass(slots=True)
class Transfer:
    """One item sync under way; `number` counts them over the watch's life."""

    kind: int
    number: int
    block: Block
    packets: deque[bytes]
    ended: bool = False


class Memory:
    """What the watch holds, type by type, and every block that it was told to forget."""

    def __init__(self, history: History, faults: Faults, *, step_bytes: int) -> None:
        self._blocks: dict[int, Block] = dict(history.blocks)
        self._until = history.until
        self._faults = faults
        self._item_bytes = {**INTERVAL_ITEM_BYTES, STEPS: step_bytes}
        self.erased: list[Erased] = []

    @property
    def blocks(self) -> Mapping[int, Block]:
        """The blocks that are not empty."""
        return {kind: block for kind, block in self._blocks.items() if block.data}

    def add(self, kind: int, block: Block) -> None:
        """Record something."""
        self._blocks[kind] = self._blocks.get(kind, Block()) + block

    def stream(self, kind: int) -> bytes:
        """The record stream as it would be sent, oddities of the faults included."""
        data = self._blocks.get(kind, Block()).data
        size = self._item_bytes.get(kind)
        if not data or size is None:
            return data
        if self._faults.empty_groups:
            empty = group(self._until, 5, [])
            data = empty + data + empty
        if self._faults.future_dated:
            item = (b"\x48" if size == 1 else b"\x00\x48").ljust(size, b"\x00")
            data += group(self._until + _FUTURE, 5, [item])
        if self._faults.truncated_tail:
            tail = group(self._until, 5, [bytes(size), bytes(size // 2)])
            data += _TRUNCATED_COUNT.to_bytes(2, "big") + tail[2:]
        return data

    def total_bytes(self) -> int:
        """What 05/06 tells."""
        return sum(len(self.stream(kind)) for kind in self._blocks)

    def transfer(self, kind: int, number: int, data_bytes: int) -> Transfer:
        """A transfer of all that is held of a type at this moment."""
        stream = self.stream(kind)
        sizes = cycle(self._faults.data_sizes or (data_bytes,))
        packets = deque([packet(5, 0x07, len(stream).to_bytes(4, "big"))])
        at = 0
        while at < len(stream):
            end = at + min(next(sizes), MAX_DATA_BYTES)
            packets.append(packet(5, 0x30, stream[at:end]))
            at = end
        count = len(stream) + (number in self._faults.wrong_count)
        packets.append(packet(5, 0x08, count.to_bytes(4, "big")))
        return Transfer(kind, number, self._blocks.get(kind, Block()), packets)

    def precompute(self, data_bytes: int) -> None:
        """Work out every check value beforehand, for benchmarks."""
        for kind in self._blocks:
            for payload in self.transfer(kind, 0, data_bytes).packets:
                crc16(payload)

    def forget(self, transfer: Transfer, now: float) -> None:
        """Delete what this transfer carried and nothing else."""
        kind, carried = transfer.kind, transfer.block
        if not carried.data:
            return
        held = self._blocks[kind]
        self._blocks[kind] = Block(
            held.data[len(carried.data) :], held.entries[len(carried.entries) :]
        )
        self._note(kind, carried, now, EraseReason.CONFIRMED)

    def forget_all(self, now: float, reason: EraseReason) -> None:
        """Delete everything."""
        for kind, block in self.blocks.items():
            self._note(kind, block, now, reason)
        self._blocks.clear()

    def _note(self, kind: int, block: Block, now: float, reason: EraseReason) -> None:
        self.erased.append(Erased(kind, block.data, block.entries, now, reason))
