"""A whole connection to a device with one service, as its attribute PDUs."""

from struct import pack

from tests.unit.trace.writers import acl, connected, disconnected

SERVICE = "000001ff-3c17-d293-8e48-14fe2e4da212"
WRITE = "0000ff02-0000-1000-8000-00805f9b34fb"
NOTIFY = "0000ff03-0000-1000-8000-00805f9b34fb"
BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"
CCCD = "00002902-0000-1000-8000-00805f9b34fb"

Item = tuple[bool, bytes]


def asked(pdu: bytes, **options: int) -> list[Item]:
    """From the host."""
    return acl(pdu, received=False, **options)  # type: ignore[arg-type]


def answered(pdu: bytes, **options: int) -> list[Item]:
    """From the device."""
    return acl(pdu, received=True, **options)  # type: ignore[arg-type]


def wire(uuid: str) -> bytes:
    """16 bytes as on the wire."""
    return bytes.fromhex(uuid.replace("-", ""))[::-1]


def discovery(handle: int = 0x40) -> list[Item]:
    """One service by group type, three characteristics, one descriptor."""
    ask, answer = (lambda p: asked(p, handle=handle)), (lambda p: answered(p, handle=handle))
    characteristics = b"".join(
        pack("<HBHH", *row) for row in ((0x11, 0x0C, 0x12, 0xFF02), (0x13, 0x10, 0x14, 0xFF03))
    )
    return [
        *ask(b"\x02" + pack("<H", 517)),
        *answer(b"\x03" + pack("<H", 185)),
        *ask(b"\x10" + pack("<3H", 1, 0xFFFF, 0x2800)),
        *answer(b"\x11\x14" + pack("<2H", 0x10, 0x1F) + wire(SERVICE)),
        *ask(b"\x10" + pack("<3H", 0x20, 0xFFFF, 0x2800)),
        *answer(b"\x01\x10" + pack("<H", 0x20) + b"\x0a"),
        *ask(b"\x08" + pack("<3H", 0x10, 0x1F, 0x2803)),
        *answer(b"\x09\x07" + characteristics),
        *ask(b"\x04" + pack("<2H", 0x15, 0x1F)),
        *answer(b"\x05\x01" + pack("<2H", 0x15, 0x2902)),
    ]


def connection(*items: Item, handle: int = 0x40, address: str = "C0:FF:EE:00:00:01") -> list[Item]:
    return [connected(address, handle=handle), *items, disconnected(handle)]


def notification(handle: int, value: bytes) -> bytes:
    return b"\x1b" + pack("<H", handle) + value


def command(handle: int, value: bytes) -> bytes:
    return b"\x52" + pack("<H", handle) + value
