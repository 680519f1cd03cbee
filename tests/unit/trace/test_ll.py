"""Connections on air: directions, repeats, encryption."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.trace import ll
from gatewayd.trace.outcome import AnomalySeen, AttSeen, ConnectionSeen
from tests.unit.trace import writers as w
from tests.unit.trace.conversation import (
    answered,
    asked,
    command,
    connection,
    discovery,
    notification,
)
from tests.unit.trace.feeding import of, summary, told

ADDRESS = "C0:FF:EE:00:00:01"
START_ENCRYPTION, PAUSE_RESPONSE, TERMINATE = b"\x05", b"\x0b", b"\x02\x13"


def packets(*items: tuple[bool, bytes]) -> list[w.Air]:
    return w.on_air(w.timed(connection(*items)), ADDRESS)


def control(body: bytes, *, from_central: bool = False) -> w.Air:
    return w.Air(w.START_US, from_central, w.data_pdu(3, body, 0))


def test_the_peripheral_is_the_device() -> None:
    (seen,) = of(ConnectionSeen, told(w.pcap(w.air_bare(packets()), 251)))
    assert (seen.connection.address, seen.connection.address_type) == (ADDRESS, "random")
    assert seen.connection.on_air


@pytest.mark.parametrize("size", [27, 5, 1, 251])
def test_fragments_on_air_of_any_size_make_the_same_pdu(size: int) -> None:
    items = connection(*asked(command(0x12, b"c" * 90)), *answered(notification(0x14, b"n" * 90)))
    heard = w.on_air(w.timed(items), ADDRESS, size=size)
    seen = of(AttSeen, told(w.pcap(w.air_phdr(heard), 256), with_att=True))
    assert [(s.from_peer, s.value) for s in seen] == [(False, b"c" * 90), (True, b"n" * 90)]


def test_a_packet_that_was_sent_again_counts_once() -> None:
    heard = packets(*answered(notification(0x14, b"1")), *answered(notification(0x14, b"1")))
    doubled = [heard[0], heard[1], heard[1], heard[1], heard[2], heard[2]]
    assert summary(told(w.pcap(w.air_phdr(doubled), 256))).att_pdus == 2


def test_encrypted_packets_are_counted_and_not_decoded() -> None:
    heard = packets(*discovery(), *answered(notification(0x14, b"x")), *answered(b"\x1bnoise"))
    heard.insert(-2, control(START_ENCRYPTION))
    outcomes = told(w.pcap(w.air_phdr(heard), 256), with_att=True)
    assert [s.kind for s in of(AnomalySeen, outcomes)] == ["encrypted"]
    assert summary(outcomes).encrypted == 2
    assert summary(outcomes).att_pdus == 10


def test_what_the_sniffer_decrypted_is_decoded() -> None:
    heard = [control(START_ENCRYPTION), *packets(*answered(notification(0x14, b"x")))]
    heard[0], heard[1] = heard[1], heard[0]
    outcomes = told(w.pcap(w.air_phdr(heard, decrypted=True), 256), with_att=True)
    assert [s.value for s in of(AttSeen, outcomes)] == [b"x"]


def test_a_pause_of_encryption_is_read_again() -> None:
    heard = packets(*answered(notification(0x14, b"x")))
    heard[1:1] = [control(START_ENCRYPTION), control(PAUSE_RESPONSE)]
    # the pause itself travels encrypted, and shows only where the sniffer decrypts
    outcomes = told(w.pcap(w.air_phdr(heard, decrypted=True), 256), with_att=True)
    assert [s.value for s in of(AttSeen, outcomes)] == [b"x"]


def test_a_terminated_connection_gives_its_access_address_back() -> None:
    heard = [*packets(*answered(notification(0x14, b"x"))), control(TERMINATE), *packets()]
    assert summary(told(w.pcap(w.air_phdr(heard), 256))).connections == 2


def test_a_sniffer_may_come_late() -> None:
    heard = packets(*answered(notification(0x14, b"x")))[1:]
    outcomes = told(w.pcap(w.air_phdr(heard), 256), with_att=True)
    assert [(s.value, s.connection.address) for s in of(AttSeen, outcomes)] == [(b"x", None)]


@given(st.integers(0, 10**6))
def test_a_damaged_packet_is_noticed_by_its_check_value(seed: int) -> None:
    heard = packets(*answered(notification(0x14, b"payload")))
    data = bytearray(heard[1].data)
    bit = 8 * 6 + seed % (8 * (len(data) - 6))
    data[bit // 8] ^= 1 << bit % 8
    heard[1] = heard[1]._replace(data=bytes(data))
    outcomes = told(w.pcap(w.air_bare(heard), 251), with_att=True)
    assert of(AttSeen, outcomes) == []
    assert [s.kind for s in of(AnomalySeen, outcomes)] == ["bad_check_value"]


@given(st.binary(max_size=60), st.integers(0, 0xFFFFFF))
def test_the_check_value_is_that_of_a_shift_register(pdu: bytes, init: int) -> None:
    assert ll.crc24(pdu, init).to_bytes(3, "little") == w.crc24(pdu, init)


def test_connections_on_air_are_bounded() -> None:
    count = ll.MAX_CONNECTIONS + 10
    heard = [
        w.Air(0, False, (number * 7919).to_bytes(4, "little") + w.data_pdu(2, b"\0" * 5, 0)[4:])
        for number in range(1, count)
    ]
    follower = ll.AirFollower(Quiet())
    from gatewayd.trace.record import LinkType, Record

    for packet in heard:
        follower.feed(Record(None, LinkType.LE_LL, -1, 0, packet.data))
    assert len(follower._links) == ll.MAX_CONNECTIONS


class Quiet:
    def opened(self, *_: object) -> None:
        """Takes no notice."""

    def att(self, *_: object, from_peer: bool) -> None:
        """Takes no notice."""

    def closed(self, *_: object) -> None:
        """Takes no notice."""

    def oddity(self, *_: object) -> None:
        """Takes no notice."""
