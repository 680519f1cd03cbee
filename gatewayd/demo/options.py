"""What may be asked of the demo."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`keep` leaves everything running until interrupted, `broker` is the `mqtt://` URL of a
    broker to use instead of a built-in one, `days` is how much history the virtual watch holds."""

    keep: bool = False
    broker: str | None = None
    days: int = 7
