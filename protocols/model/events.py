"""What a device, or a session on its behalf, tells: things that happen rather than readings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SyncStarted:
    """A synchronisation began; `total_bytes` is the device's own estimate, 0 for nothing."""

    total_bytes: int


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """`received_bytes` of `total_bytes` have arrived; `item` names what is being transferred."""

    item: str
    received_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class SyncFinished:
    """Everything that was asked for has been handed over and committed."""

    readings: int
    received_bytes: int


@dataclass(frozen=True, slots=True)
class ConfirmationNeeded:
    """The wearer must confirm on the watch's own screen, within `timeout_s` seconds."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class SyncWanted:
    """The device hints that new records wait (a workout was finished)."""


@dataclass(frozen=True, slots=True)
class ClockWanted:
    """The device asks for the time; the session has already answered."""


Event = SyncStarted | SyncProgress | SyncFinished | ConfirmationNeeded | SyncWanted | ClockWanted
