"""The wearer's profile, 02/05. Source: transport-and-data §4.5; vectors data-connect."""

import struct
from dataclasses import replace

from protocols.codec import Writer
from protocols.errors import LimitExceeded
from protocols.session import Wearer


def clamp(wearer: Wearer) -> Wearer:
    """Replaces absurd values by the vendor's defaults: 20 years, 170 cm, 50 kg."""
    return replace(
        wearer,
        age_years=wearer.age_years if 0 < wearer.age_years <= 200 else 20,
        height_cm=wearer.height_cm if 0 < wearer.height_cm <= 500 else 170.0,
        weight_kg=wearer.weight_kg if 0 < wearer.weight_kg <= 500 else 50.0,
    )


def encode_profile(wearer: Wearer) -> bytes:
    """Four bytes; height and weight in halves, rounded down.

    Raises LimitExceeded from 256 cm and from 512 kg, and for an age beyond one byte. An age above
    127 spills into the bit for the sex, as the vendor's does.
    """
    height, weight = _halves(wearer.height_cm), _halves(wearer.weight_kg)
    if not (0 <= height < 512 and 0 <= weight < 1024):
        raise LimitExceeded("the profile holds heights below 256 cm and weights below 512 kg")
    return (
        Writer()
        .u8(wearer.male << 7 | wearer.age_years)
        .u8(height >> 1)
        .u8((height << 7 | weight >> 3) & 0xFF)
        .u8(weight << 5 & 0xFF)
        .build()
    )


def _halves(value: float) -> int:
    """Tenths in 32-bit float arithmetic, then a fifth of them: the vendor's way to halves."""
    return int(_float32(_float32(value) * 10)) // 5


def _float32(value: float) -> float:
    try:
        rounded: float = struct.unpack(">f", struct.pack(">f", value))[0]
    except OverflowError as error:
        raise LimitExceeded(f"{value:g} is no height or weight") from error
    return rounded
