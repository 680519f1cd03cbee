"""HCI packets for a link of which only values and UUIDs are known.

A radio behind BlueZ shows neither handles nor packets, but every tool for Bluetooth captures wants
them. So the device's attributes are laid out in the order of their UUIDs, a discovery tells a
reader which handle is which, and every value travels in the PDU that must have carried it. What is
made up: connection and attribute handles, connection parameters, the type of the address, the
discovery, confirmations, and that values travel in packets of their own size.

Source: Bluetooth Core, Vol 3 Part A (3.1), Vol 3 Part F (3.4), Vol 3 Part G (3, 4), Vol 4 Part A
(2) and Part E (5.4, 7.7).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, assert_never

from gatewayd.core.recording import Passage, Step
from gatewayd.trace import att
from gatewayd.trace.gatt import DEFAULT_MTU
from protocols.session import LinkFacts, Property

CONNECTION_HANDLE: Final = 0x0040
COMMENT: Final = (
    "Recorded above the Bluetooth stack: values and times are real; handles, discovery and"
    " connection parameters are made up to carry them"
)

_COMMAND_HEADER_BYTES: Final = 3
_INTERVAL, _LATENCY, _TIMEOUT = 24, 0, 72
"""30 ms and 720 ms, in the units of the event; a reader needs some."""

_CLOSED_BY_US: Final = 0x16
_UNSPECIFIED: Final = 0x1F
"""Reasons for a disconnection. Why a link was lost is not known here."""

_PRIMARY_SERVICE: Final = 0x2800
_CHARACTERISTIC: Final = 0x2803
_CONFIGURATION: Final = 0x2902
_NOT_FOUND: Final = 0x0A
_LAST_HANDLE: Final = 0xFFFF
_SHORT_TAIL: Final = "-0000-1000-8000-00805f9b34fb"
_PROPERTY_BITS: Final = {
    Property.READ: 0x02,
    Property.WRITE_WITHOUT_RESPONSE: 0x04,
    Property.WRITE: 0x08,
    Property.NOTIFY: 0x10,
    Property.INDICATE: 0x20,
}


class Packet(NamedTuple):
    """An HCI packet behind its type byte. `received`: the controller sent it."""

    received: bool
    h4: bytes


@dataclass(frozen=True, slots=True)
class _Characteristic:
    uuid: str
    properties: int
    declaration: int
    value: int
    configuration: int | None


@dataclass(frozen=True, slots=True)
class _Service:
    uuid: str | None
    """None for a group of characteristics whose service is not known."""

    first: int
    last: int
    characteristics: tuple[_Characteristic, ...]


class Synthesis:
    """One link as HCI. What is asked of a characteristic that the device lacks was never sent, and
    gives no packet."""

    def __init__(self, facts: LinkFacts) -> None:
        self._facts = facts
        self._mtu = max(DEFAULT_MTU, facts.write_size + _COMMAND_HEADER_BYTES)
        self._services = _layout(facts)
        self._found = {item.uuid: item for each in self._services for item in each.characteristics}

    def opening(self) -> Iterator[Packet]:
        """The connection, and the discovery that tells the handles."""
        yield _connected(self._facts.address)
        yield _asked(struct.pack("<BH", att.MTU_REQUEST, self._mtu))
        yield _told(struct.pack("<BH", att.MTU_RESPONSE, self._mtu))
        yield from self._discover_services()
        for service in self._services:
            yield from self._discover_characteristics(service)
            for item in service.characteristics:
                if item.configuration is not None:
                    yield from _find_configuration(item.configuration)

    def step(self, step: Step) -> Iterator[Packet]:
        """What passed."""
        item = self._found.get(step.characteristic)
        if item is None:
            return
        handle = item.value
        match step.passage:
            case Passage.NOTIFICATION:
                yield _told(_with_value(att.NOTIFICATION, handle, step.data))
            case Passage.INDICATION:
                yield _told(_with_value(att.INDICATION, handle, step.data))
                yield _asked(bytes((att.CONFIRMATION,)))
            case Passage.WRITE_COMMAND:
                yield _asked(_with_value(att.WRITE_COMMAND, handle, step.data))
            case Passage.WRITE:
                if step.answered:
                    yield _told(bytes((att.WRITE_RESPONSE,)))
                else:
                    yield _asked(_with_value(att.WRITE_REQUEST, handle, step.data))
            case Passage.READ:
                if step.answered:
                    yield from self._read(handle, step.data)
                else:
                    yield _asked(struct.pack("<BH", att.READ_REQUEST, handle))
            case Passage.SUBSCRIBE:
                yield from _subscribe(item, answered=step.answered)
            case _:
                assert_never(step.passage)

    @staticmethod
    def closing(*, lost: bool) -> Packet:
        """The connection's end."""
        reason = _UNSPECIFIED if lost else _CLOSED_BY_US
        return Packet(
            received=True, h4=b"\x04\x05\x04\x00" + struct.pack("<HB", CONNECTION_HANDLE, reason)
        )

    # --- inside -------------------------------------------------------------------------------

    def _read(self, handle: int, data: bytes) -> Iterator[Packet]:
        """A value that fills a response may go on, so its reader asks for more."""
        room = self._mtu - 1
        yield _told(bytes((att.READ_RESPONSE,)) + data[:room])
        for at in range(room, len(data) + 1, room):
            yield _asked(struct.pack("<B2H", att.READ_BLOB_REQUEST, handle, at))
            yield _told(bytes((att.READ_BLOB_RESPONSE,)) + data[at : at + room])

    def _discover_services(self) -> Iterator[Packet]:
        entries = [
            (service.first, struct.pack("<2H", service.first, service.last) + _wire(service.uuid))
            for service in self._services
            if service.uuid is not None
        ]
        last = {service.first: service.last for service in self._services}
        opcodes = att.READ_BY_GROUP_TYPE_REQUEST, att.READ_BY_GROUP_TYPE_RESPONSE
        yield from self._discover(opcodes, _PRIMARY_SERVICE, entries, last, 1, _LAST_HANDLE)

    def _discover_characteristics(self, service: _Service) -> Iterator[Packet]:
        entries = [
            (
                item.declaration,
                struct.pack("<HBH", item.declaration, item.properties, item.value)
                + _wire(item.uuid),
            )
            for item in service.characteristics
        ]
        opcodes = att.READ_BY_TYPE_REQUEST, att.READ_BY_TYPE_RESPONSE
        last = {item.declaration: item.declaration for item in service.characteristics}
        yield from self._discover(
            opcodes, _CHARACTERISTIC, entries, last, service.first, service.last
        )

    def _discover(
        self,
        opcodes: tuple[int, int],
        kind: int,
        entries: list[tuple[int, bytes]],
        last: dict[int, int],
        start: int,
        end: int,
    ) -> Iterator[Packet]:
        """Ask for what is of a kind until the device has no more. One response holds entries of
        one size."""
        request, response = opcodes
        waiting = list(entries)
        while start <= end:
            yield _asked(struct.pack("<B3H", request, start, end, kind))
            if not waiting:
                yield _told(struct.pack("<2BHB", att.ERROR, request, start, _NOT_FOUND))
                return
            size = len(waiting[0][1])
            taken: list[bytes] = []
            while (
                waiting and len(waiting[0][1]) == size and (len(taken) + 1) * size <= self._mtu - 2
            ):
                handle, entry = waiting.pop(0)
                taken.append(entry)
                start = last[handle] + 1
            yield _told(bytes((response, size)) + b"".join(taken))


