"""GPX 1.1 and TCX 2: a workout as an XML document.

GPX (topografix.com/GPX/1/1) describes places, so only a workout with a track has one; heart rates
go into Garmin's TrackPointExtension 1. TCX (Garmin's TrainingCenterDatabase 2) also takes workouts
without any place. Elements stand in the order that the schemas prescribe.
"""

from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

from gatewayd.export.activities import Activity, Point, located

GPX: Final = "http://www.topografix.com/GPX/1/1"
TRACK_POINT: Final = "http://www.garmin.com/xmlschemas/TrackPointExtension/v1"
TCX: Final = "http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"

MAX_TCX_KCAL: Final = 65_535
_TCX_SPORTS: Final = {1: "Running", 2: "Biking"}
"""By FIT's number; the format has no others."""

ET.register_namespace("gpxtpx", TRACK_POINT)


def gpx(activity: Activity) -> bytes:
    """A GPX document, its track in as many segments as it was recorded in."""
    root = ET.Element("gpx", {"xmlns": GPX, "version": "1.1", "creator": "gatewayd"})
    _text(ET.SubElement(root, "metadata"), "time", _time(activity.start_utc_s))
    track = ET.SubElement(root, "trk")
    _text(track, "name", activity.sport.replace("_", " "))
    _text(track, "type", activity.sport)
    segment: ET.Element | None = None
    for point in located(activity):
        if segment is None or point.new_segment:
            segment = ET.SubElement(track, "trkseg")
        _gpx_point(segment, point)
    return _document(root)


def tcx(activity: Activity, fit_sport: int) -> bytes:
    """A TCX document with one lap. `fit_sport` is FIT's number for the sport."""
    root = ET.Element("TrainingCenterDatabase", {"xmlns": TCX})
    sport = _TCX_SPORTS.get(fit_sport, "Other")
    recorded = ET.SubElement(ET.SubElement(root, "Activities"), "Activity", {"Sport": sport})
    start = _time(activity.start_utc_s)
    _text(recorded, "Id", start)
    lap = ET.SubElement(recorded, "Lap", {"StartTime": start})
    _text(lap, "TotalTimeSeconds", activity.duration_s)
    _text(lap, "DistanceMeters", activity.distance_m)
    _text(lap, "Calories", min(round(activity.energy_kcal), MAX_TCX_KCAL))
    for name, bpm in (
        ("AverageHeartRateBpm", activity.mean_bpm),
        ("MaximumHeartRateBpm", activity.max_bpm),
    ):
        if bpm is not None:
            _text(ET.SubElement(lap, name), "Value", bpm)
    _text(lap, "Intensity", "Active")
    _text(lap, "TriggerMethod", "Manual")
    track: ET.Element | None = None
    for point in activity.points:
        if track is None or point.new_segment:
            track = ET.SubElement(lap, "Track")
        _tcx_point(track, point)
    _text(recorded, "Notes", activity.sport.replace("_", " "))
    return _document(root)


def _gpx_point(segment: ET.Element, point: Point) -> None:
    place = {"lat": f"{point.latitude_deg:.6f}", "lon": f"{point.longitude_deg:.6f}"}
    element = ET.SubElement(segment, "trkpt", place)
    if point.altitude_m is not None:
        _text(element, "ele", point.altitude_m)
    _text(element, "time", _time(point.at_utc_s))
    if point.bpm is not None:
        extensions = ET.SubElement(element, "extensions")
        extension = ET.SubElement(extensions, f"{{{TRACK_POINT}}}TrackPointExtension")
        _text(extension, f"{{{TRACK_POINT}}}hr", point.bpm)


def _tcx_point(track: ET.Element, point: Point) -> None:
    element = ET.SubElement(track, "Trackpoint")
    _text(element, "Time", _time(point.at_utc_s))
    if point.latitude_deg is not None:
        place = ET.SubElement(element, "Position")
        _text(place, "LatitudeDegrees", f"{point.latitude_deg:.6f}")
        _text(place, "LongitudeDegrees", f"{point.longitude_deg:.6f}")
    if point.altitude_m is not None:
        _text(element, "AltitudeMeters", point.altitude_m)
    if point.distance_m is not None:
        _text(element, "DistanceMeters", point.distance_m)
    if point.bpm is not None:
        _text(ET.SubElement(element, "HeartRateBpm"), "Value", point.bpm)


def _text(parent: ET.Element, name: str, value: str | float) -> None:
    ET.SubElement(parent, name).text = str(value)


def _time(utc_s: int) -> str:
    return datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _document(root: ET.Element) -> bytes:
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"
