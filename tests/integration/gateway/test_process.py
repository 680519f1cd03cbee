"""What `gatewayd run` is to its owner: starts without what it needs, ends when asked, tells the
world how it stands, and keeps to itself what is nobody's business."""

import json
import time
from pathlib import Path

import pytest

from tests.brokers import needs_mosquitto
from tests.integration.gateway.bell import Bell
from tests.integration.gateway.daemon import Daemon
from tests.integration.gateway.house import SLUG, USER_ID, House, furnished, new_watch, settings
from tests.integration.gateway.subscriber import Subscriber, subscribing
from tests.integration.gateway.witness import Phase, Point

PROMPT_S = 5.0


async def retained(house: House) -> dict[str, bytes]:
    """What a newcomer is told."""
    bell = Bell()
    newcomer = Subscriber(bell)
    with subscribing(house.broker.host, house.broker.port, newcomer, "newcomer"):
        await bell.until(lambda: newcomer.subscriptions >= 2, "a subscription")
        await bell.until(lambda: newcomer.last("gatewayd/status"), "the status")
        # a message of our own comes behind everything that was retained
        newcomer.ask_for_echo()
        await bell.until(lambda: newcomer.last("gatewayd/echo"), "an echo")
    return {message.topic: message.payload for message in newcomer.messages if message.retained}


@needs_mosquitto
async def test_what_is_retained_says_how_things_stand(tmp_path: Path) -> None:
    async with furnished(tmp_path, new_watch(days=2)) as house:
        gateway = await house.gateway()
        await gateway.says("synchronised")
        await house.everything_published()
        await house.until(
            lambda: "last_sync_at" in house.subscriber.state(SLUG), "the end of the sync in state"
        )
        told = await retained(house)
        assert told["gatewayd/status"] == b"online"
        assert told[f"gatewayd/{SLUG}/availability"] == b"online"
        assert "version" in json.loads(told["gatewayd/bridge/info"])
        (device,) = json.loads(told["gatewayd/bridge/devices"])
        assert device["slug"] == SLUG
        assert device["protocol"] == "fitcloud"
        assert {"steps", "heart_rate", "sleep_stage", "workout"} <= set(device["kinds"])
        assert not [topic for topic in told if "/reading/" in topic]

        state = json.loads(told[f"gatewayd/{SLUG}/state"])
        assert state["battery_pct"] == 80
        newest = max(
            (reading for reading in house.subscriber.by_id().values() if "bpm" in reading),
            key=lambda reading: (reading["kind"] == "heart_rate", reading["start"]),
        )
        assert state["heart_rate_bpm"] == newest["bpm"]
        assert state["heart_rate_bpm_at"] == newest["start"]

        entities = house.subscriber.discovered(SLUG)
        shown = [
            entity["value_template"]
            for entity in entities.values()
            if entity.get("state_topic") == f"gatewayd/{SLUG}/state"
        ]
        for key in ("heart_rate_bpm", "steps_today", "battery_pct", "sleep_asleep_"):
            assert any(key in str(template) for template in shown), shown

        await gateway.stop(PROMPT_S)
        told = await retained(house)
        assert told["gatewayd/status"] == b"offline"
        assert told[f"gatewayd/{SLUG}/availability"] == b"offline"


@needs_mosquitto
async def test_the_broker_says_offline_for_a_gateway_that_was_killed(tmp_path: Path) -> None:
    async with furnished(tmp_path, new_watch(days=1)) as house:
        gateway = await house.gateway()
        await gateway.says("synchronised")
        await house.everything_published()
        gateway.kill()
        await house.until(
            lambda: house.subscriber.last("gatewayd/status") == b"offline", "the will"
        )
        assert (await retained(house))["gatewayd/status"] == b"offline"


@needs_mosquitto
async def test_no_message_carries_the_address_or_the_identity(tmp_path: Path) -> None:
    async with furnished(tmp_path, new_watch(days=1)) as house:
        gateway = await house.gateway()
        await gateway.says("synchronised")
        await house.everything_published()
        await gateway.stop()
        address = house.watch.advertisement.address
        for message in house.subscriber.messages:
            for secret in (address, address.replace(":", ""), USER_ID):
                assert secret.lower() not in message.topic.lower()
                assert secret.lower().encode() not in message.payload.lower()


