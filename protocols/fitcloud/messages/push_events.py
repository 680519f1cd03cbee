"""What the watch says unasked: every key of the catalogue's list of unsolicited ones.

Source: transport-and-data §7.4, §12.5; settings-and-push §3.3, §4, §11, §12; vectors data-messages,
push-events. An event, 02/CA, has a module of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from protocols.codec import Reader
from protocols.errors import MessageError
from protocols.fitcloud.messages.sport_link import (
    LinkedSport,
    LinkedSportTotals,
    decode_status_push,
    decode_totals_push,
)


class Push(StrEnum):
    """What is pushed."""

    FIND_PHONE = "find_phone"
    FIND_PHONE_STOPPED = "find_phone_stopped"
    CONFIGURATION_CHANGED = "configuration_changed"
    ALARMS_CHANGED = "alarms_changed"
    SCHEDULES_CHANGED = "schedules_changed"
    GOAL_CHANGED = "goal_changed"
    PRAYER_SWITCH_CHANGED = "prayer_switch_changed"
    SILENT_MODE_TOGGLED = "silent_mode_toggled"
    AUDIO_ADDRESS = "audio_address"
    SOS = "sos"
    MUSIC_STATE_WANTED = "music_state_wanted"
    MUSIC_TITLE_WANTED = "music_title_wanted"
    VOLUME_WANTED = "volume_wanted"
    CALL_REJECTED = "call_rejected"
    CALL_ACCEPTED = "call_accepted"
    CALL_REJECTED_WITH_TEXT = "call_rejected_with_text"
    TEXT_MESSAGE = "text_message"
    PERMISSIONS_WANTED = "permissions_wanted"
    VOICE_ASSISTANT = "voice_assistant"
    VOICE_ASSISTANT_DATA = "voice_assistant_data"
    PHOTOVOLTAIC_WANTED = "photovoltaic_wanted"
    CRICKET_WANTED = "cricket_wanted"
    POSITION_WANTED = "position_wanted"
    GPS_HELP_PROGRESS = "gps_help_progress"
    NAVIGATION_LEFT = "navigation_left"
    RECORDING_STARTED = "recording_started"
    RECORDING_SPLIT = "recording_split"
    RECORDING_STOPPED = "recording_stopped"
    CHAT_AUDIO_STARTED = "chat_audio_started"
    CHAT_AUDIO_STOPPED = "chat_audio_stopped"
    PARTNER_MESSAGE = "partner_message"
    SPORT_STATUS = "sport_status"
    SPORT_TOTALS = "sport_totals"
    PHOTO_TAKEN = "photo_taken"
    CAMERA_OPENED = "camera_opened"
    CAMERA_CLOSED = "camera_closed"
    CAMERA_SWITCHED = "camera_switched"
    PLAY_PAUSE = "play_pause"
    NEXT_TITLE = "next_title"
    PREVIOUS_TITLE = "previous_title"
    VOLUME_UP = "volume_up"
    VOLUME_DOWN = "volume_down"
    GLUCOSE_METER = "glucose_meter"
    HIJRI_DATE_WANTED = "hijri_date_wanted"
    QIBLA_WANTED = "qibla_wanted"
    TRANSLATION_LANGUAGE = "translation_language"
    TRANSLATION_STARTED = "translation_started"
    TRANSLATION_STOPPED = "translation_stopped"
    LICENCE_WANTED = "licence_wanted"
    TIME_WANTED = "time_wanted"
    AI_MODEL = "ai_model"
    AI_PLAYER_CONTROL = "ai_player_control"
    AI_SWITCH = "ai_switch"
    PICTURE_SPEECH_STARTED = "picture_speech_started"
    PICTURE_SPEECH_STOPPED = "picture_speech_stopped"
    PICTURE_TEXT = "picture_text"
    PICTURE_USED = "picture_used"
    PICTURE_NOT_USED = "picture_not_used"
    PICTURE_OTHER = "picture_other"
    EARPHONE_EQUALISER = "earphone_equaliser"
    EARPHONE_NOISE_REDUCTION = "earphone_noise_reduction"
    EARPHONE_LOW_DELAY = "earphone_low_delay"
    EARPHONE_STATE = "earphone_state"
    EARPHONE_FOUND = "earphone_found"
    EARPHONE_CHAT = "earphone_chat"
    DIET_RESULT_LIMIT = "diet_result_limit"
    AMULETS = "amulets"
    AMULET = "amulet"
    PARTNER_AMULET = "partner_amulet"
    AUDIO_STARTED = "audio_started"
    YOGA_WANTED = "yoga_wanted"


class TextMessage(NamedTuple):
    """A text message that the watch wants sent."""

    number: str
    text: str


class DietResultLimit(NamedTuple):
    """How much of a result the watch can take; the meaning of `kind` is not known."""

    kind: int
    size: int


PushData: TypeAlias = (
    int | str | bytes | TextMessage | DietResultLimit | LinkedSport | LinkedSportTotals | None
)


@dataclass(frozen=True, slots=True)
class Pushed:
    """`data` belongs to `kind`: an address or a text as str, a number as int, undocumented content
    as bytes, None for kinds that say it all."""

    kind: Push
    data: PushData = None


_Decode: TypeAlias = Callable[[bytes], Pushed | None]


def decode_push(command: int, key: int, value: bytes) -> Pushed | None:
    """None for a key that is no push, and for a value too short or without a meaning: those are to
    be ignored. Raises nothing."""
    decode = PUSHES.get((command, key))
    if decode is None:
        return None
    try:
        return decode(value)
    except MessageError:
        return None


def _plain(kind: Push) -> _Decode:
    return lambda _: Pushed(kind)


def _choice(kinds: Mapping[int, Push], other: Push | None = None) -> _Decode:
    """The first byte says which; `other` stands for all numbers that are not listed."""

    def decode(value: bytes) -> Pushed | None:
        kind = kinds.get(Reader(value).u8(), other)
        return None if kind is None else Pushed(kind)

    return decode


def _number(kind: Push) -> _Decode:
    return lambda value: Pushed(kind, Reader(value).u8())


def _bytes(kind: Push) -> _Decode:
    return lambda value: Pushed(kind, value)


def _audio_address(value: bytes) -> Pushed:
    return Pushed(Push.AUDIO_ADDRESS, Reader(value).take(6).hex(":").upper())


def _call_text(value: bytes) -> Pushed:
    return Pushed(Push.CALL_REJECTED_WITH_TEXT, _text(Reader(value)))


def _text_message(value: bytes) -> Pushed:
    body = Reader(value)
    return Pushed(Push.TEXT_MESSAGE, TextMessage(_text(body), _text(body)))


def _text(body: Reader) -> str:
    size = body.u8()
    if not size:
        raise MessageError("an empty text")
    return body.take(size).decode(errors="replace")


def _partner_message(value: bytes) -> Pushed | None:
    body = Reader(value)
    kind, size = body.u8(), body.u8()
    content = body.take(size)
    return Pushed(Push.PARTNER_MESSAGE, content) if kind == 1 else None


def _glucose_meter(value: bytes) -> Pushed | None:
    body = Reader(value)
    kind, action = body.u8(), body.u8()
    return Pushed(Push.GLUCOSE_METER, action) if kind == 1 else None


def _diet_result_limit(value: bytes) -> Pushed:
    body = Reader(value)
    return Pushed(Push.DIET_RESULT_LIMIT, DietResultLimit(body.u8(), body.u16()))


PUSHES: Final[Mapping[tuple[int, int], _Decode]] = MappingProxyType(
    {
        (0x02, 0x3C): _plain(Push.FIND_PHONE),
        (0x02, 0x51): _plain(Push.CONFIGURATION_CHANGED),
        (0x02, 0x6D): _plain(Push.ALARMS_CHANGED),
        (0x02, 0x6E): _plain(Push.SCHEDULES_CHANGED),
        (0x02, 0x78): _plain(Push.SILENT_MODE_TOGGLED),
        (0x02, 0x7C): _plain(Push.FIND_PHONE_STOPPED),
        (0x02, 0x84): _audio_address,
        (0x02, 0x87): _plain(Push.SOS),
        (0x02, 0x92): _choice(
            {1: Push.MUSIC_STATE_WANTED, 2: Push.MUSIC_TITLE_WANTED, 3: Push.VOLUME_WANTED}
        ),
        (0x02, 0x95): _call_text,
        (0x02, 0x9C): _plain(Push.VOICE_ASSISTANT),
        (0x02, 0x9E): _bytes(Push.VOICE_ASSISTANT_DATA),
        (0x02, 0xAA): _plain(Push.PHOTOVOLTAIC_WANTED),
        (0x02, 0xAC): _number(Push.POSITION_WANTED),
        (0x02, 0xB1): _plain(Push.CRICKET_WANTED),
        (0x02, 0xB6): _number(Push.GPS_HELP_PROGRESS),
        (0x02, 0xBE): _text_message,
        (0x02, 0xC1): _choice({1: Push.NAVIGATION_LEFT}),
        (0x02, 0xD1): _choice(
            {1: Push.RECORDING_STARTED, 2: Push.RECORDING_SPLIT}, Push.RECORDING_STOPPED
        ),
        (0x02, 0xD3): _plain(Push.CHAT_AUDIO_STARTED),
        (0x02, 0xD4): _plain(Push.CHAT_AUDIO_STOPPED),
        (0x02, 0xE4): _partner_message,
        (0x02, 0xE5): _plain(Push.PERMISSIONS_WANTED),
        (0x04, 0x20): _plain(Push.CALL_REJECTED),
        (0x04, 0x46): _plain(Push.CALL_ACCEPTED),
        (0x05, 0x44): lambda value: Pushed(Push.SPORT_STATUS, decode_status_push(value)),
        (0x05, 0x46): lambda value: Pushed(Push.SPORT_TOTALS, decode_totals_push(value)),
        (0x07, 0x01): _plain(Push.PHOTO_TAKEN),
        (0x07, 0x03): _choice(
            {
                **dict.fromkeys(range(3), Push.PLAY_PAUSE),
                3: Push.NEXT_TITLE,
                4: Push.PREVIOUS_TITLE,
                5: Push.VOLUME_UP,
                6: Push.VOLUME_DOWN,
            }
        ),
        (0x07, 0x04): _plain(Push.CAMERA_OPENED),
        (0x07, 0x05): _plain(Push.CAMERA_CLOSED),
        (0x07, 0x08): _glucose_meter,
        (0x08, 0x01): _plain(Push.HIJRI_DATE_WANTED),
        (0x08, 0x04): _plain(Push.QIBLA_WANTED),
        (0x08, 0x07): _plain(Push.CAMERA_SWITCHED),
        (0x08, 0x0D): _bytes(Push.TRANSLATION_LANGUAGE),
        (0x08, 0x0E): _choice({1: Push.TRANSLATION_STARTED}, Push.TRANSLATION_STOPPED),
        (0x08, 0x24): _plain(Push.LICENCE_WANTED),
        (0x08, 0x26): _plain(Push.TIME_WANTED),
        (0x08, 0x27): _bytes(Push.AI_MODEL),
        (0x08, 0x28): _bytes(Push.AI_PLAYER_CONTROL),
        (0x08, 0x2B): _choice({1: Push.PICTURE_SPEECH_STARTED}, Push.PICTURE_SPEECH_STOPPED),
        (0x08, 0x2D): _bytes(Push.PICTURE_TEXT),
        (0x08, 0x2E): _choice({1: Push.PICTURE_NOT_USED}, Push.PICTURE_USED),
        (0x08, 0x30): _bytes(Push.PICTURE_OTHER),
        (0x08, 0x36): _plain(Push.PRAYER_SWITCH_CHANGED),
        (0x08, 0x37): _bytes(Push.AI_SWITCH),
        (0x08, 0x45): _plain(Push.GOAL_CHANGED),
        (0x08, 0x57): _bytes(Push.EARPHONE_EQUALISER),
        (0x08, 0x5C): _bytes(Push.EARPHONE_NOISE_REDUCTION),
        (0x08, 0x61): _bytes(Push.EARPHONE_LOW_DELAY),
        (0x08, 0x64): _bytes(Push.EARPHONE_STATE),
        (0x08, 0x6B): _bytes(Push.EARPHONE_FOUND),
        (0x08, 0x6C): _diet_result_limit,
        (0x08, 0x6E): _bytes(Push.EARPHONE_CHAT),
        (0x08, 0x72): _bytes(Push.AMULETS),
        (0x08, 0x74): _bytes(Push.AMULETS),
        (0x08, 0x77): _number(Push.AMULET),
        (0x08, 0x78): _number(Push.PARTNER_AMULET),
        (0x08, 0x79): _plain(Push.AUDIO_STARTED),
        (0x08, 0x81): _bytes(Push.YOGA_WANTED),
    }
)
"""What can be pushed, by command and key."""
