"""Answers about what the watch says unasked: battery, events, pushes.

Vectors data-connect (battery), data-messages, push-events. The vendor's numbers of message types
live here, as far as vectors show them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from protocols.fitcloud import commands as c
from protocols.fitcloud.conformance.case import Answer, Case, Handler, Json
from protocols.fitcloud.conformance.wall_clock import epoch_ms
from protocols.fitcloud.messages.battery import Battery, decode_battery
from protocols.fitcloud.messages.event import EventKind, SportState, WatchEvent, decode_event
from protocols.fitcloud.messages.push_events import (
    PUSHES,
    DietResultLimit,
    Push,
    Pushed,
    TextMessage,
    decode_push,
)
from protocols.fitcloud.messages.sport_link import LinkedSport, LinkedSportTotals
from protocols.model.readings import HeartRate


def battery(case: Case) -> Json:
    """A battery reply as the vendor's object."""
    return _battery(decode_battery(case.data))


def _battery(level: Battery) -> dict[str, Json]:
    return {
        "batteryCount": level.bars,
        "isCharging": level.charging,
        "percentage": level.level_pct,
    }


VENDOR_EVENT: Final[Mapping[EventKind, int]] = MappingProxyType(
    {
        EventKind.BATTERY_CHANGED: 91,
        EventKind.WORKOUT_FINISHED: 92,
        EventKind.DIAL_SWITCHED: 93,
        EventKind.HEART_RATE_MEASURED: 94,
        EventKind.SPORT_STATE_CHANGED: 96,
        EventKind.MEASUREMENT_STOPPED: 4,
        EventKind.DIAL_DELETED: 95,
    }
)
"""The vendor's message types, as far as vectors show them."""


def event_answer(case: Case, number: str) -> Json:
    """An event in the vendor's shape; `number` is the schema's word for the message type.

    Of a type that no vector shows, and of a type's name, only the presence is compared.
    """
    event = decode_event(case.data)
    if event is None:
        return None
    answer = {"data": _event_data(event, case.tz)}
    if event.kind in VENDOR_EVENT:
        answer[number] = VENDOR_EVENT[event.kind]
    if not isinstance(case.expect, Mapping):
        return answer
    return Answer(answer, {key: case.expect[key] for key in case.expect if key in answer})


def _event_data(event: WatchEvent, tz: str) -> Json:
    match event.data:
        case None:
            return None
        case Battery() as level:
            return _battery(level)
        case HeartRate(at=at, bpm=bpm):
            return {"heartRate": bpm, "timestamp": epoch_ms(at, tz)}
        case SportState(sport_code=code, state=state):
            return [state, code]


VENDOR_PUSH: Final[Mapping[Push, int]] = MappingProxyType(
    {
        Push.FIND_PHONE: 1,
        Push.CALL_REJECTED: 11,
        Push.CALL_REJECTED_WITH_TEXT: 12,
        Push.TEXT_MESSAGE: 13,
        Push.PHOTO_TAKEN: 21,
        Push.CAMERA_OPENED: 22,
        Push.CAMERA_CLOSED: 23,
        Push.PLAY_PAUSE: 31,
        Push.PREVIOUS_TITLE: 33,
        Push.VOLUME_DOWN: 35,
        Push.SILENT_MODE_TOGGLED: 36,
        Push.ALARMS_CHANGED: 42,
        Push.GOAL_CHANGED: 44,
        Push.MUSIC_TITLE_WANTED: 52,
        Push.SOS: 61,
        Push.VOICE_ASSISTANT: 71,
        Push.CRICKET_WANTED: 82,
        Push.RECORDING_STARTED: 101,
        Push.RECORDING_STOPPED: 102,
        Push.CHAT_AUDIO_STARTED: 103,
        Push.TRANSLATION_STARTED: 105,
        Push.PRAYER_SWITCH_CHANGED: 108,
        Push.PARTNER_MESSAGE: 111,
        Push.CAMERA_SWITCHED: 112,
        Push.HIJRI_DATE_WANTED: 113,
        Push.AI_PLAYER_CONTROL: 117,
        Push.PICTURE_SPEECH_STARTED: 118,
        Push.PICTURE_TEXT: 120,
        Push.PICTURE_NOT_USED: 122,
        Push.DIET_RESULT_LIMIT: 125,
        Push.AMULET: 128,
        Push.AUDIO_STARTED: 129,
        Push.PARTNER_AMULET: 131,
        Push.AUDIO_ADDRESS: 10001,
        Push.SPORT_STATUS: 10003,
        Push.SPORT_TOTALS: 10004,
        Push.POSITION_WANTED: 10005,
        Push.NAVIGATION_LEFT: 10006,
        Push.EARPHONE_EQUALISER: 10007,
        Push.EARPHONE_LOW_DELAY: 10009,
        Push.EARPHONE_CHAT: 10012,
    }
)

_SHAPE_UNKNOWN: Final = frozenset({Push.EARPHONE_CHAT})
"""Pushes whose content the vectors do not show."""

_PERHAPS_KEPT: Final = frozenset(
    {Push.CONFIGURATION_CHANGED, Push.TIME_WANTED, Push.LICENCE_WANTED}
)
"""Pushes that the vendor may answer by itself: whether its application hears of them is not
known."""


def push_answer(case: Case, number: str) -> Json:
    """A push, or an event, in the vendor's shape; see `event_answer`."""
    key = (case.params["cmd"], case.params["key"])
    if key == c.EVENT:
        return event_answer(case, number)
    pushed = decode_push(*key, case.data)
    if pushed is None:
        return None
    if not isinstance(case.expect, Mapping):
        return None if pushed.kind in _PERHAPS_KEPT else {"data": _push_data(pushed, case.tz)}
    answer: dict[str, Json] = {}
    if pushed.kind in VENDOR_PUSH:
        answer[number] = VENDOR_PUSH[pushed.kind]
        if pushed.kind not in _SHAPE_UNKNOWN:
            answer["data"] = _push_data(pushed, case.tz)
    return Answer(answer, {name: case.expect[name] for name in case.expect if name in answer})


def is_push(key: tuple[int, int]) -> bool:
    """Whether a key is one that the watch sends unasked."""
    return key == c.EVENT or key in PUSHES


def _push_data(pushed: Pushed, tz: str) -> Json:
    match pushed.data:
        case bytes() as content:
            return content.hex()
        case TextMessage(number=number, text=text):
            return {"phoneNumber": number, "content": text}
        case DietResultLimit(kind=kind, size=size):
            return [kind, size]
        case LinkedSport() as sport:
            return linked_sport(sport, tz)
        case LinkedSportTotals() as totals:
            return {
                "sportTimeId": totals.start is not None and epoch_ms(totals.start, tz) // 1000,
                "step": totals.steps,
                "calorie": totals.energy_cal,
                "heartRate": totals.bpm,
            }
        case plain:
            return plain


def linked_sport(sport: LinkedSport, tz: str) -> Json:
    """The status of a recording in the vendor's shape."""
    start = None if sport.start is None else epoch_ms(sport.start, tz) // 1000
    return {"sportStatus": sport.status, "sportTimeId": start}


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "battery": battery,
        "device_message": lambda case: push_answer(case, "type"),
    }
)
