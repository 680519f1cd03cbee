"""The rule by which `state` moves: only forward in time, and a day's totals only up."""

from collections.abc import Sequence
from typing import Final

from gatewayd.core.ports import Row, StateValue
from protocols.model.catalog import KINDS
from protocols.model.readings import Reading


def latest_values(readings: Sequence[Reading], rows: Sequence[Row]) -> list[StateValue]:
    """The newest value of each of the catalogue's measures in a batch."""
    newest: dict[str, StateValue] = {}
    for reading, row in zip(readings, rows, strict=True):
        at = row.start_utc_s if row.end_utc_s is None else row.end_utc_s
        for key, value_of, starts in _MEASURES[type(reading)]:
            value = value_of(reading)
            if value is None:
                continue
            known = newest.get(key)
            if starts is not None:
                total = StateValue(key, value, at, starts(reading), monotone=True)
                newest[key] = total if known is None else advanced(known, total)
            elif known is None or at >= known.at_utc_s:
                newest[key] = StateValue(key, value, at)
    return list(newest.values())


def advanced(stored: StateValue, new: StateValue) -> StateValue:
    """Which of two values of one key stands.

    Where both belong to a period, the later period wins, wherever the owner has travelled since;
    within one, a running total stays as high as it was, and anything else is replaced. Elsewhere
    the one that is not older wins.
    """
    if stored.period is None or new.period is None:
        return new if new.at_utc_s >= stored.at_utc_s else stored
    if new.period != stored.period:
        return new if new.period > stored.period else stored
    return stored if new.monotone and _falls(stored.value, new.value) else new


def _falls(stored: float | str | None, new: float | str | None) -> bool:
    return isinstance(stored, int | float) and isinstance(new, int | float) and new < stored


_MEASURES: Final = {
    kind.type: tuple(
        (measure.key, measure.value, kind.starts if measure.monotone else None)
        for measure in kind.measures
    )
    for kind in KINDS
}
