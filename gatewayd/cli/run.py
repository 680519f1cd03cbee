"""`gatewayd run`: the daemon, in the foreground."""

import gc
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewayd.config import Config


def configure(parser: ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration file")
    parser.set_defaults(execute=execute)


def execute(options: Namespace) -> int:
    """Run until SIGTERM or SIGINT. An error that ends the daemon is logged, and raised."""
    # Imports make many objects and no garbage: looking for it takes a quarter of the start.
    gc.disable()

    import asyncio

    from gatewayd import identity, logs
    from gatewayd.config import load

    config = load(options.config)
    # The logs have to know it, to keep it out.
    user_id = config.user_id or identity.user_id(config.store.path.parent)
    config = replace(config, user_id=user_id)
    logs.configure(config.log, user_id=user_id)
    try:
        asyncio.run(_run(config))
    except Exception:
        logs.get_logger().critical("stopped_by_error", exc_info=True)
        raise
    return 0


async def _run(config: "Config") -> None:
    from gatewayd import app
    from gatewayd.lifecycle import shutdown_on_signals

    # Later collections pass over what is there now; it would cost each full one 25 ms.
    gc.freeze()
    gc.enable()
    with shutdown_on_signals() as shutdown:
        await app.run(config, until=shutdown)
