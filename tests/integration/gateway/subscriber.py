"""A subscriber with a session of its own: keeps everything it ever got, in order."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.integration.gateway.bell import Bell

SESSION_S = 3600
FILTERS = ("gatewayd/#", "homeassistant/#")


class Message(NamedTuple):
    topic: str
    payload: bytes
    retained: bool


class Subscriber:
    """Runs in paho's thread, so that it is never slower than the broker; rings for each message.

    `on_reading` is called in that thread with the number of readings so far, repeats included.
    """

    def __init__(self, bell: Bell, qos: int = 1) -> None:
        self.messages: list[Message] = []
        self.readings: list[bytes] = []
        self.on_reading: Callable[[int], None] | None = None
        self.subscriptions = 0
        self._bell = bell
        self._qos = qos
        self._client: Client | None = None

    # --- what it got --------------------------------------------------------------------------

    def by_id(self) -> dict[str, Mapping[str, object]]:
        """Readings without repeats."""
        return {str(reading["id"]): reading for reading in map(json.loads, self.readings)}

    def repeats(self) -> int:
        """How many readings came again."""
        return len(self.readings) - len(self.by_id())

    def altered(self) -> list[str]:
        """Ids under which different things were said; there must be none."""
        said: dict[str, set[bytes]] = {}
        for payload in list(self.readings):
            said.setdefault(json.loads(payload)["id"], set()).add(payload)
        return [identifier for identifier, payloads in said.items() if len(payloads) > 1]

    def kinds(self) -> Counter[str]:
        """Readings without repeats, by kind."""
        return Counter(str(reading["kind"]) for reading in self.by_id().values())

    def last(self, topic: str) -> bytes | None:
        """The newest payload of a topic."""
        found = [message.payload for message in list(self.messages) if message.topic == topic]
        return found[-1] if found else None

    def state(self, slug: str) -> Mapping[str, object]:
        """The newest state of a watch."""
        found: Mapping[str, object] = json.loads(self.last(f"gatewayd/{slug}/state") or b"{}")
        return found

    def discovered(self, slug: str) -> Mapping[str, Mapping[str, object]]:
        """The components that Home Assistant is shown for a watch, by their keys."""
        for message in reversed(list(self.messages)):
            if message.topic.startswith("homeassistant/") and message.payload:
                found = json.loads(message.payload)
                if f"/{slug}/" in json.dumps(found):
                    components: Mapping[str, Mapping[str, object]] = found["components"]
                    return components
        return {}

    def ask_for_echo(self) -> None:
        """Publish something that comes back as `gatewayd/echo`."""
        assert self._client is not None
        self._client.publish("gatewayd/echo", b"echo", qos=1)

    # --- paho's thread ------------------------------------------------------------------------

    def took_up(self, client: Client, *_: object) -> None:
        """Connected."""
        self._client = client
        for topic_filter in FILTERS:
            client.subscribe(topic_filter, options=SubscribeOptions(qos=self._qos))

    def subscribed(self, *_: object) -> None:
        """The broker confirmed one filter."""
        self.subscriptions += 1
        self._bell.ring()

    def heard(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        """A message."""
        payload = bytes(message.payload)
        self.messages.append(Message(message.topic, payload, message.retain))
        if "/reading/" in message.topic:
            self.readings.append(payload)
            if self.on_reading is not None:
                self.on_reading(len(self.readings))
        self._bell.ring()


@contextmanager
def subscribing(host: str, port: int, subscriber: Subscriber, name: str) -> Iterator[None]:
    """Connects, and again after each loss, until the context ends. The session outlives losses."""
    client = Client(
        CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5
    )
    client.on_connect = subscriber.took_up
    client.on_subscribe = subscriber.subscribed
    client.on_message = subscriber.heard
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_S
    client.connect_async(host, port, clean_start=False, properties=properties)
    client.loop_start()
    try:
        yield
    finally:
        client.disconnect()
        client.loop_stop()
