"""Answers about whole exchanges, run by the real engine over the real link: vectors auth-flow-*,
sync-plan-*, sync-item-*."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from protocols.engine import Engine, Procedure
from protocols.errors import ProtocolError
from protocols.fitcloud import commands as c
from protocols.fitcloud.conformance.case import Answer, Case, Handler, Json, Unanswerable
from protocols.fitcloud.conformance.frames import at, opened_link
from protocols.fitcloud.conformance.messages import packet
from protocols.fitcloud.connect import authenticate, bind, log_in
from protocols.fitcloud.features import Feature, Features
from protocols.fitcloud.frame import (
    HEADER_SIZE,
    Packet,
    decode_ack,
    decode_header,
    decode_packets,
    encode_ack,
    encode_frame,
    encode_packet,
)
from protocols.fitcloud.messages.configuration import Configuration
from protocols.fitcloud.messages.device_info import Chip, DeviceInfo
from protocols.fitcloud.messages.limits import Limits
from protocols.fitcloud.plan import permitted_plan, plan
from protocols.fitcloud.sync import SyncContext, synchronise
from protocols.model.catalog import Category
from protocols.model.time import DeviceTime, device_time
from protocols.session import Commit, Raw, SessionSettings, Write

_PRESENT: Final = device_time(2026, 1, 1, 12)
_EVERYTHING: Final = frozenset(Category)


class Peer:
    """A watch that acknowledges every frame and answers as `reply` says, over the real link."""

    def __init__(self, user_id: str, reply: Callable[[Packet], Iterable[Packet]]) -> None:
        self._reply = reply
        self._link = opened_link(user_id)
        self._engine: Engine[Packet] = Engine(self._link, lambda _, __: None)
        self._incoming = bytearray()
        self._answers: deque[bytes] = deque()
        self._sequence = 0
        self._seconds = 0.0
        self.received: list[Packet] = []
        self.committed: list[Raw] = []

    def run(self, procedure: Procedure[object]) -> ProtocolError | None:
        """Run to the end; the error that it ended with. A silent peer is waited for in no time."""
        ended: list[ProtocolError | None] = []
        self._engine.run(procedure, lambda _, error: ended.append(error), at(0))
        while not ended:
            self._carry_out()
            if self._answers:
                self._engine.received(c.NOTIFY, self._answers.popleft(), at(self._seconds))
            elif not ended:
                deadline = self._engine.deadline()
                if deadline is None:
                    raise AssertionError("the procedure waits for nothing")
                self._seconds = max(self._seconds, deadline)
                self._engine.tick(at(self._seconds))
        self._carry_out()
        return ended[0]

    def _carry_out(self) -> None:
        while (effect := self._engine.next_effect()) is not None:
            if isinstance(effect, Write):
                self._engine.written(at(self._seconds))
                self._take(effect.data)
            elif isinstance(effect, Commit):
                if effect.batch.raw is not None:
                    self.committed.append(effect.batch.raw)
                self._engine.confirm(effect.receipt, at(self._seconds))

    def _take(self, data: bytes) -> None:
        if not self._incoming and decode_ack(data) is not None:
            return
        self._incoming += data
        header = decode_header(bytes(self._incoming))
        if header is None or len(self._incoming) < HEADER_SIZE + header.length:
            return
        payload = bytes(self._incoming[HEADER_SIZE:])
        self._incoming.clear()
        self._answers.append(encode_ack(header.sequence))
        for one in decode_packets(payload):
            self.received.append(one)
            for answer in self._reply(one):
                self._sequence += 1
                self._answers.append(encode_frame(encode_packet(answer), self._sequence))


def _auth_flow(case: Case) -> Json:
    inputs = case.params
    replies = deque(_packet(reply) for reply in inputs["replies"])
    peer = Peer(inputs["user_id"], lambda _: [replies.popleft()] if replies else [])
    settings = SessionSettings(inputs["user_id"], may_bind=True, pairing_code=inputs.get("code"))
    procedures: dict[str, Callable[[SessionSettings], Procedure[None]]] = {
        "BIND": bind,
        "LOGIN": log_in,
        "AUTO": authenticate,
    }
    error = peer.run(procedures[inputs["mode"]](settings))
    sent = [packet(one[:2], one.value) for one in peer.received]
    return _flow(sent, [] if error else ["unit"], error, case)


def _type_order(case: Case) -> Json:
    """The vendor's plan; the gateway's own is the part of it that it can decode."""
    return [item.type_id for item in plan(case.features, case.params["total_size"])]


def _item_flow(case: Case) -> Json:
    """A whole synchronisation in which all other items are empty."""
    wanted = case.params["type"]
    features = Features(frozenset({Feature.HEART_RATE, Feature.MEASURE_DATA_SYNCABLE}))
    features = Features(features.numbers | {Feature.SPORT, Feature.SLEEP_SCORE})
    planned = [item.type_id for item in permitted_plan(features, 1, _EVERYTHING) if item.stored]
    if wanted not in planned:
        raise Unanswerable("this sync type is not asked for")
    replies = [_packet(reply) for reply in case.params["replies"]]
    empty = [Packet(*c.ITEM_START, bytes(4)), Packet(*c.ITEM_END, bytes(4))]

    def reply(request: Packet) -> list[Packet]:
        match request[:2]:
            case c.ITEM_REQUEST:
                return replies if request.value[0] == wanted else empty
            case c.WAITING:
                return [Packet(*c.WAITING_REPLY, b"\0\0\0\1")]
            case c.DAY_TOTALS:
                return [Packet(*c.DAY_TOTALS_REPLY)]
            case _:
                return []

    peer = Peer("1", reply)
    error = peer.run(synchronise(SyncContext(_configuration(features), _EVERYTHING, _clock)))
    sent, reached_next = _about(wanted, peer.received)
    if error is not None and reached_next:
        raise AssertionError(f"a later item failed: {error}")
    source = f"fitcloud/item/{wanted}"
    stored = [[raw.data.hex()] for raw in peer.committed if raw.source == source]
    return _flow(sent, [] if error else stored or [[]], error, case)


def _about(type_id: int, packets: Iterable[Packet]) -> tuple[list[Json], bool]:
    """The packets from one item's request to the next one's, and whether there is a next one."""
    sent: list[Json] = []
    inside = False
    for one in packets:
        if one[:2] == c.ITEM_REQUEST:
            if inside:
                return sent, True
            inside = one.value[0] == type_id
        if inside and one[:2] in (c.ITEM_REQUEST, c.ITEM_RESULT):
            sent.append(packet(one[:2], one.value))
    return sent, False


def _flow(sent: list[Json], results: list[Json], error: ProtocolError | None, case: Case) -> Json:
    """Errors are compared by presence, pieces of a stream as a whole."""
    expected = dict(case.expect)
    expected["error"] = expected["error"] is not None
    expected["results"] = [
        ["".join(result)] if result and isinstance(result, list) else result
        for result in expected["results"]
    ]
    return Answer(
        {
            "sent": sent,
            "results": results,
            "error": error is not None,
            "complete": error is None,
        },
        expected,
    )


def _packet(reply: Mapping[str, Json]) -> Packet:
    return Packet(reply["cmd"], reply["key"], bytes.fromhex(reply["data"] or ""))


def _clock() -> DeviceTime:
    return _PRESENT


def _configuration(features: Features) -> Configuration:
    info = DeviceInfo("", "", "", "", "", features, frozenset(), Chip.UNKNOWN)
    return Configuration(info, Limits(), MappingProxyType({}))


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "auth_flow": _auth_flow,
        "sync_type_order": _type_order,
        "sync_item_flow": _item_flow,
    }
)
