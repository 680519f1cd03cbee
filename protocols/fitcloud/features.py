"""What a watch can do: the feature table, by number. Source: transport-and-data §6.3.

Some bits are inverted on the wire: 1 means "not supported". Everything here is meant after the
inversion, so that "in" always means "supported".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Feature(IntEnum):
    """A feature's number in the device-information block."""

    HEART_RATE = 0
    OXYGEN = 1
    BLOOD_PRESSURE = 2
    RESPIRATORY_RATE = 3
    WEATHER = 4
    ECG = 5
    SPORT = 6
    WECHAT_SPORT = 7
    PLATFORM_8762C = 8
    DYNAMIC_HEART_RATE = 9
    TEMPERATURE = 10
    WOMEN_HEALTH = 11
    SPEECH_RECOGNITION = 12
    PRESSURE = 13
    GAME = 14
    PLATFORM_6621 = 15
    DFU_FIRMWARE_SILENT = 16
    SCREEN_VIBRATE = 17
    DIAL_CUSTOM = 18
    SPORT_PUSH = 19
    SPORT_CONNECTIVITY = 20
    BLOOD_PRESSURE_AIR_PUMP = 21
    MEASURE_DATA_SYNCABLE = 22
    SLEEP = 23
    GPS = 24
    PLATFORM_8773 = 26
    PLATFORM_568X = 27
    HIDE_WECHAT_SPORT = 28
    HIDE_PRIVATE_BLOOD_PRESSURE = 29
    SETTING_PAGE_CONFIG = 256
    ANCS_EMAIL = 257
    ANCS_VIBER_TELEGRAM = 258
    STEP_EXTRA = 259
    HEART_RATE_ALARM = 260
    BLOOD_PRESSURE_ALARM = 261
    ANCS_EXTRA = 262
    DIAL_PUSH = 263
    DND = 264
    REQUEST_LATEST_HEALTH = 265
    TP_UPGRADE = 266
    NEW_NOTIFICATION_PROTOCOL = 267
    NEW_SLEEP_PROTOCOL = 268
    CHANGE_CONFIG_IT_SELF = 269
    MOCK_ECG = 270
    CONTACTS = 271
    TI_ECG = 272
    PROTECTION_REMINDER = 273
    HEALTH_MONITOR_CONFIG_INTERVAL = 274
    SEDENTARY_CONFIG_INTERVAL = 275
    WEATHER_FORECAST = 276
    HAND_WASHING_REMINDER = 277
    SETTING_DEVICE_NAME = 278
    SETTING_WEATHER_DISPLAY = 279
    SCREEN_LOCK = 280
    CUSTOM_FIND_PHONE_AUDIO = 281
    SCHEDULE = 282
    ANCS_HIKE_YOUTUBE = 283
    DIAL_MULTIPLE = 284
    DIAL_COMPONENT = 285
    GUI = 286
    GAME_PUSH = 287
    TELEPHONY_MISSED = 288
    QR_CODE_CONNECT = 289
    LCD_SHAPE = 290
    COLLECTION_CODE = 291
    BUSINESS_CARD = 292
    SINGLE_GAME_RECORD = 293
    SETTING_DIAL_COMPONENT = 294
    NUCLEIC_ACID_CODE = 295
    HABIT = 296
    INTERNAL_QR_CODE_EXTENSION_1 = 297
    SONG_PUSH = 298
    ALI_AGENT = 299
    CUSTOM_LABEL = 300
    GET_SUPPORT_QR_CODE = 301
    POWER_SAVE_MODE = 302
    POWER_SAVE_PERIOD = 303
    PHOTOVOLTAIC = 512
    QR_CODE_EXTENSION_1 = 513
    CRICKET_MATCH = 514
    GPS_HOT_START = 515
    GSENSOR_DATA = 516
    MEDAL = 517
    SCHEDULE_TYPE = 518
    HABIT_ACHIEVE_GOAL = 519
    FUNCTION_CONFIG_HIGH_BITS = 520
    NAVIGATION = 521
    SLEEP_NAP = 522
    SLEEP_REM = 523
    CROSS_DAY_TIME_SETTINGS = 524
    CONTACTS_100 = 525
    ALBUM = 526
    EBOOK = 527
    CUSTOM_CARD = 528
    SPORT_DATA_CONFIG = 530
    ISOLATE_MONITOR_CONFIG = 531
    LOW_HEART_RATE_ALARM = 532
    EXTENSION_CONFIG = 533
    TOPSTEP_OTA = 534
    CHAT = 535
    ADVANCED_REMIND = 536
    BASE_ABILITY = 537
    CONTACTS_EMERGENCY = 538
    ACTIVITY_SPORT_DURATION = 539
    HEART_RATE_RESTING = 540
    LOVERS = 541
    OTA_NO_DISCONNECT = 542
    APP_NOTIFICATION_TITLE = 543
    GNSS_GPS = 544
    WEATHER_HOURS = 545
    SPORT_ITEM_EXTRA = 546
    ACCORDING_DEVICE_NOTIFICATION_CONFIG = 547
    CHAT_SUPPORT_ERNIE_BOT = 548
    HIDE_STRENGTHEN_MEASUREMENT = 549
    MUSLIM_WORSHIP = 550
    DELETE_DIAL = 551
    EXTRA_FIRMWARE_INFO = 552
    ALARM_NOT_ACTIVE_CLOSE = 553
    PREVIEW_NAVI = 554
    PREVIEW_CAMERA = 555
    AIR_PRESSURE = 556
    EUID = 557
    NEW_SPORT_DETAIL = 558
    MOUSE_POINT_PRESET = 559
    USAGE_COUNT = 560
    USAGE_COUNT_WITH_TIMESTAMP = 561
    AI_CHAT_SWITCH_MODEL = 562
    MUSLIM_WORSHIP_SUPPORT_FROM_APP = 563
    PARENT_MODE = 564
    LOCATION = 565
    SUPPORT_GAMEPLAY_TIMES = 566
    SUPPORT_LANGUAGE_LIST = 567
    MOOD = 569
    SUPPORT_FESTIVAL_BLESSING = 570
    SUPPORT_CLASSROOM_MODE = 571
    SYNC_VOLUME_INFO = 572
    TELEPHONY_NOTIFICATION_NUMBER = 573
    EARPHONE_SUPPORT_CUSTOM_KEY = 574
    EARPHONE_SUPPORT_OTA = 575
    GSENSOR_GAME_HEARTRATE = 577
    SPORT_CONNECTIVITY_STEPS = 578
    CLASSROOM_MODE_SUPPORT_REPEAT_FLAG = 579
    AI_TRANSLATE_HOME = 580
    SUPPORT_BT_BOND = 581
    TIME_FORMAT = 582
    SUPPORT_EARPHONE_COMMAND = 583
    SUPPORT_DEVICE_SN_INFO = 584
    SPORT_UI_EDITOR = 585
    SUPPORT_OFFLINE_SPEECH = 586
    VITALITY = 587
    SLEEP_SCORE = 588
    SUPPORT_STARBURST_AI = 589
    SUPPORT_STARBURST_SCO = 590
    FIND_DEVICE = 592
    NOTIFICATION = 593
    HRV = 594
    PRECISE_BATTERY_LEVEL = 595
    SHUT_DOWN = 596
    MUSIC_INFO_STATE = 597
    AEC = 598
    AI_CHAT = 599
    AI_RECORD = 600
    CALL_RECORD = 601
    XMLY = 602
    NO_SCREEN_DEVICE = 603
    TAKE_PHOTO_CONTROL = 604
    HELP_SLEEP_ANALYSIS = 605


INVERTED: Final[frozenset[int]] = frozenset(
    feature.value
    for feature in (
        Feature.DIAL_CUSTOM,
        Feature.SLEEP,
        Feature.SETTING_PAGE_CONFIG,
        Feature.SETTING_DIAL_COMPONENT,
        Feature.TIME_FORMAT,
        Feature.FIND_DEVICE,
        Feature.NOTIFICATION,
        Feature.MUSIC_INFO_STATE,
        Feature.XMLY,
        Feature.TAKE_PHOTO_CONTROL,
    )
)
"""Features whose raw bit says "not supported"."""


@dataclass(frozen=True, slots=True)
class Features:
    """The numbers of the supported features; may hold numbers that `Feature` does not name."""

    numbers: frozenset[int] = frozenset()

    @classmethod
    def from_raw_bits(cls, raw_bits: Iterable[int]) -> "Features":
        """From the bits that are 1 on the wire."""
        return cls(frozenset(raw_bits) ^ INVERTED)

    def __contains__(self, feature: object) -> bool:
        return feature in self.numbers

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)
