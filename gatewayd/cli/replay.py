"""`gatewayd replay FILE`: what a captured trace means."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatewayd.trace.gatt import Database
    from gatewayd.trace.replay import ReplayOptions


def configure(parser: ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="btsnoop, pcap, pcapng or .gatt.jsonl, told apart by content; - is standard input",
    )
    parser.add_argument(
        "--protocol",
        metavar="NAME",
        help="decode with this protocol, whatever services the trace shows",
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="json: one object a line"
    )
    parser.add_argument("--att", action="store_true", help="show every ATT PDU as well")
    parser.add_argument("--full", action="store_true", help="do not shorten addresses")
    parser.add_argument(
        "--map",
        type=Path,
        metavar="TABLE",
        help="a table of handles (0x0012 UUID, or 0x0010 service UUID, a line each), for a capture"
        " that begins after the discovery",
    )
    parser.add_argument(
        "--handle",
        type=_assignment,
        action="append",
        default=[],
        metavar="0x0012=UUID",
        help="one line of such a table; may be repeated",
    )
    parser.add_argument(
        "--uuids",
        action="store_true",
        help="instead, print the table of handles that the trace itself shows",
    )
    parser.add_argument(
        "--scrub",
        type=Path,
        metavar="OUT",
        help="instead, write a .gatt.jsonl that may be shown to others: without addresses, names,"
        " user ids, texts and places",
    )
    parser.set_defaults(execute=execute)


def execute(options: Namespace) -> int:
    """Print. Raises TraceError (after what was readable), TraceUnavailable, PluginError."""
    from gatewayd.trace.errors import TraceError, TraceUnavailable

    with _opened(options.file) as stream:
        try:
            if options.scrub is None:
                _print(options, stream)
            else:
                _scrub(options, stream)
        except (TraceError, TraceUnavailable) as error:
            raise type(error)(f"{options.file}: {error.summary}", error.remedy) from error
    return 0


def _print(options: Namespace, stream: BinaryIO) -> None:
    from gatewayd.trace.replay import Replay
    from gatewayd.trace.report import Report

    replay = Replay(_settings(options))
    report = Report(full=options.full)
    write = sys.stdout.write
    try:
        for outcome in replay.run(stream):
            if options.uuids:
                continue
            if options.format == "json":
                write(f"{report.json(outcome)}\n")
            else:
                write("".join([f"{line}\n" for line in report.lines(outcome)]))
    finally:
        if options.uuids:
            for line in report.tables(replay.devices()):
                write(f"{line}\n")
        # what was readable stands before the line that says what was not
        sys.stdout.flush()


def _scrub(options: Namespace, stream: BinaryIO) -> None:
    from dataclasses import replace

    from gatewayd.trace.errors import TraceError, TraceUnavailable
    from gatewayd.trace.replay import Replay
    from gatewayd.trace.scrub import ScrubbedFile

    settings = _settings(options)
    try:
        # never over something else: what is given away by mistake does not come back
        out = options.scrub.open("x", encoding="utf-8")
    except OSError as error:
        raise TraceUnavailable(f"{options.scrub} cannot be written: {error.strerror}") from error
    with out:
        file = ScrubbedFile(out, settings.specs)
        try:
            for _ in Replay(replace(settings, specs=file.specs, with_att=False)).run(stream):
                pass
        finally:
            file.close()
            print(f"{file.values:,} values of {file.connections:,} connections: {options.scrub}")
    if not file.values:
        raise TraceError("it holds nothing of a protocol that can be scrubbed", "See --protocol")


def _settings(options: Namespace) -> "ReplayOptions":
    from gatewayd import plugins
    from gatewayd.core.timeline import Timeline, system_zone
    from gatewayd.trace.replay import ReplayOptions

    records = plugins.discover()
    specs = plugins.ready(records)
    if options.protocol is not None:
        specs = (plugins.find(options.protocol, records),)
    return ReplayOptions(
        specs=specs,
        forced=options.protocol is not None,
        table=_table(options),
        with_att=options.att and not options.uuids,
        # where a trace is read, it was mostly made
        timeline=Timeline(system_zone()),
    )


def _table(options: Namespace) -> "Database":
    from gatewayd.trace.errors import TraceUnavailable
    from gatewayd.trace.handles import parse_table

    lines: list[str] = []
    if options.map is not None:
        try:
            lines = options.map.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise TraceUnavailable(
                f"the table {options.map} cannot be read", "Give a text file"
            ) from error
    return parse_table([*lines, *options.handle])


@contextmanager
def _opened(name: str) -> "Iterator[BinaryIO]":
    from gatewayd.trace.errors import TraceUnavailable

    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115 - closed below; only opening is guarded
    except OSError as error:
        raise TraceUnavailable(f"{name} cannot be read: {error.strerror}") from error
    with stream:
        yield stream


def _assignment(text: str) -> str:
    handle, equals, uuid = text.partition("=")
    if not (handle and equals and uuid):
        raise ArgumentTypeError("write it as 0x0012=UUID")
    return f"{handle} {uuid}"
