"""GATT identifiers, and the keys that this gateway speaks. Source: transport-and-data.md §1.1, §12.

A key is (command, key); `…_REPLY` is what the watch answers with.
"""

from typing import Final

from protocols.fitcloud.frame import Packet

SERVICE: Final = "000001ff-3c17-d293-8e48-14fe2e4da212"
WRITE: Final = "0000ff02-0000-1000-8000-00805f9b34fb"
NOTIFY: Final = "0000ff03-0000-1000-8000-00805f9b34fb"

Key = tuple[int, int]

# binding
BIND: Final[Key] = (0x03, 0x11)
BIND_REPLY: Final[Key] = (0x03, 0x12)
LOGIN: Final[Key] = (0x03, 0x13)
LOGIN_REPLY: Final[Key] = (0x03, 0x14)
UNBIND: Final[Key] = (0x03, 0x15)
UNBIND_REPLY: Final[Key] = (0x03, 0x16)
OLD_LOGIN: Final[Key] = (0x03, 0x03)
OLD_LOGIN_REPLY: Final[Key] = (0x03, 0x04)

# settings
SET_TIME: Final[Key] = (0x02, 0x01)
SET_PROFILE: Final[Key] = (0x02, 0x05)
BATTERY: Final[Key] = (0x02, 0x1B)
BATTERY_REPLY: Final[Key] = (0x02, 0x1C)
CONFIGURATION: Final[Key] = (0x02, 0x20)
CONFIGURATION_REPLY: Final[Key] = (0x02, 0x21)
ECG_STATE: Final[Key] = (0x02, 0x37)
ECG_STATE_REPLY: Final[Key] = (0x02, 0x38)
CLOSE_SLEEP: Final[Key] = (0x02, 0x39)
HOST_ABILITIES: Final[Key] = (0x02, 0x50)
CONFIGURATION_CHANGED: Final[Key] = (0x02, 0x51)
EVENT: Final[Key] = (0x02, 0xCA)
RESTING_HEART_RATE: Final[Key] = (0x02, 0xE1)
RESTING_HEART_RATE_REPLY: Final[Key] = (0x02, 0xE2)
EXTRA_FIRMWARE: Final[Key] = (0x02, 0xE7)
EXTRA_FIRMWARE_REPLY: Final[Key] = (0x02, 0xE8)
TIME_WANTED: Final[Key] = (0x08, 0x26)

# history
ITEM_REQUEST: Final[Key] = (0x05, 0x01)
WAITING: Final[Key] = (0x05, 0x05)
WAITING_REPLY: Final[Key] = (0x05, 0x06)
ITEM_START: Final[Key] = (0x05, 0x07)
ITEM_END: Final[Key] = (0x05, 0x08)
ITEM_RESULT: Final[Key] = (0x05, 0x20)
ITEM_DATA: Final[Key] = (0x05, 0x30)
DAY_TOTALS: Final[Key] = (0x05, 0x21)
DAY_TOTALS_REPLY: Final[Key] = (0x05, 0x22)
DAILY_HRV: Final[Key] = (0x08, 0x94)
DAILY_HRV_REPLY: Final[Key] = (0x08, 0x95)

# what is measured now
MEASURE: Final[Key] = (0x05, 0x23)
MEASURED: Final[Key] = (0x05, 0x24)
MEASURE_ENDED: Final[Key] = (0x05, 0x25)
ECG_LIVE: Final[Key] = (0x05, 0x41)
LATEST: Final[Key] = (0x05, 0x42)
LATEST_REPLY: Final[Key] = (0x05, 0x43)
SPORT_STATUS_PUSH: Final[Key] = (0x05, 0x44)
SPORT_STATUS: Final[Key] = (0x05, 0x45)
SPORT_TOTALS_PUSH: Final[Key] = (0x05, 0x46)
SPORT_REPORT: Final[Key] = (0x05, 0x47)
READ_SPORT_STATUS: Final[Key] = (0x05, 0x48)
READ_SPORT_STATUS_REPLY: Final[Key] = (0x05, 0x49)

COMMANDS: Final = frozenset({0x01, 0x02, 0x03, 0x04, 0x05, 0x07, 0x08})
"""Commands of this family's watches; others mark a cousin (§5.2)."""


def packet(key: Key, value: bytes = b"") -> Packet:
    """The packet that carries a value under a key."""
    return Packet(*key, value)
