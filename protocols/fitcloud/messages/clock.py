"""Times and dates as the watch writes them: local, without a zone. Source: transport-and-data §4.2.

`ts4` is a whole time in four bytes, `date2` a day in two, `dmin4` a day and minutes in four. All
reach from 2000 to 2063. Impossible fields (month 0, hour 24 …) are no time: the vendor's lenient
calendar would invent one, this module does not.
"""

from functools import lru_cache
from typing import Final

from protocols.codec import Reader
from protocols.errors import LimitExceeded, MessageError
from protocols.model.time import DAY_S, DeviceTime, date_of, device_time, to_datetime

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2063


def decode_ts4(value: bytes) -> DeviceTime:
    """A whole time. Raises MessageError when it is not four bytes or no possible time."""
    return time_from_ts4(_exactly(value, 4))


def encode_ts4(at: DeviceTime) -> bytes:
    """Raises LimitExceeded outside 2000–2063."""
    wall = to_datetime(at)
    clock = wall.hour << 12 | wall.minute << 6 | wall.second
    return (_date_bits(at) << 17 | clock).to_bytes(4, "big")


def decode_date2(value: bytes) -> DeviceTime:
    """Midnight of a day. Raises MessageError when it is not two bytes or no possible day."""
    return day_from_date2(_exactly(value, 2))


def encode_date2(at: DeviceTime) -> bytes:
    """The day of a time. Raises LimitExceeded outside 2000–2063."""
    return _date_bits(at).to_bytes(2, "big")


def decode_dmin4(value: bytes) -> DeviceTime:
    """A day and minutes; 1440 minutes and more roll over. Raises MessageError like the others."""
    return time_from_dmin4(_exactly(value, 4))


def encode_dmin4(at: DeviceTime) -> bytes:
    """Seconds are dropped. Raises LimitExceeded outside 2000–2063."""
    return encode_date2(at) + (at % DAY_S // 60).to_bytes(2, "big")


def time_from_ts4(raw: int) -> DeviceTime:
    """The same as `decode_ts4`, from the 32-bit number."""
    at = stamp(raw)
    if at is None:
        raise MessageError(f"no such time: {raw:08X}")
    return at


def day_from_date2(raw: int) -> DeviceTime:
    """The same as `decode_date2`, from the 16-bit number."""
    day = _day(raw & 0x7FFF)
    if day is None:
        raise MessageError(f"no such day: {raw:04X}")
    return DeviceTime(day)


def time_from_dmin4(raw: int) -> DeviceTime:
    """The same as `decode_dmin4`, from the 32-bit number."""
    return DeviceTime(day_from_date2(raw >> 16) + (raw & 0xFFFF) * 60)


def stamp(raw: int) -> DeviceTime | None:
    """A `ts4` number as a time, None when impossible: one bad record must not spoil the rest."""
    day = _day(raw >> 17)
    hour, minute, second = raw >> 12 & 31, raw >> 6 & 63, raw & 63
    if day is None or hour > 23 or minute > 59 or second > 59:
        return None
    return DeviceTime(day + hour * 3600 + minute * 60 + second)


def day_stamp(raw: int) -> DeviceTime | None:
    """A `dmin4` number as a time, None when impossible."""
    day = _day(raw >> 16 & 0x7FFF)
    return None if day is None else DeviceTime(day + (raw & 0xFFFF) * 60)


@lru_cache(maxsize=1024)
def _day(bits: int) -> int | None:
    """Year, month and day (6, 4, 5 bits) as midnight; a month's history has few distinct days."""
    try:
        return device_time(FIRST_YEAR + (bits >> 9), bits >> 5 & 15, bits & 31)
    except MessageError:
        return None


def _date_bits(at: DeviceTime) -> int:
    day = date_of(at)
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise LimitExceeded(f"the watch's calendar has no year {day.year}")
    return (day.year - FIRST_YEAR) << 9 | day.month << 5 | day.day


def _exactly(value: bytes, width: int) -> int:
    body = Reader(value)
    raw = body.unsigned(width)
    body.expect_end()
    return raw
