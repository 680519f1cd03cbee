"""The watch's frame layer and every fault of section 13.9, with hand-written bytes."""

# ruff: noqa: DTZ001 - a watch knows no time zone

from dataclasses import replace
from datetime import datetime

import pytest

from protocols.testing.virtual_watch import (
    RICH,
    WRITE_UUID,
    Drop,
    Faults,
    History,
    Impostor,
    Notify,
    VirtualWatch,
    build_history,
)
from tests.unit.testing.virtual_watch_host import USER, Host, ack, frame

LOGIN = bytes.fromhex("0300130020") + USER
NOW = datetime(2026, 3, 12, 21, 30)


@pytest.fixture(scope="module")
def history() -> History:
    return build_history(NOW, profile=RICH)


def watch_with(history: History, faults: Faults, **options: object) -> VirtualWatch:
    return VirtualWatch(history, profile=RICH, bound_user="me", faults=faults, **options)


def host_with(history: History, faults: Faults = Faults(), **options: object) -> Host:  # noqa: B008
    return Host(watch_with(history, faults, **options))


# --- the healthy link ----------------------------------------------------------------------------


def test_a_frame_cut_anywhere_is_put_together(history: History) -> None:
    whole = frame(LOGIN, 1)
    for cut in range(8, len(whole)):
        host = host_with(history)
        host.write(whole[:cut])
        assert host.drain() == []
        host.write(whole[cut:])
        assert host.drain() == [bytes.fromhex("030014000100")]
    host = host_with(history)
    for at in range(0, len(whole), 20):
        host.write(whole[at : at + 20])
    assert host.drain() == [bytes.fromhex("030014000100")]


def test_a_wrong_check_value_and_too_many_bytes_are_refused(history: History) -> None:
    host = host_with(history)
    host.write(frame(LOGIN, 5)[:-1] + b"\x01")
    host.write(frame(LOGIN, 6) + b"\x00")
    host.write(b"\xab\x00\x04\x01\x00\x00\x00\x07")  # 1025 bytes
    host.drain()
    assert host.nacked == [5, 6, 7]
    host.write(frame(LOGIN, 8))
    assert host.drain() == [bytes.fromhex("030014000100")]


def test_a_stalled_host_is_refused_after_ten_seconds(history: History) -> None:
    host = host_with(history)
    host.write(frame(LOGIN, 5)[:20])
    assert host.watch.deadline() == 10.0
    host.watch.tick(9.9)
    host.watch.tick(10.0)
    host.drain()
    assert host.nacked == [5]
    assert host.watch.deadline() is None


def test_garbage_is_ignored(history: History) -> None:
    host = host_with(history)
    for data in (b"", b"\xab\x00", b"\xbc" * 20, b"\xab\x10\x00\x05\xc1\x7d\x00\x04\x05\x00"):
        host.write(data)
    assert host.drain() == []
    assert host.notified == []


def test_a_frame_goes_three_times_three_seconds_apart_and_is_then_given_up(
    history: History,
) -> None:
    host = host_with(history)
    host.acknowledges = lambda _sequence: False
    host.write(frame(LOGIN, 1))
    host.drain()
    times = []
    while (at := host.watch.deadline()) is not None:
        times.append(at)
        host.watch.tick(at)
        host.drain()
    assert times == [3.0, 6.0, 9.0]
    assert [sequence for sequence, _ in host.frames] == [1, 1, 1]


def test_a_refusal_repeats_at_once_but_not_for_ever(history: History) -> None:
    host = host_with(history)
    host.acknowledges = lambda _sequence: False
    host.write(frame(LOGIN, 1))
    host.drain()
    for transmissions in (2, 3, 3):
        host.write(ack(1, error=True))
        host.drain()
        assert len(host.frames) == transmissions


def test_one_frame_is_outstanding_and_sequences_count_from_one_on_every_connection(
    history: History,
) -> None:
    watch = watch_with(history, Faults())
    for now in (0.0, 100.0):
        host = Host(watch, now=now)
        host.login()
        host.acknowledges = lambda _sequence: False
        host.send(2, 0x1B)
        host.send(2, 0x20)
        assert [sequence for sequence, _ in host.frames] == [1, 2]
        host.write(ack(7))  # somebody else's
        assert host.drain() == []
        host.acknowledges = lambda _sequence: True
        host.write(ack(2))
        (payload,) = host.drain()
        assert payload[2] == 0x21
        watch.disconnected(now + 1)


