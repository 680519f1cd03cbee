"""What a virtual watch asks its host to do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notify:
    """Send one notification of a characteristic; never more than MTU - 3 bytes."""

    characteristic: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """End the link from the watch's side. Nothing follows until it is connected again."""


Effect = Notify | Drop
