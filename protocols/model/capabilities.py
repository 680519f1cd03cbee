"""What one device can do, as plain data: which kinds it measures, and how much it holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_NO_LIMITS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Names and limits.

    `kinds` are catalogue names of the readings that the device gives, already cut down to what the
    owner consents to. `limits` are counts or byte sizes by name (`max_alarms`, `max_contacts`).
    """

    kinds: frozenset[str] = frozenset()
    intents: frozenset[str] = frozenset()
    limits: Mapping[str, int] = field(default_factory=lambda: _NO_LIMITS)


@dataclass(frozen=True, slots=True)
class Description:
    """What a device says of itself once it is connected. None where it does not say."""

    protocol: str
    manufacturer: str | None = None
    model: str | None = None
    firmware: str | None = None
    hardware: str | None = None
    serial_number: str | None = None
    capabilities: Capabilities = field(default_factory=Capabilities)
