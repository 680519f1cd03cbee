"""Connections, directions and fragments of HCI traces."""

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.trace import hci
from gatewayd.trace.outcome import AnomalySeen, AttSeen, ConnectionSeen
from tests.unit.trace import writers as w
from tests.unit.trace.conversation import (
    NOTIFY,
    answered,
    asked,
    command,
    connection,
    discovery,
    notification,
)
from tests.unit.trace.feeding import of, pdus, summary, told

TRACE = 1002


def h4(*items: tuple[bool, bytes]) -> bytes:
    return w.btsnoop(w.as_h4(w.timed(items)), TRACE)


@pytest.mark.parametrize("subevent", [0x01, 0x0A, 0x29])
@pytest.mark.parametrize(("role", "word"), [(0, "central"), (1, "peripheral")])
def test_every_kind_of_connection_event_is_understood(subevent: int, role: int, word: str) -> None:
    made = w.connected("C0:FF:EE:00:00:02", subevent=subevent, role=role)
    (seen,) = of(ConnectionSeen, told(h4(made, w.disconnected())))
    assert seen.connection.address == "C0:FF:EE:00:00:02"
    assert seen.connection.address_type == "random"
    assert seen.connection.role == word


def test_a_handle_that_is_used_again_is_another_connection() -> None:
    first = connection(*discovery(), *answered(notification(0x14, b"1")))
    second = connection(*answered(notification(0x14, b"2")), address="C0:FF:EE:00:00:09")
    seen = pdus([*first, *second])
    assert [s.connection.number for s in seen[-2:]] == [1, 2]
    # what was learnt of one device says nothing about another
    assert [s.uuid for s in seen[-2:]] == [NOTIFY, None]


def test_a_handle_is_used_again_although_its_end_was_not_captured() -> None:
    items = [*connection(*answered(notification(0x14, b"1")))[:-1], *connection()]
    assert summary(told(h4(*items))).connections == 2


def test_a_device_is_remembered_for_its_next_connection() -> None:
    seen = pdus(
        [
            *connection(*discovery()),
            *connection(*answered(notification(0x14, b"2"), handle=0x41), handle=0x41),
        ]
    )
    assert (seen[-1].connection.number, seen[-1].uuid) == (2, NOTIFY)


def test_a_trace_may_begin_in_the_middle_of_a_connection() -> None:
    outcomes = told(h4(*answered(notification(0x14, b"x"))), with_att=True)
    (seen,) = of(AttSeen, outcomes)
    assert (seen.handle, seen.uuid, seen.connection.address) == (0x14, None, None)


@given(size=st.integers(1, 300), length=st.integers(0, 600), received=st.booleans())
def test_fragments_of_any_size_make_the_same_pdu(size: int, length: int, received: bool) -> None:
    pdu = notification(0x14, bytes(n & 0xFF for n in range(length)))
    (seen,) = pdus(w.acl(pdu, received=received, size=size))
    assert (seen.value, seen.from_peer) == (pdu[3:], received)


@given(st.data(), st.booleans())
def test_fragments_of_both_directions_and_two_connections_may_be_mixed(
    data: st.DataObject, apart: bool
) -> None:
    queues = [
        w.acl(notification(0x14, b"a" * 90), received=True, handle=1, size=27),
        w.acl(command(0x12, b"b" * 90), received=False, handle=3 if apart else 1, size=27),
        w.acl(notification(0x14, b"c" * 90), received=True, handle=2, size=27),
    ]
    mixed = []
    while any(queues):
        mixed.append(data.draw(st.sampled_from([q for q in queues if q])).pop(0))
    seen = pdus(mixed)
    assert sorted(s.value for s in seen) == [b"a" * 90, b"b" * 90, b"c" * 90]
    if not apart:
        return
    # pcap 187 does not tell directions, but first fragments do
    bare = told(w.pcap(w.bare(w.timed(mixed)), 187), with_att=True, specs=())
    assert {(s.from_peer, s.value) for s in of(AttSeen, bare)} == {
        (s.from_peer, s.value) for s in seen
    }


def test_other_channels_are_passed_over_even_when_they_look_like_attributes() -> None:
    items = [
        *w.acl(notification(0x14, b"x" * 50), received=True, channel=6, size=20),
        *w.acl(notification(0x14, b"y"), received=True),
    ]
    assert [s.value for s in pdus(items)] == [b"y"]


def test_vendor_logs_under_a_handle_of_their_own_are_no_attributes() -> None:
    items = [
        *w.acl(notification(1, b"log"), received=True, handle=hci.VENDOR_LOG_HANDLE),
        *w.acl(notification(1, b"x"), received=True, handle=1),
    ]
    assert [s.value for s in pdus(items)] == [b"x"]


def test_a_reset_ends_every_connection_of_that_adapter() -> None:
    reset = (True, b"\x04\x0e\x04\x01\x03\x0c\x00")
    items = [w.connected(), reset, *answered(notification(0x14, b"x"))]
    outcomes = told(h4(*items), with_att=True)
    assert [s.connection.address for s in of(AttSeen, outcomes)] == [None]


def test_adapters_of_a_monitor_trace_do_not_share_handles() -> None:
    ((_, packet),) = answered(notification(0x14, b"x"))
    records = [(0, adapter << 16 | 5, packet[1:]) for adapter in (0, 1)]
    assert summary(told(w.btsnoop(records, 2001))).connections == 2


def test_an_unfinished_pdu_is_reported_and_does_not_spoil_the_next() -> None:
    begun = answered(notification(0x14, b"x" * 100), size=27)[:2]
    outcomes = told(h4(*begun, *answered(notification(0x14, b"y"))), with_att=True)
    assert [s.value for s in of(AttSeen, outcomes)] == [b"y"]
    assert [s.kind for s in of(AnomalySeen, outcomes)] == ["incomplete"]


def test_a_packet_that_the_capture_cut_is_reported() -> None:
    ((_, packet),) = answered(notification(0x14, b"secret"))
    head = pack(">IIIIQ", len(packet), len(packet) - 2, 1, 0, w.EPOCH_US + w.START_US)
    outcomes = told(w.btsnoop([], TRACE) + head + packet[:-2], with_att=True)
    assert [s.kind for s in of(AnomalySeen, outcomes)] == ["cut"]
    assert of(AttSeen, outcomes) == []


def test_connections_that_never_end_are_bounded() -> None:
    items = [w.connected(handle=handle) for handle in range(hci.MAX_CONNECTIONS + 50)]
    follower_limit = summary(told(h4(*items)))
    assert follower_limit.connections == hci.MAX_CONNECTIONS + 50


def test_a_peripherals_own_trace_has_us_as_the_server() -> None:
    items = [
        w.connected(role=1),
        *answered(b"\x10" + pack("<3H", 1, 0xFFFF, 0x2800)),
        *asked(b"\x11\x06" + pack("<3H", 0x10, 0x1F, 0x180F)),
        *answered(b"\x08" + pack("<3H", 0x10, 0x1F, 0x2803)),
        *asked(b"\x09\x07" + pack("<HBHH", 0x11, 0x10, 0x12, 0x2A19)),
        *asked(notification(0x12, b"\x50")),
    ]
    last = pdus(items)[-1]
    assert (last.from_peer, last.uuid) == (False, "00002a19-0000-1000-8000-00805f9b34fb")
