"""`gatewayd run`: the daemon, in the foreground."""

import gc
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewayd.config import Config
    from gatewayd.core.recording import Recorder


def configure(parser: ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration file")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="DIRECTORY",
        help="record what passes over each connection into a file there, which holds personal data"
        " and is readable by its owner only",
    )
    parser.add_argument(
        "--record-format",
        choices=("gatt", "btsnoop", "pcapng"),
        default="gatt",
        help="as for gatewayd record (default: %(default)s)",
    )
    parser.set_defaults(execute=execute)


def execute(options: Namespace) -> int:
    """Run until SIGTERM or SIGINT. An error that ends the daemon is logged, and raised."""
    # Imports make many objects and no garbage: looking for it takes a quarter of the start.
    gc.disable()

    import asyncio

    from gatewayd import identity, logs
    from gatewayd.causes import cause
    from gatewayd.config import load
    from gatewayd.errors import GatewayError

    config = load(options.config)
    # The logs have to know it, to keep it out.
    user_id = config.user_id or identity.user_id(config.store.path.parent)
    config = replace(config, user_id=user_id)
    logs.configure(config.log, user_id=user_id)
    try:
        asyncio.run(_run(config, _recorder(options)))
    except Exception as error:
        first = cause(error)
        if isinstance(first, GatewayError):
            logs.get_logger().critical(
                "stopped_by_error", reason=first.summary, remedy=first.remedy
            )
        else:
            logs.get_logger().critical("stopped_by_error", exc_info=True)
        raise
    return 0


async def _run(config: "Config", recorder: "Recorder | None") -> None:
    from gatewayd import app
    from gatewayd.lifecycle import shutdown_on_signals

    # Later collections pass over what is there now; it would cost each full one 25 ms.
    gc.freeze()
    gc.enable()
    with shutdown_on_signals() as shutdown:
        await app.run(config, until=shutdown, recorder=recorder)


def _recorder(options: Namespace) -> "Recorder | None":
    """Raises OutputFailed. A fault later on ends the recording, not the gateway."""
    if options.record is None:
        return None
    from gatewayd import logs
    from gatewayd.errors import OutputFailed
    from gatewayd.trace.write import NOTICE, DirectoryRecorder, Format

    log = logs.get_logger()

    def failed(error: OutputFailed) -> None:
        log.warning("recording_ended", reason=error.summary, remedy=error.remedy)

    recorder = DirectoryRecorder(options.record, Format(options.record_format), failed)
    log.warning("recording", directory=str(options.record), notice=NOTICE)
    return recorder
