"""Proof, at the beginning of a connection, that what we publish is let through.

MQTT 5 says so in the PUBACK. MQTT 3.1.1 acknowledges a publish that the access list swallows like
any other (mosquitto 2.0.11 then hangs up), so the gateway listens for its own message. Without
this, readings would leave the outbox for nowhere.
"""

import asyncio
from secrets import token_hex
from typing import Any

from gatewayd.errors import BrokerRefused, BrokerUnreachable
from gatewayd.mqtt.client import Incoming, Line


async def prove_publishing(line: Line, topic: str, timeout_s: float) -> None:
    """Publish to `topic` and make sure that it arrived. Replaces the line's listener.

    Raises BrokerRefused; a subscription that is not answered raises BrokerUnreachable.
    """
    nonce = token_hex(8).encode()
    heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def listen(incoming: Incoming) -> None:
        if incoming.topic == topic and incoming.payload == nonce and not heard.done():
            heard.set_result(None)

    if line.version == 5:
        heard.set_result(None)  # the PUBACK is proof enough
    else:
        line.listen(listen)
        await line.subscribe(topic)
    try:
        await line.publish(topic, nonce)
    except BrokerUnreachable as error:
        raise _refusal(line, topic, "hangs up on") from error
    either: tuple[asyncio.Future[Any], ...] = (heard, line.lost)
    await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    if not heard.done():
        raise _refusal(line, topic, "hangs up on" if line.lost.done() else "swallows")


def _refusal(line: Line, topic: str, does: str) -> BrokerRefused:
    who = line.address.username or "an anonymous client"
    return BrokerRefused(
        f"The MQTT broker {line.where} {does} what {who} publishes to {topic}",
        f"Allow reading and writing {topic.split('/', 1)[0]}/# in its access list",
    )
