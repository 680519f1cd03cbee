"""What goes into the gateway's topics, as bytes. Times are RFC 3339 in UTC."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gatewayd.core.ports import Outgoing, StateValue
from protocols.model.capabilities import Description
from protocols.model.catalog import with_derived


@dataclass(frozen=True, slots=True)
class Announced:
    """A device as it is made known to others. `unique` never changes and gives nothing away."""

    slug: str
    unique: str
    name: str
    description: Description


def rfc3339(utc_s: float) -> str:
    """`2026-11-24T06:30:00Z`; milliseconds only where there are any."""
    at = datetime.fromtimestamp(utc_s, UTC)
    if at.microsecond < 1000:
        return at.isoformat()[:19] + "Z"
    return at.isoformat(timespec="milliseconds")[:23] + "Z"


def reading(outgoing: Outgoing) -> bytes:
    """One reading. The stored fields are a JSON object already and go in as they are: parsing
    them again would be most of the work."""
    end = "" if outgoing.end_utc_s is None else f',"end":"{rfc3339(outgoing.end_utc_s)}"'
    fields = outgoing.values.strip()[1:-1]
    return (
        f'{{"id":"{outgoing.reading_id}","kind":"{outgoing.kind}"'
        f',"start":"{rfc3339(outgoing.start_utc_s)}"{end}'
        f"{',' if fields.strip() else ''}{fields}"
        f',"utc_offset_s":{outgoing.utc_offset_s}'
        f',"received":"{rfc3339(outgoing.received_utc_s)}"'
        f',"revision":{outgoing.revision}'
        f',"verified":{"true" if outgoing.verified else "false"}}}'
    ).encode()


def state(values: Mapping[str, StateValue]) -> bytes:
    """The latest values: each key, and `<key>_at` for when that was."""
    flat: dict[str, float | str | None] = {}
    for key in sorted(values):
        flat[key] = values[key].value
        flat[f"{key}_at"] = rfc3339(values[key].at_utc_s)
    return encode(flat)


def devices(announced: Sequence[Announced]) -> bytes:
    """`bridge/devices`: what is known and what it can do."""
    return encode(
        [
            {
                "slug": device.slug,
                "id": device.unique,
                "name": device.name,
                "protocol": device.description.protocol,
                "manufacturer": device.description.manufacturer,
                "model": device.description.model,
                "firmware": device.description.firmware,
                "hardware": device.description.hardware,
                "kinds": sorted(with_derived(device.description.capabilities.kinds)),
                "intents": sorted(device.description.capabilities.intents),
                "limits": dict(sorted(device.description.capabilities.limits.items())),
            }
            for device in announced
        ]
    )


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
