"""Hardware details, 02/61. Source: transport-and-data §6.4; vectors data-device-info."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, NamedTuple

from protocols.codec import Reader


@dataclass(frozen=True, slots=True)
class Translation:
    """The translation built into the firmware; `compiled` is a time as plain digits."""

    customer: int
    customer_translation: int
    version: int
    compiled: str


@dataclass(frozen=True, slots=True)
class TouchPanel:
    """The touch panel and what it can do."""

    type: int
    chip_on_board: bool
    turn_on: bool
    wake_up: bool
    upgrade: bool
    test_page: bool
    research: bool
    firmware: str


@dataclass(frozen=True, slots=True)
class HeartRateSensor:
    """The optical sensor."""

    type: int
    algorithm_version: str
    enabled: bool
    interrupt_pin: bool
    hot_swap: bool


@dataclass(frozen=True, slots=True)
class Charger:
    """The charger; the unit of `voltage` (mV) is an inference."""

    type: int
    logic_version: int
    max_voltage: int
    curve: int
    voltage: int
    percent: int


@dataclass(frozen=True, slots=True)
class Screen:
    """The display."""

    type: int
    drive: int
    tearing_effect: bool
    pin: int
    brightness: int
    lit_time: int
    raise_wrist_lit_time: int


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the watch says of its parts; 0, False or None where it is silent."""

    translation: Translation | None = None
    flash_size: int = 0
    code_size: int = 0
    font_type: int = 0
    touch_panel: TouchPanel | None = None
    step_algorithm: int = 0
    step_algorithm_version: str | None = None
    raise_wrist_algorithm: int = 0
    energy_algorithm: int = 0
    energy_by_sport: bool = False
    energy_by_sport_version: int = 0
    sleep_algorithm: int = 0
    sleep_in_segments: bool = False
    heart_rate_sensor: HeartRateSensor | None = None
    g_sensor_type: int = 0
    charger: Charger | None = None
    touch_hot_swap: int = 0
    blood_pressure_algorithm: int = 0
    antenna_signal: int = 0
    screen: Screen | None = None
    temperature_type: int = 0
    temperature_algorithm: int = 0
    temperature_enabled: int = 0
    ecg_type: int = 0
    ecg_enabled: int = 0
    wechat: bool = False
    heart_rate: bool = False
    rebinding_restores_data: bool = False
    """Whether stored data survive a new bind."""

    low_battery_reminder: bool = False


def decode_hardware(value: bytes) -> Hardware:
    """Entries that are too short or unknown are ignored, a truncated one ends the list."""
    hardware = Hardware()
    for kind, data in _entries(value):
        part = _PARTS.get(kind)
        if part is not None and len(data) >= part.min_bytes:
            hardware = part.add(hardware, Reader(data))
    return hardware


def _entries(value: bytes) -> Iterator[tuple[int, bytes]]:
    """The length counts the type byte; a length of 0 has none, and ends the list."""
    at = 0
    while at < len(value) and value[at]:
        end = at + 1 + value[at]
        if end > len(value):
            return
        yield value[at + 1], value[at + 2 : end]
        at = end


def _translation(body: Reader) -> Translation:
    return Translation(
        customer=body.u16(),
        customer_translation=body.u8(),
        version=body.u16(),
        compiled="".join(f"{byte:02}" for byte in body.take(4)),
    )


def _touch_panel(body: Reader) -> TouchPanel:
    kind, bits = body.u8(), body.u8()
    return TouchPanel(
        type=kind,
        chip_on_board=bool(bits & 1),
        turn_on=bool(bits & 2),
        wake_up=bool(bits & 4),
        upgrade=bool(bits & 8),
        test_page=bool(bits & 16),
        research=bool(bits & 32),
        firmware=_hex(body),
    )


def _heart_rate_sensor(body: Reader) -> HeartRateSensor:
    return HeartRateSensor(
        type=body.u8(),
        algorithm_version=_hex(body),
        enabled=_flag(body),
        interrupt_pin=_flag(body),
        hot_swap=_flag(body),
    )


def _charger(body: Reader) -> Charger:
    return Charger(
        type=body.u8(),
        logic_version=body.u8(),
        max_voltage=body.u8(),
        curve=body.u8(),
        voltage=body.u16(),
        percent=body.u8(),
    )


def _screen(body: Reader) -> Screen:
    return Screen(
        type=body.u16(),
        drive=body.u16(),
        tearing_effect=_flag(body),
        pin=body.u8(),
        brightness=body.u8(),
        lit_time=body.u8(),
        raise_wrist_lit_time=body.u8(),
    )


def _flag(body: Reader) -> bool:
    return body.u8() != 0


def _hex(body: Reader) -> str:
    return body.take(4).hex().upper()


class _Part(NamedTuple):
    min_bytes: int
    add: Callable[[Hardware, Reader], Hardware]


_PARTS: Final[Mapping[int, _Part]] = MappingProxyType(
    {
        1: _Part(9, lambda h, r: replace(h, translation=_translation(r))),
        2: _Part(2, lambda h, r: replace(h, flash_size=r.u8(), code_size=r.u8())),
        3: _Part(1, lambda h, r: replace(h, font_type=r.u8())),
        4: _Part(6, lambda h, r: replace(h, touch_panel=_touch_panel(r))),
        5: _Part(5, lambda h, r: replace(h, step_algorithm=r.u8(), step_algorithm_version=_hex(r))),
        6: _Part(1, lambda h, r: replace(h, raise_wrist_algorithm=r.u8())),
        7: _Part(
            3,
            lambda h, r: replace(
                h,
                energy_algorithm=r.u8(),
                energy_by_sport=_flag(r),
                energy_by_sport_version=r.u8(),
            ),
        ),
        8: _Part(2, lambda h, r: replace(h, sleep_algorithm=r.u8(), sleep_in_segments=_flag(r))),
        9: _Part(8, lambda h, r: replace(h, heart_rate_sensor=_heart_rate_sensor(r))),
        10: _Part(1, lambda h, r: replace(h, g_sensor_type=r.u8())),
        11: _Part(7, lambda h, r: replace(h, charger=_charger(r))),
        12: _Part(1, lambda h, r: replace(h, touch_hot_swap=r.u8())),
        13: _Part(1, lambda h, r: replace(h, blood_pressure_algorithm=r.u8())),
        14: _Part(1, lambda h, r: replace(h, antenna_signal=r.u8())),
        15: _Part(9, lambda h, r: replace(h, screen=_screen(r))),
        16: _Part(
            3,
            lambda h, r: replace(
                h,
                temperature_type=r.u8(),
                temperature_algorithm=r.u8(),
                temperature_enabled=r.u8(),
            ),
        ),
        17: _Part(2, lambda h, r: replace(h, ecg_type=r.u8(), ecg_enabled=r.u8())),
        18: _Part(1, lambda h, r: replace(h, wechat=_flag(r))),
        19: _Part(1, lambda h, r: replace(h, heart_rate=_flag(r))),
        20: _Part(1, lambda h, r: replace(h, rebinding_restores_data=_flag(r))),
        21: _Part(1, lambda h, r: replace(h, low_battery_reminder=_flag(r))),
    }
)
