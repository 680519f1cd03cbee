"""The configuration block, 02/21: entries of type, length and data.

Source: transport-and-data §6.1; vectors data-device-info (config-tlv).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from protocols.codec import Writer
from protocols.errors import MessageError
from protocols.fitcloud.messages.device_info import DeviceInfo, decode_device_info
from protocols.fitcloud.messages.limits import Limits, decode_limits

DEVICE_INFO: Final = 0x11
LIMITS: Final = 0xC9

MANDATORY: Final = (0x11, 0x14, 0x17, 0x1A, 0x24, 0x27, 0x2A, 0x30, 0x2D)
"""What the vendor's parser wants first, in this order; a watch (or a simulator) sends it so."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole block. `entries` are all of them by type, undecoded."""

    device_info: DeviceInfo
    limits: Limits
    entries: Mapping[int, bytes]


def decode_configuration(value: bytes) -> Configuration:
    """Takes the entries in any order. Raises MessageError without a sound device-info entry."""
    entries = dict(split_entries(value))
    if DEVICE_INFO not in entries:
        raise MessageError("the configuration block lacks the device information")
    return Configuration(
        device_info=decode_device_info(entries[DEVICE_INFO]),
        limits=decode_limits(entries.get(LIMITS, b"")),
        entries=MappingProxyType(entries),
    )


def split_entries(value: bytes) -> tuple[tuple[int, bytes], ...]:
    """The entries up to the first truncated one. Raises nothing."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at + 2 <= len(value):
        end = at + 2 + value[at + 1]
        if end > len(value):
            break
        found.append((value[at], value[at + 2 : end]))
        at = end
    return tuple(found)


def in_vendor_order(entries: Iterable[tuple[int, bytes]]) -> tuple[tuple[int, bytes], ...]:
    """The entries that the vendor's parser would keep: those before the first misplaced one."""
    kept: list[tuple[int, bytes]] = []
    for entry in entries:
        if len(kept) < len(MANDATORY) and entry[0] != MANDATORY[len(kept)]:
            break
        kept.append(entry)
    return tuple(kept)


def encode_entries(entries: Iterable[tuple[int, bytes]]) -> bytes:
    """The block as a watch sends it. Raises LimitExceeded for data beyond 255 bytes."""
    block = Writer()
    for kind, data in entries:
        block.u8(kind).u8(len(data)).raw(data)
    return block.build()
