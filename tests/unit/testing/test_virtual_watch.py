"""What the virtual watch must do, asked with bytes written by hand. Source: spec section 13."""

# ruff: noqa: DTZ001 - a watch knows no time zone

import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from protocols.testing.virtual_watch import (
    MODERN,
    NOTIFY_UUID,
    PLAIN,
    RICH,
    SERVICE_UUID,
    WRITE_UUID,
    Advertisement,
    BindAnswer,
    Confirmation,
    Entry,
    EraseReason,
    Faults,
    History,
    VirtualWatch,
    WatchProfile,
    build_history,
)
from tests.unit.testing.virtual_watch_host import USER, Host, ack, frame

NOW = datetime(2026, 3, 12, 21, 30)
MANDATORY = [0x11, 0x14, 0x17, 0x1A, 0x24, 0x27, 0x2A, 0x30, 0x2D]


@pytest.fixture(scope="module")
def history() -> History:
    return build_history(NOW, profile=RICH)


@pytest.fixture
def watch(history: History) -> VirtualWatch:
    return VirtualWatch(history, bound_user="me")


@pytest.fixture
def host(watch: VirtualWatch) -> Host:
    host = Host(watch)
    assert host.login() == [bytes.fromhex("03 00 14 0001 00")]
    return host


def test_it_never_imports_the_protocol_that_it_tests() -> None:
    code = (
        "import sys, datetime; from protocols.testing.virtual_watch import *;"
        "VirtualWatch(build_history(datetime.datetime(2026, 3, 12)));"
        "sys.exit(any(name.startswith('protocols.fitcloud') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_login_frame_written_by_hand_is_acknowledged_and_answered(watch: VirtualWatch) -> None:
    watch.connected(247, 0.0)
    watch.subscribed()
    # 02/1B, sequence 1: bytes of the golden vector session-send-ok
    watch.written(WRITE_UUID, bytes.fromhex("ab000005c709000102001b0000"), 0.1)
    assert watch.next_effect().data == bytes.fromhex("ab10000000000001")
    assert watch.next_effect() is None  # a stranger is acknowledged and told nothing
    watch.written(WRITE_UUID, frame(bytes.fromhex("0300130020") + USER, 2), 0.2)
    assert watch.next_effect().data == bytes.fromhex("ab10000000000002")
    assert watch.next_effect().data == frame(bytes.fromhex("030014000100"), 1)[:8]
    assert watch.next_effect().data == bytes.fromhex("030014000100")
    assert watch.next_effect() is None
    assert watch.deadline() == pytest.approx(3.2)


def test_another_user_and_an_unbound_watch_are_answered_with_1(history: History) -> None:
    for bound in (None, "you"):
        assert Host(VirtualWatch(history, bound_user=bound)).login() == [
            bytes.fromhex("030014000101")
        ]
    refusing = VirtualWatch(history, bound_user="me", faults=Faults(login_refused=True))
    assert Host(refusing).login() == [bytes.fromhex("030014000101")]


@pytest.mark.parametrize("answer", list(BindAnswer))
def test_binding_waits_for_the_wearer_and_only_a_confirmation_binds(
    history: History, answer: BindAnswer
) -> None:
    watch = VirtualWatch(history, confirmation=Confirmation(answer, delay_s=7.0))
    host = Host(watch)
    assert host.send(3, 0x11, USER) == []
    assert watch.deadline() == 7.0
    watch.tick(6.9)
    assert host.drain() == []
    host.now = 7.0
    watch.tick(7.0)
    assert host.drain() == [bytes.fromhex("0300120001") + bytes((answer,))]
    assert watch.bound_user == ("me" if answer is BindAnswer.CONFIRMED else None)


def test_a_wearer_may_answer_by_hand_and_a_lost_link_withdraws_the_question(
    history: History,
) -> None:
    watch = VirtualWatch(history, confirmation=Confirmation(delay_s=None))
    host = Host(watch)
    assert host.ask(3, 0x11, USER) == []
    watch.disconnected(1.0)
    watch.answer_binding(BindAnswer.CONFIRMED, 2.0)
    assert watch.bound_user is None
    host = Host(watch, now=3.0)
    host.send(3, 0x11, USER)
    watch.answer_binding(BindAnswer.CONFIRMED, 4.0)
    assert host.drain() == [bytes.fromhex("030012000100")]
    assert watch.bound_user == "me"


def test_binding_by_somebody_else_and_unbinding_lose_what_is_held(history: History) -> None:
    watch = VirtualWatch(history, bound_user="you")
    assert Host(watch).send(3, 0x11, USER) == [bytes.fromhex("030012000100")]
    assert watch.total_bytes == 0
    assert {erased.reason for erased in watch.erased} == {EraseReason.REBOUND}

    watch = VirtualWatch(history, bound_user="me")
    host = Host(watch)
    assert host.send(3, 0x15) == [bytes.fromhex("030016000101")]  # a stranger may not
    host.login()
    assert host.send(3, 0x15) == [bytes.fromhex("030016000100")]
    assert watch.bound_user is None
    assert {erased.reason for erased in watch.erased} == {EraseReason.UNBOUND}


@pytest.mark.parametrize("key", [0x50, 0x05, 0x01, 0x39, 0x3A, 0x86, 0xE7, 0x77])
def test_some_keys_are_only_acknowledged(host: Host, key: int) -> None:
    assert host.ask(2, key, bytes(4)) == []
    assert host.acked[-1] == host.sequence


def test_unknown_commands_are_acknowledged_and_met_with_silence(host: Host) -> None:
    assert host.ask(9, 0x09) == []
    assert host.ask(5, 0x50) == []
    assert host.acked == [1, 2, 3]


def test_it_remembers_times_and_every_key_in_order(host: Host, watch: VirtualWatch) -> None:
    host.send(2, 0x01, bytes.fromhex("526400c1"))  # capture: 2020-09-18 00:03:01
    host.send(2, 0x50, bytes.fromhex("00000007"))
    assert watch.times_set == [datetime(2020, 9, 18, 0, 3, 1)]
    assert [(heard.command, heard.key) for heard in watch.log] == [(3, 0x13), (2, 1), (2, 0x50)]
    assert watch.log[2].value == bytes.fromhex("00000007")


def entries(block: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at < len(block):
        found[block[at]] = block[at + 2 : at + 2 + block[at + 1]]
        at += 2 + block[at + 1]
    return found


def test_the_configuration_has_the_nine_mandatory_entries_first_and_tells_the_features(
    host: Host,
) -> None:
    (payload,) = host.send(2, 0x20)
    assert payload[:3] == b"\x02\x00\x21"
    assert int.from_bytes(payload[3:5], "big") == len(payload) - 5
    found = entries(payload[5:])
    assert list(found)[:9] == MANDATORY
    assert 0xC9 in found
    info = found[0x11]
    assert len(info) >= 38

    def raw(feature: int) -> bool:
        if feature < 32:
            byte = info[9 - feature // 8]
        elif feature < 304:
            byte = info[37 - (feature - 256) // 8]
        else:
            byte = info[39 + (feature - 512) // 8]
        return bool(byte >> feature % 8 & 1)

    for feature in (0, 6, 9, 22, 259, 268, 522, 523, 530, 537, 540, 546, 588):
        assert raw(feature), feature
    for feature in (1, 2, 5, 10, 13, 18, 23, 24, 256, 294, 539, 552, 558, 582, 594, 604):
        assert not raw(feature), feature


def test_a_plain_watch_has_an_all_zero_feature_block() -> None:
    watch = VirtualWatch(build_history(NOW, profile=PLAIN), profile=PLAIN, bound_user="me")
    host = Host(watch)
    host.login()
    info = entries(host.send(2, 0x20)[0][5:])[0x11]
    assert info == bytes(38)
    assert set(watch.held) == {1, 2}


def test_a_written_setting_is_read_back(host: Host) -> None:
    host.send(2, 0x22, bytes.fromhex("000000059f"))
    assert entries(host.send(2, 0x20)[0][5:])[0x24] == bytes.fromhex("000000059f")
    assert host.send(2, 0x03) == [bytes.fromhex("0200040000")]
    host.send(2, 0x02, bytes.fromhex("056542108080"))
    assert host.send(2, 0x03) == [bytes.fromhex("0200040006056542108080")]


def test_private_reads_are_answered(host: Host, history: History) -> None:
    assert host.send(2, 0x1B) == [bytes.fromhex("02001c0003005050")]
    assert host.send(2, 0x37) == [bytes.fromhex("020038000400000000")]
    (totals,) = host.send(5, 0x21)
    assert totals[:5] == bytes.fromhex("050022001e")
    (day,) = history.day_totals.entries
    assert int.from_bytes(totals[5:9], "big") == day.value > 0
    (resting,) = host.send(2, 0xE1)
    assert resting[5:] == history.resting_heart_rate.data
    assert len(resting[5:]) == 5 * len(history.resting_heart_rate.entries) == 35
    assert host.ask(8, 0x94) == []  # feature 594 is not there


def test_firmware_versions_and_daily_hrv_are_told_only_with_their_feature(
    history: History,
) -> None:
    profile = WatchProfile(MODERN.features | {552, 594})
    host = Host(VirtualWatch(history, profile=profile, bound_user="me"))
    host.login()
    assert host.send(2, 0xE7) == [bytes.fromhex("0200e80006 010400000064")]
    (hrv,) = host.send(8, 0x94)
    assert hrv[2] == 0x95
    assert (len(hrv) - 6) % hrv[5] == 0


# --- item sync -----------------------------------------------------------------------------------


def test_the_total_is_the_sum_of_what_is_held(host: Host, history: History) -> None:
    (payload,) = host.send(5, 0x05)
    assert payload[:5] == bytes.fromhex("0500060004")
    expected = sum(len(block.data) for block in history.blocks.values())
    assert int.from_bytes(payload[5:], "big") == expected > 10_000


def test_every_type_is_sent_whole_and_deleted_only_by_05_20_00(
    host: Host, watch: VirtualWatch, history: History
) -> None:
    for kind, block in history.blocks.items():
        data, size, count = host.item(kind)
        assert (data, size, count) == (block.data, len(block.data), len(block.data))
        assert watch.erased[-1:] == () or watch.erased[-1].kind != kind  # not before the result
        host.now += 1
        host.send(5, 0x20, b"\x00")
        erased = watch.erased[-1]
        assert (erased.kind, erased.data, erased.at_s) == (kind, block.data, host.now)
        assert erased.entries == block.entries
        assert erased.reason is EraseReason.CONFIRMED
    assert host.send(5, 0x05) == [bytes.fromhex("050006000400000000")]
    assert [entry.kind for entry in watch.entries][-1] == "day_totals"


def test_a_type_without_data_is_an_empty_transfer(host: Host, watch: VirtualWatch) -> None:
    assert host.item(132) == (b"", 0, 0)
    host.send(5, 0x20, b"\x00")
    assert watch.erased == ()


def test_05_20_01_keeps_the_block_and_it_is_sent_again(host: Host, watch: VirtualWatch) -> None:
    first = host.item(3)
    host.send(5, 0x20, b"\x01")
    assert host.item(3) == first
    host.send(5, 0x20)  # no status at all is no confirmation
    assert watch.erased == ()


def test_a_lost_link_keeps_the_block_and_a_late_confirmation_deletes_nothing(
    watch: VirtualWatch,
) -> None:
    host = Host(watch)
    host.login()
    first = host.item(1)
    watch.disconnected(host.now)
    host = Host(watch, now=host.now + 5)
    host.login()
    host.send(5, 0x20, b"\x00")
    assert watch.erased == ()
    assert host.item(1) == first


def test_a_confirmation_before_the_end_deletes_nothing(watch: VirtualWatch) -> None:
    host = Host(watch)
    host.login()
    host.acknowledges = lambda sequence: sequence < 3  # the second data frame stays unanswered
    host.send(5, 0x01, b"\x01")
    host.send(5, 0x20, b"\x00")
    assert watch.erased == ()


def test_a_second_confirmation_deletes_nothing_more(host: Host, watch: VirtualWatch) -> None:
    host.item(3)
    host.send(5, 0x20, b"\x00")
    watch.add_heart_rate(NOW, 71)
    host.send(5, 0x20, b"\x00")
    assert len(watch.erased) == 1
    assert watch.held[3].entries == (Entry("heart_rate", NOW, 71),)


def test_records_added_during_a_transfer_survive_its_deletion(
    host: Host, watch: VirtualWatch
) -> None:
    first, _, _ = host.item(3)
    watch.add_heart_rate(datetime(2026, 3, 12, 21, 35), 77)
    host.send(5, 0x20, b"\x00")
    assert watch.erased[-1].data == first
    record = bytes.fromhex("0001 346c 050f 0005 4d")  # 2026-03-12, minute 1295
    assert watch.held[3].data == record
    assert host.item(3)[0] == record


def test_a_transfer_starts_anew_when_another_is_asked_for(
    host: Host, watch: VirtualWatch, history: History
) -> None:
    host.acknowledges = lambda sequence: sequence < 4
    host.send(5, 0x01, b"\x10")
    host.acknowledges = lambda _sequence: True
    assert host.item(4)[0].endswith(history.blocks[4].data)
    host.send(5, 0x20, b"\x00")
    assert [erased.kind for erased in watch.erased] == [4]


# --- events --------------------------------------------------------------------------------------


def test_events_are_pushed_to_a_host_that_logged_in(host: Host, watch: VirtualWatch) -> None:
    watch.set_battery(41, 1.0, charging=True)
    assert host.drain() == [bytes.fromhex("0200ca0005 0103012929")]
    assert host.send(2, 0x1B) == [bytes.fromhex("02001c0003012929")]
    at = datetime(2025, 5, 1, 1, 2, 3)
    watch.measure_heart_rate(at, 90, 1.0)  # the golden vector message-08-02-ca
    assert host.drain() == [bytes.fromhex("0200ca0007 0405654210835a")]
    assert watch.held[131].data.endswith(bytes.fromhex("654210835a"))
    held = len(watch.held[16].entries)
    watch.finish_workout(NOW - timedelta(hours=1), 1.0)
    assert host.drain() == [bytes.fromhex("0200ca00020200")]
    assert len(watch.held[16].entries) == held + 1
    watch.ask_for_time(1.0)
    assert host.drain() == [bytes.fromhex("0800260000")]


def test_events_are_not_kept_for_a_host_that_is_not_there(watch: VirtualWatch) -> None:
    watch.set_battery(41, 0.0)
    host = Host(watch)
    watch.set_battery(40, 0.0)  # connected, but not logged in
    assert host.drain() == []
    host.login()
    assert host.send(2, 0x1B) == [bytes.fromhex("02001c0003002828")]


# --- over the air --------------------------------------------------------------------------------


def test_gatt_and_advertisement_are_data(watch: VirtualWatch) -> None:
    (service,) = watch.services
    assert service.uuid == SERVICE_UUID == "000001ff-3c17-d293-8e48-14fe2e4da212"
    properties = {item.uuid: item.properties for item in service.characteristics}
    assert properties[NOTIFY_UUID] == {"notify"}
    assert properties[WRITE_UUID] == {"write", "write-without-response"}
    advertisement = Advertisement(address="A1:B2:C3:D4:E5:F6", project_number=0x1234)
    assert advertisement.company_id == 0x5A54
    assert advertisement.manufacturer_data == bytes.fromhex("a1b2c3d4e5f6123401")
    data = advertisement.advertising_data()
    assert len(data) <= 31
    assert data[3:7] == bytes.fromhex("0cff545a")


def test_a_host_that_did_not_subscribe_hears_nothing_until_it_does(watch: VirtualWatch) -> None:
    watch.connected(23, 0.0)
    watch.written(WRITE_UUID, frame(bytes.fromhex("0300130020") + USER, 1), 0.0)
    assert watch.next_effect() is None
    watch.subscribed()
    assert watch.next_effect().data == frame(bytes.fromhex("030014000100"), 1)[:8]


def test_writes_to_other_characteristics_are_nobodys_business(watch: VirtualWatch) -> None:
    host = Host(watch)
    watch.written(NOTIFY_UUID, frame(bytes.fromhex("0200200000"), 1), 0.0)
    assert host.drain() == []
    assert watch.log == []
    watch.written(WRITE_UUID, ack(9), 0.0)
    assert host.drain() == []
