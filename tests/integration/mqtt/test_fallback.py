"""MQTT 3.1.1 brokers: the fall-back, with amqtt (which knows nothing newer) in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiomqtt
import pytest

from gatewayd.core.ports import Outgoing
from gatewayd.errors import BrokerUnreachable, ConfigError
from gatewayd.mqtt.address import Address, Tls, Will
from gatewayd.mqtt.client import Incoming, connect
from gatewayd.mqtt.probe import prove_publishing
from gatewayd.mqtt.publisher import Publisher, PublisherSettings
from tests.brokers import free_port

amqtt_broker = pytest.importorskip("amqtt.broker", reason="amqtt (the demo extra) is not installed")

WILL = Will("gatewayd/status", b"offline")


class Outbox:
    """The two calls of a store that publishing needs, in memory."""

    def __init__(self, waiting: list[Outgoing]) -> None:
        self.waiting = {row.sequence: row for row in waiting}
        self.empty = asyncio.Event()

    async def pending(self, after: int, limit: int) -> list[Outgoing]:
        return [row for number, row in self.waiting.items() if number > after][:limit]

    async def delivered(self, sequences: list[int]) -> None:
        for sequence in sequences:
            del self.waiting[sequence]
        if not self.waiting:
            self.empty.set()


def outgoing(sequence: int) -> Outgoing:
    return Outgoing(sequence, "alice", f"id{sequence}", "steps", 0, None, 0, "{}", True, 1, 0.0)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    number = free_port()
    broker = amqtt_broker.Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{number}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
    )
    await broker.start()
    yield number
    await broker.shutdown()


async def test_broker_that_knows_only_mqtt_3_is_spoken_to_in_mqtt_3(port: int) -> None:
    async with asyncio.timeout(10), connect(Address("127.0.0.1", port), WILL) as line:
        assert line.version == 3
        await prove_publishing(line, "gatewayd/bridge/probe/x", 5.0)


async def test_readings_get_through_and_strays_do_not(port: int) -> None:
    heard: list[str] = []
    probe = asyncio.Event()

    def listen(incoming: Incoming) -> None:
        heard.append(incoming.topic)
        probe.set()

    # amqtt sends a new client the retained messages that match anybody's subscriptions
    async with aiomqtt.Client("127.0.0.1", port) as stranger:
        await stranger.subscribe("private/#")
        await stranger.publish("private/diary", b"secret", qos=1, retain=True)
        store = Outbox([outgoing(n) for n in range(1, 301)])
        settings = PublisherSettings("0.1", birth_delay_s=lambda: 0.0)
        address = Address("127.0.0.1", port, mqtt5=False)
        one = Publisher(address, store, settings)  # type: ignore[arg-type]
        one.listen("gatewayd/+/set/#", listen)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(one.run())
            async with asyncio.timeout(20):
                await store.empty.wait()
                await stranger.publish("gatewayd/alice/set/find", b"1", qos=1)
                await probe.wait()
            task.cancel()
    assert heard == ["gatewayd/alice/set/find"]


@pytest.fixture
async def rude_port() -> AsyncIterator[Callable[[bytes], int]]:
    """A server that answers each connection with the given bytes, and hangs up."""
    answers: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answers[0])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)

    def answering(answer: bytes) -> int:
        answers.append(answer)
        number: int = server.sockets[0].getsockname()[1]
        return number

    yield answering
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02\x00", b"\xff" * 64],
    ids=["nothing", "http", "half a CONNACK", "garbage"],
)
async def test_server_that_is_no_broker_is_told_from_one_at_once(
    rude_port: Callable[[bytes], int], answer: bytes
) -> None:
    port = rude_port(answer)
    with pytest.raises(BrokerUnreachable, match=r"Is that the port of an MQTT broker"):
        async with asyncio.timeout(5), connect(Address("127.0.0.1", port), WILL):
            pass


async def test_certificate_file_that_is_missing_is_a_matter_of_configuration(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match=r"certificate files cannot be used: No such file"):
        async with connect(Address("127.0.0.1", 1, tls=Tls(tmp_path / "no.pem")), WILL):
            pass
