"""Devices and their latest values."""

import sqlite3
from collections.abc import Mapping, Sequence

from gatewayd.core.latest import advanced
from gatewayd.core.ports import KnownDevice, StateValue
from gatewayd.errors import StoreError


def know(connection: sqlite3.Connection, identity: str, slug: str, protocol: str) -> KnownDevice:
    """Register, or find by identity and bring slug and protocol up to date.

    Raises StoreError when another device has that slug.
    """
    taken = connection.execute(
        "SELECT 1 FROM device WHERE slug = ? AND identity <> ?", (slug, identity)
    ).fetchone()
    if taken is not None:
        raise StoreError(
            f"The name {slug} belongs to another watch already", "Give one of them another name"
        )
    (number,) = connection.execute(
        "INSERT INTO device (identity, slug, protocol) VALUES (?, ?, ?)"
        " ON CONFLICT (identity) DO UPDATE SET slug = excluded.slug, protocol = excluded.protocol"
        " RETURNING number",
        (identity, slug, protocol),
    ).fetchone()
    return KnownDevice(number, identity, slug)


def state(connection: sqlite3.Connection, device: KnownDevice) -> Mapping[str, StateValue]:
    """The latest values by key."""
    rows = connection.execute(
        "SELECT key, value, at_utc_s, period FROM latest WHERE device = ? ORDER BY key",
        (device.number,),
    )
    return {key: StateValue(key, value, at_utc_s, period) for key, value, at_utc_s, period in rows}


def advance(
    connection: sqlite3.Connection, device: KnownDevice, values: Sequence[StateValue]
) -> Mapping[str, StateValue] | None:
    """Take over the values that the rule of `gatewayd.core.latest` lets advance; the whole state if
    it changed, else None."""
    if not values:
        return None
    current = dict(state(connection, device))
    changed: dict[str, StateValue] = {}
    for value in values:
        stored = current.get(value.key)
        if stored is None or (stored != value and advanced(stored, value) is value):
            current[value.key] = changed[value.key] = value
    if not changed:
        return None
    connection.executemany(
        "INSERT INTO latest (device, key, value, at_utc_s, period) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (device, key) DO UPDATE SET value = excluded.value,"
        " at_utc_s = excluded.at_utc_s, period = excluded.period",
        [(device.number, new.key, new.value, new.at_utc_s, new.period) for new in changed.values()],
    )
    return current
