"""Answers about vital signs: their records, and what is measured live.

Vectors data-oxygen, data-blood_pressure, data-respiratory_rate, data-temperature, data-pressure,
data-mood, data-vitality, data-hrv, data-game, data-ecg, data-gps, data-realtime.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from protocols.errors import ProtocolError
from protocols.fitcloud import commands as c
from protocols.fitcloud.conformance.case import Answer, Case, Handler, Json
from protocols.fitcloud.conformance.events import linked_sport
from protocols.fitcloud.conformance.messages import packet
from protocols.fitcloud.conformance.wall_clock import epoch_ms, local_time
from protocols.fitcloud.messages.motion import decode_motion
from protocols.fitcloud.messages.sport_link import decode_status_reply, encode_status
from protocols.fitcloud.messages.totals import decode_daily_hrv
from protocols.fitcloud.messages.vitals import (
    Quantity,
    Vitals,
    decode_latest,
    decode_measured,
    encode_start,
    encode_stop,
    ended_by_watch,
    is_complete,
)
from protocols.fitcloud.records import raw_sleep
from protocols.model.catalog import kind_of
from protocols.model.readings import (
    BloodPressure,
    Ecg,
    GameScore,
    GpsTrack,
    HeartRate,
    HeartRateVariability,
    Mood,
    OxygenSaturation,
    Reading,
    RespiratoryRate,
    Stress,
    Temperature,
    Vitality,
)

Shape = Callable[[Iterable[Reading], Case], Json]


# --- records ----------------------------------------------------------------------------------


def _fields(reading: Reading) -> dict[str, Json]:
    match reading:
        case HeartRate(bpm=bpm):
            return {"heartRate": bpm}
        case OxygenSaturation(spo2_pct=spo2):
            return {"oxygen": spo2}
        case RespiratoryRate(breaths_per_min=rate):
            return {"rate": rate}
        case Stress(score=score):
            return {"pressure": score}
        case Mood(code=code):
            return {"mood": code}
        case Vitality(score=vitality):
            return {"vitality": vitality}
        case HeartRateVariability(hrv_ms=hrv):
            return {"hrv": hrv}
        case Temperature(wrist_c=wrist, body_c=body):
            return {"wrist": wrist, "body": body}
        case GameScore(game_code=code, duration_s=duration, score=points, level=level):
            return {"type": code, "duration": duration, "score": points, "level": level}
        case _:
            raise AssertionError(f"no vendor's shape of {type(reading).__name__}")


def _values(readings: Iterable[Reading], case: Case) -> Json:
    return [
        _fields(reading) | {"timestamp": epoch_ms(kind_of(reading).starts(reading), case.tz)}
        for reading in readings
    ]


def _blood_pressures(readings: Iterable[Reading], case: Case) -> Json:
    spot = case.params["type"] == BLOOD_PRESSURE_SPOT
    return [
        {
            "sbp": reading.systolic_mmhg,
            "dbp": reading.diastolic_mmhg,
            "timestamp": epoch_ms(reading.at, case.tz),
            **({"heartRate": reading.bpm or 0} if spot else {}),
        }
        for reading in readings
        if isinstance(reading, BloodPressure)
    ]


def _ecgs(readings: Iterable[Reading], case: Case) -> Json:
    return [
        {
            "items": list(reading.samples),
            "samplingRate": reading.sampling_rate_hz,
            "timestamp": epoch_ms(reading.start, case.tz) + reading.offset_ms,
        }
        for reading in readings
        if isinstance(reading, Ecg)
    ]


def _tracks(readings: Iterable[Reading], case: Case) -> Json:
    return [
        {
            "sportId": track.track_id,
            "timestamp": epoch_ms(track.start, case.tz),
            "items": [
                {
                    "duration": point.elapsed_s,
                    "lat": point.latitude_deg,
                    "lng": point.longitude_deg,
                    "altitude": float(point.altitude_m),
                    "satellites": point.satellites,
                    "isRestart": point.new_segment,
                }
                for point in track.points
            ],
        }
        for track in readings
        if isinstance(track, GpsTrack)
    ]


BLOOD_PRESSURE_SPOT: Final = 133

SHAPES: Final[Mapping[int, Shape]] = MappingProxyType(
    {
        **dict.fromkeys((3, 4, 6, 17, 18, 19, 20, 21, 23, 131, 132, 134, 145, 146), _values),
        5: _blood_pressures,
        7: _ecgs,
        10: _tracks,
        BLOOD_PRESSURE_SPOT: _blood_pressures,
    }
)
"""The vendor's shape of a sync type's readings."""


def daily_hrv(case: Case) -> Json:
    """Daily variability in the vendor's shape."""
    found = decode_daily_hrv(case.data)
    if found is None:
        return None
    return [
        {
            "baselineMin": daily.baseline_min_ms,
            "baselineMax": daily.baseline_max_ms,
            "baselineCenter": daily.baseline_centre_ms,
            "hrvAvg": daily.mean_ms,
            "timestamp": epoch_ms(daily.day, case.tz),
        }
        for daily in found
    ]


