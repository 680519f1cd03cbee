"""`gatewayd demo`: a virtual watch, a broker and the gateway, in one process."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Final

MAX_DAYS: Final = 30


def configure(parser: ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--keep", action="store_true", help="go on until interrupted")
    parser.add_argument(
        "--broker",
        metavar="URL",
        help="use this broker, mqtt://user@host:1883, instead of a built-in one",
    )
    parser.add_argument(
        "--days",
        type=_days,
        default=7,
        metavar="N",
        help="how much history the watch holds (default: %(default)s)",
    )
    parser.set_defaults(execute=execute)


def execute(options: Namespace) -> int:
    """Run the demo. Raises MissingExtra when what it needs is not installed."""
    from gatewayd.demo.main import run_demo
    from gatewayd.demo.options import DemoOptions

    return run_demo(DemoOptions(options.keep, options.broker, options.days))


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_DAYS:
        raise ArgumentTypeError(f"must be a whole number from 1 to {MAX_DAYS}")
    return int(text)