# --- attributes -------------------------------------------------------------------------------


def _layout(facts: LinkFacts) -> tuple[_Service, ...]:
    """Handles for everything, in the order of UUIDs, from 1 on."""
    members: dict[str | None, list[str]] = {uuid: [] for uuid in sorted(facts.services)}
    for uuid in sorted(facts.characteristics):
        service = facts.service_of.get(uuid)
        members.setdefault(service if service in members else None, []).append(uuid)
    services = []
    free = 1
    for service, uuids in members.items():
        first = free
        free += service is not None
        found = []
        for uuid in uuids:
            allowed = facts.characteristics[uuid]
            pushes = bool(allowed & (Property.NOTIFY | Property.INDICATE))
            found.append(
                _Characteristic(uuid, _bits(allowed), free, free + 1, free + 2 if pushes else None)
            )
            free += 3 if pushes else 2
        services.append(_Service(service, first, free - 1, tuple(found)))
    return tuple(services)


def _bits(allowed: Property) -> int:
    return sum(bit for name, bit in _PROPERTY_BITS.items() if allowed & name)


def _wire(uuid: str) -> bytes:
    """2 bytes where the UUID is a short one, else 16."""
    if uuid.startswith("0000") and uuid.endswith(_SHORT_TAIL):
        return bytes.fromhex(uuid[4:8])[::-1]
    return bytes.fromhex(uuid.replace("-", ""))[::-1]


def _find_configuration(handle: int) -> Iterator[Packet]:
    yield _asked(struct.pack("<B2H", att.FIND_INFORMATION_REQUEST, handle, handle))
    yield _told(struct.pack("<2B2H", att.FIND_INFORMATION_RESPONSE, 1, handle, _CONFIGURATION))


def _subscribe(item: _Characteristic, *, answered: bool) -> Iterator[Packet]:
    if item.configuration is None:
        return
    if answered:
        yield _told(bytes((att.WRITE_RESPONSE,)))
        return
    bits = 1 if item.properties & _PROPERTY_BITS[Property.NOTIFY] else 2
    yield _asked(_with_value(att.WRITE_REQUEST, item.configuration, struct.pack("<H", bits)))


# --- packets ----------------------------------------------------------------------------------


def _with_value(opcode: int, handle: int, data: bytes) -> bytes:
    return struct.pack("<BH", opcode, handle) + data


def _asked(pdu: bytes) -> Packet:
    return Packet(received=False, h4=_acl(pdu, 0))


def _told(pdu: bytes) -> Packet:
    return Packet(received=True, h4=_acl(pdu, 2))


def _acl(pdu: bytes, boundary: int) -> bytes:
    """A whole PDU on the channel of attributes. Hosts begin with boundary 0, controllers with 2."""
    head = CONNECTION_HANDLE | boundary << 12
    return struct.pack("<B4H", 2, head, len(pdu) + 4, len(pdu), 4) + pdu


def _connected(address: str) -> Packet:
    raw = bytes.fromhex(address.replace(":", ""))
    # what a random static address begins with (Vol 6 Part B, 1.3.2.1)
    is_random = raw[0] >= 0xC0
    body = struct.pack("<2BH2B", 0x01, 0, CONNECTION_HANDLE, 0, is_random) + raw[::-1]
    body += struct.pack("<3HB", _INTERVAL, _LATENCY, _TIMEOUT, 0)
    return Packet(received=True, h4=bytes((0x04, 0x3E, len(body))) + body)
