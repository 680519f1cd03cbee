"""An MQTT broker in this process, by amqtt. It speaks MQTT 3.1.1 only."""

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from amqtt.broker import Broker

_LOOPBACK: Final = "127.0.0.1"


@asynccontextmanager
async def embedded_broker() -> AsyncIterator[int]:
    """Runs for as long as the context is open; yields its port on the loopback interface."""
    port = _free_port()
    for chatty in ("amqtt", "transitions"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{_LOOPBACK}:{port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
    )
    await broker.start()
    try:
        yield port
    finally:
        await broker.shutdown()


def _free_port() -> int:
    """amqtt cannot tell which port it was given, so one is chosen for it."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
