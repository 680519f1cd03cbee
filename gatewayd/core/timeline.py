"""From the time on a watch's face to UTC.

A watch keeps the owner's local time and knows no zone, so the owner's zone decides. In the hour
that a clock change skips, the time is taken as if the clock had not been changed yet (one hour
later on the new clock); in the hour that comes twice, as the second one. Both as the vendor's own
app does (vectors `*dst*`).
"""

import os
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from protocols.model.time import EPOCH, DeviceTime, from_datetime, to_datetime

EPOCH_UTC_S: Final = int(EPOCH.replace(tzinfo=UTC).timestamp())
_SLOT_S: Final = 900
_SLOTS_KEPT: Final = 4096


class Timeline:
    """One owner's zone. Offsets are remembered per quarter of an hour, in which none changes."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._offsets: dict[int, int] = {}

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
