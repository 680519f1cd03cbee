"""Protocols, found by their entry points: ours and strangers' alike.

Each becomes a record with a status. A protocol that cannot be used never stops the gateway; its
record says why.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from gatewayd.errors import PluginError
from protocols.spec import API, ENTRY_POINTS, ProtocolSpec

_MAX_REASON_CHARACTERS: Final = 300


class PluginStatus(StrEnum):
    """What became of an entry point."""

    READY = "ready"
    BROKEN = "broken"
    """Importing it raised an error."""

    NO_PROTOCOL = "no_protocol"
    """It is something else than a ProtocolSpec."""

    OTHER_API = "other_api"
    """It is written for another version of the contract."""

    DUPLICATE = "duplicate"
    """Another one of that name was found before it."""


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """One entry point. `spec` is set when it is ready, `reason` when it is not."""

    name: str
    origin: str
    status: PluginStatus
    spec: ProtocolSpec | None = None
    reason: str = ""


def discover(found: Iterable[EntryPoint] | None = None) -> tuple[PluginRecord, ...]:
    """Load all protocols that are installed, in order of name. Raises nothing."""
    points = entry_points(group=ENTRY_POINTS) if found is None else found
    records: list[PluginRecord] = []
    ready_ones: dict[str, PluginRecord] = {}
    for point in sorted(points, key=lambda point: (point.name, _origin(point))):
        record = _load(point)
        if record.status is PluginStatus.READY:
            first = ready_ones.setdefault(record.name, record)
            if first is not record:
                reason = f"{first.origin} provides a protocol of this name too"
                record = PluginRecord(
                    record.name, record.origin, PluginStatus.DUPLICATE, reason=reason
                )
        records.append(record)
    return tuple(records)


def ready(records: Iterable[PluginRecord]) -> tuple[ProtocolSpec, ...]:
    """The protocols that can be used."""
    return tuple(record.spec for record in records if record.spec is not None)


def find(name: str, records: Sequence[PluginRecord]) -> ProtocolSpec:
    """The protocol of that name. Raises PluginError, which says why it cannot be used."""
    for record in records:
        if record.name == name and record.spec is not None:
            return record.spec
    for record in records:
        if record.name == name:
            raise PluginError(
                f"protocol {name} of {record.origin} cannot be used: {record.reason}",
                f"Update or remove {record.origin}.",
            )
    names = [record.name for record in records]
    near = get_close_matches(name, names, n=1)
    raise PluginError(
        f"there is no protocol {name}",
        f"Did you mean {near[0]}?" if near else f"Installed: {', '.join(names) or 'none'}.",
    )


def _load(point: EntryPoint) -> PluginRecord:
    origin = _origin(point)

    def refused(status: PluginStatus, reason: str) -> PluginRecord:
        cut = " ".join(reason.split())[:_MAX_REASON_CHARACTERS]
        return PluginRecord(point.name, origin, status, reason=cut)

    try:
        spec = point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001  (a stranger's module may raise anything)
        return refused(PluginStatus.BROKEN, f"{type(error).__name__}: {error}")
    if not isinstance(spec, ProtocolSpec):
        return refused(
            PluginStatus.NO_PROTOCOL, f"{point.value} is {type(spec).__name__}, not ProtocolSpec"
        )
    if spec.api != API:
        return refused(PluginStatus.OTHER_API, f"it is written for API {spec.api}, this is {API}")
    if spec.name != point.name:
        return refused(
            PluginStatus.NO_PROTOCOL,
            f"its specification calls itself {spec.name}, not {point.name}",
        )
    return PluginRecord(point.name, origin, PluginStatus.READY, spec)


def _origin(point: EntryPoint) -> str:
    """The distribution that registered it, or the module when that is unknown."""
    return point.dist.name if point.dist is not None else point.module
