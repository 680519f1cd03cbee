"""Attributes with a memory: handles, long values, values in parts."""

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.trace import att
from gatewayd.trace.gatt import MAX_PREPARED, Database, Operation, Server, Value
from tests.unit.trace.conversation import SERVICE, notification, wire

FF03 = "0000ff03-0000-1000-8000-00805f9b34fb"


def fed(*pdus: bytes) -> tuple[Server, list[Value]]:
    server = Server(Database())
    values = [value for pdu in pdus for value in server.take(pdu)]
    return server, values


def read_request(handle: int) -> bytes:
    return b"\x0a" + pack("<H", handle)


def blob_request(handle: int, offset: int) -> bytes:
    return b"\x0c" + pack("<2H", handle, offset)


@pytest.mark.parametrize(
    ("request_", "response", "services", "uuids"),
    [
        (
            b"\x10" + pack("<3H", 1, 9, 0x2800),
            b"\x11\x06" + pack("<6H", 1, 3, 0x1800, 4, 9, 0x180F),
            {1: "00001800", 4: "0000180f"},
            {},
        ),
        (
            b"\x06" + pack("<3H", 1, 9, 0x2800) + wire(SERVICE),
            b"\x07" + pack("<2H", 4, 9),
            {4: "000001ff"},
            {},
        ),
        (
            b"\x08" + pack("<3H", 1, 9, 0x2803),
            b"\x09\x15" + pack("<HBH", 2, 16, 3) + wire(SERVICE),
            {},
            {3: "000001ff"},
        ),
        (
            b"\x08" + pack("<3H", 1, 9, 0x2A00),
            b"\x09\x05" + pack("<H", 3) + b"abc",
            {},
            {3: "00002a00"},
        ),
        (b"\x04" + pack("<2H", 1, 9), b"\x05\x01" + pack("<2H", 5, 0x2902), {}, {5: "00002902"}),
        (
            b"\x04" + pack("<2H", 1, 9),
            b"\x05\x02" + pack("<H", 5) + wire(FF03),
            {},
            {5: "0000ff03"},
        ),
    ],
)
def test_every_way_of_discovery_is_learnt_from(
    request_: bytes, response: bytes, services: dict[int, str], uuids: dict[int, str]
) -> None:
    server, _ = fed(request_, response)
    known = server.database
    assert {handle: uuid[:8] for handle, (_, uuid) in known.services.items()} == services
    assert {handle: uuid[:8] for handle, uuid in known.uuids.items()} == uuids


def test_an_answer_without_its_question_teaches_nothing() -> None:
    server, _ = fed(b"\x11\x06" + pack("<3H", 1, 3, 0x1800), b"\x05\x01" + pack("<2H", 5, 0x2902))
    assert server.database == Database()


@given(st.binary(max_size=400), st.integers(23, 100))
def test_a_long_read_is_one_value(data: bytes, mtu: int) -> None:
    size = mtu - 1
    pdus = [b"\x02" + pack("<H", mtu), b"\x03" + pack("<H", 512), read_request(7)]
    pdus.append(b"\x0b" + data[:size])
    for offset in range(size, len(data) + 1, size):
        pdus += [blob_request(7, offset), b"\x0d" + data[offset : offset + size]]
    server, values = fed(*pdus)
    assert [*values, *server.close()] == [Value(Operation.READ, 7, data)]


def test_a_long_read_that_nobody_continues_ends_with_the_next_request() -> None:
    _, values = fed(read_request(7), b"\x0b" + b"x" * 22, read_request(8), b"\x0b" + b"y")
    assert values == [Value(Operation.READ, 7, b"x" * 22), Value(Operation.READ, 8, b"y")]


@given(st.binary(min_size=1, max_size=400), st.integers(1, 60))
def test_prepared_writes_become_one_value_when_they_are_executed(data: bytes, size: int) -> None:
    pdus = []
    for offset in range(0, len(data), size):
        body = pack("<2H", 9, offset) + data[offset : offset + size]
        pdus += [b"\x16" + body, b"\x17" + body]
    assert fed(*pdus)[1] == []
    assert fed(*pdus, b"\x18\x01")[1] == [Value(Operation.WRITE, 9, data)]
    assert fed(*pdus, b"\x18\x00", b"\x19", b"\x18\x01")[1] == []


def test_prepared_writes_are_bounded() -> None:
    pdus = [b"\x16" + pack("<2H", handle, 0) + b"x" for handle in range(MAX_PREPARED + 9)]
    assert len(fed(*pdus, b"\x18\x01")[1]) == MAX_PREPARED


def test_a_multiple_notification_is_as_many_values() -> None:
    pdu = b"\x23" + pack("<2H", 4, 2) + b"ab" + pack("<2H", 6, 0) + pack("<2H", 8, 9) + b"cut"
    assert fed(pdu)[1] == [
        Value(Operation.NOTIFICATION, 4, b"ab"),
        Value(Operation.NOTIFICATION, 6, b""),
    ]


@pytest.mark.parametrize(
    ("pdu", "value"),
    [
        (notification(4, b"n"), Value(Operation.NOTIFICATION, 4, b"n")),
        (b"\x1d\x04\x00i", Value(Operation.INDICATION, 4, b"i")),
        (b"\x12\x04\x00w", Value(Operation.WRITE, 4, b"w")),
        (b"\x52\x04\x00c", Value(Operation.WRITE_COMMAND, 4, b"c")),
        (b"\xd2\x04\x00s" + bytes(12), Value(Operation.WRITE_COMMAND, 4, b"s")),
    ],
)
def test_values_in_one_pdu_are_told_at_once(pdu: bytes, value: Value) -> None:
    assert fed(pdu)[1] == [value]


def test_a_refused_read_gives_no_value() -> None:
    assert fed(read_request(7), b"\x01\x0a\x07\x00\x02", b"\x0b" + b"x")[1] == []


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=40))
def test_no_sequence_of_pdus_is_too_odd(pdus: list[bytes]) -> None:
    server, _ = fed(*pdus)
    server.close()
    for pdu in pdus:
        att.parse(pdu)
        assert att.name(pdu[0])


@given(st.integers(0, 0x26), st.binary(max_size=60), st.binary(max_size=60))
def test_no_answer_to_a_known_question_is_too_odd(opcode: int, ask: bytes, answer: bytes) -> None:
    fed(bytes((opcode,)) + ask, bytes((opcode + 1,)) + answer)


def test_every_opcode_of_the_core_specification_has_a_name() -> None:
    assert len(att.NAMES) == 31
    assert att.name(0x7F) == "opcode_0x7f"
    assert {code for code in att.NAMES if code & 1 == 0} == att.FROM_CLIENT
