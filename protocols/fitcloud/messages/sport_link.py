"""Sport that host and watch record together, 05/44 to 05/49 (feature 20).

Source: transport-and-data §11.2; settings-and-push §13; vectors data-realtime (sport-status),
data-messages.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from protocols.codec import Reader, Writer
from protocols.fitcloud.messages.clock import encode_ts4, stamp
from protocols.model.time import DeviceTime


class SportStatus(IntEnum):
    """Third byte of a status."""

    STOPPED = 0
    STARTED = 1
    PAUSED = 2
    RESUMED = 3


@dataclass(frozen=True, slots=True)
class LinkedSport:
    """One recording, identified by its start; `status` is one of `SportStatus`, or unknown.

    `start` is None when the watch names no possible time, `sport_code` and `duration_s` where the
    message does not hold them.
    """

    start: DeviceTime | None
    status: int
    sport_code: int | None = None
    duration_s: int | None = None


@dataclass(frozen=True, slots=True)
class LinkedSportTotals:
    """05/46: what the watch counted since the start. `bpm` 0 is no value."""

    start: DeviceTime | None
    steps: int
    energy_cal: int
    bpm: int


@dataclass(frozen=True, slots=True)
class SportReport:
    """05/47: what the host tells the watch. `pace` has no documented unit."""

    start: DeviceTime
    distance_cm: int
    energy_cal: int
    pace: int
    duration_s: int
    steps: int | None = None
    """Only for watches with feature 578."""


STATUS_PUSH_BYTES: Final = 11
TOTALS_BYTES: Final = 13


def encode_status(sport_code: int, status: int, start: DeviceTime, duration_s: int) -> bytes:
    """05/45. Raises LimitExceeded for what does not fit, a start outside 2000–2063 included."""
    value = Writer().u16(sport_code).u8(status).raw(encode_ts4(start))
    return value.u32(duration_s).build()


def decode_status_push(value: bytes) -> LinkedSport:
    """05/44. Raises MessageError below eleven bytes."""
    body = Reader(value)
    sport_code, status, raw, duration_s = body.u16(), body.u8(), body.u32(), body.u32()
    return LinkedSport(stamp(raw), status, sport_code, duration_s)


def decode_totals_push(value: bytes) -> LinkedSportTotals:
    """05/46. Raises MessageError below thirteen bytes."""
    body = Reader(value)
    return LinkedSportTotals(stamp(body.u32()), body.u32(), body.u32(), body.u8())


def decode_status_reply(value: bytes) -> LinkedSport:
    """05/49. Raises MessageError below eight bytes; the last of them has no known meaning."""
    body = Reader(value)
    raw, sport_code, status = body.u32(), body.u16(), body.u8()
    body.take(1)
    return LinkedSport(stamp(raw), status, sport_code)


def encode_report(report: SportReport) -> bytes:
    """05/47: 20 bytes, 24 with steps. Raises LimitExceeded for numbers that do not fit."""
    value = Writer().raw(encode_ts4(report.start)).u32(report.distance_cm)
    value.u32(report.energy_cal).u32(report.pace).u32(report.duration_s)
    if report.steps is not None:
        value.u32(report.steps)
    return value.build()
