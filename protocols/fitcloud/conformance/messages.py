"""Answers about single messages: vectors data-connect, data-device-info, data-messages."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from protocols.errors import MessageError
from protocols.fitcloud import commands as c
from protocols.fitcloud.conformance.case import Answer, Case, Handler, Json
from protocols.fitcloud.conformance.wall_clock import (
    epoch_ms,
    lenient_date2,
    lenient_ts4,
    local_time,
)
from protocols.fitcloud.connect import HOST_ABILITIES
from protocols.fitcloud.messages import clock
from protocols.fitcloud.messages.auth import decode_unbind_reply, encode_bind, encode_login
from protocols.fitcloud.messages.configuration import split_entries
from protocols.fitcloud.messages.device_info import Chip, decode_device_info
from protocols.fitcloud.messages.firmware import decode_extra_firmware
from protocols.fitcloud.messages.goal import ExerciseGoal, decode_goal, encode_goal
from protocols.fitcloud.messages.hardware import Hardware, decode_hardware
from protocols.fitcloud.messages.limits import decode_limits
from protocols.fitcloud.messages.profile import clamp, encode_profile
from protocols.fitcloud.sync import decode_waiting
from protocols.model.time import DAY_S, DeviceTime, device_time
from protocols.session import Wearer

GOAL: Final = (0x02, 0x06)


def packet(key: tuple[int, int], value: bytes) -> dict[str, Json]:
    """A packet in the shape of `expect`."""
    return {"cmd": key[0], "key": key[1], "data": value.hex()}


# --- binding, profile, goal -------------------------------------------------------------------


def _auth_request(case: Case) -> Json:
    user_id = case.params["user_id"]
    if case.params["bind"]:
        return packet(c.BIND, encode_bind(user_id, case.params.get("code")))
    return packet(c.LOGIN, encode_login(user_id))


def wearer(case: Case) -> Wearer:
    """The wearer that a vector describes."""
    inputs = case.params
    return Wearer(inputs["male"], inputs["age"], inputs["height_cm"], inputs["weight_kg"])


def _user_info(case: Case) -> Json:
    return packet(c.SET_PROFILE, encode_profile(wearer(case)))


def _user_info_clamped(case: Case) -> Json:
    given = wearer(case)
    kept = clamp(given)
    return packet(c.SET_PROFILE, encode_profile(kept)) | {"changed": kept != given}


def _goal_set(case: Case) -> Json:
    inputs = case.params
    goal = ExerciseGoal(
        steps=inputs["steps"],
        distance_cm=inputs["distance"],
        energy_cal=inputs["calorie"],
        set_at=local_time(inputs["epoch_ms"], case.tz),
        active_min=inputs["sport_minutes"],
    )
    return packet(GOAL, encode_goal(goal))


def goal_reply(case: Case) -> Json:
    """A goal as the vendor's object."""
    goal = decode_goal(case.data)
    at = goal.set_at
    if at is None:
        at = lenient_ts4(int.from_bytes(case.data[12:16], "big"))
    return {
        "step": goal.steps,
        "distance": goal.distance_cm,
        "calorie": goal.energy_cal,
        "sportDuration": goal.active_min,
        "timestamp": epoch_ms(at, case.tz),
    }


# --- time -------------------------------------------------------------------------------------


def _time_fields(case: Case) -> Json:
    f = case.params
    at = device_time(f["year"], f["month0"] + 1, f["day"], f["hour"], f["minute"], f["second"])
    return clock.encode_ts4(at).hex()


def decoded_ts4(case: Case) -> int:
    """A `ts4` in milliseconds, as lenient as the vendor."""
    return _leniently(case, 4, clock.decode_ts4, lenient_ts4)


def decoded_date2(case: Case) -> int:
    """A `date2` in milliseconds, as lenient as the vendor."""
    return _leniently(case, 2, clock.decode_date2, lenient_date2)


