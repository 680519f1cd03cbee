"""What record decoders take and give."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from protocols.fitcloud.features import Features
from protocols.model.readings import Reading
from protocols.model.time import DeviceTime, device_time
from protocols.session import AnomalyKind

END_OF_TIME: Final = device_time(9999, 12, 31, 23, 59, 59)
"""The last second that a calendar can show: intervals added up may lead beyond it."""


@dataclass(frozen=True, slots=True)
class RecordContext:
    """What the layout depends on beside the bytes.

    `heart_rate_bytes_per_item` is capability 27 (None or 0: feature 9 decides). `not_after` is the
    watch's latest credible time; None keeps everything that a calendar can show.
    """

    features: Features
    heart_rate_bytes_per_item: int | None = None
    not_after: DeviceTime | None = None

    @property
    def latest(self) -> DeviceTime:
        """`not_after`, within the calendar."""
        return END_OF_TIME if self.not_after is None else min(self.not_after, END_OF_TIME)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Readings in the order of the stream, and oddities fit for a log: counts, no content."""

    readings: tuple[Reading, ...]
    oddities: tuple[tuple[AnomalyKind, str], ...] = ()


class Tally:
    """Counts what a decoder could not use."""

    def __init__(self) -> None:
        self.future = 0
        self.implausible = 0
        self.undated = 0
        self.missing_bytes = 0

    def decoded(self, readings: Iterable[Reading]) -> Decoded:
        """The result, each kind of oddity once."""
        oddities: list[tuple[AnomalyKind, str]] = []
        if self.missing_bytes:
            what = f"the stream ends at least {self.missing_bytes} bytes early"
            oddities.append((AnomalyKind.TRUNCATED, what))
        if self.future:
            oddities.append((AnomalyKind.FUTURE_DATED, f"{self.future} items from the future"))
        if self.implausible or self.undated:
            what = f"{self.implausible} items out of range, {self.undated} without a possible time"
            oddities.append((AnomalyKind.IMPLAUSIBLE_VALUE, what))
        return Decoded(tuple(readings), tuple(oddities))
