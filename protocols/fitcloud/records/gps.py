"""Tracks of workouts: type 10. Source: transport-and-data §9.8; vectors data-gps.

Degrees come in hundred-thousandths, about a metre, and stay exact in doubles.
"""

import struct
from typing import Final

from protocols.fitcloud.messages.clock import stamp
from protocols.fitcloud.records.context import Decoded, RecordContext, Tally
from protocols.fitcloud.records.sport import format_track_id
from protocols.model.readings import GpsTrack, TrackPoint

MIN_ID_BYTES: Final = 6
DEGREE: Final = 100_000
MAX_LONGITUDE_DEG: Final = 180
MAX_LATITUDE_DEG: Final = 90

_HEADER: Final = struct.Struct(">H4x2x")
_ID: Final = struct.Struct(">IH")
_POINT: Final = struct.Struct(">HiiHBB")


def decode(stream: bytes, _: RecordContext) -> Decoded:
    """Raises nothing. A track that is not complete, or has no possible id, is left out; one with
    an impossible position is not verified."""
    tally = Tally()
    tracks: list[GpsTrack] = []
    at, end = 0, len(stream)
    while at < end:
        points_at = at + _HEADER.size
        if points_at > end:
            tally.missing_bytes += points_at - end
            break
        (count,) = _HEADER.unpack_from(stream, at)
        if not count:
            at = points_at
            continue
        id_size = stream[points_at] if points_at < end else 0
        identity = stream[points_at + 1 : points_at + 1 + id_size]
        points_at += 1 + id_size
        at = points_at + count * _POINT.size
        if at > end:
            tally.missing_bytes += at - end
            break
        track = _track(identity, stream[points_at:at])
        if track is None:
            tally.undated += 1
        else:
            tally.implausible += not track.verified
            tracks.append(track)
    return tally.decoded(tracks)


def _track(identity: bytes, points: bytes) -> GpsTrack | None:
    if len(identity) < MIN_ID_BYTES:
        return None
    raw, sport_code = _ID.unpack_from(identity)
    start = stamp(raw)
    if start is None:
        return None
    placed = tuple(
        TrackPoint(elapsed, lat / DEGREE, lon / DEGREE, altitude, satellites, bool(resumed))
        for elapsed, lon, lat, altitude, satellites, resumed in _POINT.iter_unpack(points)
        if lon and lat
    )
    possible = all(
        abs(point.latitude_deg) <= MAX_LATITUDE_DEG
        and abs(point.longitude_deg) <= MAX_LONGITUDE_DEG
        for point in placed
    )
    return GpsTrack(start, format_track_id(start, sport_code), sport_code, placed, possible)
