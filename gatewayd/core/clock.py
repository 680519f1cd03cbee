"""The clocks of one owner: steady seconds for time-outs, wall time for watches and rows."""

import time

from gatewayd.core.timeline import Timeline
from protocols.model.time import Moment


class Clock:
    """System time, seen from the owner's zone. The steady seconds are the event loop's own."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline

    def now(self) -> Moment:
        """This moment."""
        return Moment(time.monotonic(), self.timeline.local(time.time()))

    @staticmethod
    def unix_s() -> float:
        """Unix time in seconds."""
        return time.time()
