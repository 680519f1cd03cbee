"""Containers and link types: the same conversation comes out of each of them."""

from collections.abc import Callable
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.trace.outcome import AttSeen, ConnectionSeen
from gatewayd.trace.report import utc_text
from tests.unit.trace import writers as w
from tests.unit.trace.conversation import answered, connection, discovery, notification
from tests.unit.trace.feeding import of, replayed, summary, told

ADDRESS = "C0:FF:EE:00:00:01"
ITEMS = connection(
    *discovery(),
    *answered(notification(0x14, bytes(range(60))), size=27),
    *answered(notification(0x14, b"\xab")),
)
PACKETS = w.timed(ITEMS)
AIR = w.on_air(PACKETS, ADDRESS)

HCI: dict[str, Callable[[], bytes]] = {
    "btsnoop H1": lambda: w.btsnoop(w.as_h1(PACKETS), 1001),
    "btsnoop H4": lambda: w.btsnoop(w.as_h4(PACKETS), 1002),
    "btsnoop monitor": lambda: w.btsnoop(w.as_monitor(PACKETS), 2001),
    "pcap H4": lambda: w.pcap(w.bare(PACKETS), 187),
    "pcap H4 with direction": lambda: w.pcap(w.with_direction(PACKETS), 201),
    "pcap big-endian": lambda: w.pcap(w.with_direction(PACKETS), 201, order=">"),
    "pcap nanoseconds": lambda: w.pcap(w.with_direction(PACKETS), 201, nano=True),
    "pcap big-endian nanoseconds": lambda: w.pcap(
        w.with_direction(PACKETS), 201, order=">", nano=True
    ),
    "pcap monitor": lambda: w.pcap(w.with_opcode(PACKETS), 254),
    "pcapng": lambda: w.pcapng(w.with_direction(PACKETS), 201),
    "pcapng big-endian": lambda: w.pcapng(w.with_direction(PACKETS), 201, order=">"),
    "pcapng H4": lambda: w.pcapng(w.bare(PACKETS), 187),
}
ON_AIR: dict[str, Callable[[], bytes]] = {
    "pcap LE": lambda: w.pcap(w.air_bare(AIR), 251),
    "pcap LE with phdr": lambda: w.pcap(w.air_phdr(AIR), 256),
    "pcap LE with phdr, unchecked": lambda: w.pcap(w.air_phdr(AIR, checked=False), 256),
    "pcapng LE with phdr": lambda: w.pcapng(w.air_phdr(AIR), 256),
    **{
        f"pcap nRF version {n}": lambda n=n: w.pcap(w.air_nrf(AIR, version=n), 272)
        for n in (1, 2, 3)
    },
}
EVERY = HCI | ON_AIR


def spoken(data: bytes) -> list[tuple[bool, str, int | None, str | None, bytes]]:
    seen = of(AttSeen, told(data, with_att=True))
    return [(s.from_peer, s.opcode, s.handle, s.uuid, s.value) for s in seen]


@pytest.mark.parametrize("name", EVERY)
def test_every_container_tells_the_same(name: str) -> None:
    heard = spoken(EVERY[name]())
    assert heard == spoken(HCI["btsnoop H4"]())
    assert len(heard) == 12
    assert heard[-2] == (
        True,
        "handle_value_notification",
        0x14,
        "0000ff03-0000-1000-8000-00805f9b34fb",
        bytes(range(60)),
    )


@pytest.mark.parametrize("name", EVERY)
def test_every_container_keeps_the_time(name: str) -> None:
    outcomes = told(EVERY[name](), with_att=True)
    assert of(ConnectionSeen, outcomes)[0].connection.began_ns == w.START_US * 1000
    last = of(AttSeen, outcomes)[-1].at_ns
    assert last == PACKETS[-2].at_us * 1000
    assert utc_text(w.START_US * 1000) == "2026-02-02T02:40:00.000000Z"


@pytest.mark.parametrize("name", EVERY)
def test_a_file_cut_at_any_byte_gives_what_stands_before_the_cut(name: str) -> None:
    data = EVERY[name]()
    whole, _ = replayed(data, with_att=True)
    everything = [(s.opcode, s.value) for s in of(AttSeen, whole)]
    counts = set()
    for length in range(len(data) + 1):
        outcomes, error = replayed(data[:length], with_att=True)
        heard = [(s.opcode, s.value) for s in of(AttSeen, outcomes)]
        assert heard == everything[: len(heard)]
        if error is not None:
            # of the two interfaces of a pcapng the first one is not Bluetooth
            words = ("ends within", "empty", "no trace", "not Bluetooth")
            assert any(part in error.summary for part in words)
        counts.add(len(heard))
    # only the packet that was cut is missing, never one before it
    assert counts == set(range(len(everything) + 1))


