"""Attributes with a memory: which handle is what, and values that travel in parts.

Source: Bluetooth Core, Vol 3 Part F (3.4) and Part G (4). A server answers one request at a time,
so that a response belongs to the last request.
"""

import struct
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from gatewayd.trace import att

MAX_VALUE_BYTES: Final = 65_536
"""Attributes have 512 bytes at most; what claims more is noise, but bounded noise."""

MAX_PREPARED: Final = 64
DEFAULT_MTU: Final = 23

PRIMARY_SERVICE: Final = "00002800-0000-1000-8000-00805f9b34fb"
SECONDARY_SERVICE: Final = "00002801-0000-1000-8000-00805f9b34fb"
CHARACTERISTIC: Final = "00002803-0000-1000-8000-00805f9b34fb"
_SERVICES: Final = frozenset({PRIMARY_SERVICE, SECONDARY_SERVICE})


class Operation(StrEnum):
    """How a value travelled."""

    NOTIFICATION = "notification"
    INDICATION = "indication"
    READ = "read"
    WRITE = "write"
    WRITE_COMMAND = "write_command"


TO_DEVICE: Final = frozenset({Operation.WRITE, Operation.WRITE_COMMAND})


class Value(NamedTuple):
    """A whole attribute value that went from or to a server. Our own traces name no handle."""

    operation: Operation
    handle: int | None
    data: bytes


