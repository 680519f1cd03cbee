"""Discovery payloads against Home Assistant's rules (its MQTT schemas, in our own words)."""

import json
import re
from typing import Any

import pytest

from gatewayd.mqtt import discovery
from gatewayd.mqtt.payloads import Announced
from gatewayd.mqtt.topics import Topics
from protocols.model.capabilities import Capabilities, Description
from protocols.model.catalog import KINDS, Measure

TOPICS = Topics()
ALL_KINDS = frozenset(kind.name for kind in KINDS)

SLEEP = (
    Measure("sleep_asleep_s", "Asleep", lambda night: night, unit="s", device_class="duration"),
    Measure(
        "sleep_start",
        "Fell asleep",
        lambda night: night,
        device_class="timestamp",
        state_class=None,
    ),
)
DERIVED = {"sleep_stage": SLEEP}

UNITS = {
    "battery": {"%"},
    "distance": {"m", "km", "cm", "mi", "ft"},
    "duration": {"s", "min", "h", "d"},
    "energy": {"kcal", "cal", "kJ", "Wh", "kWh"},
    "temperature": {"°C", "°F", "K"},
    "pressure": {"mmHg", "hPa", "kPa"},
    "signal_strength": {"dB", "dBm"},
}
STATE_CLASSES = {
    "battery": {"measurement"},
    "distance": {"measurement", "total", "total_increasing"},
    "duration": {"measurement", "total", "total_increasing"},
    "energy": {"total", "total_increasing"},
    "temperature": {"measurement"},
    "pressure": {"measurement"},
    "signal_strength": {"measurement"},
}
WITHOUT_UNIT = {"enum", "timestamp", "date"}
SENSOR_OPTIONS = {
    "platform",
    "unique_id",
    "name",
    "state_topic",
    "value_template",
    "unit_of_measurement",
    "device_class",
    "state_class",
    "entity_category",
    "icon",
    "suggested_display_precision",
}
BINARY_SENSOR_OPTIONS = {
    "platform",
    "unique_id",
    "name",
    "state_topic",
    "payload_on",
    "payload_off",
    "device_class",
    "entity_category",
}


def description(kinds: frozenset[str]) -> Description:
    return Description(
        "fitcloud",
        manufacturer="Acme",
        model="W1",
        firmware="1.2",
        capabilities=Capabilities(kinds),
    )


def watch(kinds: frozenset[str] = ALL_KINDS, slug: str = "alice") -> dict[str, Any]:
    announced = Announced(
        slug, discovery.unique_of("aa:bb:cc:dd:ee:ff"), "Alice watch", description(kinds)
    )
    payload = discovery.device(
        TOPICS,
        announced,
        "0.1",
        discovery.measures_of(kinds, DERIVED),
        discovery.every_measure(DERIVED),
    )
    told: dict[str, Any] = json.loads(payload)
    return told


def bridge() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(discovery.bridge(TOPICS, "0.1"))
    return told


def check_sensor(component: dict[str, Any]) -> None:
    assert component.keys() <= SENSOR_OPTIONS
    assert component.get("entity_category") in {None, "diagnostic"}  # never `config`
    device_class = component.get("device_class")
    unit = component.get("unit_of_measurement")
    state_class = component.get("state_class")
    if device_class in WITHOUT_UNIT:
        assert unit is None
        assert state_class is None
    elif device_class is not None:
        assert unit in UNITS[device_class]
        assert state_class is None or state_class in STATE_CLASSES[device_class]
    assert state_class in {None, "measurement", "total", "total_increasing"}
    assert re.fullmatch(
        r"\{\{ value_json\.[a-z0-9_]+ \| default\(none\) \}\}", component["value_template"]
    )


def check_payload(payload: dict[str, Any]) -> None:
    assert payload["device"]["identifiers"]
    assert payload["origin"]["name"] == "gatewayd"
    assert payload["origin"].keys() <= {"name", "sw_version", "support_url"}
    assert payload["components"]
    unique_ids = []
    for key, component in payload["components"].items():
        assert re.fullmatch(r"[a-z0-9_]+", key)
        if component == {"platform": "sensor"}:
            continue  # a removal
        unique_ids.append(component["unique_id"])
        assert component["name"]
        assert not component["name"].startswith(payload["device"]["name"])
        assert not re.search(r"[+#]", component["state_topic"])
        if component["platform"] == "sensor":
            check_sensor(component)
        else:
            assert component["platform"] == "binary_sensor"
            assert component.keys() <= BINARY_SENSOR_OPTIONS
            assert component["device_class"] == "connectivity"
    assert len(set(unique_ids)) == len(unique_ids)


