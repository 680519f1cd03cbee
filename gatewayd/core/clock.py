"""The clocks of one owner: steady seconds for time-outs, wall time for watches and rows."""

import time
from datetime import UTC, datetime
from typing import Final

from gatewayd.core.timeline import Timeline
from gatewayd.errors import ClockNotSet
from gatewayd.logs import get_logger
from protocols.model.time import Moment

EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""This program is younger: a clock that shows less was never set."""

_log = get_logger()


class Clock:
    """System time, seen from the owner's zone. The steady seconds are the event loop's own."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline

    def check(self) -> None:
        """Before each connection: the clock must have been set, and the zone may have changed.

        A machine without a battery-backed clock (a Raspberry Pi) starts in the past. A watch set by
        that clock would date everything it records wrongly, totals and battery would go to a wrong
        day, and what the watch has stored would lie in the future, where no record is believed. So
        there is no connection until the time is known; the watch keeps what it has.

        A clock that is wrong by less cannot be told from a right one. It is corrected some time
        later, and the watch with it, at the next synchronisation.

        Raises ClockNotSet, which is retried.
        """
        if time.time() < EARLIEST.timestamp():
            raise ClockNotSet(
                "The system clock has not been set",
                "Watches are connected once it is: let it be set from the network, or set it",
            )
        if self.timeline.look_again():
            _log.info("time_zone_changed", zone=str(self.timeline.zone))

    def now(self) -> Moment:
        """This moment."""
        return Moment(time.monotonic(), self.timeline.local(time.time()))

    @staticmethod
    def unix_s() -> float:
        """Unix time in seconds."""
        return time.time()
