"""The vendor's idea of time: epoch milliseconds, through the phone's zone and a lenient calendar.

Both are kept out of the codecs: they know the watch's own time only, and refuse an impossible one.
"""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from protocols.errors import MessageError
from protocols.fitcloud.messages.clock import FIRST_YEAR
from protocols.model.time import DAY_S, DeviceTime, from_datetime, midnight, to_datetime


def epoch_ms(at: DeviceTime, tz: str) -> int:
    """As Java's lenient calendar resolves it: a time in the gap of a clock change moves one hour
    on, one that occurs twice is the second."""
    wall = to_datetime(at).replace(tzinfo=ZoneInfo(tz))
    later = wall.replace(fold=1)
    before, after = wall.utcoffset(), later.utcoffset()
    if before is not None and after is not None and after < before:
        wall = later
    return round(wall.timestamp() * 1000)


def local_time(milliseconds: int, tz: str) -> DeviceTime:
    """What a watch in that zone shows at that moment; fractions of a second are dropped."""
    return from_datetime(datetime.fromtimestamp(milliseconds // 1000, UTC).astimezone(ZoneInfo(tz)))


def lenient(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0
) -> DeviceTime:
    """Fields that roll over: month 0 is December of the year before, day 0 its last but one.

    Raises MessageError when even so no calendar can show it.
    """
    years, month0 = divmod(month - 1, 12)
    try:
        first = midnight(date(year + years, month0 + 1, 1))
    except ValueError as error:
        raise MessageError("no such date, however lenient") from error
    return DeviceTime(first + (day - 1) * DAY_S + hour * 3600 + minute * 60 + second)


def lenient_ts4(raw: int) -> DeviceTime:
    """A `ts4` number, whatever its fields say."""
    return lenient(*_date(raw >> 17), raw >> 12 & 31, raw >> 6 & 63, raw & 63)


def lenient_date2(raw: int) -> DeviceTime:
    """A `date2` number, whatever its fields say."""
    return lenient(*_date(raw))


def _date(bits: int) -> tuple[int, int, int]:
    return FIRST_YEAR + (bits >> 9 & 63), bits >> 5 & 15, bits & 31
