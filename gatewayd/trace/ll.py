"""LE on air: connections, directions, fragments, repeats. Source: Bluetooth Core, Vol 6 Part B 2.

"Us" is the central. What follows the start of encryption is not decoded, unless the sniffer says
that it has decrypted it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from gatewayd.trace.connection import Connection, OddityKind, Role, Sink, take_fragment
from gatewayd.trace.hci import display_address
from gatewayd.trace.record import LinkType, Record

ADVERTISING_ADDRESS: Final = 0x8E89BED6
MAX_CONNECTIONS: Final = 256
CRC_BYTES: Final = 3

_CONNECT: Final = 5
_CONNECT_BYTES: Final = 34
_TERMINATE, _START_ENCRYPTION, _PAUSE_RESPONSE = 0x02, 0x05, 0x0B
_NRF_PACKET: Final = frozenset({0x02, 0x06})
_CLIENT_OPCODES: Final = frozenset(
    {0x02, 0x04, 0x06, 0x08, 0x0A, 0x0C, 0x0E, 0x10, 0x12, 0x16, 0x18, 0x1E, 0x20, 0x52, 0xD2}
)


class _Frame(NamedTuple):
    """A packet on air. `from_central` None: not known. `checked`: its check value was right."""

    address: int
    pdu: bytes
    crc: bytes
    from_central: bool | None = None
    checked: bool = False
    decrypted: bool = False


@dataclass(slots=True)
class _Link:
    connection: Connection
    crc_init: int | None = None
    encrypted: bool = False
    told: bool = False
    last_from_central: bytes = b""
    last_from_peripheral: bytes = b""


class AirFollower:
    """Follows every connection that a sniffer heard."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._links: dict[tuple[int, int], _Link] = {}
        self._unwrap: dict[LinkType, Callable[[bytes], _Frame | None]] = {
            LinkType.LE_LL: _bare,
            LinkType.LE_LL_PHDR: _with_phdr,
            LinkType.NRF: _from_nrf,
        }
        self.undecoded = 0
        """Packets that hold data but are encrypted."""

    def feed(self, record: Record) -> None:
        """Take the next packet; whatever it holds, nothing is raised."""
        frame = self._unwrap[record.link](record.data)
        if frame is None:
            return
        if record.cut:
            self._sink.oddity(None, OddityKind.CUT, "packet on air", record.at_ns)
        elif frame.address == ADVERTISING_ADDRESS:
            if frame.pdu[0] & 0x0F == _CONNECT and len(frame.pdu) >= 2 + _CONNECT_BYTES:
                self._connected(record, frame)
        else:
            self._data(record, frame)

    def close(self, at_ns: int | None) -> None:
        """The trace is over, and so are all its connections."""
        for link in tuple(self._links.values()):
            self._sink.closed(link.connection, at_ns)
        self._links.clear()

    def _connected(self, record: Record, frame: _Frame) -> None:
        if not _is_sound(frame, 0x555555):
            self._damaged(None, record)
            return
        head, body = frame.pdu[0], frame.pdu[2:]
        address = int.from_bytes(body[12:16], "little")
        connection = Connection(
            record.source,
            address,
            address=display_address(body[6:12]),
            address_type="random" if head & 0x80 else "public",
            role=Role.CENTRAL,
            began_ns=record.at_ns,
            on_air=True,
        )
        link = _Link(connection, int.from_bytes(body[16:19], "little"))
        self._sink.opened(
            self._add((record.source, address), link, record).connection, record.at_ns
        )

    def _add(self, key: tuple[int, int], link: _Link, record: Record) -> _Link:
        before = self._links.pop(key, None)
        if before is None and len(self._links) >= MAX_CONNECTIONS:
            before = self._links.pop(next(iter(self._links)))
        if before is not None:
            self._sink.closed(before.connection, record.at_ns)
        self._links[key] = link
        return link

    def _data(self, record: Record, frame: _Frame) -> None:
        key = (record.source, frame.address)
        link = self._links.get(key)
        if link is None:
            link = _Link(Connection(record.source, frame.address, on_air=True))
            self._add(key, link, record)
        if link.crc_init is not None and not _is_sound(frame, link.crc_init):
            self._damaged(link.connection, record)
            return
        head = frame.pdu[0]
        body = frame.pdu[3:] if head & 0x20 else frame.pdu[2:]
        kind = head & 3
        if not body or kind == 0:
            return
        if link.encrypted and not frame.decrypted:
            self.undecoded += 1
            if not link.told:
                link.told = True
                what = "encrypted from here on, and not decoded"
                self._sink.oddity(link.connection, OddityKind.ENCRYPTED, what, record.at_ns)
            return
        if kind == 3:
            self._control(key, link, body, record)
        elif not self._is_repeat(link, frame, from_central := _direction(link, kind, frame, body)):
            self._fragment(link, kind, body, record, from_central=from_central)

    def _control(self, key: tuple[int, int], link: _Link, body: bytes, record: Record) -> None:
        if body[0] == _TERMINATE:
            self._links.pop(key, None)
            self._sink.closed(link.connection, record.at_ns)
        elif body[0] == _START_ENCRYPTION:
            link.encrypted = True
        elif body[0] == _PAUSE_RESPONSE:
            link.encrypted = link.told = False

    def _is_repeat(self, link: _Link, frame: _Frame, from_central: object) -> bool:
        """The same sequence bit and the same bytes again: the other side had not heard them."""
        mark = bytes((frame.pdu[0] & 0x0B,)) + frame.pdu[1:]
        if from_central:
            repeated, link.last_from_central = mark == link.last_from_central, mark
        else:
            repeated, link.last_from_peripheral = mark == link.last_from_peripheral, mark
        return repeated

    def _fragment(
        self, link: _Link, kind: int, body: bytes, record: Record, *, from_central: bool
    ) -> None:
        take_fragment(
            self._sink,
            link.connection,
            body,
            record.at_ns,
            begins=kind != 1,
            from_peer=not from_central,
        )

    def _damaged(self, connection: Connection | None, record: Record) -> None:
        self._sink.oddity(
            connection, OddityKind.BAD_CHECK_VALUE, "packet damaged on air", record.at_ns
        )


