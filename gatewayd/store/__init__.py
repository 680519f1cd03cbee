"""The durable store: SQLite behind the `Store` port."""

from gatewayd.store.store import SqliteStore

__all__ = ["SqliteStore"]
