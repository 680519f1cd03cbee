"""Writes captures of every container and link type, from a list of HCI packets. Independent of the
readers that it tests: nothing of `gatewayd.trace` is used."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

EPOCH_US = 0x00DCDDB30F2F8000
START_US = 1_770_000_000_000_000


class Packet(NamedTuple):
    """An HCI packet behind its type byte; `at_us` since 1970."""

    at_us: int
    received: bool
    h4: bytes


def from_btsnoop(data: bytes) -> list[Packet]:
    """Only H4, as Bumble writes it."""
    at, packets = 16, []
    while at < len(data):
        _, size, flags, _, time = struct.unpack_from(">IIIIQ", data, at)
        h4 = data[at + 24 : at + 24 + size]
        packets.append(Packet(time - EPOCH_US, bool(flags & 1), h4))
        at += 24 + size
    return packets


# --- containers -------------------------------------------------------------------------------


def btsnoop(records: Iterable[tuple[int, int, bytes]], link: int) -> bytes:
    """Records are time, flags and data."""
    parts = [b"btsnoop\0", struct.pack(">II", 1, link)]
    for at_us, flags, data in records:
        head = struct.pack(">IIIIQ", len(data), len(data), flags, 0, at_us + EPOCH_US)
        parts.append(head + data)
    return b"".join(parts)


def pcap(
    records: Iterable[tuple[int, bytes]], link: int, *, order: str = "<", nano: bool = False
) -> bytes:
    magic, unit = (0xA1B23C4D, 1000) if nano else (0xA1B2C3D4, 1)
    parts = [struct.pack(f"{order}IHHIIII", magic, 2, 4, 0, 0, 65535, link)]
    for at_us, data in records:
        second, rest = divmod(at_us, 10**6)
        parts.append(struct.pack(f"{order}4I", second, rest * unit, len(data), len(data)) + data)
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + size + body + size


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}2H", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int, *options: bytes, order: str = "<") -> bytes:
    body = struct.pack(f"{order}HHI", link, 0, 65535) + b"".join(options)
    return block(1, body, order)


def enhanced(number: int, units: int, data: bytes, *options: bytes, order: str = "<") -> bytes:
    head = struct.pack(f"{order}5I", number, units >> 32, units & 0xFFFFFFFF, len(data), len(data))
    return block(6, head + data + bytes(-len(data) % 4) + b"".join(options), order)


def pcapng(records: Sequence[tuple[int, bytes]], link: int, *, order: str = "<") -> bytes:
    """Two interfaces: an Ethernet one that says nothing of use, and ours in nanoseconds."""
    parts = [
        section(order),
        interface(1, order=order),
        interface(link, option(9, b"\x09", order), order=order),
    ]
    for at_us, data in records:
        parts.append(enhanced(0, at_us, b"\xff" * 14, order=order))
        parts.append(enhanced(1, at_us * 1000, data, order=order))
    return b"".join(parts)


# --- link types -------------------------------------------------------------------------------

_MONITOR = {(1, False): 2, (4, True): 3, (2, False): 4, (2, True): 5}


def as_h1(packets: Iterable[Packet]) -> Iterator[tuple[int, int, bytes]]:
    for at_us, received, h4 in packets:
        yield at_us, received | (2 if h4[0] in (1, 4) else 0), h4[1:]


def as_h4(packets: Iterable[Packet]) -> Iterator[tuple[int, int, bytes]]:
    for at_us, received, h4 in packets:
        yield at_us, received | (2 if h4[0] in (1, 4) else 0), h4


def as_monitor(packets: Iterable[Packet]) -> Iterator[tuple[int, int, bytes]]:
    for at_us, received, h4 in packets:
        yield at_us, _MONITOR[h4[0], received], h4[1:]


def with_direction(packets: Iterable[Packet]) -> list[tuple[int, bytes]]:
    """pcap 201."""
    return [(at_us, struct.pack(">I", received) + h4) for at_us, received, h4 in packets]


def with_opcode(packets: Iterable[Packet]) -> list[tuple[int, bytes]]:
    """pcap 254."""
    return [
        (at_us, struct.pack(">2H", 0, _MONITOR[h4[0], received]) + h4[1:])
        for at_us, received, h4 in packets
    ]


def bare(packets: Iterable[Packet]) -> list[tuple[int, bytes]]:
    """pcap 187, where only the first fragments' flags tell the direction, as controllers set them;
    Bumble's does not."""
    found = []
    for at_us, received, h4 in packets:
        if h4[0] == 2 and received and not h4[2] & 0x10:
            h4 = h4[:2] + bytes((h4[2] & 0xCF | 0x20,)) + h4[3:]  # noqa: PLW2901
        found.append((at_us, h4))
    return found


# --- HCI and attributes -----------------------------------------------------------------------


def acl(
    pdu: bytes, *, received: bool, handle: int = 0x40, size: int = 251, channel: int = 4
) -> list[tuple[bool, bytes]]:
    """An L2CAP PDU in fragments of a size, as (received, H4)."""
    whole = struct.pack("<2H", len(pdu), channel) + pdu
    found = []
    for at in range(0, len(whole), size):
        part = whole[at : at + size]
        boundary = 1 if at else 2 if received else 0
        head = struct.pack("<2H", handle | boundary << 12, len(part))
        found.append((received, b"\x02" + head + part))
    return found