@pytest.mark.parametrize("mtu", [23, 247, 515])
@pytest.mark.parametrize("header_alone", [True, False])
def test_two_frames_never_share_a_notification(
    history: History, mtu: int, header_alone: bool
) -> None:
    host = Host(
        VirtualWatch(history, profile=RICH, bound_user="me", header_alone=header_alone), mtu=mtu
    )
    host.login()
    host.item(1)
    sizes, missing = [], 0
    for data in host.notified:
        if missing == 0:
            missing = int.from_bytes(data[2:4], "big") + 8
            sizes.append(len(data))
        missing -= len(data)
        assert missing >= 0
    assert missing == 0
    assert (set(sizes) == {8}) is header_alone


def test_a_retransmitted_host_frame_is_acknowledged_again_and_not_acted_on(
    history: History,
) -> None:
    for acts in (False, True):
        host = host_with(history, Faults(acts_on_duplicates=acts))
        host.login()
        battery = frame(bytes.fromhex("02001b0000"), 2)
        host.write(battery)
        host.write(battery)
        assert len(host.drain()) == 1 + acts
        assert host.acked == [1, 2, 2]


# --- faults --------------------------------------------------------------------------------------


def test_a_lost_ack_is_lost_once_although_the_frame_was_acted_on(history: History) -> None:
    host = host_with(history, Faults(unacknowledged=frozenset({2})))
    host.login()
    assert len(host.send(2, 0x1B)) == 1
    assert host.acked == [1]
    host.write(frame(bytes.fromhex("02001b0000"), 2))
    assert host.drain() == []
    assert host.acked == [1, 2]


def test_a_refused_frame_is_not_acted_on(history: History) -> None:
    host = host_with(history, Faults(refused=frozenset({1})))
    assert host.login() == []
    assert host.nacked == [1]
    host.write(frame(LOGIN, 1))
    assert len(host.drain()) == 1


@pytest.mark.parametrize(
    ("fault", "copies", "waited_s"),
    [("deaf", 2, 3.0), ("repeated", 2, 0.0), ("wrong_crc", 1, 0.0), ("oversized", 1, 0.0)],
)
def test_a_frame_fault_happens_once_and_the_transfer_is_whole(
    history: History, fault: str, copies: int, waited_s: float
) -> None:
    host = host_with(history, replace(Faults(), **{fault: frozenset({4})}))
    host.login()
    data, size, count = host.item(1)
    assert data == history.blocks[1].data
    assert size == count == len(data)
    assert host.now == waited_s
    assert [sequence for sequence, _ in host.frames].count(4) == copies
    assert len(host.bad) == (fault == "wrong_crc")


def test_a_stalled_frame_comes_again_after_more_than_ten_seconds(history: History) -> None:
    host = host_with(history, Faults(stalled=frozenset({3})))
    host.login()
    host.send(5, 0x01, b"\x01")
    assert host.collecting
    host.write(ack(3, error=True))  # what a host says after its ten seconds: too early
    assert host.drain() == []
    assert host.watch.deadline() == 12.0
    host.wait()
    assert b"".join(p[5:] for _, p in host.frames if p[2] == 0x30) == history.blocks[1].data


def test_the_link_is_lost_in_the_middle_of_a_frame_and_nothing_is_deleted(
    history: History,
) -> None:
    watch = watch_with(history, Faults(drop_at=frozenset({5})))
    host = Host(watch)
    host.login()
    host.item(1)
    assert host.dropped
    assert host.collecting
    assert watch.deadline() is None
    host.write(frame(bytes.fromhex("05002000010000"), 9))
    assert host.drain() == []
    again = Host(watch, now=10.0)
    again.login()
    assert again.item(1)[0] == history.blocks[1].data
    assert watch.erased == ()


@pytest.mark.parametrize("fault", ["drop_before_end", "drop_before_result"])
def test_the_link_is_lost_around_the_end_of_an_item(history: History, fault: str) -> None:
    watch = watch_with(history, replace(Faults(), **{fault: frozenset({2})}))
    host = Host(watch)
    host.login()
    host.item(1)
    host.send(5, 0x20, b"\x00")
    _, _, count = host.item(3)
    assert host.dropped
    assert (count is None) is (fault == "drop_before_end")
    host.send(5, 0x20, b"\x00")
    assert [erased.kind for erased in watch.erased] == [1]
    again = Host(watch, now=20.0)
    again.login()
    assert again.item(3)[0] == history.blocks[3].data


