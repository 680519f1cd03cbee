"""The cursors never read past their end, and the check value is CRC-16/ARC."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.codec import Reader, Writer, crc16_arc
from protocols.errors import LimitExceeded, MessageError

FIXED = settings(derandomize=True, deadline=None)


def test_a_reader_takes_field_by_field_in_order() -> None:
    body = Reader(bytes.fromhex("01 0203 040506 0708090a ff ffff fffffffe aabb"))
    assert (body.u8(), body.u16(), body.u24(), body.u32()) == (1, 0x0203, 0x040506, 0x0708090A)
    assert (body.signed(1), body.i16(), body.i32()) == (-1, -1, -2)
    assert body.remaining == 2
    assert body.rest() == b"\xaa\xbb"
    body.expect_end()


def test_bytes_left_over_are_an_error() -> None:
    with pytest.raises(MessageError, match="1 bytes left over"):
        Reader(b"\0").expect_end()


@pytest.mark.parametrize("read", ["u8", "u16", "u24", "u32", "i16", "i32"])
def test_reading_past_the_end_is_a_message_error_and_moves_nothing(read: str) -> None:
    body = Reader(b"")
    with pytest.raises(MessageError, match="wanted at offset 0"):
        getattr(body, read)()
    assert body.remaining == 0


def test_a_negative_count_is_refused() -> None:
    body = Reader(b"abc")
    body.take(2)
    with pytest.raises(MessageError):
        body.take(-1)
    assert body.rest() == b"c"


def test_a_size_above_its_limit_is_not_believed() -> None:
    assert Reader(b"\x0a").u8(limit=10) == 10
    with pytest.raises(MessageError, match="11 exceeds the limit of 10"):
        Reader(b"\x0b").u8(limit=10)
    assert Reader(b"\x01\x00").u16(limit=256) == 256
    with pytest.raises(MessageError, match="257 exceeds"):
        Reader(b"\x01\x01").u16(limit=256)


@FIXED
@given(st.binary(max_size=40), st.lists(st.integers(0, 12), max_size=20))
def test_what_is_taken_is_the_data_and_nothing_else(data: bytes, cuts: list[int]) -> None:
    body, taken = Reader(data), b""
    for count in cuts:
        try:
            taken += body.take(count)
        except MessageError:
            assert count > body.remaining
    assert taken + body.rest() == data


@FIXED
@given(st.integers(1, 8), st.data())
def test_what_a_writer_writes_a_reader_reads(width: int, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, 256**width - 1))
    assert Reader(Writer().unsigned(value, width).build()).unsigned(width) == value


@pytest.mark.parametrize(("value", "width"), [(-1, 1), (256, 1), (65536, 2), (1 << 32, 4)])
def test_a_writer_refuses_what_does_not_fit(value: int, width: int) -> None:
    with pytest.raises(LimitExceeded, match=f"{value} does not fit {width} unsigned bytes"):
        Writer().unsigned(value, width)


def test_a_writer_builds_in_order() -> None:
    writer = Writer().u8(1).u16(2).u32(3).raw(b"\xfe").padded(b"abc", 2).padded(b"d", 3)
    assert writer.build() == bytes.fromhex("01 0002 00000003 fe 6162 640000")


def test_the_check_value_of_the_standard_string() -> None:
    assert crc16_arc(b"123456789") == 0xBB3D
    assert crc16_arc(b"") == 0


@FIXED
@given(st.binary(max_size=64))
def test_the_check_value_is_that_of_the_bitwise_definition(data: bytes) -> None:
    crc = 0
    for byte in data:
        for bit in range(8):
            feedback = (crc ^ byte >> bit) & 1
            crc = crc >> 1 ^ (0xA001 if feedback else 0)
    assert crc16_arc(data) == crc