def _raw_sleep(case: Case) -> Json:
    return [
        {"timestamp": epoch_ms(sample.at, case.tz), "value": sample.value}
        for sample in raw_sleep.decode(case.data)
    ]


# --- live -------------------------------------------------------------------------------------


def measure_request(mask: int, minutes: int, *, started: bool) -> bytes:
    """The value of 05/23."""
    encode = encode_start if started else encode_stop
    return encode(Quantity(mask), minutes)


def _realtime_request(case: Case) -> Json:
    inputs = case.params
    value = measure_request(inputs["mask"], inputs["minutes"], started=inputs["open"])
    return packet(c.MEASURE, value)


def _realtime_result(case: Case) -> Json:
    """Errors are compared by presence."""
    asked = Quantity(case.params["mask"])
    results: list[Json] = []
    complete = False
    error: ProtocolError | None = None
    try:
        for value in case.chunks or (b"",):
            if case.params["key"] == c.MEASURE_ENDED[1]:
                raise ended_by_watch(value)
            vitals = decode_measured(value, asked, case.features)
            results.append(_vitals(vitals))
            complete = is_complete(vitals, asked, case.features)
    except ProtocolError as caught:
        error = caught
    answer = {"results": results, "error": error and "error", "complete": complete}
    return Answer(answer, dict(case.expect) | {"error": case.expect["error"] and "error"})


def latest(case: Case) -> Json:
    """The latest values in the vendor's shape."""
    return _vitals(decode_latest(case.data, case.features))


def _vitals(vitals: Vitals) -> Json:
    return {
        "heartRate": vitals.bpm,
        "oxygen": vitals.spo2_pct,
        "diastolicPressure": vitals.diastolic_mmhg,
        "systolicPressure": vitals.systolic_mmhg,
        "respiratoryRate": vitals.breaths_per_min,
        "temperatureWrist": vitals.wrist_hundredths_c / 100,
        "temperatureBody": vitals.body_hundredths_c / 100,
        "pressure": vitals.stress_score,
    }


def _sport_status(case: Case) -> Json:
    return packet(c.SPORT_STATUS, sport_status(case, case.params["sport_time_id"]))


def sport_status(case: Case, start_s: int) -> bytes:
    """The value of 05/45."""
    inputs = case.params
    start = local_time(start_s * 1000, case.tz)
    return encode_status(inputs["sport_type"], inputs["status"], start, inputs["duration_s"])


def sport_status_reply(case: Case) -> Json:
    """The watch's answer about a linked recording."""
    return linked_sport(decode_status_reply(case.data), case.tz)


def _motion(case: Case) -> Json:
    motion = decode_motion(case.data)
    if motion is None:
        return {"valid": False, "x": 0, "y": 0, "z": 0, "heartRate": 0}
    bpm = motion.bpm or 0
    return {"valid": True, "x": motion.x, "y": motion.y, "z": motion.z, "heartRate": bpm}


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "sleep_raw": _raw_sleep,
        "realtime_request": _realtime_request,
        "realtime_result": _realtime_result,
        "latest_health": latest,
        "sport_status": _sport_status,
        "sport_status_reply": sport_status_reply,
        "gsensor_game": _motion,
    }
)
