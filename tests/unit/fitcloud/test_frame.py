"""Frames, packets and the cipher, against examples, other implementations and each other."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher as Reference
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.codec import crc16_arc
from protocols.errors import LimitExceeded
from protocols.fitcloud.aes import Aes256
from protocols.fitcloud.cipher import Cipher
from protocols.fitcloud.frame import (
    MAX_PAYLOAD,
    Ack,
    Header,
    Packet,
    decode_ack,
    decode_header,
    decode_packets,
    encode_ack,
    encode_frame,
    encode_packet,
)
from protocols.testing.virtual_watch import frames as watch

FIXED = settings(derandomize=True, deadline=None, max_examples=60)
PACKETS = st.builds(Packet, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=200))


# --- frames -------------------------------------------------------------------------------------


def test_a_frame_is_header_and_payload() -> None:
    frame = encode_frame(b"123456789", 0x0102)
    assert frame == bytes.fromhex("ab00 0009 bb3d 0102") + b"123456789"
    assert decode_header(frame) == Header(0, 9, 0xBB3D, 0x0102)


@FIXED
@given(st.binary(max_size=MAX_PAYLOAD), st.integers(0, 0xFFFF))
def test_both_sides_write_the_same_frame(payload: bytes, sequence: int) -> None:
    assert encode_frame(payload, sequence) == watch.data_frame(payload, sequence)


def test_a_sequence_beyond_sixteen_bits_wraps() -> None:
    assert encode_frame(b"x", 0x10001)[6:8] == b"\x00\x01"
    assert encode_ack(0x10001)[6:8] == b"\x00\x01"


def test_the_check_value_covers_the_payload_and_not_what_travels() -> None:
    frame = encode_frame(b"plain", 1, body=b"CRYPT", encrypted=True)
    assert frame[1] == 0x40
    assert frame[4:6] == crc16_arc(b"plain").to_bytes(2, "big")
    assert frame[8:] == b"CRYPT"


def test_a_payload_beyond_1024_bytes_is_refused() -> None:
    assert len(encode_frame(bytes(1024), 1)) == 1032
    with pytest.raises(LimitExceeded, match="1025 bytes"):
        encode_frame(bytes(1025), 1)


@pytest.mark.parametrize("data", ["", "ab", "ab000000000000", "ac00000000000001"])
def test_what_is_too_short_or_begins_otherwise_has_no_header(data: str) -> None:
    assert decode_header(bytes.fromhex(data)) is None


def test_the_version_and_the_unused_bit_do_not_matter() -> None:
    header = decode_header(bytes.fromhex("ab8f 0001 0000 0001"))
    assert header is not None
    assert header.length == 1


# --- acknowledgements -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "encrypted", "expected"),
    [
        (False, False, "ab10000000000005"),
        (True, False, "ab30000000000005"),
        (False, True, "ab50000000000005"),
        (True, True, "ab70000000000005"),
    ],
)
def test_acknowledgements(error: bool, encrypted: bool, expected: str) -> None:
    data = encode_ack(5, error=error, encrypted=encrypted)
    assert data == bytes.fromhex(expected)
    assert decode_ack(data) == Ack(5, error)


@pytest.mark.parametrize(
    "data",
    [
        "ab100000000000",  # seven bytes
        "ab1000000000000500",  # nine bytes
        "ac10000000000005",  # another magic
        "ab00000000000005",  # no ACK bit
        "ab10000100000005",  # a length
        "ab10000000010005",  # a check value
    ],
)
def test_an_acknowledgement_is_exactly_eight_bytes_without_length_and_check(data: str) -> None:
    assert decode_ack(bytes.fromhex(data)) is None


@pytest.mark.parametrize("flags", [0x10, 0x1F, 0x90, 0xDF])
def test_other_flags_of_an_acknowledgement_do_not_matter(flags: int) -> None:
    assert decode_ack(bytes((0xAB, flags, 0, 0, 0, 0, 1, 2))) == Ack(0x0102, error=False)


# --- packets --------------------------------------------------------------------------------------


def test_a_packet_is_named_as_in_the_specification() -> None:
    assert str(Packet(0x02, 0x1B)) == "02/1B"


def test_a_packet_that_fits_no_frame_is_refused() -> None:
    assert len(encode_packet(Packet(2, 1, bytes(1019)))) == MAX_PAYLOAD
    with pytest.raises(LimitExceeded, match="02/01: a value of 1020 bytes"):
        encode_packet(Packet(2, 1, bytes(1020)))


@FIXED
@given(PACKETS)
def test_a_packet_survives_the_way_there_and_back(packet: Packet) -> None:
    assert list(decode_packets(encode_packet(packet))) == [packet]
    assert encode_packet(packet) == watch.packet(*packet)


@FIXED
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=6))
def test_several_keys_of_one_packet_come_in_order(keys: list[tuple[int, bytes]]) -> None:
    payload = b"\x02\x00" + b"".join(
        bytes((key,)) + len(value).to_bytes(2, "big") + value for key, value in keys
    )
    assert list(decode_packets(payload)) == [Packet(2, key, value) for key, value in keys]


@FIXED
@given(st.lists(PACKETS, min_size=1, max_size=4), st.data())
def test_a_truncated_tail_is_dropped_and_what_is_before_it_stands(
    packets: list[Packet], data: st.DataObject
) -> None:
    payload = b"\x02\x00" + b"".join(encode_packet(packet)[2:] for packet in packets)
    cut = data.draw(st.integers(0, len(payload)))
    found = list(decode_packets(payload[:cut]))
    assert found == [Packet(2, packet.key, packet.value) for packet in packets][: len(found)]
    assert sum(3 + len(packet.value) for packet in found) <= max(0, cut - 2)


def test_a_length_with_the_sign_bit_ends_the_packet() -> None:
    payload = bytes.fromhex("0200 01 0001 aa 02 8000") + bytes(0x8000)
    assert list(decode_packets(payload)) == [Packet(2, 1, b"\xaa")]


def test_the_first_generation_uses_nine_bits_of_the_length() -> None:
    payload = bytes.fromhex("0500 02 fe02 aabb")
    assert list(decode_packets(payload)) == []
    assert list(decode_packets(payload, length_bits=9)) == [Packet(5, 2, b"\xaa\xbb")]


@FIXED
@given(st.binary(max_size=300))
def test_any_payload_gives_keys_within_its_bytes(payload: bytes) -> None:
    used = 2 + sum(3 + len(packet.value) for packet in decode_packets(payload))
    assert used <= max(2, len(payload))


# --- cipher ---------------------------------------------------------------------------------------


def test_aes_of_the_standard() -> None:
    key = bytes(range(32))
    block = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert Aes256(key).encrypt(block).hex() == "8ea2b7ca516745bfeafc49904b496089"


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16))
def test_aes_agrees_with_an_independent_implementation(key: bytes, block: bytes) -> None:
    reference = Reference(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block
    assert Aes256(key).encrypt(block) == reference.update(block)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Aes256(bytes(size))


def test_a_block_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Aes256(bytes(32)).encrypt(bytes(15))


CIPHER = Cipher("somebody@example.org", "C0:FF:EE:00:00:01")


@FIXED
@given(st.binary(max_size=172), st.integers(0, 0xFFFF))
def test_a_frame_of_one_write_decrypts_to_what_was_encrypted(payload: bytes, sequence: int) -> None:
    assert CIPHER.decrypt(CIPHER.encrypt(payload, sequence, 180), sequence) == payload


@FIXED
@given(st.binary(max_size=400), st.integers(1, 11))
def test_writes_of_whole_blocks_decrypt_too(payload: bytes, blocks: int) -> None:
    # the header takes 8 of the first write, so only the 16-byte rhythm after it can agree
    size = 16 * blocks
    body = CIPHER.encrypt(payload, 7, size)
    first = size - 8
    stream = CIPHER.decrypt(bytes(16), 7)
    for start in (0, *range(first, len(payload), size)):
        assert body[start : start + 8] == bytes(
            a ^ b for a, b in zip(payload[start : start + 8], stream, strict=False)
        )


def test_the_keystream_depends_on_user_address_and_sequence() -> None:
    others = [
        Cipher("somebody else", "C0:FF:EE:00:00:01").decrypt(bytes(16), 1),
        Cipher("somebody@example.org", "C0:FF:EE:00:00:02").decrypt(bytes(16), 1),
        CIPHER.decrypt(bytes(16), 1),
        CIPHER.decrypt(bytes(16), 2),
    ]
    assert len(set(others)) == 4
