"""JSON Lines: everything that the store holds, an object a line.

The objects, by `type`:

- `header`: the first line. `schema` is the version of this format, 1; `gatewayd` the version that
  wrote it, `store_schema` that of the store, `created` the time.
- `device`: `device` is the name that the other lines use, `protocol` what it speaks.
- `reading`: what was published on MQTT, and `device`. All revisions of a reading are there.
- `conflict`: another value that a device told for a reading that never changes; its fields are
  those of a reading, without `id` and `revision`.
- `raw`: the bytes that readings were decoded from, in hexadecimal digits (`data`), which layout
  they have (`source`) and what else a decoder needs (`context`).
- `end`: the last line, with the number of each of the others. Without it the file is not whole.

Times are RFC 3339 in UTC. A reader should pass over types and fields that it does not know.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Final

from gatewayd.core.ports import Outgoing
from gatewayd.mqtt import payloads
from gatewayd.store.reader import Conflict, RawBytes, StoreReader, Wanted

SCHEMA: Final = 1


def reading_line(reading: Outgoing) -> str:
    """A reading as it is published, led by its device's name."""
    return f'{{"device":{json.dumps(reading.slug)},{payloads.reading(reading).decode()[1:]}'


def lines(store: StoreReader, wanted: Wanted, version: str, now_utc_s: float) -> Iterator[str]:
    """The whole export. Filters that choose readings leave conflicts and raw bytes out, for
    these would tell more than was asked for."""
    yield _line(
        "header",
        schema=SCHEMA,
        gatewayd=version,
        store_schema=store.schema,
        created=payloads.rfc3339(now_utc_s),
    )
    counts = Counter[str]()
    for device in store.devices():
        slug = device.known.slug
        if wanted.devices is None or slug in wanted.devices:
            counts["device"] += 1
            yield _line("device", device=slug, protocol=device.protocol or None)
    for reading in store.readings(wanted._replace(revisions=True)):
        counts["reading"] += 1
        yield f'{{"type":"reading",{reading_line(reading)[1:]}'
    if wanted == Wanted():
        for conflict in store.conflicts():
            counts["conflict"] += 1
            yield _conflict(conflict)
        for raw in store.raw():
            counts["raw"] += 1
            yield _raw(raw)
    yield _line("end", counts=dict(counts))


def _conflict(conflict: Conflict) -> str:
    end = conflict.end_utc_s
    return _line(
        "conflict",
        device=conflict.slug,
        kind=conflict.kind,
        start=payloads.rfc3339(conflict.start_utc_s),
        **({} if end is None else {"end": payloads.rfc3339(end)}),
        **json.loads(conflict.fields),
        utc_offset_s=conflict.utc_offset_s,
        received=payloads.rfc3339(conflict.received_utc_s),
        verified=conflict.verified,
    )


def _raw(raw: RawBytes) -> str:
    return _line(
        "raw",
        device=raw.slug,
        source=raw.source,
        context=json.loads(raw.context),
        data=raw.data.hex(),
        received=payloads.rfc3339(raw.received_utc_s),
    )


def _line(what: str, **fields: object) -> str:
    return payloads.encode({"type": what, **fields}).decode()