@needs_mosquitto
@pytest.mark.parametrize("write", [1, 3, 12, 30, 47])
async def test_sigterm_in_mid_sync_ends_promptly_and_costs_neither_a_loss_nor_a_repeat(
    write: int, tmp_path: Path
) -> None:
    async with furnished(tmp_path, new_watch(days=2)) as house:
        house.witness.arm(Point(Phase.TRANSFER, write), lambda: None)
        gateway = await house.gateway()
        await house.until(lambda: house.witness.struck, f"write {write}")
        await gateway.stop(PROMPT_S)
        assert not gateway.entries("failed")
        gateway = await house.gateway()
        await gateway.says("synchronised")
        await gateway.stop(PROMPT_S)
        await house.everything_published()
        await house.check_books()
        assert house.subscriber.repeats() == 0


@needs_mosquitto
async def test_without_a_broker_it_runs_and_catches_up_once_there_is_one(tmp_path: Path) -> None:
    async with furnished(tmp_path, new_watch(days=2)) as house:
        await house.broker.stop()  # which remembers its subscriber
        gateway = await house.gateway()
        await gateway.says("synchronised")
        assert house.waiting() == house.rows()
        await house.broker.start()
        await house.everything_published()
        await gateway.stop()
        await house.check_books()
        (failure,) = gateway.entries("failed")
        assert failure["level"] == "warning"
        assert str(house.broker.port) in str(failure["reason"])
        assert failure["remedy"]
        assert house.subscriber.repeats() == 0


@needs_mosquitto
async def test_without_d_bus_it_says_so_once_keeps_trying_and_ends_when_asked(
    tmp_path: Path,
) -> None:
    async with furnished(tmp_path, new_watch(days=1)) as house:
        text = settings(tmp_path, house.broker.port, None, house.watch, ["heart"])
        house.config.write_text(text.replace("[log]", '[log]\nlevel = "debug"'))
        nowhere = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/nowhere"}
        gateway = await house.gateway(nowhere)
        first = await gateway.says("failed")
        assert first["task"] == SLUG
        assert first["level"] == "warning"
        assert first["remedy"]
        again = await gateway.says("failed")
        assert (again["task"], again["level"]) == (SLUG, "debug")
        await house.until(
            lambda: house.subscriber.last("gatewayd/status") == b"online", "it is online all along"
        )
        assert house.subscriber.last(f"gatewayd/{SLUG}/availability") == b"offline"
        asked = time.monotonic()
        await gateway.stop(PROMPT_S)
        assert time.monotonic() - asked < PROMPT_S
        assert (await retained(house))["gatewayd/status"] == b"offline"
        assert [entry["level"] for entry in gateway.entries("failed")].count("warning") == 1
        assert "Traceback" not in gateway.text


async def test_a_bad_configuration_is_told_with_all_its_faults_and_exit_78(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'[store]\npath = "{tmp_path}/gatewayd.db"\n[mqtt]\nport = 70000\n'
        '[[devices]]\naddress = "C0:FF:EE"\nname = "Alice!"\ncolect = ["heart"]\n'
    )
    gateway = await Daemon.start(config)
    assert await gateway.ends() == 78
    for word in ("port", "address", "name", "colect", "collect"):
        assert any(word in line for line in gateway.lines), (word, gateway.text)
    assert all(line.startswith("gatewayd: ") for line in gateway.lines)
    assert len(gateway.lines) >= 5
    assert not (tmp_path / "gatewayd.db").exists()


@needs_mosquitto
async def test_a_second_gateway_on_the_same_store_is_refused_in_one_line_with_exit_74(
    tmp_path: Path,
) -> None:
    async with furnished(tmp_path, new_watch(days=1)) as house:
        first = await house.gateway()
        await first.says("synchronised")
        second = await house.gateway()
        assert await second.ends() == 74
        spoken = [line for line in second.lines if not line.startswith("{")]
        assert len(spoken) == 1, second.text
        assert str(house.store) in spoken[0]
        assert "Traceback" not in second.text
        await house.everything_published()
        await first.stop()
        await house.check_books()
        assert house.subscriber.repeats() == 0
