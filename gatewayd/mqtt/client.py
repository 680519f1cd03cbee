"""One connection to the broker: the only place that knows aiomqtt, and paho beneath it.

aiomqtt connects, subscribes and drives paho from the event loop. Publishing goes to paho itself,
for two reasons. aiomqtt 2.5 drops the reason code of a PUBACK, so that a publish that the broker
refused looks delivered; here the code reaches the caller. And a callback per PUBACK, instead of a
task and two events per message, carries a back-fill at about twice the rate.
"""

import asyncio
import logging
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt
import paho.mqtt.client as paho
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gatewayd.errors import BrokerRefused, BrokerUnreachable, GatewayError
from gatewayd.mqtt.address import Address, Will, tls_context
from gatewayd.mqtt.failures import (
    ConnectionFailure,
    connect_failure,
    login_refused,
    publish_refused,
    silent_login,
)

_SILENT: Final = logging.getLogger("gatewayd.mqtt.paho")
_SILENT.setLevel(logging.CRITICAL)  # each of its complaints also comes as an error of ours

_RECEIVE_MAXIMUM: Final = 65_535  # MQTT 5, 3.2.2.3.3: the value when the broker does not say

_MQTT5_ANSWER_S: Final = 3.0
"""How long a broker may think about an MQTT 5 login. One that knows only 3.1.1 may not answer at
all (amqtt, when the login has a will)."""

Done = Callable[[int], None]
"""Told the reason code of a PUBACK; 0x80 and above is a refusal (MQTT 5, section 2.4)."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from the broker. MQTT 5 may say where to answer."""

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None = None
    correlation: bytes | None = None


