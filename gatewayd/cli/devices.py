"""`gatewayd devices`: which watches the store knows, and what it holds of them."""

import json
from argparse import ArgumentParser, Namespace
from datetime import datetime
from typing import TYPE_CHECKING

from gatewayd.cli.selection import add_store, store_path

if TYPE_CHECKING:
    from gatewayd.store.reader import StoredDevice


def configure(parser: ArgumentParser) -> None:
    """Arguments."""
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(execute=execute)


def execute(options: Namespace) -> int:
    """Print a line for each device. Raises ConfigError, StoreError, PermissionRefused."""
    from gatewayd.store.reader import StoreReader

    with StoreReader.open(store_path(options)) as store:
        devices = store.devices()
    if options.json:
        for device in devices:
            print(json.dumps(_object(device), ensure_ascii=False))
        return 0
    rows = [("NAME", "PROTOCOL", "LAST READING", "READINGS", "WAITING")]
    rows += [_line(device) for device in devices]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, protocol, last, count, waiting in rows:
        print(
            f"{name:{widths[0]}}  {protocol:{widths[1]}}  {last:{widths[2]}}"
            f"  {count:>{widths[3]}}  {waiting:>{widths[4]}}"
        )
    return 0


def _object(device: "StoredDevice") -> dict[str, object]:
    from gatewayd.mqtt.payloads import rfc3339

    last = device.last_received_utc_s
    return {
        "device": device.known.slug,
        "protocol": device.protocol or None,
        "last_received": None if last is None else rfc3339(last),
        "readings": sum(tally.count for tally in device.tallies),
        "waiting": sum(tally.waiting for tally in device.tallies),
        "kinds": {
            tally.kind: {
                "readings": tally.count,
                "first": rfc3339(tally.first_utc_s),
                "last": rfc3339(tally.last_utc_s),
                "waiting": tally.waiting,
            }
            for tally in device.tallies
        },
    }


def _line(device: "StoredDevice") -> tuple[str, str, str, str, str]:
    last = device.last_received_utc_s
    return (
        device.known.slug,
        device.protocol or "-",
        "-"
        if last is None
        else datetime.fromtimestamp(last).astimezone().isoformat(" ", "minutes")[:16],
        str(sum(tally.count for tally in device.tallies)),
        str(sum(tally.waiting for tally in device.tallies)),
    )
