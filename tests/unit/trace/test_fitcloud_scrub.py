"""What a scrubbed conversation still says, and what it says no more."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codec import crc16_arc
from protocols.fitcloud import commands as c
from protocols.fitcloud.cipher import Cipher
from protocols.fitcloud.frame import Packet, encode_frame, encode_packet
from protocols.fitcloud.scrub import _HARMLESS, MAX_HELD, FitCloudScrubber
from protocols.model.time import DeviceTime, Moment
from protocols.observer import Said
from protocols.testing.virtual_watch import Faults
from tests.unit.fitcloud.delivery import FACTS, USER
from tests.unit.trace.test_fitcloud_observer import Overheard, Told, conversation
from tests.unit.trace.test_fitcloud_observer import Said as Heard

SECRET = b"\xc3Anna Schmidt\xc3"


def scrubbed(said: Iterable[Said], address: str | None = FACTS.address) -> list[Said]:
    scrubber = FitCloudScrubber()
    scrubber.opened(address)
    found = []
    for item in said:
        assert scrubber.take(item)
        while (ready := scrubber.next_said()) is not None:
            found.append(ready)
    scrubber.close()
    while (ready := scrubber.next_said()) is not None:
        found.append(ready)
    return found


def at(seconds: float) -> Moment:
    return Moment(seconds, DeviceTime(int(seconds)))


def spoken(watch: Overheard) -> list[Said]:
    return [
        Said(to_watch, c.WRITE if to_watch else c.NOTIFY, data, at(at_s))
        for to_watch, data, at_s in watch.said
    ]


def frames(
    messages: Sequence[Packet], *, to_watch: bool = True, size: int = 20, first: int = 1
) -> list[Said]:
    found = []
    for number, message in enumerate(messages, first):
        frame = encode_frame(encode_packet(message), number)
        uuid = c.WRITE if to_watch else c.NOTIFY
        found += [
            Said(to_watch, uuid, frame[n : n + size], at(100.0)) for n in range(0, len(frame), size)
        ]
    return found


def content(said: Iterable[Said]) -> bytes:
    return b"".join(item.data for item in said)


@pytest.mark.parametrize(
    "faults", [None, Faults(wrong_crc=frozenset({6})), Faults(empty_groups=True)]
)
def test_a_scrubbed_conversation_gives_the_same_readings(faults: Faults | None) -> None:
    watch = Overheard(faults)
    duet = conversation(watch)
    before = spoken(watch)
    after = scrubbed(before)
    assert [(s[0], s[1], len(s.data), s.at) for s in after] == [
        (s[0], s[1], len(s.data), s.at) for s in before
    ]
    told = Told().hear(Heard(s.to_device, s.data, s.at.seconds) for s in after).end()
    assert told.readings == Told().hear(watch.said).end().readings
    assert set(told.readings) == set(duet.readings)
    assert USER.encode() in content(before)
    assert USER.encode() not in content(after)


def test_scrubbing_again_changes_nothing() -> None:
    watch = Overheard(Faults(wrong_crc=frozenset({6}), stalled=frozenset({9})))
    conversation(watch)
    once = scrubbed(spoken(watch))
    assert scrubbed(once) == once


TEXT_KEYS = sorted(
    {(command, key) for command in c.COMMANDS for key in range(256)}
    - _HARMLESS
    - {c.CONFIGURATION_REPLY, c.ITEM_DATA}
)


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from(TEXT_KEYS), st.binary(max_size=40)), min_size=1
    ),
    st.integers(9, 60),
)
def test_no_text_survives_under_any_key_that_may_hold_one(
    messages: list[tuple[bool, tuple[int, int], bytes]], size: int
) -> None:
    said: list[Said] = []
    for number, (to_watch, key, padding) in enumerate(messages, 1):
        message = c.packet(key, padding + SECRET + padding)
        said += frames([message], to_watch=to_watch, size=size, first=number)
    after = scrubbed(said)
    assert SECRET not in b"".join(s.data for s in after if s.to_device)
    assert SECRET not in b"".join(s.data for s in after if not s.to_device)
    assert b"Anna" not in content(after)
    assert scrubbed(after) == after


@given(st.binary(min_size=1, max_size=32))
def test_no_user_id_survives(user_id: bytes) -> None:
    value = user_id.ljust(32, b"\0") + b"\x04" + SECRET
    after = scrubbed(frames([c.packet(c.BIND, value), c.packet(c.LOGIN, value[:32])]))
    masked = bytes(0x78 if byte else 0 for byte in value[:32])
    payload = content(after)
    assert payload.count(masked) >= 2
    assert SECRET not in payload


@pytest.mark.parametrize(("item", "survives"), [(3, True), (10, False), (99, False)])
def test_of_items_only_places_and_what_is_not_known_are_taken_out(
    item: int, survives: bool
) -> None:
    said = [
        *frames([c.packet(c.ITEM_REQUEST, bytes((item,)))]),
        *frames([c.packet(c.ITEM_START), c.packet(c.ITEM_DATA, SECRET)], to_watch=False),
    ]
    after = scrubbed(said)
    assert (SECRET in b"".join(s.data for s in after[-2:])) is survives
    assert scrubbed(after) == after


def test_data_of_an_item_that_nobody_asked_for_are_taken_out() -> None:
    after = scrubbed(frames([c.packet(c.ITEM_DATA, SECRET)], to_watch=False, size=200))
    assert SECRET not in content(after)


def test_the_serial_number_and_the_owners_settings_are_taken_out_of_the_configuration() -> None:
    info = bytes(range(1, 39))
    block = bytes((0x11, 38)) + info + bytes((0x24, len(SECRET))) + SECRET + b"\xc9\x03\x02\x00\x09"
    said = frames([c.packet(c.CONFIGURATION_REPLY, block)], to_watch=False, size=200)
    (after,) = scrubbed(said)
    assert info[:28] in after.data
    assert info[28:32] not in after.data
    assert SECRET not in after.data
    assert after.data.endswith(b"\xc9\x03\x02\x00\x09")


def test_check_values_are_right() -> None:
    (after,) = scrubbed(frames([c.packet((4, 9), SECRET)], size=200))
    assert int.from_bytes(after.data[4:6], "big") == crc16_arc(after.data[8:])
    assert after.data[8:13] == encode_packet(c.packet((4, 9), SECRET))[:5]


def test_encrypted_frames_come_out_in_clear_and_scrubbed() -> None:
    cipher = Cipher(USER, FACTS.address)
    payload = encode_packet(c.packet((4, 9), SECRET))
    frame = encode_frame(payload, 2, body=cipher.encrypt(payload, 2, 188), encrypted=True)
    login = frames([c.packet(c.LOGIN, USER.encode().ljust(32, b"\0"))], size=200)
    after = scrubbed([*login, Said(True, c.WRITE, frame, at(100.0))])
    assert after[-1].data == scrubbed(frames([c.packet((4, 9), SECRET)], size=200, first=2))[0].data
    unknown = scrubbed([*login, Said(True, c.WRITE, frame, at(100.0))], address=None)
    assert not any(unknown[-1].data)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=20))
def test_what_is_no_frame_is_blanked(noise: list[tuple[bool, bytes]]) -> None:
    said = [
        Said(to_watch, c.WRITE if to_watch else c.NOTIFY, b"\x01" + data, at(n * 20.0))
        for n, (to_watch, data) in enumerate(noise)
    ]
    after = scrubbed(said)
    assert not any(content(after))
    assert [len(s.data) for s in after] == [len(s.data) for s in said]


def test_samples_of_an_ecg_are_kept() -> None:
    said = [
        *frames([c.packet(c.ITEM_REQUEST, b"\x07")]),
        *frames([c.packet(c.ITEM_START)], to_watch=False),
        Said(False, c.NOTIFY, b"\x01\x02" * 20, at(100.0)),
        *frames([c.packet(c.ITEM_END, bytes(4))], to_watch=False, first=2),
        *frames([c.packet((2, 0xBE), SECRET)], to_watch=False, first=3),
    ]
    after = scrubbed(said)
    assert b"\x01\x02" * 20 in content(after)
    assert SECRET not in b"".join(s.data for s in after if not s.to_device)
    assert scrubbed(after) == after


def test_values_that_wait_are_bounded() -> None:
    scrubber = FitCloudScrubber()
    scrubber.opened(None)
    start = b"\xab\x00\x03\xff" + bytes(4)
    scrubber.take(Said(True, c.WRITE, start, at(100.0)))
    for _ in range(2 * MAX_HELD):
        scrubber.take(Said(False, c.NOTIFY, b"\x00", at(100.0)))
    assert len(scrubber._held) <= 2 * MAX_HELD + 1
    assert scrubber.next_said() is not None


def test_other_characteristics_are_left_out() -> None:
    scrubber = FitCloudScrubber()
    assert not scrubber.take(Said(False, "00002a00-0000-1000-8000-00805f9b34fb", b"x", at(1)))
    assert not scrubber.take(Said(True, c.NOTIFY, b"x", at(1)))