class Line:
    """An open connection; never used again once `lost` is set. Use `connect`."""

    def __init__(self, client: aiomqtt.Client, address: Address, version: int) -> None:
        self.address = address
        self.version = version
        """5, or 3 for MQTT 3.1.1."""

        self.receive_maximum = _RECEIVE_MAXIMUM
        """How many publishes the broker accepts before it acknowledged the first."""

        self.lost: asyncio.Future[GatewayError] = asyncio.get_running_loop().create_future()
        """Done once the connection is gone, with what to tell the owner."""

        self._client = client
        # aiomqtt has no public way to the client that it drives
        self._paho: paho.Client = client._client  # noqa: SLF001
        self._connected: asyncio.Future[None] = client._connected  # noqa: SLF001
        self._waiting: dict[int, Done] = {}
        self._queued: deque[tuple[str, bytes, bool, Done]] = deque()
        self._on_incoming: Callable[[Incoming], None] = _ignore
        self._flush_due = False
        self._writing = False
        self._closing = False

        # also done when paho stumbles over what the broker sent
        client._disconnected.add_done_callback(self._ended)  # noqa: SLF001
        self._paho.disable_logger()
        self._paho.enable_logger(_SILENT)
        self._paho.on_connect = self._wrap_connect(self._paho.on_connect)
        self._paho.on_disconnect = self._wrap_disconnect(self._paho.on_disconnect)
        self._paho.on_publish = self._published
        self._paho.on_message = self._received

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{self.address.host}:{self.address.port}"

    # --- sending ------------------------------------------------------------------------------

    def post(self, topic: str, payload: bytes, *, retain: bool, done: Done) -> None:
        """Queue a QoS 1 publish; `done` is told the PUBACK's reason code.

        Nothing is told when the connection is lost first: watch `lost`. Goes out at the end of
        this turn of the event loop, or with `flush`.
        """
        if len(self._waiting) >= self.receive_maximum:
            self._queued.append((topic, payload, retain, done))
            return
        sent = self._paho.publish(topic, payload, 1, retain)
        if sent.rc == paho.MQTT_ERR_SUCCESS:
            self._waiting[sent.mid] = done

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """A QoS 1 publish; returns when the broker has taken responsibility for it.

        Raises BrokerRefused, or what became of the connection.
        """
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def done(reason: int) -> None:
            if not answer.done():
                answer.set_result(reason)

        self.post(topic, payload, retain=retain, done=done)
        either: tuple[asyncio.Future[Any], ...] = (answer, self.lost)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise self.lost.result()
        if answer.result() >= 0x80:
            raise self.refusal(topic, answer.result())

    def flush(self) -> None:
        """Hand what is queued to the socket now."""
        if self._writing:
            return  # the socket is full; the loop says when it takes more
        self._paho.loop_write()
        if self._paho.want_write() and (sock := self._paho.socket()) is not None:
            self._writing = True
            asyncio.get_running_loop().add_writer(sock, self._paho.loop_write)

    def refusal(self, topic: str, reason: int) -> BrokerRefused:
        """The error for a PUBACK with that reason code."""
        return publish_refused(self.where, topic, self.address.username, reason)

    # --- receiving ----------------------------------------------------------------------------

    def listen(self, on_incoming: Callable[[Incoming], None]) -> None:
        """Everything the broker sends goes there, asked for or not (amqtt sends retained messages
        of other people's subscriptions)."""
        self._on_incoming = on_incoming

    async def subscribe(self, topic_filter: str) -> None:
        """Subscribe at QoS 1. Raises BrokerRefused, BrokerUnreachable."""
        try:
            answers = await self._client.subscribe(
                topic_filter, qos=1, timeout=self.address.timeout_s
            )
        except aiomqtt.MqttError as error:
            if self.lost.done():
                raise self.lost.result() from error
            raise BrokerUnreachable(
                f"The MQTT broker {self.where} does not answer a subscription", "Check its log"
            ) from error
        for answer in answers:
            reason = answer.value if isinstance(answer, ReasonCode) else answer
            if reason >= 0x80:
                raise BrokerRefused(
                    f"The MQTT broker {self.where} refuses a subscription to {topic_filter}",
                    "Allow it in the broker's access list",
                )

    # --- inside -------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect and log in. Raises ConnectionFailure; then nothing is left open."""
        try:
            await self._client.__aenter__()
        except BaseException as error:
            reached = self._paho.socket() is not None
            self._drop()
            if isinstance(error, MqttConnectError):
                raise login_refused(self.where, self.address.username, _code(error.rc)) from error
            if isinstance(error, aiomqtt.MqttError):
                # aiomqtt keeps only the text of what happened; the exception is its context
                cause = error.__context__ or error
                if reached and isinstance(cause, TimeoutError):
                    raise silent_login(self.where) from error
                raise connect_failure(self.where, cause) from error
            raise
        # from here on all writing happens in the event loop, without aiomqtt's detour over threads
        self._paho.on_socket_register_write = self._write_wanted
        self._paho.on_socket_unregister_write = self._write_done

    async def close(self) -> None:
        """Log out, bounded by the time-out; the will is not published."""
        self._closing = True
        try:
            if not self.lost.done():
                with suppress(aiomqtt.MqttError):  # it is gone either way
                    await self._client.__aexit__(None, None, None)
        finally:
            self._drop()
            self._lose(BrokerUnreachable(f"Disconnected from {self.where}"))
            self._waiting.clear()
            self._queued.clear()

    def _drop(self) -> None:
        """Give up the socket, politely where it still takes the two bytes of a DISCONNECT."""
        sock = self._paho.socket()
        # if aiomqtt's thread is still connecting, what it opens is not to be served any more
        self._paho.on_socket_open = None
        self._paho.on_socket_register_write = None  # then paho writes at once
        self._paho.on_socket_unregister_write = None
        if sock is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_writer(sock)
        self._paho.disconnect()
        if self._paho.socket() is not None:
            loop.remove_reader(sock)
            sock.close()

    def _ended(self, disconnected: asyncio.Future[None]) -> None:
        error = None if disconnected.cancelled() else disconnected.exception()
        self._lose(
            BrokerUnreachable(
                f"The connection to the MQTT broker {self.where} broke ({error})", "Is it running?"
            )
        )

    def _lose(self, error: GatewayError) -> None:
        """The first cause is kept."""
        if not self.lost.done():
            self.lost.set_result(error)

    def _write_wanted(self, _client: paho.Client, _data: Any, _sock: Any) -> None:
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush_at_end_of_turn)

    def _flush_at_end_of_turn(self) -> None:
        self._flush_due = False
        self.flush()

    def _write_done(self, _client: paho.Client, _data: Any, sock: Any) -> None:
        if self._writing:
            self._writing = False
            asyncio.get_running_loop().remove_writer(sock)

    def _published(
        self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, _more: Properties
    ) -> None:
        done = self._waiting.pop(mid)
        # before `done`, which may post: what was posted first is sent first
        if self._queued:
            topic, payload, retain, next_done = self._queued.popleft()
            self.post(topic, payload, retain=retain, done=next_done)
        done(reason.value)

    def _received(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # not UTF-8: none of our topics
        properties = message.properties
        self._on_incoming(
            Incoming(
                topic,
                bytes(message.payload),
                message.retain,
                getattr(properties, "ResponseTopic", None),
                getattr(properties, "CorrelationData", None),
            )
        )

    def _wrap_connect(self, inner: Any) -> Any:
        def on_connect(
            client: paho.Client, data: Any, flags: Any, reason: ReasonCode, more: Properties | None
        ) -> None:
            self.receive_maximum = getattr(more, "ReceiveMaximum", _RECEIVE_MAXIMUM)
            inner(client, data, flags, reason, more)

        return on_connect

    def _wrap_disconnect(self, inner: Any) -> Any:
        def on_disconnect(
            client: paho.Client, data: Any, flags: Any, reason: ReasonCode, more: Properties | None
        ) -> None:
            if not self._connected.done():
                # aiomqtt would wait for its whole time-out
                self._connected.set_exception(aiomqtt.MqttError("closed during login"))
            self._lose(self._loss(reason))
            inner(client, data, flags, reason, more)

        return on_disconnect

    def _loss(self, reason: ReasonCode) -> GatewayError:
        if self._closing:
            return BrokerUnreachable(f"Disconnected from {self.where}")
        return BrokerUnreachable(
            f"The MQTT broker {self.where} ended the connection ({reason})", "Is it running?"
        )


@asynccontextmanager
async def connect(address: Address, will: Will) -> AsyncIterator[Line]:
    """A connection for as long as the context is open: MQTT 5, or 3.1.1 where that is refused.

    Raises BrokerUnreachable, BrokerRefused; ConfigError for certificate files that cannot be used.
    """
    line = await _open_newest(address, will, tls_context(address.tls))
    try:
        yield line
    finally:
        await line.close()


async def _open_newest(address: Address, will: Will, context: ssl.SSLContext | None) -> Line:
    if address.mqtt5:
        try:
            return await _open(address, will, context, aiomqtt.ProtocolVersion.V5)
        except ConnectionFailure as failure:
            if not failure.version_in_doubt:
                raise failure.error from failure
    try:
        return await _open(address, will, context, aiomqtt.ProtocolVersion.V311)
    except ConnectionFailure as failure:
        raise failure.error from failure


async def _open(
    address: Address,
    will: Will,
    context: ssl.SSLContext | None,
    protocol: aiomqtt.ProtocolVersion,
) -> Line:
    client = aiomqtt.Client(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        identifier=address.client_id,
        protocol=protocol,
        will=aiomqtt.Will(will.topic, will.payload, qos=1, retain=True),
        timeout=(
            min(address.timeout_s, _MQTT5_ANSWER_S)
            if protocol is aiomqtt.ProtocolVersion.V5
            else address.timeout_s
        ),
        keepalive=address.keepalive_s,
        tls_context=context,
        # without it the kernel holds a small publish back until the last one is acknowledged
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        max_inflight_messages=0,  # `Line` keeps count: what the broker allows is known only later
        logger=_SILENT,
    )
    line = Line(client, address, 5 if protocol is aiomqtt.ProtocolVersion.V5 else 3)
    await line.open()
    return line


def _code(rc: object) -> int:
    if isinstance(rc, ReasonCode):
        return int(rc.value)
    return rc if isinstance(rc, int) else 0x80


def _ignore(_incoming: Incoming) -> None:
    """Nobody listens yet."""
