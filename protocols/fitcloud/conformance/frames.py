"""Answers about L1 and L2: vectors data-frame, data-capture, data-session."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from protocols.codec import crc16_arc
from protocols.errors import ProtocolError
from protocols.fitcloud import commands as c
from protocols.fitcloud.cipher import Cipher
from protocols.fitcloud.conformance.case import Answer, Case, Handler, Json
from protocols.fitcloud.conformance.wall_clock import epoch_ms
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
from protocols.fitcloud.link import FrameLink
from protocols.fitcloud.messages.clock import decode_ts4
from protocols.fitcloud.receiver import Receiver
from protocols.model.time import DeviceTime, Moment
from protocols.session import LinkFacts, Property, Write

_START: Final = DeviceTime(0)
_ADDRESS: Final = "00:00:00:00:00:00"


def opened_link(user_id: str = "1", address: str = _ADDRESS, write_size: int = 185) -> FrameLink:
    """A link as it is right after connecting; repeated frames are delivered, as by the vendor."""
    link = FrameLink(user_id, suppress_duplicates=False)
    link.opened(LinkFacts(address, None, write_size, characteristics={c.WRITE: Property.WRITE}))
    return link


def at(seconds: float) -> Moment:
    """A moment of the simulated clock."""
    return Moment(seconds, _START)


# --- frames -----------------------------------------------------------------------------------


def _encode_frame(case: Case) -> Json:
    inputs = case.params
    payload, sequence = case.data, inputs["seq"]
    if not inputs.get("encrypted"):
        return {"frame": encode_frame(payload, sequence).hex(), "enc_after": False}
    if sequence == 1:
        return _sent_by_encrypted_link(case)
    cipher = Cipher(inputs["user_id"], inputs["mac"])
    body = cipher.encrypt(payload, sequence, inputs["max_batch"])
    frame = encode_frame(payload, sequence, body=body, encrypted=True)
    return {"frame": frame.hex(), "enc_after": True}


def _sent_by_encrypted_link(case: Case) -> Json:
    """What the link itself makes of its first frame once the watch has gone over to ciphertext."""
    inputs = case.params
    link = opened_link(inputs["user_id"], inputs["mac"], inputs["max_batch"])
    hello = encode_packet(Packet(0x02, 0x51))
    body = Cipher(inputs["user_id"], inputs["mac"]).encrypt(hello, 1, inputs["max_batch"])
    list(link.received(c.NOTIFY, encode_frame(hello, 1, body=body, encrypted=True), at(0)))
    drain(link, at(0))
    (packet,) = decode_packets(case.data)
    link.send(packet, at(0))
    frame = b"".join(drain(link, at(0)))
    list(link.received(c.NOTIFY, encode_frame(hello, 2), at(0)))
    (answer,) = (data for data in drain(link, at(0)) if decode_ack(data))
    return {"frame": frame.hex(), "enc_after": answer == encode_ack(2, encrypted=True)}


def _encode_ack(case: Case) -> Json:
    inputs = case.params
    encrypted = bool(inputs.get("encrypted"))
    return encode_ack(inputs["seq"], error=inputs["err"], encrypted=encrypted).hex()


def _parse_ack(case: Case) -> Json:
    ack = decode_ack(case.data)
    return ack and {"err": ack.error, "seq": ack.sequence}


def _receive(case: Case) -> Json:
    receiver = Receiver(suppress_duplicates=False)
    if "mac" in case.params:
        receiver.cipher = Cipher(case.params["user_id"], case.params["mac"])
    results: list[Json] = []
    for data in case.chunks:
        incoming = receiver.feed(data, 0.0)
        entry: dict[str, Json] = {"ret": "more_or_ignored"}
        if incoming.payload is not None and incoming.answer is not None:
            entry = {
                "ret": "complete",
                "payload": incoming.payload.hex(),
                "seq": incoming.answer.sequence,
            }
        elif incoming.answer is not None:
            entry = {"ret": "error", "seq": incoming.answer.sequence}
        results.append(entry | {"receiving": receiver.collecting})
    return Answer(results, [_ignored_instead(entry) for entry in case.expect])


def _ignored_instead(entry: Mapping[str, Json]) -> Json:
    """Where the vendor's receiver throws (and its caller swallows that), ours ignores."""
    if "exception" not in entry:
        return entry
    kept = {key: value for key, value in entry.items() if key != "exception"}
    return {"ret": "more_or_ignored"} | kept


