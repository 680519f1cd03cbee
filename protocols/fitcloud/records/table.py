"""Which decoder a sync type has. Source: transport-and-data §8.4, §9."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from protocols.errors import MessageError
from protocols.fitcloud.records import heart_rate, sleep, sleep_score, sport, steps
from protocols.fitcloud.records.context import Decoded, RecordContext

__all__ = ["SUPPORTED", "Decoded", "RecordContext", "decode"]

SUPPORTED: Final[Mapping[int, Callable[[bytes, RecordContext], Decoded]]] = MappingProxyType(
    {
        1: steps.decode,
        2: sleep.decode,
        3: heart_rate.decode_periodic,
        16: sport.decode,
        22: sleep_score.decode,
        131: heart_rate.decode_spot,
    }
)
"""Types that can be read. What is not here must not be asked for: it would be lost.

The private exchanges (254 resting heart rate, 255 day totals) are in `messages.totals`.
"""


def decode(type_id: int, stream: bytes, context: RecordContext) -> Decoded:
    """Readings of one sync item. Raises MessageError for an unreadable stream or unknown type."""
    decoder = SUPPORTED.get(type_id)
    if decoder is None:
        raise MessageError(f"sync type {type_id} has no decoder")
    return decoder(stream, context)