def test_a_wrong_count_is_told_once(history: History) -> None:
    host = host_with(history, Faults(wrong_count=frozenset({1})))
    host.login()
    data, size, count = host.item(4)
    assert count == len(data) + 1 == (size or 0) + 1
    host.send(5, 0x20, b"\x01")
    assert host.watch.erased == ()
    assert host.item(4)[2] == len(data)


def test_events_come_in_the_middle_of_an_item(history: History) -> None:
    host = host_with(history, Faults(interrupted=frozenset({1})))
    host.login()
    data, _, count = host.item(1)
    assert (data, count) == (history.blocks[1].data, len(data))
    keys = [(payload[0], payload[2]) for _, payload in host.frames]
    assert keys[1] == (5, 0x07)
    assert keys[-1] == (5, 0x08)
    assert {(2, 0xCA), (2, 0x1C)} <= set(keys[2:-1])


def test_records_straddle_frames_of_odd_sizes(history: History) -> None:
    host = host_with(history, Faults(data_sizes=(7, 1, 13), chunk_bytes=9))
    host.login()
    assert host.item(4)[0] == history.blocks[4].data
    values = [len(payload) - 5 for _, payload in host.frames if payload[2] == 0x30]
    assert values[:6] == [7, 1, 13, 7, 1, 13]
    assert max(len(data) for data in host.notified) == 9


def test_what_is_held_can_be_odd_and_is_still_deleted_whole(history: History) -> None:
    faults = Faults(empty_groups=True, future_dated=True, truncated_tail=True)
    watch = watch_with(history, faults)
    host = Host(watch)
    host.login()
    for kind in (1, 3, 4, 18):
        data, size, _ = host.item(kind)
        plain = history.blocks[kind].data
        assert data[8 : 8 + len(plain)] == plain
        assert data[:2] == b"\x00\x00" == data[8 + len(plain) :][:2]
        tail = data[16 + len(plain) :]
        assert tail[2:4] == bytes.fromhex("346e")  # 2026-03-14
        item = {1: 6}.get(kind, 1)
        assert int.from_bytes(tail[8 + item :][:2], "big") * item > len(tail) - 16 - item
        assert size == len(data)
        host.send(5, 0x20, b"\x00")
        assert watch.erased[-1].data == plain
        assert host.item(kind)[0] == b""


def test_an_impostor_is_silent_or_speaks_another_language(history: History) -> None:
    host = host_with(history, Faults(impostor=Impostor.SILENT))
    assert host.login() == []
    assert host.notified == []

    host = host_with(history, Faults(impostor=Impostor.OTHER_COMMANDS))
    (payload,) = host.login()
    assert payload[0] == 0x0A
    assert host.acked == [1]

    watch = watch_with(history, Faults(impostor=Impostor.OTHER_MAGIC))
    watch.connected(247, 0.0)
    watch.subscribed()
    watch.written(WRITE_UUID, frame(LOGIN, 1), 0.0)
    effects = [watch.next_effect(), watch.next_effect()]
    assert all(isinstance(effect, Notify) for effect in effects)
    assert effects[1].data[0] == 0xBC


def test_a_seeded_schedule_is_the_same_everywhere_and_survivable(history: History) -> None:
    faults = Faults().seeded(7, frames=400, one_in=5)
    assert faults == Faults().seeded(7, frames=400, one_in=5)
    assert faults != Faults().seeded(8, frames=400, one_in=5)
    assert len(faults.deaf | faults.wrong_crc | faults.repeated | faults.oversized) > 20
    # the host's own frames are repeated by its protocol, which is not under test here
    faults = replace(faults, refused=frozenset(), unacknowledged=frozenset())
    host = host_with(history, faults)
    host.ask(3, 0x13, USER)
    for kind, block in history.blocks.items():
        data, size, count = host.item(kind)
        assert (data, size, count) == (block.data, len(data), len(data))
        host.ask(5, 0x20, b"\x00")
    assert host.watch.total_bytes == 0


def test_nothing_follows_a_drop(history: History) -> None:
    watch = watch_with(history, Faults(drop_at=frozenset({1})))
    watch.connected(247, 0.0)
    watch.subscribed()
    watch.written(WRITE_UUID, frame(LOGIN, 1), 0.0)
    effects = []
    while (effect := watch.next_effect()) is not None:
        effects.append(effect)
    assert effects[-1] == Drop()
    watch.set_battery(3, 1.0)
    assert watch.next_effect() is None
