"""Games played on the watch: type 19. Source: transport-and-data §9.2; vectors data-game."""

import struct
from typing import Final

from protocols.fitcloud.messages.clock import day_stamp
from protocols.fitcloud.records.context import Decoded, RecordContext, Tally
from protocols.fitcloud.records.groups import groups
from protocols.model.readings import GameScore

_ITEM: Final = struct.Struct(">BI3s3sB")


def decode(stream: bytes, context: RecordContext) -> Decoded:
    """Raises nothing. That durations are seconds is an inference, so none is verified."""
    tally = Tally()
    readings: list[GameScore] = []
    for group in groups(stream, _ITEM.size, tally):
        for code, raw, duration, score, level in _ITEM.iter_unpack(group.items):
            at = day_stamp(raw)
            if at is None:
                tally.undated += 1
            elif at > context.latest:
                tally.future += 1
            else:
                readings.append(
                    GameScore(
                        at=at,
                        game_code=code,
                        duration_s=int.from_bytes(duration, "big"),
                        score=int.from_bytes(score, "big"),
                        level=level,
                        verified=False,
                    )
                )
    return tally.decoded(readings)
