"""Battery, 02/1C and the battery events. Source: transport-and-data §7.1; vectors data-connect."""

from dataclasses import dataclass

from protocols.codec import Reader
from protocols.model.readings import BatteryLevel
from protocols.model.time import DeviceTime


@dataclass(frozen=True, slots=True)
class Battery:
    """As the watch says it: signed bytes, `bars` being what its own face shows."""

    charging: bool
    bars: int
    level_pct: int

    def reading(self, at: DeviceTime) -> BatteryLevel | None:
        """None when the level is no percentage."""
        if 0 <= self.level_pct <= 100:
            return BatteryLevel(at, self.level_pct, self.charging)
        return None


def decode_battery(value: bytes) -> Battery:
    """Raises MessageError below three bytes; more are ignored."""
    body = Reader(value)
    return Battery(charging=body.signed(1) == 1, bars=body.signed(1), level_pct=body.signed(1))