@pytest.mark.parametrize(
    ("exponent", "units_per_s"), [(b"\x06", 10**6), (b"\x03", 10**3), (b"\x94", 2**20)]
)
def test_a_pcapng_interface_has_its_own_clock(exponent: bytes, units_per_s: int) -> None:
    data = w.connected()[1]
    offset = w.option(14, pack("<q", 1_700_000_000))
    trace = (
        w.section()
        + w.interface(187, w.option(9, exponent), offset)
        + w.enhanced(0, 5 * units_per_s, data, w.option(2, pack("<I", 1)))
    )
    (seen,) = of(ConnectionSeen, told(trace))
    assert seen.connection.began_ns == 1_700_000_005 * 10**9


@pytest.mark.parametrize(("bits", "from_peer"), [(1, True), (2, False)])
def test_pcapng_tells_the_direction_in_its_flags(bits: int, from_peer: bool) -> None:
    ((_, h4),) = w.acl(notification(3, b"x"), received=not from_peer)
    flags = w.option(2, pack("<I", bits))
    trace = w.section() + w.interface(187) + w.enhanced(0, 0, h4, flags)
    (seen,) = of(AttSeen, told(trace, with_att=True))
    assert seen.from_peer is from_peer


def test_simple_and_obsolete_pcapng_packets_are_read_too() -> None:
    ((_, h4),) = w.acl(notification(3, b"x"), received=True)
    simple = w.block(3, pack("<I", len(h4)) + h4)
    old = w.block(2, pack("<HHIIII", 0, 9, 0, 0, len(h4), len(h4)) + h4)
    seen = of(AttSeen, told(w.section() + w.interface(187) + simple + old, with_att=True))
    assert [s.value for s in seen] == [b"x", b"x"]
    assert seen[0].at_ns is None


def test_sections_of_both_byte_orders_may_follow_one_another() -> None:
    both = HCI["pcapng"]() + HCI["pcapng big-endian"]()
    assert summary(told(both)).att_pdus == 24


def test_interfaces_of_one_file_do_not_share_connections() -> None:
    ((_, h4),) = w.acl(notification(3, b"x"), received=True)
    trace = w.section() + w.interface(187) + w.interface(187)
    trace += w.enhanced(0, 0, h4) + w.enhanced(1, 0, h4)
    assert summary(told(trace)).connections == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\x1f\x8b\x08" + bytes(40), "gzip"),
        (b"PK\x03\x04" + bytes(40), "zip"),
        (b"\x7fELF" + bytes(60), "no trace"),
        (w.pcap([(0, b"x")], 1), "link type 1,"),
        (w.section() + w.interface(1) + w.enhanced(0, 0, b"x"), "link type 1,"),
        (w.btsnoop([], 1003), "link type 1003"),
        (b"btsnoop\0" + pack(">II", 2, 1002), "version 2"),
        (b"btsnoop\0" + pack(">II", 1, 1002) + b"\xff" * 24, "damaged"),
        (w.pcap([], 187) + b"\xff" * 16, "damaged"),
        (w.section() + b"\x06\0\0\0\x0d\0\0\0" + bytes(9), "damaged"),
        (w.section() + w.enhanced(4, 0, b"x"), "damaged"),
        (w.section()[:8] + bytes(20), "byte order"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(data: bytes, words: str) -> None:
    _, error = replayed(data)
    assert error is not None
    assert words in error.summary
    assert error.exit_code == 65


@given(st.binary(max_size=2000), st.sampled_from(sorted(EVERY)), st.data())
def test_noise_gives_only_our_own_error(noise: bytes, name: str, data: st.DataObject) -> None:
    whole = EVERY[name]()
    at = data.draw(st.integers(0, len(whole)))
    replayed(noise, with_att=True)
    replayed(whole[:at] + noise + whole[at:], with_att=True)
    replayed(whole[:at] + noise[:1] + whole[at + 1 :], with_att=True)
