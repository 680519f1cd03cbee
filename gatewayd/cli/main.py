"""The `gatewayd` command: finds the sub-command, runs it, turns errors into a line and a status.

Each sub-command is a module with `configure(parser)`, which sets `execute` to the function that
takes the parsed arguments and returns the exit status. Only the one that is asked for is imported.
"""

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final, NamedTuple

from gatewayd.causes import cause
from gatewayd.errors import ConfigError, GatewayError

EXIT_USAGE: Final = 2
EXIT_BUG: Final = 70
EXIT_INTERRUPTED: Final = 130
EXIT_PIPE_CLOSED: Final = 141


class Command(NamedTuple):
    """A sub-command: where it lives, and a line about it."""

    module: str
    summary: str


COMMANDS: Final[dict[str, Command]] = {
    "run": Command("gatewayd.cli.run", "run the gateway"),
    "demo": Command("gatewayd.cli.demo", "see it work, with a virtual watch and no hardware"),
    "config": Command("gatewayd.cli.config", "check or show the configuration"),
    "devices": Command("gatewayd.cli.devices", "list the watches whose data are stored"),
    "readings": Command("gatewayd.cli.readings", "show what is stored, also while it runs"),
    "export": Command("gatewayd.cli.export", "write what is stored to files: JSON, CSV, GPX …"),
    "record": Command("gatewayd.cli.record", "record what a watch and the gateway tell each other"),
    "replay": Command("gatewayd.cli.replay", "show what a captured trace of any device means"),
    "protocol": Command("gatewayd.cli.protocol", "list the protocols that are installed"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (sysexits, 2 for usage, 130 when interrupted)."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _dispatch(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone. Leave nothing for the interpreter to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE_CLOSED
    except Exception as error:  # noqa: BLE001  (the last place where a bug can be named)
        return _report(cause(error))
    return status


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0].startswith("-"):
        parser = _overview()
        if parser.parse_args(argv).version:
            print(f"gatewayd {version()}")
            return 0
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    name, *rest = argv
    command = COMMANDS.get(name)
    if command is None:
        from difflib import get_close_matches

        near = get_close_matches(name, COMMANDS, n=1)
        hint = f"Did you mean {near[0]}?" if near else "See gatewayd --help."
        print(f"gatewayd: there is no command {name}. {hint}", file=sys.stderr)
        return EXIT_USAGE
    parser = ArgumentParser(prog=f"gatewayd {name}", description=f"{command.summary.capitalize()}.")
    configure: Callable[[ArgumentParser], None] = import_module(command.module).configure
    configure(parser)
    options = parser.parse_args(rest)
    execute: Callable[[Namespace], int] = options.execute
    return execute(options)


def _overview() -> ArgumentParser:
    width = max(map(len, COMMANDS)) + 2
    listing = "\n".join(f"  {name:{width}}{item.summary}" for name, item in COMMANDS.items())
    parser = ArgumentParser(
        prog="gatewayd",
        usage="gatewayd [--help] [--version] COMMAND ...",
        description="Bluetooth LE wearables to MQTT, with no cloud.",
        epilog=f"commands:\n{listing}\n\ngatewayd COMMAND --help tells more of each.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    return parser


def version() -> str:
    """The installed distribution's version, for people."""
    from importlib import metadata

    try:
        return metadata.version("gatewayd")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _report(error: BaseException) -> int:
    """One line (for the configuration, one for each problem) on standard error."""
    if isinstance(error, ConfigError):
        for problem in error.problems:
            print(f"gatewayd: {problem}", file=sys.stderr)
        if error.remedy:
            print(f"gatewayd: {error.remedy}", file=sys.stderr)
        return error.exit_code
    if isinstance(error, GatewayError):
        sentences = (part.rstrip(".") for part in (error.summary, error.remedy) if part)
        line = ". ".join(sentences)
        print(f"gatewayd: {line}{'' if line.endswith('?') else '.'}", file=sys.stderr)
        return error.exit_code
    import traceback

    # Not the message: a bug's message may hold what a watch said.
    print(
        f"gatewayd: this is a bug: {type(error).__name__} {_place(error)}."
        " Please report it, with what GATEWAYD_DEBUG=1 adds.",
        file=sys.stderr,
    )
    if os.environ.get("GATEWAYD_DEBUG"):
        traceback.print_exception(error)
    return EXIT_BUG


def _place(error: BaseException) -> str:
    from pathlib import Path
    from traceback import extract_tb

    frames = extract_tb(error.__traceback__)
    if not frames:
        return "at an unknown place"
    packages = {"gatewayd", "protocols"}
    ours = [frame for frame in frames if packages & set(Path(frame.filename).parts)]
    last = (ours or frames)[-1]
    return f"in {last.name} ({Path(last.filename).name}:{last.lineno})"
