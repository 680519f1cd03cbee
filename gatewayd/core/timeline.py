"""From the time on a watch's face to UTC.

A watch keeps the owner's local time and knows no zone, so the owner's zone decides. In the hour
that a clock change skips, the time is taken as if the clock had not been changed yet (one hour
later on the new clock); in the hour that comes twice, as the second one. Both as the vendor's own
app does (vectors `*dst*`).

A watch does not know of clock changes either: its face goes on as before until it is set, which is
done at every connection, before every synchronisation and daily after the hour at which most zones
change. What it records until then is told in the time of its face, and so is each item of a group
that began before and ends after the change: the group's start plus so many intervals, on the face.
Each of these times is resolved by itself, none is moved: in spring, items of the skipped hour fall
together with those of the hour after it; in autumn the first of the two hours is empty, and the
second is where both are.

When the owner's zone changes, readings from then on are resolved in the new one. Those that are
stored keep their time in UTC, and are recognised when they come again, since the key is the time on
the face (`gatewayd.core.rows.settled`).
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from protocols.model.time import EPOCH, DeviceTime, from_datetime, to_datetime

EPOCH_UTC_S: Final = int(EPOCH.replace(tzinfo=UTC).timestamp())
_SLOT_S: Final = 900
_SLOTS_KEPT: Final = 4096


class Timeline:
    """One owner's zone. Offsets are remembered per quarter of an hour, in which none changes.

    `source` says which zone it is now; without it the zone is constant.
    """

    def __init__(self, zone: tzinfo, source: Callable[[], tzinfo] | None = None) -> None:
        self._zone = zone
        self._source = source
        self._offsets: dict[int, int] = {}

    @classmethod
    def of_system(cls) -> Self:
        """In the machine's zone, which may be changed while we run."""
        return cls(system_zone(), system_zone)

    def look_again(self) -> bool:
        """Ask the source; whether the zone is another one now."""
        if self._source is None:
            return False
        before, self._zone = self._zone, self._source()
        # a zone that was read from a file has no name to compare, but costs nothing to forget
        self._offsets.clear()
        return str(before) != str(self._zone)

    @property
    def zone(self) -> tzinfo:
        """The zone as it was last found."""
        return self._zone

    def offset_s(self, at: DeviceTime) -> int:
        """The owner's offset from UTC at a local time, in seconds."""
        slot = at // _SLOT_S
        offset = self._offsets.get(slot)
        if offset is None:
            if len(self._offsets) >= _SLOTS_KEPT:
                self._offsets.clear()
            offset = self._offsets[slot] = self._find(to_datetime(at))
        return offset

    def utc_s(self, at: DeviceTime) -> int:
        """The Unix time of a local time, in seconds."""
        return EPOCH_UTC_S + at - self.offset_s(at)

    def local(self, unix_s: float) -> DeviceTime:
        """What the owner's clock shows at a Unix time."""
        return from_datetime(datetime.fromtimestamp(unix_s, self._zone))

    def _find(self, wall: datetime) -> int:
        second = wall.replace(tzinfo=self._zone, fold=1)
        skipped = second.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) != wall
        chosen = wall.replace(tzinfo=self._zone, fold=0) if skipped else second
        return int((chosen.utcoffset() or timedelta()).total_seconds())


def system_zone() -> tzinfo:
    """The machine's zone with its rules, so that clock changes to come are known.

    Falls back to UTC where the machine has no zone information at all.
    """
    candidates = [os.environ.get("TZ", "").removeprefix(":")]
    localtime = Path("/etc/localtime")
    if localtime.is_symlink():
        candidates.append(str(localtime.readlink()).partition("zoneinfo/")[2])
    for name in filter(None, candidates):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    try:
        with localtime.open("rb") as file:
            return ZoneInfo.from_file(file, key="localtime")
    except (OSError, ValueError):
        return UTC