@dataclass(slots=True)
class Database:
    """What is known of one server's attributes. Handles are 16 bits, so it is bounded."""

    uuids: dict[int, str] = field(default_factory=dict)
    """Types of characteristic values and descriptors, by handle."""

    services: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Last handle and UUID of services, by first handle."""


@dataclass(slots=True)
class Server:
    """One side of a connection as a server: its database, and the request that it works on."""

    database: Database
    mtu: int = DEFAULT_MTU
    _request: bytes = b""
    _long: tuple[int, bytearray] | None = None
    _prepared: dict[int, bytearray] = field(default_factory=dict)

    @property
    def requested_handle(self) -> int | None:
        """The handle that the request in hand is about."""
        return att.parse(self._request).handle if self._request else None

    def take(self, pdu: bytes) -> tuple[Value, ...]:
        """A PDU to or from this server; gives the values that it completes. Raises nothing."""
        opcode = pdu[0]
        if opcode == att.NOTIFICATION:
            return _value(Operation.NOTIFICATION, pdu)
        if opcode == att.WRITE_COMMAND:
            return _value(Operation.WRITE_COMMAND, pdu)
        if opcode == att.INDICATION:
            return _value(Operation.INDICATION, pdu)
        if opcode == att.SIGNED_WRITE_COMMAND:
            return _value(Operation.WRITE_COMMAND, pdu)
        if opcode == att.MULTIPLE_NOTIFICATION:
            return tuple(Value(Operation.NOTIFICATION, *pair) for pair in att.pairs(pdu[1:]))
        if opcode == att.CONFIRMATION:
            return ()
        if opcode in att.FROM_CLIENT:
            return self._requested(opcode, pdu)
        return self._answered(opcode, pdu)

    def close(self) -> tuple[Value, ...]:
        """The connection is over: what a long read has brought so far is all there is."""
        self._request = b""
        self._prepared.clear()
        return self._end_long_read()

    # --- requests -----------------------------------------------------------------------------

    def _requested(self, opcode: int, pdu: bytes) -> tuple[Value, ...]:
        ended: tuple[Value, ...] = ()
        if self._long is not None and not self._continues(opcode, pdu):
            ended = self._end_long_read()
        self._request = pdu
        if opcode == att.WRITE_REQUEST:
            return ended + _value(Operation.WRITE, pdu)
        if opcode == att.PREPARE_WRITE_REQUEST and len(pdu) >= 5:
            handle, offset = struct.unpack_from("<2H", pdu, 1)
            self._prepare(handle, offset, pdu[5:])
        elif opcode == att.EXECUTE_WRITE_REQUEST:
            prepared, self._prepared = self._prepared, {}
            if pdu[1:2] == b"\x01":
                return ended + tuple(
                    Value(Operation.WRITE, handle, bytes(data)) for handle, data in prepared.items()
                )
        return ended

    def _prepare(self, handle: int, offset: int, data: bytes) -> None:
        if handle not in self._prepared and len(self._prepared) >= MAX_PREPARED:
            return
        whole = self._prepared.setdefault(handle, bytearray())
        # a part again at its offset replaces what follows: the client has started over
        if offset <= len(whole) and offset + len(data) <= MAX_VALUE_BYTES:
            whole[offset:] = data

    def _continues(self, opcode: int, pdu: bytes) -> bool:
        if opcode != att.READ_BLOB_REQUEST or len(pdu) < 5 or self._long is None:
            return False
        handle, offset = struct.unpack_from("<2H", pdu, 1)
        return (handle, offset) == (self._long[0], len(self._long[1]))

    # --- responses ----------------------------------------------------------------------------

    def _answered(self, opcode: int, pdu: bytes) -> tuple[Value, ...]:
        request, self._request = self._request, b""
        if opcode == att.ERROR:
            return self._end_long_read()
        if not request or request[0] + 1 != opcode:
            return ()
        if opcode == att.MTU_RESPONSE:
            if len(pdu) >= 3 and len(request) >= 3:
                ours, theirs = (int.from_bytes(part[1:3], "little") for part in (request, pdu))
                self.mtu = max(DEFAULT_MTU, min(ours, theirs))
        elif opcode in (att.READ_RESPONSE, att.READ_BLOB_RESPONSE):
            return self._read(opcode, request, pdu[1:])
        else:
            self._learn(opcode, request, pdu)
        return ()

    def _read(self, opcode: int, request: bytes, data: bytes) -> tuple[Value, ...]:
        handle = att.parse(request).handle
        if handle is None:
            return ()
        if opcode == att.READ_RESPONSE:
            self._long = (handle, bytearray(data))
        elif self._long is not None:
            self._long[1].extend(data)
        else:
            return ()
        if len(data) < self.mtu - 1 or len(self._long[1]) > MAX_VALUE_BYTES:
            return self._end_long_read()
        return ()

    def _end_long_read(self) -> tuple[Value, ...]:
        if self._long is None:
            return ()
        handle, data = self._long
        self._long = None
        return (Value(Operation.READ, handle, bytes(data)),)

    # --- discovery ----------------------------------------------------------------------------

    def _learn(self, opcode: int, request: bytes, pdu: bytes) -> None:
        if opcode == att.FIND_INFORMATION_RESPONSE:
            self._learn_types(pdu)
        elif opcode == att.READ_BY_TYPE_RESPONSE:
            self._learn_by_type(att.uuid_text(request[5:]), pdu)
        elif opcode == att.READ_BY_GROUP_TYPE_RESPONSE:
            if att.uuid_text(request[5:]) in _SERVICES:
                for entry in _entries(pdu, 4):
                    first, last = struct.unpack_from("<2H", entry)
                    self._learn_service(first, last, entry[4:])
        elif opcode == att.FIND_BY_TYPE_VALUE_RESPONSE and att.uuid_text(request[5:7]) in _SERVICES:
            for at in range(1, len(pdu) - 3, 4):
                first, last = struct.unpack_from("<2H", pdu, at)
                self._learn_service(first, last, request[7:])

    def _learn_types(self, pdu: bytes) -> None:
        size = {1: 4, 2: 18}.get(pdu[1] if len(pdu) > 1 else 0)
        if size is None:
            return
        for at in range(2, len(pdu) - size + 1, size):
            handle = pdu[at] | pdu[at + 1] << 8
            uuid = att.uuid_text(pdu[at + 2 : at + size])
            if uuid is not None:
                self.database.uuids[handle] = uuid

    def _learn_by_type(self, kind: str | None, pdu: bytes) -> None:
        for entry in _entries(pdu, 2):
            handle = entry[0] | entry[1] << 8
            if kind == CHARACTERISTIC:
                uuid = att.uuid_text(entry[5:])
                if uuid is not None:
                    self.database.uuids[entry[3] | entry[4] << 8] = uuid
            elif kind is not None:
                self.database.uuids[handle] = kind

    def _learn_service(self, first: int, last: int, raw: bytes) -> None:
        uuid = att.uuid_text(raw)
        if uuid is not None:
            self.database.services[first] = (last, uuid)


def _value(operation: Operation, pdu: bytes) -> tuple[Value, ...]:
    if len(pdu) < 3:
        return ()
    data = pdu[3:-12] if pdu[0] == att.SIGNED_WRITE_COMMAND else pdu[3:]
    return (Value(operation, pdu[1] | pdu[2] << 8, data),)


def _entries(pdu: bytes, at_least: int) -> list[bytes]:
    """The equal parts of a response whose second byte is their size."""
    size = pdu[1] if len(pdu) > 1 else 0
    if size < at_least:
        return []
    return [pdu[at : at + size] for at in range(2, len(pdu) - size + 1, size)]
