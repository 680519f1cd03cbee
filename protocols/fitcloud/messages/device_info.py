"""The watch's description of itself: entry 11 of the configuration block.

Source: transport-and-data §6.2; vectors data-device-info.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from protocols.codec import Reader
from protocols.fitcloud.features import Feature, Features

MIN_BYTES: Final = 38


class Chip(StrEnum):
    """Platforms."""

    IC_579X = "579X"
    IC_568X = "568X"
    IC_8773 = "8773"
    IC_6621 = "6621"
    IC_8762C = "8762C"
    UNKNOWN = "unknown"


_CHIP_OF_FEATURE: Final = (
    (Feature.PLATFORM_568X, Chip.IC_568X),
    (Feature.PLATFORM_8773, Chip.IC_8773),
    (Feature.PLATFORM_6621, Chip.IC_6621),
    (Feature.PLATFORM_8762C, Chip.IC_8762C),
)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """Identity, versions (upper-case hex), features and display pages."""

    project: str
    patch_version: str
    flash_version: str
    app_version: str
    serial: str
    """Four bytes in hex; that they are a serial number is an inference."""

    features: Features
    pages: frozenset[int]
    chip: Chip

    @property
    def firmware(self) -> str:
        """The version as the vendor shows it: patch, flash and app together."""
        return self.patch_version + self.flash_version + self.app_version


def decode_device_info(value: bytes) -> DeviceInfo:
    """Raises MessageError below 38 bytes; what old firmware leaves out counts as zero bits."""
    body = Reader(value)
    project = body.take(6)
    low = body.take(4)
    pages = body.take(4)
    patch, flash, app, serial = (body.take(width) for width in (6, 4, 4, 4))
    middle = body.take(6)
    high, chip_code = b"", 0
    if body.remaining:
        size = body.u8()
        high = value[39 : 39 + size]
        chip_code = int.from_bytes(value[43 + size : 44 + size], "big")
    features = Features.from_raw_bits(
        [
            *_bits(low[::-1], 0),
            *_bits(middle[::-1], 256),
            *_bits(high, 512),
        ]
    )
    return DeviceInfo(
        project=_hex(project),
        patch_version=_hex(patch),
        flash_version=_hex(flash),
        app_version=_hex(app),
        serial=_hex(serial),
        features=features,
        pages=frozenset(_bits(pages[::-1], 0)),
        chip=_chip(chip_code, features),
    )


def _bits(data: bytes, first: int) -> Iterator[int]:
    """Numbers of the bits that are 1, the least significant bit of the first byte being `first`."""
    bits = int.from_bytes(data, "little")
    return (first + i for i in range(bits.bit_length()) if bits >> i & 1)


def _hex(data: bytes) -> str:
    return data.hex().upper()


def _chip(code: int, features: Features) -> Chip:
    if code == 1:
        return Chip.IC_579X
    if code:
        return Chip.UNKNOWN
    return next((chip for feature, chip in _CHIP_OF_FEATURE if feature in features), Chip.UNKNOWN)
