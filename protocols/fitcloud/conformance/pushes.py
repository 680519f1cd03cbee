"""Answers to the second schema (`push-*`), as far as its keys are spoken: time, profile, goal,
battery, events, pushes, linked sport, measurement, limits, configuration entries."""

from protocols.fitcloud import commands as c
from protocols.fitcloud.conformance import events, messages, vitals
from protocols.fitcloud.conformance.case import Case, Json, Unanswerable
from protocols.fitcloud.conformance.wall_clock import local_time
from protocols.fitcloud.messages import clock
from protocols.fitcloud.messages.configuration import in_vendor_order, split_entries
from protocols.fitcloud.messages.goal import ExerciseGoal, encode_goal
from protocols.fitcloud.messages.limits import decode_limits
from protocols.fitcloud.messages.profile import clamp, encode_profile
from protocols.model.time import DeviceTime, device_time

_LIMITS = (0x02, 0xC9)
_GOAL_REPLY = (0x02, 0x9A)


def encoded(case: Case, key: tuple[int, int] | None) -> bytes:
    """The value under a key, or the item alone when the row has no packet."""
    inputs = case.params
    if key is None and "format" in inputs:
        return _time_item(case)
    match key:
        case c.SET_TIME if "year" in inputs:
            return clock.encode_ts4(device_time(*(inputs[name] for name in _TIME_FIELDS)))
        case c.SET_TIME if "epoch_ms" in inputs:
            return clock.encode_ts4(local_time(inputs["epoch_ms"], case.tz))
        case c.SET_PROFILE if "male" in inputs:
            wearer = messages.wearer(case)
            sanitised = "sanitising" in inputs.get("note", "")
            return encode_profile(clamp(wearer) if sanitised else wearer)
        case messages.GOAL if "steps" in inputs:
            return encode_goal(_goal(case))
        case c.MEASURE if "type_mask" in inputs:
            asked = inputs["type_mask"]
            return vitals.measure_request(asked, inputs["minutes"], started=inputs["open"])
        case c.SPORT_STATUS if "sport_time_id_s" in inputs:
            return vitals.sport_status(case, inputs["sport_time_id_s"])
        case _:
            raise Unanswerable("this key is not spoken")


def decoded(case: Case) -> Json:
    """The vendor's object."""
    match (case.params["cmd"], case.params["key"]):
        case (0, 0):
            return {"epoch_ms": _time(case)}
        case c.BATTERY_REPLY:
            return events.battery(case)
        case key if key == _GOAL_REPLY:
            return messages.goal_reply(case)
        case key if events.is_push(key):
            return events.push_answer(case, "message_type")
        case c.LATEST_REPLY:
            return vitals.latest(case)
        case c.READ_SPORT_STATUS_REPLY:
            return vitals.sport_status_reply(case)
        case key if key == _LIMITS:
            return _limits(case)
        case c.CONFIGURATION_REPLY:
            return _entries(case)
        case _ if case.name.startswith("events/"):
            return None
        case _:
            raise Unanswerable("this key is not spoken")


_TIME_FIELDS = ("year", "month", "day", "hour", "minute", "second")


def _time_item(case: Case) -> bytes:
    at = local_time(case.params["epoch_ms"], case.tz)
    match case.params["format"]:
        case "time4-with-seconds":
            return clock.encode_ts4(at)
        case "time4-zero-seconds":
            return clock.encode_ts4(DeviceTime(at - at % 60))
        case "date2":
            return clock.encode_date2(at)
        case str() as name if "min" in name:
            return clock.encode_dmin4(at)
        case _:
            raise Unanswerable("this format of time is not spoken")


def _time(case: Case) -> int:
    match case.params.get("format"):
        case "time4":
            return messages.decoded_ts4(case)
        case "date2":
            return messages.decoded_date2(case)
        case str() as name if "min" in name:
            return messages.decoded_dmin4(case)
        case _:
            raise Unanswerable("this format of time is not spoken")


def _goal(case: Case) -> ExerciseGoal:
    inputs = case.params
    dated = "timestamp_ms" in inputs
    return ExerciseGoal(
        steps=inputs["steps"],
        distance_cm=inputs["distance"],
        energy_cal=inputs["calories"],
        set_at=local_time(inputs["timestamp_ms"], case.tz) if dated else None,
        active_min=inputs.get("sport_minutes", 0),
    )


def _limits(case: Case) -> Json:
    limits = decode_limits(case.data)
    return {
        "packet_limit": limits.value_bytes,
        "alarm_max": limits.max_alarms,
        "schedule_max": limits.max_schedules,
        "contacts_max": limits.max_contacts(case.features),
        "max_weather_code": limits.max_weather_code,
        "hour_weather_max": limits.max_weather_hours,
        "custom_remind_max": limits.max_custom_reminders,
        "ai_result_max": limits.values.get(31, -1),
        "world_clock_max": limits.values.get(32),
        "contact_image_max": limits.values.get(33),
    }


def _entries(case: Case) -> Json:
    entries = in_vendor_order(split_entries(case.data))
    if entries:
        raise Unanswerable("the vendor's shape of configuration entries is not known")
    return {"items": []}