def _bare(data: bytes, start: int = 0) -> _Frame | None:
    """From the access address on; None when the length contradicts the header."""
    if len(data) < start + 6 + CRC_BYTES:
        return None
    # a byte of direction-finding information stands between header and content
    extra = 1 if data[start + 4] & 0x20 and data[start : start + 4] != _ADVERTISING else 0
    end = start + 6 + data[start + 5] + extra
    if len(data) < end + CRC_BYTES:
        return None
    address = int.from_bytes(data[start : start + 4], "little")
    return _Frame(address, data[start + 4 : end], data[end : end + CRC_BYTES])


_ADVERTISING: Final = ADVERTISING_ADDRESS.to_bytes(4, "little")


def _with_phdr(data: bytes) -> _Frame | None:
    frame = _bare(data, 10)
    if frame is None:
        return None
    flags = data[8] | data[9] << 8
    if flags & 0x0400 and not flags & 0x0800:
        return None
    return frame._replace(
        from_central={2: True, 3: False}.get(flags >> 7 & 7),
        checked=bool(flags & 0x0400),
        decrypted=bool(flags & 0x0008),
    )


def _from_nrf(data: bytes) -> _Frame | None:
    """Board, six bytes of header, ten of reception; direction and states in one byte of flags."""
    if len(data) < 17 or data[6] not in _NRF_PACKET or not data[8] & 1:
        return None
    frame = _bare(data, 17)
    if frame is None:
        return None
    flags = data[8]
    if frame.address == ADVERTISING_ADDRESS:
        return frame._replace(checked=True)
    return frame._replace(
        from_central=bool(flags & 2), checked=True, decrypted=flags & 0x0C == 0x0C
    )


def _direction(link: _Link, kind: int, frame: _Frame, body: bytes) -> bool:
    """Whether the central sent it. When the sniffer does not say, the content does: centrals are
    the clients of wearables, and what continues belongs to the direction that waits for it."""
    if frame.from_central is not None:
        return frame.from_central
    if kind == 1:
        return link.connection.from_us.is_open and not link.connection.from_peer.is_open
    return len(body) > 4 and body[4] in _CLIENT_OPCODES


def _is_sound(frame: _Frame, init: int) -> bool:
    return frame.checked or crc24(frame.pdu, init) == int.from_bytes(frame.crc, "little")


def crc24(pdu: bytes, init: int) -> int:
    """The check value of a packet on air, in the order of its bytes (Vol 6 Part B, 3.1.1)."""
    table = _crc24_table()
    crc = int(f"{init:024b}"[::-1], 2)
    for byte in pdu:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


@cache
def _crc24_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xDA6000 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)