def connected(
    address: str = "C0:FF:EE:00:00:01", *, handle: int = 0x40, subevent: int = 1, role: int = 0
) -> tuple[bool, bytes]:
    raw = bytes.fromhex(address.replace(":", ""))[::-1]
    body = struct.pack("<BBHBB", subevent, 0, handle, role, 1) + raw
    if subevent != 1:
        body += bytes(12)
    body += struct.pack("<3HB", 24, 0, 72, 0)
    if subevent == 0x29:
        body += b"\xff\xff\xff"
    return True, b"\x04\x3e" + bytes((len(body),)) + body


def disconnected(handle: int = 0x40) -> tuple[bool, bytes]:
    return True, b"\x04\x05\x04\x00" + struct.pack("<HB", handle, 0x13)


def timed(items: Iterable[tuple[bool, bytes]]) -> list[Packet]:
    """A millisecond apart."""
    return [Packet(START_US + 1000 * n, *item) for n, item in enumerate(items)]


# --- on air -----------------------------------------------------------------------------------

ACCESS = 0x50655DB5
CRC_INIT = 0x123456


class Air(NamedTuple):
    """A packet on air, from the access address to the check value."""

    at_us: int
    from_central: bool
    data: bytes
    advertising: bool = False


def crc24(pdu: bytes, init: int) -> bytes:
    """Bit by bit, in the order of transmission (Core, Vol 6 Part B, 3.1.1)."""
    register = [init >> i & 1 for i in range(24)]
    for byte in pdu:
        for i in range(8):
            feedback = register[23] ^ (byte >> i & 1)
            register = [feedback, *register[:23]]
            for tap in (1, 3, 4, 6, 9, 10):
                register[tap] ^= feedback
    # position 23 is sent first, and bytes are sent from their least significant bit
    sent = register[::-1]
    return bytes(sum(sent[8 * n + i] << i for i in range(8)) for n in range(3))


def connect_ind(address: str) -> bytes:
    raw = bytes.fromhex(address.replace(":", ""))[::-1]
    body = bytes.fromhex("f5f4f3f2f1f0") + raw + struct.pack("<I", ACCESS)
    body += CRC_INIT.to_bytes(3, "little") + bytes.fromhex("020b0018000000480000ffffffff1f05")[:15]
    body = body.ljust(34, b"\0")
    pdu = bytes((0xC5, len(body))) + body
    return struct.pack("<I", 0x8E89BED6) + pdu + crc24(pdu, 0x555555)


def data_pdu(kind: int, body: bytes, sequence: int) -> bytes:
    pdu = bytes((kind | sequence << 3, len(body))) + body
    return struct.pack("<I", ACCESS) + pdu + crc24(pdu, CRC_INIT)


def on_air(packets: Iterable[Packet], address: str, *, size: int = 27) -> list[Air]:
    """The same conversation as a sniffer beside the two would hear it, one connection only."""
    found = [Air(START_US, True, connect_ind(address), advertising=True)]
    sequence = {False: 0, True: 0}
    for at_us, received, h4 in packets:
        if h4[0] != 2:
            continue
        first = (h4[2] >> 4 & 3) != 1
        for at in range(0, len(h4) - 5, size):
            kind = 2 if first and not at else 1
            body = h4[5 + at : 5 + at + size]
            found.append(Air(at_us, not received, data_pdu(kind, body, sequence[received])))
            sequence[received] ^= 1
    return found


def air_bare(packets: Iterable[Air]) -> list[tuple[int, bytes]]:
    """pcap 251."""
    return [(packet.at_us, packet.data) for packet in packets]


def air_phdr(
    packets: Iterable[Air], *, checked: bool = True, decrypted: bool = False
) -> list[tuple[int, bytes]]:
    """pcap 256."""
    found = []
    for packet in packets:
        kind = 0 if packet.advertising else 2 if packet.from_central else 3
        flags = 0x0001 | 0x0010 | kind << 7
        flags |= 0x0C00 if checked else 0
        flags |= 0x0008 if decrypted else 0
        access = struct.unpack_from("<I", packet.data)[0]
        head = struct.pack("<BbbBIH", 5, -50, -90, 0, access, flags)
        found.append((packet.at_us, head + packet.data))
    return found


def air_nrf(packets: Iterable[Air], *, version: int = 2) -> list[tuple[int, bytes]]:
    """pcap 272."""
    found = []
    for number, packet in enumerate(packets):
        flags = 1 | (2 if packet.from_central and not packet.advertising else 0)
        payload = struct.pack("<BBBBHI", 10, flags, 5, 50, 0, 150) + packet.data
        kind = 0x02 if version == 3 and packet.advertising else 0x06
        size = (
            struct.pack("<BB", 6, len(payload)) if version == 1 else struct.pack("<H", len(payload))
        )
        head = b"\x00" + size + struct.pack("<BHB", version, number & 0xFFFF, kind)
        found.append((packet.at_us, head + payload))
    return found
