"""Everything that can go wrong with a watch, as data with a deterministic schedule. Source: 13.9.

Frames and items are counted from 1 over the whole life of a watch, not per connection: a fault
happens once, and the connection after it finds a healthy watch. A retransmission of the watch's
own frame is not a new frame; one of the host's is (the watch cannot know better).
"""

import zlib
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final, Self

NONE: Final[frozenset[int]] = frozenset()


class Impostor(Enum):
    """What looks like a watch of this family and is none (spec 5.2)."""

    NO = auto()
    SILENT = auto()
    """Takes every write and never says anything, not even an ACK."""
    OTHER_COMMANDS = auto()
    """Same frames, another catalogue of keys: acknowledges, then answers with command 0x0A."""
    OTHER_MAGIC = auto()
    """Sends notifications that begin with another byte."""


@dataclass(frozen=True, slots=True)
class Faults:
    """A schedule of misbehaviour; the default misbehaves never."""

    # frames of the host, in the order in which they arrive whole
    unacknowledged: frozenset[int] = NONE
    """Acted on, but the ACK is lost."""
    refused: frozenset[int] = NONE
    """Answered with a NACK and not acted on."""
    acts_on_duplicates: bool = False
    """A retransmitted frame is acted on again; otherwise it is only acknowledged again."""

    # frames of the watch
    deaf: frozenset[int] = NONE
    """The host's first ACK is not heard: after 3 s the same frame comes again."""
    repeated: frozenset[int] = NONE
    """After its ACK the same frame is sent a second time at once."""
    wrong_crc: frozenset[int] = NONE
    """The first transmission carries a wrong check value."""
    oversized: frozenset[int] = NONE
    """The first transmission is a lone header that announces 4096 bytes."""
    stalled: frozenset[int] = NONE
    """The first transmission stops half-way; the rest never comes, the frame again after 12 s."""
    drop_at: frozenset[int] = NONE
    """The link is lost half-way through this frame."""
    data_sizes: tuple[int, ...] = ()
    """Value bytes of successive 05/30 frames, repeated for ever: records straddle frames."""
    chunk_bytes: int | None = None
    """Cut notifications to at most this many bytes (8 or more), whatever the MTU."""

    # item syncs (05/01), in the order in which they are asked for
    drop_before_end: frozenset[int] = NONE
    """All data is sent, then the link is lost before 05/08."""
    drop_before_result: frozenset[int] = NONE
    """The link is lost once 05/08 has been acknowledged, before 05/20 can arrive."""
    wrong_count: frozenset[int] = NONE
    """05/08 tells one byte more than was sent."""
    interrupted: frozenset[int] = NONE
    """An unsolicited 02/CA and 02/1C come between two frames of the item."""

    # what is held
    future_dated: bool = False
    """Interval types end with one item dated two days after the end of the history."""
    empty_groups: bool = False
    """Groups without items stand in front of and behind the real ones."""
    truncated_tail: bool = False
    """The last group announces more items than there are bytes."""

    # behaviour
    login_refused: bool = False
    """Every login is answered with 1, whoever asks."""
    impostor: Impostor = Impostor.NO

    def seeded(self, seed: int, *, frames: int, one_in: int = 10) -> Self:
        """This schedule plus recoverable frame faults, about one frame in `one_in`.

        The same seed gives the same schedule on every machine and Python.
        """
        kinds = ("unacknowledged", "refused", "deaf", "repeated", "wrong_crc", "oversized")
        chosen: dict[str, set[int]] = {kind: set(getattr(self, kind)) for kind in kinds}
        for frame in range(1, frames + 1):
            draw = zlib.crc32(f"{seed}/{frame}".encode())
            if draw % one_in == 0:
                chosen[kinds[draw // one_in % len(kinds)]].add(frame)
        return replace(
            self,
            unacknowledged=frozenset(chosen["unacknowledged"]),
            refused=frozenset(chosen["refused"]),
            deaf=frozenset(chosen["deaf"]),
            repeated=frozenset(chosen["repeated"]),
            wrong_crc=frozenset(chosen["wrong_crc"]),
            oversized=frozenset(chosen["oversized"]),
        )
