"""`gatewayd protocol list`: what is installed, and why one cannot be used."""

import json
from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    """Arguments."""
    actions = parser.add_subparsers(required=True, metavar="list")
    listing = actions.add_parser("list", help="list the protocols that are installed")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(execute=execute_list)


def execute_list(options: Namespace) -> int:
    """Print one line for each entry point."""
    from gatewayd.plugins import discover

    records = discover()
    if options.json:
        for record in records:
            row = {
                "name": record.name,
                "title": record.spec.title if record.spec else None,
                "origin": record.origin,
                "status": record.status,
                "reason": record.reason or None,
            }
            print(json.dumps(row))
        return 0
    width = max((len(record.name) for record in records), default=0) + 2
    for record in records:
        text = record.spec.title if record.spec else f"{record.status}: {record.reason}"
        print(f"{record.name:{width}}{text} ({record.origin})")
    if not records:
        print("no protocols are installed")
    return 0
