"""Arguments that choose what of the store is meant: which store, devices, kinds and time."""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Collection
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gatewayd.store.reader import StoreReader, Wanted

_AGO: Final = re.compile(r"(\d{1,6})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_store(parser: ArgumentParser) -> None:
    """`--config` and `--store`."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--config", type=Path, metavar="FILE", help="the configuration file")
    where.add_argument("--store", type=Path, metavar="FILE", help="the store itself")


def add_filters(parser: ArgumentParser) -> None:
    """`--device`, `--kind`, `--since` and `--until`."""
    parser.add_argument(
        "--device", action="append", metavar="NAME", help="only of this watch; may be repeated"
    )
    parser.add_argument(
        "--kind",
        action="append",
        type=kind,
        metavar="KIND",
        help="only of this kind (heart_rate, steps …); may be repeated",
    )
    parser.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="from then on: a date or time (2026-11-24, 2026-11-24T06:30), or 7d, 24h, 30m ago",
    )
    parser.add_argument("--until", type=moment, metavar="TIME", help="before then; like --since")


def store_path(options: Namespace) -> Path:
    """The store that is meant. Raises ConfigError."""
    if options.store is not None:
        path: Path = options.store
        return path
    from gatewayd.config import load

    return load(options.config).store.path


def wanted(options: Namespace, store: "StoreReader") -> "Wanted":
    """What the filters choose. Raises NotStored for a watch that the store does not know."""
    from gatewayd.errors import NotStored
    from gatewayd.store.reader import Wanted

    if options.device:
        known = [device.known.slug for device in store.devices()]
        for name in options.device:
            if name not in known:
                raise NotStored(f"there is no watch named {name}", _hint(name, known))
    return Wanted(options.device, options.kind, options.since, options.until)


def kind(text: str) -> str:
    """The name of a kind."""
    from protocols.model.catalog import BY_NAME

    if text not in BY_NAME:
        raise ArgumentTypeError(f"there is no kind {text}. {_hint(text, BY_NAME)}")
    return text


def moment(text: str, now: datetime | None = None) -> float:
    """Unix time of an ISO 8601 date or time (local unless it says otherwise), or of a span ago."""
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            span = timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            return ((datetime.now().astimezone() if now is None else now) - span).timestamp()
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo is not None else at.astimezone()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ArgumentTypeError(
            f"{text} is no time. Write 2026-11-24, 2026-11-24T06:30, 7d or 24h."
        ) from None


def _hint(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(known))}."
