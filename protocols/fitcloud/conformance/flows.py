"""Answers about whole exchanges, run by the real engine over the real link: vectors auth-flow-*,
sync-plan-*, sync-item-*, sync-ecg-*, ecg-realtime-*."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from protocols.engine import Engine
from protocols.errors import ProtocolError
from protocols.fitcloud import commands as c
from protocols.fitcloud.conformance.case import Answer, Case, Handler, Json, Unanswerable
from protocols.fitcloud.conformance.frames import at, opened_link
from protocols.fitcloud.conformance.messages import packet
from protocols.fitcloud.connect import authenticate, bind, log_in
from protocols.fitcloud.features import Features
from protocols.fitcloud.frame import (
    HEADER_SIZE,
    Ack,
    Packet,
    decode_ack,
    decode_header,
    decode_packets,
    encode_ack,
    encode_frame,
    encode_packet,
)
from protocols.fitcloud.measure import MeasureContext, record_ecg
from protocols.fitcloud.messages.configuration import Configuration
from protocols.fitcloud.messages.device_info import Chip, DeviceInfo
from protocols.fitcloud.messages.limits import Limits
from protocols.fitcloud.plan import ECG, ITEMS, plan
from protocols.fitcloud.sync import SyncContext, synchronise
from protocols.model.catalog import Category
from protocols.model.time import DeviceTime, Moment, device_time
from protocols.procedure import Procedure
from protocols.session import Commit, Raw, SessionSettings, Write

_PRESENT: Final = device_time(2026, 1, 1, 12)
_EVERYTHING: Final = frozenset(Category)


class Peer:
    """A watch that acknowledges every frame and answers as `reply` says, over the real link."""

    def __init__(self, user_id: str, reply: Callable[[Packet], Iterable[Packet | bytes]]) -> None:
        self._reply = reply
        self.link = opened_link(user_id)
        self._engine: Engine[Packet] = Engine(self.link, lambda _, __: None)
        self._incoming = bytearray()
        self._answers: deque[bytes] = deque()
        self._sequence = 0
        self._unacknowledged: set[int] = set()
        self._seconds = 0.0
        self.received: list[Packet | Ack] = []
        """Packets, and acknowledgements of what was sent without a frame of its own."""

        self.committed: list[Raw] = []

    @property
    def now(self) -> Moment:
        """The peer's time."""
        return at(self._seconds)

    def run(self, procedure: Procedure[object]) -> ProtocolError | None:
        """Run to the end; the error that it ended with. A silent peer is waited for in no time."""
        ended = self.begin(procedure)
        while not ended:
            deadline = self._engine.deadline()
            if deadline is None:
                raise AssertionError("the procedure waits for nothing")
            self._seconds = max(self._seconds, deadline)
            self._engine.tick(at(self._seconds))
            self._deliver(ended)
        return ended[0]

    def begin(self, procedure: Procedure[object]) -> list[ProtocolError | None]:
        """Run as far as the peer's answers lead; the error that it ended with, once it has."""
        ended: list[ProtocolError | None] = []
        self._engine.run(procedure, lambda _, error: ended.append(error), at(0))
        self._deliver(ended)
        return ended

    def _deliver(self, ended: list[ProtocolError | None]) -> None:
        self._carry_out()
        while self._answers and not ended:
            self._engine.received(c.NOTIFY, self._answers.popleft(), at(self._seconds))
            self._carry_out()

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
        ack = None if self._incoming else decode_ack(data)
        if ack is not None:
            if ack.sequence in self._unacknowledged:
                self._unacknowledged.remove(ack.sequence)
            else:
                self.received.append(ack)
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
                self._answers.append(answer if isinstance(answer, bytes) else self._framed(answer))

    def _framed(self, answer: Packet) -> bytes:
        self._sequence += 1
        self._unacknowledged.add(self._sequence)
        return encode_frame(encode_packet(answer), self._sequence)


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
    sent = [_sent(one) for one in peer.received]
    return _flow(sent, [] if error else ["unit"], error, case)


