"""What kind of watch it is: features, identity, configuration blocks. Source: spec 6.1 – 6.5.

The blocks' bytes are those of the golden vectors; only the feature bits are set from the list.
"""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from protocols.testing.virtual_watch.gatt import Advertisement
from protocols.testing.virtual_watch.samples import vector

INVERTED: Final = frozenset({18, 23, 256, 294, 582, 592, 593, 597, 602, 604})
"""Features whose raw bit 1 means "not supported" (6.3)."""

MANDATORY: Final = (0x11, 0x14, 0x17, 0x1A, 0x24, 0x27, 0x2A, 0x30, 0x2D)
"""The entries that a host's parser wants first, in this order (6.1)."""

_EXTENSION_BYTES: Final = 12
_CHIP_579X: Final = 1

# entry type -> vector that holds its bytes (file, name)
_BLOCKS: Final = MappingProxyType(
    {
        0x14: ("push-config", "config/notification-all-true"),
        0x17: ("push-config", "config/page"),
        0x1A: ("push-config", "config/function-_0_"),
        0x24: ("push-config", "config/health-monitor"),
        0x27: ("push-config", "config/sedentary-3"),
        0x2A: ("push-config", "config/drink-water-4"),
        0x30: ("push-config", "config/bp-ref"),
        0x2D: ("push-config", "config/FcTurnWristLightingConfig-dec-9"),
        0x48: ("push-config", "config/hr-alarm-2"),
        0x4E: ("push-config", "config/dnd-3"),
        0xC9: ("push-ability", "ability/limits"),
    }
)


@dataclass(frozen=True, slots=True)
class WatchProfile:
    """One model. `features` are the supported ones, after the inversion rule of 6.3."""

    features: frozenset[int]
    advertisement: Advertisement = field(default_factory=Advertisement)

    def supports(self, feature: int) -> bool:
        """Whether the watch has this feature."""
        return feature in self.features

    def configuration(self) -> dict[int, bytes]:
        """The entries of `02/21` by type, in the order in which they are sent."""
        return {0x11: self._device_info()} | {
            kind: vector(file, name) for kind, (file, name) in _BLOCKS.items()
        }

    def _device_info(self) -> bytes:
        if self.features == INVERTED:
            return vector("data-device-info", "device-info-03")
        block = bytearray(vector("data-device-info", "device-info-13")[:38])
        block[6:10] = bytes(4)
        block[32:38] = bytes(6)
        block.append(_EXTENSION_BYTES)
        block += bytes(_EXTENSION_BYTES + 4)
        block.append(_CHIP_579X)
        for feature in self.features ^ INVERTED:
            at = _feature_byte(feature)
            block[at] |= 1 << (feature % 8)
        return bytes(block)


def _feature_byte(feature: int) -> int:
    if feature < 32:
        return 9 - feature // 8
    if 256 <= feature < 304:
        return 37 - (feature - 256) // 8
    if 512 <= feature < 512 + 8 * _EXTENSION_BYTES:
        return 39 + (feature - 512) // 8
    raise ValueError(f"feature {feature} has no place in the table")


MODERN: Final = WatchProfile(
    INVERTED
    | {
        *(0, 4, 6, 9, 22),  # heart rate, weather, sport with heart rate, spot measurements
        *(259, 260, 264, 267, 268, 271, 276),  # step extras, alarms, dnd, sleep points, contacts
        *(522, 523, 530, 537, 540, 546, 588),  # naps, REM, display list, events, resting, extra
    }
)
"""A watch of today without GPS."""

RICH: Final = WatchProfile(MODERN.features | {1, 13})
"""The same with SpO2 and stress: every stream that the history builder knows."""

PLAIN: Final = WatchProfile(INVERTED)
"""An all-zero feature block: 16-bit steps, old sleep format, nothing else (section 13.4)."""