def decoded_dmin4(case: Case) -> int:
    """A `dmin4` in milliseconds, as lenient as the vendor."""

    def rolled(raw: int) -> DeviceTime:
        days, minutes = divmod(raw & 0xFFFF, DAY_S // 60)
        return DeviceTime(lenient_date2(raw >> 16) + days * DAY_S + minutes * 60)

    return _leniently(case, 4, clock.decode_dmin4, rolled)


def _leniently(
    case: Case,
    width: int,
    strict: Callable[[bytes], DeviceTime],
    lenient: Callable[[int], DeviceTime],
) -> int:
    """The codec refuses an impossible time; only then is the vendor's invention of one made."""
    try:
        at = strict(case.data)
    except MessageError:
        if len(case.data) != width:
            raise
        at = lenient(int.from_bytes(case.data, "big"))
    return epoch_ms(at, case.tz)


# --- what the watch is ------------------------------------------------------------------------


def _device_info(case: Case) -> Json:
    info = decode_device_info(case.data)
    return {
        "project": info.project,
        "patch": info.patch_version,
        "flash": info.flash_version,
        "app": info.app_version,
        "icType": "IC_UNKNOWN" if info.chip is Chip.UNKNOWN else info.chip.name,
        "simulated": False,
        "features": sorted(info.features),
        "pages": sorted(info.pages),
    }


def _extra_firmware(case: Case) -> Json:
    versions = decode_extra_firmware(case.data)
    return {"gnssGpsVersion": versions.gnss or "", "modem4GVersion": versions.modem or ""}


def _config_tlv(case: Case) -> Json:
    return [
        *({"type": kind, "data": data.hex()} for kind, data in split_entries(case.data)),
        None,
    ]


_LETTER_OF_LIMIT: Final = MappingProxyType(
    {
        "c": 2, "d": 3, "e": 4, "f": 5, "g": 7, "h": 6, "i": 8, "j": 9, "k": 10, "l": 29, "m": 31,
        "n": 32, "q": 33,
    }
)  # fmt: skip


def _capability_limits(case: Case) -> Json:
    limits = decode_limits(case.data)
    return {
        **{letter: limits.values.get(number) for letter, number in _LETTER_OF_LIMIT.items()},
        "b": limits.value_bytes,
        "o": None if limits.listed is None else list(limits.listed),
        "r": limits.max_weather_hours,
        "p.a": limits.heart_rate_bytes_per_sport_item or 0,
    }


def _assist_info(case: Case) -> Json:
    hardware = decode_hardware(case.data)
    parts = {
        "chargingInfo": hardware.charger,
        "heartRateInfo": hardware.heart_rate_sensor,
        "screenInfo": hardware.screen,
    }
    # The vendor's names inside these parts are not known: only their presence is compared.
    return Answer(
        _hardware(hardware) | {name: part is not None for name, part in parts.items()},
        dict(case.expect) | {name: case.expect[name] is not None for name in parts},
    )


def _hardware(hardware: Hardware) -> dict[str, Json]:
    return {
        "antennaSignalStrength": hardware.antenna_signal,
        "bloodPressureAlgorithm": hardware.blood_pressure_algorithm,
        "caloriesAlgorithm": hardware.energy_algorithm,
        "caloriesOptimizeSportVersion": hardware.energy_by_sport_version,
        "ecgSwitch": hardware.ecg_enabled,
        "ecgType": hardware.ecg_type,
        "flashCodeSize": hardware.code_size,
        "flashSize": hardware.flash_size,
        "fontType": hardware.font_type,
        "gsensorType": hardware.g_sensor_type,
        "isCaloriesOptimizeSport": hardware.energy_by_sport,
        "isSleepSupportMultiSegment": hardware.sleep_in_segments,
        "isSupportHeartRate": hardware.heart_rate,
        "isSupportLowBatteryReminder": hardware.low_battery_reminder,
        "isSupportRebindRestoreData": hardware.rebinding_restores_data,
        "isSupportWeChat": hardware.wechat,
        "raiseWristAlgorithm": hardware.raise_wrist_algorithm,
        "screenTPHotSwap": hardware.touch_hot_swap,
        "sleepAlgorithm": hardware.sleep_algorithm,
        "stepAlgorithm": hardware.step_algorithm,
        "stepAlgorithmVersion": hardware.step_algorithm_version,
        "temperatureAlgorithm": hardware.temperature_algorithm,
        "temperatureSwitch": hardware.temperature_enabled,
        "temperatureType": hardware.temperature_type,
        "tpInfo": _touch_panel(hardware),
        "translationVersion": _translation(hardware),
    }


def _touch_panel(hardware: Hardware) -> Json:
    panel = hardware.touch_panel
    return panel and {
        "firmwareVersion": panel.firmware,
        "isCOB": panel.chip_on_board,
        "isSupportRD": panel.research,
        "isSupportTestPage": panel.test_page,
        "isSupportTurnOn": panel.turn_on,
        "isSupportUpgrade": panel.upgrade,
        "isSupportWakeup": panel.wake_up,
        "type": panel.type,
    }


def _translation(hardware: Hardware) -> Json:
    translation = hardware.translation
    return translation and {
        "compileTime": translation.compiled,
        "customerNum": translation.customer,
        "customerTranslationNum": translation.customer_translation,
        "translationVersion": translation.version,
    }


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "auth_request": _auth_request,
        "user_info": _user_info,
        "user_info_clamped": _user_info_clamped,
        "sdk_function": lambda _: packet(c.HOST_ABILITIES, HOST_ABILITIES),
        "set_time": lambda case: packet(
            c.SET_TIME, clock.encode_ts4(local_time(case.params["epoch_ms"], case.tz))
        ),
        "timestamp_seconds_fields": _time_fields,
        "timestamp_seconds": decoded_ts4,
        "timestamp_date": decoded_date2,
        "timestamp_date_minute": decoded_dmin4,
        "unbind_reply": lambda case: decode_unbind_reply(case.data),
        "exercise_goal_reply": goal_reply,
        "exercise_goal_set": _goal_set,
        "device_info": _device_info,
        "extra_firmware_info": _extra_firmware,
        "config_tlv": _config_tlv,
        "capability_limits": _capability_limits,
        "assist_info": _assist_info,
        "sync_total_size": lambda case: decode_waiting(case.data),
    }
)
