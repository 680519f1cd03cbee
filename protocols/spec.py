"""What a protocol declares about itself, and how a device is told to speak it.

A protocol is registered under the entry-point group `gatewayd.protocols` as a `ProtocolSpec`;
ours and strangers' alike.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from protocols.observer import Observer, Scrubber
from protocols.session import Session, SessionSettings

API: Final = 1
"""Version of the contract in `protocols.session`; a spec written for another one is refused."""

ENTRY_POINTS: Final = "gatewayd.protocols"


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What a device says on air. UUIDs are lower-case 128-bit strings.

    `manufacturer_data` maps Bluetooth SIG company identifiers to what follows them.
    """

    address: str
    name: str | None = None
    rssi_dbm: int | None = None
    service_uuids: frozenset[str] = frozenset()
    manufacturer_data: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Match:
    """How well an advertisement fits a protocol: `score` 1–100, and why, in words for an owner.

    A score below `CERTAIN` is a hint. Only talking to the device settles it, since unrelated
    families share services and company identifiers.
    """

    score: int
    reason: str


CERTAIN: Final = 90


@dataclass(frozen=True, slots=True)
class Quirk:
    """A known deviation of one product, with the reason it is known."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What is known of one product: what it is sold as, and how it deviates."""

    model: str
    brand: str | None = None
    quirks: tuple[Quirk, ...] = ()


@dataclass(frozen=True, slots=True)
class ProtocolSpec:
    """One family's protocol."""

    name: str
    title: str
    match: Callable[[Advertisement], Match | None]
    open_session: Callable[[SessionSettings], Session]
    services: frozenset[str]
    """GATT services that a device of this family must have (all of them)."""

    profiles: Mapping[str, DeviceProfile] = field(default_factory=lambda: MappingProxyType({}))
    conformance: str | None = None
    """Module whose `run(vector)` answers golden vectors; see `protocols.testing.vectors`."""

    fit_sports: Mapping[int, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}))
    """Sport and sub-sport of the public FIT profile by the family's own number of a sport."""

    observe: Callable[[], Observer] | None = None
    """A fresh observer for one connection of a trace, where the protocol can read along."""

    scrub: Callable[[], Scrubber] | None = None
    """A fresh scrubber for one connection of a trace."""

    api: int = API


def best_match(
    advertisement: Advertisement, specs: Iterable[ProtocolSpec]
) -> list[tuple[ProtocolSpec, Match]]:
    """The specs that match, best first; more than one with the same top score is a tie."""
    found = [(spec, match) for spec in specs if (match := spec.match(advertisement)) is not None]
    return sorted(found, key=lambda item: item[1].score, reverse=True)
