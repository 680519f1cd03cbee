"""FIT: a workout as an activity file. Sole importer of fit-tool, an extra.

fit-tool is BSD-licensed, kept up to date, has no dependencies of its own and writes files; Garmin's
own SDK is not under a free licence. It brings no types, which is why its names end here.

One session with one lap, a record for each second of which the watch told something, and pauses as
timer events. Heart rates outside 1–254 bpm have no room in the format and are left out.
"""

from collections.abc import Iterator
from typing import Any, Final

from fit_tool.fit_file_builder import FitFileBuilder
from fit_tool.profile.messages.activity_message import ActivityMessage
from fit_tool.profile.messages.event_message import EventMessage
from fit_tool.profile.messages.file_id_message import FileIdMessage
from fit_tool.profile.messages.lap_message import LapMessage
from fit_tool.profile.messages.record_message import RecordMessage
from fit_tool.profile.messages.session_message import SessionMessage
from fit_tool.profile.profile_type import Activity as ActivityType
from fit_tool.profile.profile_type import Event, EventType, FileType, Manufacturer, Sport, SubSport

from gatewayd.export.activities import Activity, Point

_RATES: Final = range(1, 255)
_MAX_KCAL: Final = 65_534
_FIT_EPOCH_UTC_S: Final = 631_065_600
"""1989-12-31T00:00:00Z"""


def fit(activity: Activity, sport: int, sub_sport: int) -> bytes:
    """A FIT activity. The sport is in the numbers of the FIT profile."""
    builder = FitFileBuilder(auto_define=True)
    for message in _messages(activity, Sport(sport), SubSport(sub_sport)):
        builder.add(message)
    content: bytes = builder.build().to_bytes()
    return content


def _messages(activity: Activity, sport: Any, sub_sport: Any) -> Iterator[Any]:
    """In the order of the profile's activity files: summaries come last, the session after its
    lap."""
    start_ms, end_ms = _ms(activity.start_utc_s), _ms(activity.end_utc_s)
    about = FileIdMessage(local_id=0)
    about.type = FileType.ACTIVITY
    about.manufacturer = Manufacturer.DEVELOPMENT.value
    about.time_created = start_ms
    yield about
    yield _timer(start_ms, EventType.START)
    last_ms = start_ms
    for point in activity.points:
        if point.new_segment:
            yield _timer(last_ms, EventType.STOP_ALL)
            yield _timer(_ms(point.at_utc_s), EventType.START)
        yield _record(point)
        last_ms = _ms(point.at_utc_s)
    end_ms = max(end_ms, last_ms)
    yield _timer(end_ms, EventType.STOP_ALL)
    for summary in (LapMessage(local_id=2), SessionMessage(local_id=3)):
        summary.timestamp = end_ms
        summary.start_time = start_ms
        summary.total_elapsed_time = (end_ms - start_ms) / 1000
        summary.total_timer_time = activity.duration_s
        summary.total_distance = activity.distance_m
        summary.total_calories = min(round(activity.energy_kcal), _MAX_KCAL)
        summary.sport = sport
        summary.sub_sport = sub_sport
        if activity.mean_bpm in _RATES:
            summary.avg_heart_rate = activity.mean_bpm
        if activity.max_bpm in _RATES:
            summary.max_heart_rate = activity.max_bpm
        if isinstance(summary, SessionMessage):
            summary.first_lap_index = 0
            summary.num_laps = 1
        yield summary
    whole = ActivityMessage(local_id=4)
    whole.timestamp = end_ms
    # without it a reader takes the time of day for UTC
    whole.local_timestamp = end_ms // 1000 - _FIT_EPOCH_UTC_S + activity.utc_offset_s
    whole.total_timer_time = activity.duration_s
    whole.num_sessions = 1
    whole.type = ActivityType.MANUAL
    yield whole


def _record(point: Point) -> Any:
    record = RecordMessage(local_id=5)
    record.timestamp = _ms(point.at_utc_s)
    if point.latitude_deg is not None:
        record.position_lat = point.latitude_deg
        record.position_long = point.longitude_deg
    if point.altitude_m is not None:
        record.enhanced_altitude = float(point.altitude_m)
    if point.distance_m is not None:
        record.distance = float(point.distance_m)
    if point.bpm in _RATES:
        record.heart_rate = point.bpm
    return record


def _timer(at_ms: int, what: Any) -> Any:
    event = EventMessage(local_id=1)
    event.timestamp = at_ms
    event.event = Event.TIMER
    event.event_type = what
    return event


def _ms(utc_s: int) -> int:
    """fit-tool takes Unix milliseconds and writes the format's own seconds."""
    return utc_s * 1000
