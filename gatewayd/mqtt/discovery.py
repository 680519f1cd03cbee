"""Home Assistant's device-based MQTT discovery (its MQTT integration, 2024.11 and later).

One retained payload per device describes all its entities. Component keys and `unique_id` are
frozen: Home Assistant recognises entities by them. Health sensors depend on the gateway's own
availability only: a watch that is out of range has not un-walked its steps. How fresh they are is
what `last_sync` and `connected` show.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Final

from gatewayd.mqtt import payloads
from gatewayd.mqtt.payloads import Announced
from gatewayd.mqtt.topics import OFFLINE, ONLINE, Topics
from protocols.model.catalog import KINDS, Measure

_DIAGNOSTIC: Final = "diagnostic"
_UNSAFE: Final = re.compile(r"[^a-zA-Z0-9_-]")

Component = dict[str, object]


def unique_of(identity: str) -> str:
    """A device's own name in discovery: constant, and a digest because identities may hold a
    Bluetooth address."""
    return f"gatewayd_{blake2b(identity.encode(), digest_size=6).hexdigest()}"


def bridge_unique(base: str) -> str:
    """The gateway's own name in discovery; two gateways differ by their base topic."""
    return f"{_UNSAFE.sub('_', base)}_bridge"


def measures_of(
    kinds: frozenset[str], derived: Mapping[str, Sequence[Measure]]
) -> tuple[Measure, ...]:
    """What a device that gives these kinds can show, in the catalogue's order. `derived` adds
    measures that the gateway itself works out of a kind."""
    return tuple(
        measure
        for kind in KINDS
        if kind.name in kinds
        for measure in (*kind.measures, *derived.get(kind.name, ()))
    )


def every_measure(derived: Mapping[str, Sequence[Measure]]) -> tuple[Measure, ...]:
    """All that any device could show."""
    return measures_of(frozenset(kind.name for kind in KINDS), derived)


def bridge(topics: Topics, version: str) -> bytes:
    """The gateway itself. Publish it first: the watches refer to it."""
    unique = bridge_unique(topics.base)
    components: dict[str, Component] = {
        "status": {
            "platform": "binary_sensor",
            "unique_id": f"{unique}_status",
            "name": "Status",
            "state_topic": topics.status,
            "payload_on": ONLINE.decode(),
            "payload_off": OFFLINE.decode(),
            "device_class": "connectivity",
            "entity_category": _DIAGNOSTIC,
        },
        "version": {
            "platform": "sensor",
            "unique_id": f"{unique}_version",
            "name": "Version",
            "state_topic": topics.info,
            "value_template": "{{ value_json.version | default(none) }}",
            "entity_category": _DIAGNOSTIC,
            "icon": "mdi:tag",
        },
    }
    device = {"identifiers": [unique], "name": f"Gateway {topics.base}", "sw_version": version}
    return _payload(device, version, components)


def device(
    topics: Topics,
    announced: Announced,
    version: str,
    measures: Sequence[Measure],
    known: Sequence[Measure],
) -> bytes:
    """A watch: `measures` become sensors. Those of `known` that it does not have (any more: a
    category was switched off) are named with their platform alone, which removes them."""
    unique = announced.unique
    told = announced.description
    components = dict(_sensors(topics, announced, measures))
    for measure in known:
        components.setdefault(measure.key, {"platform": "sensor"})
    about: dict[str, object] = {
        "identifiers": [unique],
        "name": announced.name,
        "via_device": bridge_unique(topics.base),
    }
    about |= _said(
        manufacturer=told.manufacturer,
        model=told.model,
        sw_version=told.firmware,
        hw_version=told.hardware,
        serial_number=told.serial_number,
    )
    return _payload(about, version, components, topics)


def _sensors(
    topics: Topics, announced: Announced, measures: Sequence[Measure]
) -> Iterator[tuple[str, Component]]:
    unique = announced.unique
    state_topic = topics.state(announced.slug)
    for measure in measures:
        sensor: Component = {
            "platform": "sensor",
            "unique_id": f"{unique}_{measure.key}",
            "name": measure.name,
            "state_topic": state_topic,
            "value_template": _template(measure.key),
        }
        yield (
            measure.key,
            sensor
            | _said(
                unit_of_measurement=measure.unit,
                device_class=measure.device_class,
                state_class=measure.state_class,
                entity_category=measure.entity_category,
                icon=measure.icon,
                suggested_display_precision=measure.precision,
            ),
        )
    yield (
        "connected",
        {
            "platform": "binary_sensor",
            "unique_id": f"{unique}_connected",
            "name": "Connected",
            "state_topic": topics.availability(announced.slug),
            "payload_on": ONLINE.decode(),
            "payload_off": OFFLINE.decode(),
            "device_class": "connectivity",
            "entity_category": _DIAGNOSTIC,
        },
    )
    yield (
        "last_sync",
        {
            "platform": "sensor",
            "unique_id": f"{unique}_last_sync",
            "name": "Last sync",
            "state_topic": state_topic,
            "value_template": _template("last_sync_at"),
            "device_class": "timestamp",
            "entity_category": _DIAGNOSTIC,
        },
    )


def _said(**options: object) -> Component:
    """The options that have a value."""
    return {key: value for key, value in options.items() if value is not None}


def _template(key: str) -> str:
    return f"{{{{ value_json.{key} | default(none) }}}}"


def _payload(
    about: Mapping[str, object],
    version: str,
    components: Mapping[str, Component],
    topics: Topics | None = None,
) -> bytes:
    payload: dict[str, object] = {
        "device": about,
        "origin": {"name": "gatewayd", "sw_version": version},
        "components": components,
        "qos": 1,
    }
    if topics is not None:
        payload["availability"] = [
            {
                "topic": topics.status,
                "payload_available": ONLINE.decode(),
                "payload_not_available": OFFLINE.decode(),
            }
        ]
    return payloads.encode(payload)
