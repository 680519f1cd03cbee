"""mosquitto with its defaults, for as long as a benchmark needs it; nothing is kept on disk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.brokers import Mosquitto


@asynccontextmanager
async def mosquitto() -> AsyncIterator[Mosquitto]:
    """A running broker on a free port of the loopback interface."""
    with TemporaryDirectory(prefix="gatewayd-bench-") as directory:
        broker = Mosquitto(Path(directory), extra=("autosave_interval 0",))
        async with broker:
            yield broker
