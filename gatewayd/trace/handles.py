"""A table of handles given beside the trace, for captures that begin after the discovery.

One attribute a line, `#` begins a comment, UUIDs in 4, 8 or 32 digits:

    0x0010 service 000001ff-3c17-d293-8e48-14fe2e4da212
    0x0012 ff02
    0x0014 0000ff03-0000-1000-8000-00805f9b34fb
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from gatewayd.trace.errors import TraceError
from gatewayd.trace.gatt import Database

_BASE: Final = "-0000-1000-8000-00805f9b34fb"
_LINE: Final = re.compile(
    r"(0[xX][0-9a-fA-F]{1,4}|[0-9]{1,5})[\s=]+(?:(service)\s+)?([0-9a-fA-F-]+)"
)


def parse_table(lines: Iterable[str]) -> Database:
    """The table as a database. Raises TraceError, naming the first line that is none."""
    table = Database()
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        found = _LINE.fullmatch(text)
        uuid = None if found is None else full_uuid(found[3])
        handle = 0 if found is None else int(found[1], 0 if found[1][:2] in ("0x", "0X") else 10)
        if found is None or uuid is None or not 0 < handle <= 0xFFFF:
            raise TraceError(
                f"line {number} of the table of handles is not understood: {text[:60]!r}",
                "Write: 0x0012 0000ff02-0000-1000-8000-00805f9b34fb",
            )
        if found[2]:
            table.services[handle] = (handle, uuid)
        else:
            table.uuids[handle] = uuid
    return table


def full_uuid(text: str) -> str | None:
    """The lower-case 128-bit form, or None when it is no UUID."""
    digits = text.replace("-", "").lower()
    if not re.fullmatch(r"[0-9a-f]{4}|[0-9a-f]{8}|[0-9a-f]{32}", digits):
        return None
    if len(digits) < 32:
        return digits.rjust(8, "0") + _BASE
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def table_lines(database: Database) -> Iterator[str]:
    """The same table, as `parse_table` takes it."""
    rows = [(handle, f"service {uuid}") for handle, (_, uuid) in database.services.items()]
    rows += database.uuids.items()
    for handle, text in sorted(rows):
        yield f"{handle:#06x} {text}"