def _decode_packets(case: Case) -> Json:
    if len(case.data) < 2:
        return None
    return _keys(case.data)


def _keys(payload: bytes) -> dict[str, Json]:
    return {
        "cmd": payload[0],
        "version": payload[1] >> 4,
        "keys": [{"key": one.key, "data": one.value.hex()} for one in decode_packets(payload)],
    }


def _capture(case: Case) -> Json:
    ack = decode_ack(case.data)
    if ack is not None:
        return {"frame": "ack", "err": ack.error, "seq": ack.sequence}
    header = decode_header(case.data)
    if header is None:
        return None
    payload = case.data[HEADER_SIZE : HEADER_SIZE + header.length]
    answer = {
        "frame": "data",
        "crc_ok": crc16_arc(payload) == header.crc,
        "seq": header.sequence,
        "payload": payload.hex(),
        **(_keys(payload) if len(payload) >= 2 else {}),
    }
    times = [one.value for one in decode_packets(payload) if one[:2] == c.SET_TIME]
    if times:
        answer["time_epoch_ms_utc"] = epoch_ms(decode_ts4(times[0]), "UTC")
    return answer


# --- the link ---------------------------------------------------------------------------------


def drain(link: FrameLink, now: Moment) -> list[bytes]:
    """Carry out all the link's writes; what was written."""
    written: list[bytes] = []
    while (effect := link.next_effect()) is not None:
        if isinstance(effect, Write):
            written.append(effect.data)
            link.written(now)
    return written


def _session_receive(case: Case) -> Json:
    link = opened_link(case.params.get("user_id", "1"), case.params.get("mac", _ADDRESS))
    packets: list[Json] = []
    writes: list[str] = []
    for data in case.chunks:
        packets += (
            {"cmd": one.command, "key": one.key, "data": one.value.hex()}
            for one in link.received(c.NOTIFY, data, at(0))
        )
        writes += (written.hex() for written in drain(link, at(0)))
    return {"writes": writes, "packets": packets}


def _session_send(case: Case) -> Json:
    """The last entry of the script answers all further transmissions."""
    inputs = case.params
    wanted = inputs["packet"]
    packet = Packet(wanted["cmd"], wanted["key"], bytes.fromhex(wanted["data"] or ""))
    script = inputs["ack_script"]
    link = opened_link(inputs.get("user_id", "1"), inputs.get("mac", _ADDRESS))
    results: list[str] = []
    writes: list[bytes] = []
    now, transmissions = 0.0, 0
    for _ in range(inputs["repeat"]):
        link.send(packet, at(now))
        outcome: bool | ProtocolError | None = None
        while outcome is None:
            sent = drain(link, at(now))
            if sent:
                writes += sent
                verdict = script[min(transmissions, len(script) - 1)]
                transmissions += 1
                reply = _scripted_ack(verdict, b"".join(sent))
                if reply is not None:
                    list(link.received(c.NOTIFY, reply, at(now)))
            else:
                now = max(now, link.deadline() or now)
                link.tick(at(now))
            outcome = link.outcome()
        results.append("ok" if outcome is True else "failed")
    return Answer(
        {
            "send_results": results,
            "elapsed_s": round(now),
            "writes": [data.hex() for data in writes],
            "packets": [],
        },
        {
            **case.expect,
            "send_results": [
                "ok" if label == "ok" else "failed" for label in case.expect["send_results"]
            ],
        },
    )


def _scripted_ack(verdict: str | None, frame: bytes) -> bytes | None:
    header = decode_header(frame)
    if header is None or verdict is None:
        return None
    if verdict in {"ok", "err"}:
        return encode_ack(header.sequence, error=verdict == "err")
    if "seq" in verdict or "wrong" in verdict:
        return encode_ack(header.sequence + 1)
    return None


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "capture": _capture,
        "crc16": lambda case: crc16_arc(case.data),
        "l1_encode": _encode_frame,
        "l1_ack_encode": _encode_ack,
        "l1_ack_parse": _parse_ack,
        "l1_receive": _receive,
        "l2_encode": lambda case: encode_packet(
            Packet(case.params["cmd"], case.params["key"], case.data)
        ).hex(),
        "l2_decode": _decode_packets,
        "session_receive": _session_receive,
        "session_send": _session_send,
    }
)
