"""Attribute PDUs as they stand, without memory. Source: Bluetooth Core, Vol 3 Part F, 3.4."""

import struct
from functools import lru_cache
from typing import Final, NamedTuple

ERROR: Final = 0x01
MTU_REQUEST, MTU_RESPONSE = 0x02, 0x03
FIND_INFORMATION_REQUEST, FIND_INFORMATION_RESPONSE = 0x04, 0x05
FIND_BY_TYPE_VALUE_REQUEST, FIND_BY_TYPE_VALUE_RESPONSE = 0x06, 0x07
READ_BY_TYPE_REQUEST, READ_BY_TYPE_RESPONSE = 0x08, 0x09
READ_REQUEST, READ_RESPONSE = 0x0A, 0x0B
READ_BLOB_REQUEST, READ_BLOB_RESPONSE = 0x0C, 0x0D
READ_MULTIPLE_REQUEST, READ_MULTIPLE_RESPONSE = 0x0E, 0x0F
READ_BY_GROUP_TYPE_REQUEST, READ_BY_GROUP_TYPE_RESPONSE = 0x10, 0x11
WRITE_REQUEST, WRITE_RESPONSE = 0x12, 0x13
PREPARE_WRITE_REQUEST, PREPARE_WRITE_RESPONSE = 0x16, 0x17
EXECUTE_WRITE_REQUEST, EXECUTE_WRITE_RESPONSE = 0x18, 0x19
NOTIFICATION: Final = 0x1B
INDICATION: Final = 0x1D
CONFIRMATION: Final = 0x1E
READ_MULTIPLE_VARIABLE_REQUEST, READ_MULTIPLE_VARIABLE_RESPONSE = 0x20, 0x21
MULTIPLE_NOTIFICATION: Final = 0x23
WRITE_COMMAND: Final = 0x52
SIGNED_WRITE_COMMAND: Final = 0xD2

NAMES: Final = {
    ERROR: "error_response",
    MTU_REQUEST: "exchange_mtu_request",
    MTU_RESPONSE: "exchange_mtu_response",
    FIND_INFORMATION_REQUEST: "find_information_request",
    FIND_INFORMATION_RESPONSE: "find_information_response",
    FIND_BY_TYPE_VALUE_REQUEST: "find_by_type_value_request",
    FIND_BY_TYPE_VALUE_RESPONSE: "find_by_type_value_response",
    READ_BY_TYPE_REQUEST: "read_by_type_request",
    READ_BY_TYPE_RESPONSE: "read_by_type_response",
    READ_REQUEST: "read_request",
    READ_RESPONSE: "read_response",
    READ_BLOB_REQUEST: "read_blob_request",
    READ_BLOB_RESPONSE: "read_blob_response",
    READ_MULTIPLE_REQUEST: "read_multiple_request",
    READ_MULTIPLE_RESPONSE: "read_multiple_response",
    READ_BY_GROUP_TYPE_REQUEST: "read_by_group_type_request",
    READ_BY_GROUP_TYPE_RESPONSE: "read_by_group_type_response",
    WRITE_REQUEST: "write_request",
    WRITE_RESPONSE: "write_response",
    PREPARE_WRITE_REQUEST: "prepare_write_request",
    PREPARE_WRITE_RESPONSE: "prepare_write_response",
    EXECUTE_WRITE_REQUEST: "execute_write_request",
    EXECUTE_WRITE_RESPONSE: "execute_write_response",
    NOTIFICATION: "handle_value_notification",
    INDICATION: "handle_value_indication",
    CONFIRMATION: "handle_value_confirmation",
    READ_MULTIPLE_VARIABLE_REQUEST: "read_multiple_variable_request",
    READ_MULTIPLE_VARIABLE_RESPONSE: "read_multiple_variable_response",
    MULTIPLE_NOTIFICATION: "multiple_handle_value_notification",
    WRITE_COMMAND: "write_command",
    SIGNED_WRITE_COMMAND: "signed_write_command",
}
"""Opcodes by the names of the Core specification."""

FROM_CLIENT: Final = frozenset(
    {
        MTU_REQUEST,
        FIND_INFORMATION_REQUEST,
        FIND_BY_TYPE_VALUE_REQUEST,
        READ_BY_TYPE_REQUEST,
        READ_REQUEST,
        READ_BLOB_REQUEST,
        READ_MULTIPLE_REQUEST,
        READ_BY_GROUP_TYPE_REQUEST,
        WRITE_REQUEST,
        PREPARE_WRITE_REQUEST,
        EXECUTE_WRITE_REQUEST,
        CONFIRMATION,
        READ_MULTIPLE_VARIABLE_REQUEST,
        WRITE_COMMAND,
        SIGNED_WRITE_COMMAND,
    }
)
"""What clients send; everything else comes from servers."""

_HANDLE_AT_ONE: Final = frozenset(
    {
        READ_REQUEST,
        READ_BLOB_REQUEST,
        WRITE_REQUEST,
        PREPARE_WRITE_REQUEST,
        PREPARE_WRITE_RESPONSE,
        NOTIFICATION,
        INDICATION,
        WRITE_COMMAND,
        SIGNED_WRITE_COMMAND,
    }
)
_VALUE_AT: Final = {
    READ_BLOB_REQUEST: 5,
    PREPARE_WRITE_REQUEST: 5,
    PREPARE_WRITE_RESPONSE: 5,
}
_SIGNATURE_BYTES: Final = 12


class Fields(NamedTuple):
    """An attribute PDU taken apart. `handle` is None where the PDU itself names none."""

    opcode: int
    handle: int | None
    value: bytes


def parse(pdu: bytes) -> Fields:
    """The handle and the value of a PDU of at least one byte. Raises nothing."""
    opcode = pdu[0]
    if opcode in _HANDLE_AT_ONE and len(pdu) >= 3:
        value = pdu[_VALUE_AT.get(opcode, 3) :]
        if opcode == SIGNED_WRITE_COMMAND:
            value = value[:-_SIGNATURE_BYTES]
        return Fields(opcode, pdu[1] | pdu[2] << 8, value)
    if opcode == ERROR and len(pdu) >= 4:
        return Fields(opcode, pdu[2] | pdu[3] << 8, pdu[1:])
    return Fields(opcode, None, pdu[1:])


def name(opcode: int) -> str:
    """The opcode's name, or its number."""
    return NAMES.get(opcode) or f"opcode_{opcode:#04x}"


def pairs(body: bytes) -> tuple[tuple[int, bytes], ...]:
    """Handles and values of a multiple notification, as far as they are whole."""
    found = []
    at = 0
    while at + 4 <= len(body):
        handle, length = struct.unpack_from("<2H", body, at)
        if at + 4 + length > len(body):
            break
        found.append((handle, body[at + 4 : at + 4 + length]))
        at += 4 + length
    return tuple(found)


@lru_cache(maxsize=1024)
def uuid_text(raw: bytes) -> str | None:
    """2, 4 or 16 bytes as on the wire to the lower-case 128-bit form; None for another size."""
    if len(raw) in (2, 4):
        return f"{int.from_bytes(raw, 'little'):08x}-0000-1000-8000-00805f9b34fb"
    if len(raw) != 16:
        return None
    digits = raw[::-1].hex()
    return "-".join(
        (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]),
    )
