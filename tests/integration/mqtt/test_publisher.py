"""The publisher and the store against a real mosquitto."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import aiomqtt
import pytest

from gatewayd.core.ports import Committed, KnownDevice, Row, StateValue
from gatewayd.errors import BrokerRefused, BrokerUnreachable
from gatewayd.mqtt.address import Address, Tls
from gatewayd.mqtt.client import Incoming
from gatewayd.mqtt.publisher import Publisher, PublisherSettings
from gatewayd.store import SqliteStore
from protocols.model.capabilities import Capabilities, Description
from protocols.model.catalog import Merge
from tests.brokers import Mosquitto, needs_mosquitto

pytestmark = needs_mosquitto

DESCRIPTION = Description("fitcloud", capabilities=Capabilities(frozenset({"heart_rate"})))


def rows(first: int, count: int) -> list[Row]:
    return [
        Row(
            "heart_rate",
            str(n),
            Merge.IMMUTABLE,
            1_764_000_000 + n,
            None,
            0,
            f'{{"n":{n}}}',
            verified=True,
        )
        for n in range(first, first + count)
    ]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(tmp_path / "store.db")
    yield opened
    await opened.close()


@pytest.fixture
async def watch(store: SqliteStore) -> KnownDevice:
    return await store.know("aa:bb", "alice", "fitcloud")


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    async with Mosquitto(tmp_path) as running:
        yield running


def publisher(broker: Mosquitto, store: SqliteStore, **address: object) -> Publisher:
    settings = PublisherSettings("0.1", birth_delay_s=lambda: 0.0)
    where = Address(broker.host, broker.port, **{"timeout_s": 3.0, **address})  # type: ignore[arg-type]
    return Publisher(where, store, settings)


@asynccontextmanager
async def running(one: Publisher) -> AsyncIterator[asyncio.Task[object]]:
    """`run()` until the context ends, and connected at its beginning."""
    async with asyncio.TaskGroup() as group:
        task: asyncio.Task[object] = group.create_task(one.run())
        async with asyncio.timeout(10):
            await one.connected.wait()
        try:
            yield task
        finally:
            task.cancel()


class Subscriber:
    """Somebody else's client; collects everything below a filter."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.seen: list[tuple[str, bytes, bool]] = []
        self.numbers: list[int] = []
        """Of the readings, in order of arrival."""

    async def until(self, done: Callable[[], bool], timeout_s: float = 20.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not done():
                message = await anext(self._client.messages)
                payload = message.payload
                assert isinstance(payload, bytes)
                self.seen.append((message.topic.value, payload, message.retain))
                if "/reading/" in message.topic.value:
                    self.numbers.append(json.loads(payload)["n"])

    async def drain(self) -> None:
        """What had already reached this socket when the broker died."""
        with suppress(aiomqtt.MqttError):
            await self.until(lambda: False)
        while not self._client._queue.empty():
            self.numbers.append(json.loads(self._client._queue.get_nowait().payload)["n"])

    def last(self, topic: str) -> bytes | None:
        return next((body for name, body, _ in reversed(self.seen) if name == topic), None)


@asynccontextmanager
async def subscriber(
    broker: Mosquitto, topic: str = "gatewayd/#", qos: int = 1
) -> AsyncIterator[Subscriber]:
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe(topic, qos=qos)
        yield Subscriber(client)


async def emptied(store: SqliteStore) -> None:
    """Until the outbox is empty."""
    async with asyncio.timeout(20):
        while await store.pending(0, 1):  # noqa: ASYNC110 - the store announces no deletions
            await asyncio.sleep(0.01)


async def raises(run: Awaitable[object]) -> Exception:
    with pytest.raises((BrokerRefused, BrokerUnreachable)) as caught:
        async with asyncio.timeout(30):
            await run
    return caught.value


async def test_backfill_then_live_readings_arrive_once_and_in_order(
    broker: Mosquitto, store: SqliteStore, watch: KnownDevice
) -> None:
    for first in range(0, 3_000, 100):
        await store.commit(watch, rows(first, 100), [], None, 1.0)
    one = publisher(broker, store)

    async def commit(first: int) -> Committed:
        done = await store.commit(watch, rows(first, 1), [], None, 1.0)
        one.offer(done.outgoing)
        return done

    async with subscriber(broker) as other, running(one):
        for first in range(3_000, 3_200):  # while the back-fill is under way, and after it
            await commit(first)
        await other.until(lambda: len(other.numbers) >= 3_200)
        await emptied(store)
        for first in range(3_200, 3_300):
            await commit(first)
        await other.until(lambda: len(other.numbers) >= 3_300)
        await emptied(store)
    assert other.numbers == list(range(3_300))


async def test_offers_out_of_order_still_arrive_in_order_of_commit(
    broker: Mosquitto, store: SqliteStore, watch: KnownDevice
) -> None:
    one = publisher(broker, store)
    async with subscriber(broker) as other, running(one):
        first, second, third = [
            await store.commit(watch, rows(n, 1), [], None, 1.0) for n in range(3)
        ]
        one.offer(second.outgoing)
        one.offer(first.outgoing)
        one.offer(third.outgoing)
        await other.until(lambda: len(other.numbers) >= 3)
    assert other.numbers == [0, 1, 2]


async def test_broker_killed_in_mid_backfill_loses_nothing(
    broker: Mosquitto, store: SqliteStore, watch: KnownDevice
) -> None:
    total = 12_000
    for first in range(0, total, 500):
        await store.commit(watch, rows(first, 500), [], None, 1.0)
    one = publisher(broker, store)
    parts: list[list[int]] = []
    for _ in range(2):
        # at QoS 0 the broker hands a message on before it acknowledges it to us, so that what is
        # lost here would be lost by the gateway
        with suppress(aiomqtt.MqttError):
            async with subscriber(broker, "gatewayd/+/reading/#", qos=0) as other:
                async with asyncio.TaskGroup() as group:
                    ended = group.create_task(raises(one.run()))
                    await other.until(lambda: len(other.numbers) >= 300)
                    await broker.kill()
                    assert isinstance(await ended, BrokerUnreachable)
                await other.drain()
                parts.append(other.numbers)
        await broker.start()
    async with subscriber(broker, "gatewayd/+/reading/#") as other, running(one):
        await other.until(lambda: other.numbers[-1:] == [total - 1])
        await emptied(store)
    parts.append(other.numbers)
    assert len(parts) == 3
    assert parts[0][0] == 0
    for part in parts:  # within a connection in order and once
        assert all(later == earlier + 1 for earlier, later in pairwise(part))
    for earlier, later in pairwise(parts):  # no gap; again only what was not acknowledged
        assert 0 <= earlier[-1] + 1 - later[0] <= 20


async def test_orderly_stop_and_start_publishes_nothing_twice(
    broker: Mosquitto, store: SqliteStore, watch: KnownDevice
) -> None:
    await store.commit(watch, rows(0, 2_000), [], None, 1.0)
    async with subscriber(broker) as other:
        for stop_after in (100, 700, 2_000):
            async with running(publisher(broker, store)):
                await other.until(lambda: len(other.numbers) >= stop_after)  # noqa: B023
        await other.until(lambda: other.last("gatewayd/status") == b"offline")
    assert other.numbers == list(range(2_000))
    assert list(await store.pending(0, 1)) == []


async def test_refused_publish_is_kept_under_mqtt_5(
    tmp_path: Path, store: SqliteStore, watch: KnownDevice
) -> None:
    acl = ["user gw", "topic readwrite gatewayd/bridge/#", "topic write gatewayd/status",
           "topic readwrite homeassistant/#"]  # fmt: skip
    async with Mosquitto(tmp_path, users={"gw": "pw"}, acl=acl) as broker:
        await store.commit(watch, rows(0, 50), [], None, 1.0)
        error = await raises(publisher(broker, store, username="gw", password="pw").run())
    assert isinstance(error, BrokerRefused)
    assert "gatewayd/alice/reading/heart_rate (not authorized)" in str(error)
    assert len(await store.pending(0, 100)) == 50


async def test_swallowed_publishes_are_noticed_under_mqtt_3(
    tmp_path: Path,
    store: SqliteStore,
    watch: KnownDevice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gatewayd.mqtt.publisher._PROBE_TIMEOUT_S", 0.5)
    acl = ["user gw", "topic read gatewayd/#"]
    async with Mosquitto(tmp_path, users={"gw": "pw"}, acl=acl) as broker:
        await store.commit(watch, rows(0, 50), [], None, 1.0)
        one = publisher(broker, store, username="gw", password="pw", mqtt5=False)
        error = await raises(one.run())
    assert isinstance(error, BrokerRefused)
    assert re.search(
        "(swallows|hangs up on) what gw publishes to gatewayd/bridge/probe", str(error)
    )
    assert len(await store.pending(0, 100)) == 50


async def test_wrong_password_is_refused_in_one_line(tmp_path: Path, store: SqliteStore) -> None:
    async with Mosquitto(tmp_path, users={"gw": "pw"}) as broker:
        error = await raises(publisher(broker, store, username="gw", password="no").run())
    assert isinstance(error, BrokerRefused)
    assert str(error) == (
        f"The MQTT broker 127.0.0.1:{broker.port} refuses the login of gw."
        " Check username and password in [mqtt]"
    )


async def test_broker_that_is_not_there_is_unreachable(tmp_path: Path, store: SqliteStore) -> None:
    broker = Mosquitto(tmp_path)
    error = await raises(publisher(broker, store).run())
    assert isinstance(error, BrokerUnreachable)
    assert str(error).startswith(f"Nothing listens at 127.0.0.1:{broker.port}.")


async def test_unknown_host_name_is_unreachable(broker: Mosquitto, store: SqliteStore) -> None:
    broker.host = "no-such-host.invalid"
    error = await raises(publisher(broker, store).run())
    assert isinstance(error, BrokerUnreachable)
    assert "host name in no-such-host.invalid" in str(error)


async def test_what_is_known_is_retained_and_the_will_tells_of_a_crash(
    broker: Mosquitto, store: SqliteStore
) -> None:
    one = publisher(broker, store)
    one.announce("alice", "aa:bb", "Alice watch", DESCRIPTION)
    one.availability("alice", online=True)
    one.state("alice", {"heart_rate_bpm": StateValue("heart_rate_bpm", 60, 0)})
    async with running(one) as task:
        async with subscriber(broker, "#") as other:
            await other.until(lambda: len({name for name, _, _ in other.seen}) == 7)
            assert all(retained for _, _, retained in other.seen)
            assert other.last("gatewayd/status") == b"online"
            assert other.last("gatewayd/alice/availability") == b"online"
            assert json.loads(other.last("gatewayd/bridge/info") or b"")["version"] == "0.1"
            (device,) = json.loads(other.last("gatewayd/bridge/devices") or b"")
            assert device["slug"] == "alice"
            configs = [name for name, _, _ in other.seen if name.startswith("homeassistant/")]
            assert len(configs) == 2
            # the line is cut as a crash would
            assert one._line is not None
            sock = one._line._paho.socket()
            assert sock is not None
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()
            await other.until(lambda: other.last("gatewayd/status") == b"offline")
            assert other.last("gatewayd/alice/availability") == b"online"
        task.cancel()


async def test_orderly_end_says_offline_for_gateway_and_watch(
    broker: Mosquitto, store: SqliteStore
) -> None:
    one = publisher(broker, store)
    one.announce("alice", "aa:bb", "Alice watch", DESCRIPTION)
    one.availability("alice", online=True)
    async with running(one):
        pass
    async with subscriber(broker) as other:
        await other.until(lambda: other.last("gatewayd/status") is not None)
        await other.until(lambda: other.last("gatewayd/alice/availability") is not None)
    assert other.last("gatewayd/status") == b"offline"
    assert other.last("gatewayd/alice/availability") == b"offline"


async def test_bridge_is_announced_before_its_watches(
    broker: Mosquitto, store: SqliteStore
) -> None:
    one = publisher(broker, store)
    one.announce("alice", "aa:bb", "Alice watch", DESCRIPTION)
    async with subscriber(broker, "homeassistant/device/#") as other, running(one):
        await other.until(lambda: len(other.seen) == 2)
    assert other.seen[0][0] == "homeassistant/device/gatewayd_bridge/config"


async def test_home_assistants_birth_brings_everything_again(
    broker: Mosquitto, store: SqliteStore
) -> None:
    one = publisher(broker, store)
    one.announce("alice", "aa:bb", "Alice watch", DESCRIPTION)
    one.state("alice", {})
    async with subscriber(broker, "#") as other, running(one):
        await other.until(lambda: other.last("gatewayd/alice/state") is not None)
        before = [name for name, _, _ in other.seen if "/probe/" not in name]
        other.seen.clear()
        await other._client.publish("homeassistant/status", b"online", qos=1)
        await other.until(lambda: other.last("gatewayd/alice/state") is not None)
        again = [name for name, _, _ in other.seen if name != "homeassistant/status"]
    assert again == before


async def test_states_that_change_quickly_are_coalesced(
    broker: Mosquitto, store: SqliteStore
) -> None:
    one = publisher(broker, store)
    async with subscriber(broker, "gatewayd/alice/state") as other, running(one):
        for bpm in range(500):
            one.state("alice", {"bpm": StateValue("bpm", bpm, bpm)})
        await other.until(
            lambda: json.loads(other.seen[-1][1])["bpm"] == 499 if other.seen else False
        )
    assert len(other.seen) <= 2


async def test_forgotten_watch_leaves_no_retained_topic(
    broker: Mosquitto, store: SqliteStore
) -> None:
    one = publisher(broker, store)
    one.announce("alice", "aa:bb", "Alice watch", DESCRIPTION)
    one.availability("alice", online=True)
    async with running(one):
        async with subscriber(broker, "#") as other:
            await other.until(lambda: other.last("gatewayd/alice/availability") == b"online")
            one.forget("alice", "aa:bb")
            await other.until(lambda: other.last("gatewayd/bridge/devices") == b"[]")
            discovery = next(name for name, _, _ in other.seen if "/device/gatewayd_" in name
                             and "bridge" not in name)  # fmt: skip
            await other.until(lambda: other.last(discovery) == b"")
        async with subscriber(broker, "#") as late:
            await late.until(lambda: late.last("gatewayd/status") is not None)
            await late._client.publish("end", b"", qos=1)
            await late.until(lambda: late.last("end") is not None)
    assert not [name for name, _, _ in late.seen if "alice" in name or name == discovery]


async def test_listener_hears_what_it_asked_for(broker: Mosquitto, store: SqliteStore) -> None:
    heard: list[tuple[str, bytes]] = []
    got = asyncio.Event()
    one = publisher(broker, store)

    def listen(incoming: Incoming) -> None:
        heard.append((incoming.topic, incoming.payload))
        got.set()

    one.listen("gatewayd/+/set/#", listen)
    async with running(one), subscriber(broker) as other:
        await other._client.publish("gatewayd/alice/set/find", b"1", qos=1)
        async with asyncio.timeout(5):
            await got.wait()
        one.emit("gatewayd/bridge/event", b"{}")
        await other.until(lambda: other.last("gatewayd/bridge/event") == b"{}")
    assert heard == [("gatewayd/alice/set/find", b"1")]


async def test_tls_with_a_known_authority_and_not_with_an_unknown_one(
    tmp_path: Path, store: SqliteStore, watch: KnownDevice
) -> None:
    (tmp_path / "broker").mkdir()
    async with Mosquitto(tmp_path / "broker", tls=True) as broker:
        await store.commit(watch, rows(0, 500), [], None, 1.0)
        known = publisher(broker, store, tls=Tls(tmp_path / "broker" / "ca.pem"))
        async with running(known):
            await emptied(store)
        error = await raises(publisher(broker, store, tls=Tls()).run())
        assert isinstance(error, BrokerUnreachable)
        assert "is not trusted" in str(error)
        error = await raises(publisher(broker, store).run())
        assert isinstance(error, BrokerUnreachable)
        assert "does it want TLS?" in str(error)


async def test_small_receive_maximum_of_the_broker_is_respected(
    tmp_path: Path, store: SqliteStore, watch: KnownDevice
) -> None:
    async with Mosquitto(tmp_path, extra=["max_inflight_messages 3"]) as broker:
        await store.commit(watch, rows(0, 500), [], None, 1.0)
        one = publisher(broker, store)
        for n in range(30):
            one.state(f"w{n}", {})
        async with subscriber(broker) as other, running(one):
            await other.until(lambda: len(other.numbers) >= 500)
            assert one._line is not None
            assert one._line.receive_maximum == 3
    assert other.numbers == list(range(500))
