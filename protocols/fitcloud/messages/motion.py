"""The motion sensor while a game runs on the phone, 05/59. Source: transport-and-data §11.3;
vectors gsensor-game."""

import struct
from typing import Final, NamedTuple

_MARKER: Final = b"\x5a\x5a"
_AXES: Final = struct.Struct(">2x3h")


class Motion(NamedTuple):
    """Acceleration in the sensor's own units; `bpm` is None when not sent."""

    x: int
    y: int
    z: int
    bpm: int | None = None


def decode_motion(value: bytes) -> Motion | None:
    """None for what is no such sample: another marker, or fewer than eight bytes."""
    if len(value) < _AXES.size or value[:2] != _MARKER:
        return None
    z, x, y = _AXES.unpack_from(value)
    return Motion(x, y, z, value[_AXES.size] if len(value) > _AXES.size else None)
