"""Stands between the air and a virtual watch: counts what the watch hears, ends the gateway at
chosen points, and holds every "forget it" against the store."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from protocols.testing.virtual_watch import Effect, EraseReason, Heard, Notify, VirtualWatch
from tests.integration.gateway import facts
from tests.integration.gateway.bell import Bell

HEADER_BYTES = 8
ACK_FLAG = 0x10
_ITEM_REQUEST = b"\x05\x00\x01"
_ITEM_END = b"\x05\x00\x08"
_FORGET = bytes.fromhex("050020000100")


class Phase(StrEnum):
    """Where in a connection's life something happened."""

    LOGIN = "login"
    """Before the first item is asked for."""

    TRANSFER = "transfer"
    """At any write after that."""

    COMMIT = "commit"
    """An item has arrived whole, and is being committed."""

    UNFORGOTTEN = "between commit and erase"
    """The permission to forget has been sent, and does not arrive."""

    FORGOTTEN = "after erase"
    """It has just arrived."""

    PUBLISHING = "publishing"
    """A reading has just reached the subscriber."""


@dataclass(frozen=True, slots=True)
class Point:
    """The `number`-th event of a phase in a life (from 1). `seen` False: that write is lost."""

    phase: Phase
    number: int
    seen: bool = True


class Witness:
    """A `VirtualPeripheral` around a watch; `violations` must stay empty."""

    def __init__(self, watch: VirtualWatch, store: Path, bell: Bell) -> None:
        self.watch = watch
        self.violations: list[str] = []
        self.struck: list[Point] = []
        self.strikes_in_doubt = 0
        """How many strikes found an item durable that the watch still held."""

        self.strike: Callable[[], None] = _nothing
        self.point: Point | None = None
        self.connections = 0
        self._store = store
        self._bell = bell
        self._counts = dict.fromkeys(Phase, 0)
        self._is_silent = False
        self._end_sent = False
        self._log_from = 0

    def arm(self, point: Point | None, strike: Callable[[], None]) -> None:
        """Strike once, at this point of the coming life."""
        self.point, self.strike = point, strike
        self._counts = dict.fromkeys(Phase, 0)

    @property
    def heard(self) -> list[Heard]:
        """What the watch heard on the last connection."""
        return self.watch.log[self._log_from :]

    # --- the seam -----------------------------------------------------------------------------

    def connected(self, mtu: int, now: float) -> None:
        self.connections += 1
        self._is_silent = False
        self._end_sent = False
        self._log_from = len(self.watch.log)
        self.watch.connected(mtu, now)
        self._bell.ring()

    def subscribed(self) -> None:
        self.watch.subscribed()

    def written(self, characteristic: str, data: bytes, now: float) -> None:
        if self._is_silent:
            return
        phases = self._phases(data)
        if self._strikes(phases, seen=False):
            self._is_silent = True  # nothing more of this connection gets through
            return
        known = len(self.watch.erased)
        self.watch.written(characteristic, data, now)
        self._examine(known)
        self._strikes(phases, seen=True)
        self._bell.ring()

    def tick(self, now: float) -> None:
        self.watch.tick(now)

    def disconnected(self, now: float) -> None:
        self.watch.disconnected(now)
        self._bell.ring()

    def deadline(self) -> float | None:
        return self.watch.deadline()

    def next_effect(self) -> Effect | None:
        effect = self.watch.next_effect()
        if isinstance(effect, Notify) and _ITEM_END in (
            effect.data[:3],
            effect.data[HEADER_BYTES : HEADER_BYTES + 3],
        ):
            self._end_sent = True
        return effect

    # --- inside -------------------------------------------------------------------------------

    def _phases(self, data: bytes) -> list[Phase]:
        """The phases in which a write counts."""
        if self._end_sent and len(data) == HEADER_BYTES and data[1] & ACK_FLAG:
            self._end_sent = False
            if self._held_of_item():
                return [Phase.TRANSFER, Phase.COMMIT]
            return [Phase.TRANSFER]
        if data[HEADER_BYTES:] == _FORGET and self._held_of_item():
            return [Phase.TRANSFER, Phase.UNFORGOTTEN, Phase.FORGOTTEN]
        requested = any(heard[:2] == (5, 1) for heard in self.heard)
        if requested or data[HEADER_BYTES : HEADER_BYTES + 3] == _ITEM_REQUEST:
            return [Phase.TRANSFER]
        return [Phase.LOGIN]

    def _held_of_item(self) -> bool:
        """Whether the item under way has any content."""
        requests = [heard.value[0] for heard in self.heard if heard[:2] == (5, 1)]
        return bool(requests) and requests[-1] in self.watch.held

    def _strikes(self, phases: list[Phase], *, seen: bool) -> bool:
        point = self.point
        if not seen:
            for phase in phases:
                self._counts[phase] += 1
        if (
            point is None
            or point.seen is not seen
            or point.phase not in phases
            or self._counts[point.phase] != point.number
        ):
            return False
        self.point = None
        self.strike()
        self.struck.append(point)
        if point.phase is Phase.UNFORGOTTEN:
            self._expect_durable()
        self._bell.ring()
        return True

    def _expect_durable(self) -> None:
        """The permission to forget was on its way: by then everything must have been stored."""
        kind = [heard.value[0] for heard in self.heard if heard[:2] == (5, 1)][-1]
        missing = facts.held(self.watch.held[kind].entries) - facts.stored(self._store)
        if missing:
            self.violations.append(f"may forget item {kind}, but {len(missing)} are not stored")
        self.strikes_in_doubt += 1

    def _examine(self, known: int) -> None:
        for block in self.watch.erased[known:]:
            missing = facts.held(block.entries) - facts.stored(self._store)
            if missing or block.reason is not EraseReason.CONFIRMED:
                self.violations.append(
                    f"item {block.kind} forgotten ({block.reason}) with {len(missing)} of"
                    f" {len(block.entries)} readings not in the store"
                )


def _nothing() -> None:
    """No strike is due."""
