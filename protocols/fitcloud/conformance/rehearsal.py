"""How to rehearse with this family: its virtual watch, bound to us, with two days of a life."""

from datetime import datetime
from functools import cache
from typing import Final

from protocols.fitcloud.commands import NOTIFY, SERVICE, WRITE
from protocols.model.catalog import Category
from protocols.model.time import Moment, from_datetime
from protocols.session import LinkFacts, Property, SessionSettings
from protocols.testing.rehearsal import Rehearsal
from protocols.testing.virtual_watch import RICH, History, VirtualWatch, build_history

_USER: Final = "owner@example.org"
_NOW: Final = datetime(2026, 3, 10, 21, 0)  # noqa: DTZ001 - a watch knows no time zone


def rehearsal() -> Rehearsal:
    """See `protocols.testing.rehearsal`."""
    return Rehearsal(
        peripheral=_watch,
        facts=LinkFacts(
            address=RICH.advertisement.address,
            name=RICH.advertisement.name,
            write_size=244,
            services=frozenset({SERVICE}),
            characteristics={WRITE: Property.WRITE, NOTIFY: Property.NOTIFY},
        ),
        settings=SessionSettings(_USER, consent=frozenset(Category)),
        start=Moment(100.0, from_datetime(_NOW)),
    )


def _watch() -> VirtualWatch:
    return VirtualWatch(_history(), profile=RICH, bound_user=_USER)


@cache
def _history() -> History:
    return build_history(_NOW, days=2, profile=RICH)
