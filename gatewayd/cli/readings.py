"""`gatewayd readings`: what the store holds, filtered, also while the gateway runs."""

import csv
import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from gatewayd.cli.selection import add_filters, add_store, store_path, wanted

if TYPE_CHECKING:
    from gatewayd.core.ports import Outgoing
    from gatewayd.store.reader import StoreReader, Wanted

LONGEST_TEXT: Final = 40
"""Characters that a value takes in the table at most; the other formats show it whole."""


def configure(parser: ArgumentParser) -> None:
    """Arguments."""
    add_store(parser)
    add_filters(parser)
    parser.add_argument("--latest", type=_count, metavar="N", help="only the newest N")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--table", action="store_true", help="for reading; the default on a terminal"
    )
    shape.add_argument(
        "--json",
        action="store_true",
        help="one JSON object a line, as on MQTT and with the device's name; the default elsewhere",
    )
    shape.add_argument("--csv", action="store_true", help="comma-separated values, of one kind")
    parser.set_defaults(execute=execute)


def execute(options: Namespace) -> int:
    """Print them, by start. Raises ConfigError, StoreError, PermissionRefused, NotStored."""
    from gatewayd.store.reader import StoreReader

    with StoreReader.open(store_path(options)) as store:
        chosen = wanted(options, store)._replace(latest=options.latest)
        if options.csv:
            _print_csv(store, chosen)
        elif options.json or not (options.table or sys.stdout.isatty()):
            _print_json(store.readings(chosen))
        else:
            _print_table(store, chosen)
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text} is no number of readings.")
    return int(text)


def _print_json(readings: "Iterable[Outgoing]") -> None:
    from gatewayd.export.lines import reading_line

    for reading in readings:
        print(reading_line(reading))


def _print_csv(store: "StoreReader", chosen: "Wanted") -> None:
    from gatewayd.errors import NotStored
    from gatewayd.export.tables import columns, record

    kinds = chosen.kinds or store.kinds()
    if len(kinds) != 1:
        raise NotStored(
            "CSV is a table of one kind of reading",
            f"Choose it with --kind ({', '.join(kinds)}), or use gatewayd export --format csv",
        )
    (kind,) = kinds
    writer = csv.DictWriter(sys.stdout, columns(kind), lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(record, store.readings(chosen)))


def _print_table(store: "StoreReader", chosen: "Wanted") -> None:
    devices = [device.known.slug for device in store.devices()]
    kinds = chosen.kinds or store.kinds()
    device_width = max(map(len, ["DEVICE", *devices]))
    kind_width = max(map(len, ["KIND", *kinds]))
    print(f"{'LOCAL TIME':19}  {'DEVICE':{device_width}}  {'KIND':{kind_width}}  VALUES")
    for reading in store.readings(chosen):
        local = datetime.fromtimestamp(reading.start_utc_s, UTC) + timedelta(
            seconds=reading.utc_offset_s
        )
        print(
            f"{local:%Y-%m-%d %H:%M:%S}  {reading.slug:{device_width}}"
            f"  {reading.kind:{kind_width}}  {_summary(reading)}"
        )


def _summary(reading: "Outgoing") -> str:
    """Names and values; of a list only how long it is."""
    values: dict[str, object] = json.loads(reading.values)
    parts = [f"{name}={_short(value)}" for name, value in values.items()]
    if reading.end_utc_s is not None:
        parts.append(f"for {timedelta(seconds=reading.end_utc_s - reading.start_utc_s)}")
    if not reading.verified:
        parts.append("(unverified)")
    return " ".join(parts)


def _short(value: object) -> str:
    if isinstance(value, list):
        return f"[{len(value)}]"
    if isinstance(value, dict):
        return f"{{{len(value)}}}"
    # what a watch sent must not move the cursor
    text = value if isinstance(value, str) else json.dumps(value)
    text = "".join(sign if sign.isprintable() else "�" for sign in text)
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