def _type_order(case: Case) -> Json:
    """The vendor's plan; the gateway's own is the part of it that it can decode."""
    return [item.type_id for item in plan(case.features, case.params["total_size"])]


def _item_flow(case: Case) -> Json:
    """A whole synchronisation in which all other items are empty."""
    wanted = case.params.get("type", ECG)
    features = next((item.needs for item in ITEMS if item.stored and item.type_id == wanted), None)
    if features is None:
        raise Unanswerable("this sync type is not asked for")
    replies = [_reply(reply) for reply in case.params["replies"]]
    empty = [Packet(*c.ITEM_START, bytes(4)), Packet(*c.ITEM_END, bytes(4))]

    def reply(request: Packet) -> Sequence[Packet | bytes]:
        match request[:2]:
            case c.ITEM_REQUEST:
                return replies if request.value[0] == wanted else empty
            case c.WAITING:
                return [Packet(*c.WAITING_REPLY, b"\0\0\0\1")]
            case c.ECG_STATE:
                return [Packet(*c.ECG_STATE_REPLY, bytes(4))]
            case c.DAY_TOTALS:
                return [Packet(*c.DAY_TOTALS_REPLY)]
            case c.DAILY_HRV:
                return [Packet(*c.DAILY_HRV_REPLY)]
            case _:
                return []

    peer = Peer("1", reply)
    configuration = _configuration(Features(features))
    context = SyncContext(configuration, _EVERYTHING, _clock, peer.link.unframed)
    error = peer.run(synchronise(context))
    sent, reached_next = _about(wanted, peer.received)
    if error is not None and reached_next:
        raise AssertionError(f"a later item failed: {error}")
    source = f"fitcloud/item/{wanted}"
    stored = [[raw.data.hex()] for raw in peer.committed if raw.source == source]
    return _flow(sent, [] if error else stored or [[]], error, case)


def _ecg_realtime_flow(case: Case) -> Json:
    """Errors are compared by presence. The peer's silence at the end is no failure yet."""
    replies = [_reply(reply) for reply in case.params["replies"]]
    results: list[Json] = []
    peer = Peer("1", lambda request: replies if request.value[:2] == b"\0\x10" else [])
    context = MeasureContext(
        Features(), _EVERYTHING, lambda: peer.now, lambda _: None, peer.link.unframed
    )
    ended = peer.begin(
        record_ecg(
            context,
            lambda rate_hz: results.append([rate_hz]),
            lambda samples: results.append(list(samples)),
        )
    )
    failed = bool(ended) and ended[0] is not None
    answer = {
        "sent": [_sent(one) for one in peer.received],
        "results": results,
        "error": failed,
        "complete": bool(ended) and not failed,
    }
    return Answer(answer, dict(case.expect) | {"error": case.expect["error"] is not None})


def _about(type_id: int, received: Iterable[Packet | Ack]) -> tuple[list[Json], bool]:
    """What came from one item's request to the next one's, and whether there is a next one."""
    sent: list[Json] = []
    inside = False
    for one in received:
        key = one[:2] if isinstance(one, Packet) else None
        if isinstance(one, Packet) and key == c.ITEM_REQUEST:
            if inside:
                return sent, True
            inside = one.value[0] == type_id
        if inside and key in (None, c.ITEM_REQUEST, c.ITEM_RESULT):
            sent.append(_sent(one))
    return sent, False


def _sent(one: Packet | Ack) -> Json:
    if isinstance(one, Ack):
        return {"ack_err": one.error, "ack_seq": one.sequence}
    return packet(one[:2], one.value)


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


def _reply(reply: Mapping[str, Json]) -> Packet | bytes:
    return bytes.fromhex(reply["raw"]) if "raw" in reply else _packet(reply)


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
        "sync_ecg_flow": _item_flow,
        "ecg_realtime_flow": _ecg_realtime_flow,
    }
)
