"""Which decoder a sync type has. Source: transport-and-data §8.4, §9."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from protocols.errors import MessageError
from protocols.fitcloud.records import (
    blood_pressure,
    ecg,
    game,
    gps,
    sleep,
    sleep_score,
    sport,
    steps,
    temperature,
    variability,
)
from protocols.fitcloud.records.context import Decoded, RecordContext
from protocols.fitcloud.records.values import MAX_SCORE, periodic, spot
from protocols.model.readings import (
    HeartRate,
    Mood,
    OxygenSaturation,
    RespiratoryRate,
    Stress,
)

__all__ = ["SUPPORTED", "Decoded", "RecordContext", "decode"]

SUPPORTED: Final[Mapping[int, Callable[[bytes, RecordContext], Decoded]]] = MappingProxyType(
    {
        1: steps.decode,
        2: sleep.decode,
        3: periodic(HeartRate),
        4: periodic(OxygenSaturation, MAX_SCORE),
        5: blood_pressure.decode_periodic,
        6: periodic(RespiratoryRate),
        7: ecg.decode,
        10: gps.decode,
        16: sport.decode,
        17: temperature.decode_periodic,
        18: periodic(Stress, MAX_SCORE),
        19: game.decode,
        20: periodic(Mood),
        21: variability.decode_vitality,
        22: sleep_score.decode,
        23: variability.decode_hrv,
        131: spot(HeartRate),
        132: spot(OxygenSaturation, MAX_SCORE),
        133: blood_pressure.decode_spot,
        134: spot(RespiratoryRate),
        145: temperature.decode_spot,
        146: spot(Stress, MAX_SCORE),
    }
)
"""Types that can be read. What is not here must not be asked for: it would be lost.

The private exchanges (253 daily variability, 254 resting heart rate, 255 day totals) are in
`messages.totals`.
"""


def decode(type_id: int, stream: bytes, context: RecordContext) -> Decoded:
    """Readings of one sync item. Raises MessageError for an unreadable stream or unknown type."""
    decoder = SUPPORTED.get(type_id)
    if decoder is None:
        raise MessageError(f"sync type {type_id} has no decoder")
    return decoder(stream, context)