@pytest.mark.parametrize("payload", [watch(), watch(frozenset()), bridge()])
def test_payload_keeps_home_assistants_rules(payload: dict[str, Any]) -> None:
    check_payload(payload)


@pytest.mark.parametrize(
    "broken",
    [
        Measure("x", "X", id, unit="kcal", device_class="energy"),
        Measure("x", "X", id, unit="s", device_class="timestamp", state_class=None),
        Measure("x", "X", id, unit="furlong", device_class="distance"),
        Measure("x", "X", id, entity_category="config"),
    ],
)
def test_rules_notice_a_measure_that_breaks_them(broken: Measure) -> None:
    announced = Announced("alice", "u1", "Alice", description(frozenset()))
    payload = json.loads(discovery.device(TOPICS, announced, "0.1", [broken], []))
    with pytest.raises(AssertionError):
        check_payload(payload)


def test_ids_are_fit_for_topics_and_give_no_address_away() -> None:
    unique = discovery.unique_of("aa:bb:cc:dd:ee:ff")
    assert unique == discovery.unique_of("aa:bb:cc:dd:ee:ff")
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", unique)
    assert "aabbcc" not in unique
    assert "aa:bb" not in json.dumps(watch())
    assert discovery.bridge_unique("home/ble 1") == "home_ble_1_bridge"


def test_watch_refers_to_the_bridge() -> None:
    assert watch()["device"]["via_device"] in bridge()["device"]["identifiers"]


def test_component_keys_are_frozen() -> None:
    assert sorted(watch()["components"]) == [
        "battery_pct",
        "body_temperature_c",
        "connected",
        "daily_hrv_mean_ms",
        "diastolic_mmhg",
        "distance_today_m",
        "energy_today_kcal",
        "heart_rate_bpm",
        "heart_rate_variability_ms",
        "last_sync",
        "last_workout",
        "last_workout_distance_m",
        "last_workout_duration_s",
        "last_workout_energy_kcal",
        "mood_code",
        "oxygen_saturation_pct",
        "respiratory_rate_per_min",
        "resting_heart_rate_bpm",
        "sleep_asleep_s",
        "sleep_efficiency_pct",
        "sleep_score",
        "sleep_start",
        "steps_today",
        "stress_score",
        "systolic_mmhg",
        "vitality_score",
        "wrist_temperature_c",
    ]


def test_kinds_that_are_off_are_removed_from_home_assistant() -> None:
    components = watch(frozenset({"heart_rate"}))["components"]
    assert components["battery_pct"] == {"platform": "sensor"}
    assert components["sleep_start"] == {"platform": "sensor"}
    assert components["heart_rate_bpm"]["unit_of_measurement"] == "bpm"


def test_derived_measures_come_with_the_kind_they_derive_from() -> None:
    assert "sleep_asleep_s" in {
        measure.key for measure in discovery.measures_of(frozenset({"sleep_stage"}), DERIVED)
    }
    assert not discovery.measures_of(frozenset({"steps"}), DERIVED)


def test_health_does_not_depend_on_the_watch_being_in_range() -> None:
    payload = watch()
    assert [entry["topic"] for entry in payload["availability"]] == ["gatewayd/status"]
    assert payload["components"]["connected"]["state_topic"] == "gatewayd/alice/availability"
    assert "availability" not in bridge()


def test_entities_outlive_a_rename() -> None:
    before, after = watch(slug="alice"), watch(slug="renamed")
    assert {key: part.get("unique_id") for key, part in before["components"].items()} == {
        key: part.get("unique_id") for key, part in after["components"].items()
    }
    assert after["components"]["battery_pct"]["state_topic"] == "gatewayd/renamed/state"


def test_battery_is_a_diagnostic() -> None:
    battery = watch()["components"]["battery_pct"]
    assert (battery["device_class"], battery["entity_category"]) == ("battery", "diagnostic")
