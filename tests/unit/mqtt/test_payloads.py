"""Topics and payloads."""

import json

import pytest

from gatewayd.core.ports import Outgoing, StateValue
from gatewayd.mqtt import payloads
from gatewayd.mqtt.payloads import Announced
from gatewayd.mqtt.topics import Topics, matches
from protocols.model.capabilities import Capabilities, Description


def outgoing(values: str, end: int | None = None, received: float = 1_764_000_000.0) -> Outgoing:
    return Outgoing(
        sequence=7,
        slug="alice",
        reading_id="0123456789abcdef.2",
        kind="steps",
        start_utc_s=1_764_000_000,
        end_utc_s=end,
        utc_offset_s=-3600,
        values=values,
        verified=False,
        revision=2,
        received_utc_s=received,
    )


def test_reading_is_flat_in_a_fixed_order_with_utc_times() -> None:
    payload = payloads.reading(outgoing('{"steps": 12, "distance_m": null}', 1_764_000_300))
    assert list(json.loads(payload).items()) == [
        ("id", "0123456789abcdef.2"),
        ("kind", "steps"),
        ("start", "2025-11-24T16:00:00Z"),
        ("end", "2025-11-24T16:05:00Z"),
        ("steps", 12),
        ("distance_m", None),
        ("utc_offset_s", -3600),
        ("received", "2025-11-24T16:00:00Z"),
        ("revision", 2),
        ("verified", False),
    ]


def test_reading_of_one_moment_has_no_end() -> None:
    assert "end" not in json.loads(payloads.reading(outgoing('{"bpm":60}')))


@pytest.mark.parametrize("values", ["{}", "{ }", ' {"sport":"Läufe \\"x\\"","n":{"a":[1]}} '])
def test_reading_is_json_whatever_the_fields_are(values: str) -> None:
    told = json.loads(payloads.reading(outgoing(values)))
    assert {**told, **json.loads(values)} == told
    assert told["verified"] is False


@pytest.mark.parametrize(
    ("utc_s", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_764_000_000.25, "2025-11-24T16:00:00.250Z"),
        (1_764_000_000.9999, "2025-11-24T16:00:00.999Z"),
        (1_764_000_000.0001, "2025-11-24T16:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
    ],
)
def test_times_are_rfc_3339_in_utc(utc_s: float, text: str) -> None:
    assert payloads.rfc3339(utc_s) == text


def test_state_is_flat_and_says_when() -> None:
    values = {
        "sport": StateValue("sport", "run", 60),
        "bpm": StateValue("bpm", 61, 0),
        "score": StateValue("score", None, 0),
    }
    assert json.loads(payloads.state(values)) == {
        "bpm": 61,
        "bpm_at": "1970-01-01T00:00:00Z",
        "score": None,
        "score_at": "1970-01-01T00:00:00Z",
        "sport": "run",
        "sport_at": "1970-01-01T00:01:00Z",
    }


def test_device_list_tells_capabilities_and_no_identity() -> None:
    description = Description(
        "fitcloud",
        model="W1",
        capabilities=Capabilities(frozenset({"steps", "battery"}), frozenset({"sync"}), {"a": 1}),
    )
    (device,) = json.loads(payloads.devices([Announced("alice", "u1", "Alice", description)]))
    assert device == {
        "slug": "alice",
        "id": "u1",
        "name": "Alice",
        "protocol": "fitcloud",
        "manufacturer": None,
        "model": "W1",
        "firmware": None,
        "hardware": None,
        "kinds": ["battery", "steps"],
        "intents": ["sync"],
        "limits": {"a": 1},
    }


def test_topics_follow_the_base() -> None:
    topics = Topics("home/ble", "ha")
    assert topics.reading("alice", "steps") == "home/ble/alice/reading/steps"
    assert topics.status == "home/ble/status"
    assert topics.discovery("u1") == "ha/device/u1/config"
    assert topics.birth == "ha/status"


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("a/b", "a", False),
        ("a", "a/b", False),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("+", "a/b", False),
        ("a/+", "a/", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("#", "$SYS/uptime", False),
        ("+/uptime", "$SYS/uptime", False),
        ("$SYS/#", "$SYS/uptime", True),
    ],
)
def test_filters_match_as_the_standard_says(
    topic_filter: str, topic: str, *, expected: bool
) -> None:
    assert matches(topic_filter, topic) is expected
