"""`gatewayd record`, and `gatewayd run --record`, in processes of their own."""

import asyncio
import json
import signal
import stat
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gatewayd.cli import recording
from gatewayd.core.driver import Driver
from gatewayd.trace.outcome import AnomalySeen, ConnectionSeen, ReadingSeen
from gatewayd.virtual.air import Air
from gatewayd.virtual.peripheral import on_air
from protocols.model.readings import BatteryLevel, DayTotals
from protocols.session import Batch, Commit, Receipt
from protocols.testing.virtual_watch import VirtualWatch
from tests.brokers import needs_mosquitto
from tests.integration.gateway.daemon import Daemon
from tests.integration.gateway.house import SLUG, furnished, new_watch
from tests.unit.core.link import SUBSCRIBE, FakeLink, ScriptedSession, moment
from tests.unit.fitcloud.delivery import delivered, held
from tests.unit.trace.feeding import of, told

ROOT = Path(__file__).parents[3]
USER = "record-of-tests-0001"


async def start(*arguments: str | Path) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gatewayd",
        "record",
        *map(str, arguments),
        cwd=ROOT,
        stderr=PIPE,
        stdout=PIPE,
    )


async def says(process: Process, words: str) -> None:
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while line := (await process.stderr.readline()).decode():
            if words in line:
                return
    raise AssertionError(f"ended without {words!r}")


@asynccontextmanager
async def watch_and_controller(watch: VirtualWatch) -> AsyncIterator[str]:
    """The transport to reach the watch by."""
    air = Air()
    async with on_air(air, watch, watch.advertisement), air.serve_controller() as port:
        yield f"tcp-client:127.0.0.1:{port}"


def a_config(directory: Path) -> Path:
    path = directory / "config.toml"
    path.write_text(f'user_id = "{USER}"\n[store]\npath = "{directory}/gatewayd.db"\n')
    return path


async def test_the_command_logs_in_until_it_is_interrupted_and_erases_nothing(
    tmp_path: Path,
) -> None:
    watch = new_watch()
    before = dict(watch.held)
    out = tmp_path / "out.gatt.jsonl"
    async with watch_and_controller(watch) as transport:
        process = await start(
            watch.advertisement.address, out, "--transport", transport,
            "--config", a_config(tmp_path), "--may-bind", "--protocol", "fitcloud",
        )  # fmt: skip
        await says(process, "personal data")
        await says(process, "the watch is ready")
        process.send_signal(signal.SIGINT)
        await says(process, "entries recorded")
        assert await process.wait() == 0
    assert watch.erased == ()
    assert dict(watch.held) == before
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "personal data" in json.loads(out.read_text().splitlines()[0])["notice"]
    outcomes = told(out.read_bytes())
    assert of(AnomalySeen, outcomes) == []
    (seen,) = of(ConnectionSeen, outcomes)
    assert seen.protocols == ("fitcloud",)


async def test_what_a_session_commits_is_never_confirmed() -> None:
    session = ScriptedSession().on("opened", Commit(Receipt(1), Batch(())), SUBSCRIBE)
    driver = Driver(session, FakeLink(), recording._Owner(print), moment, "recorded")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(driver.run())
        await session.until(lambda: "written" in session.inputs)
        running.cancel()
    assert session.inputs == ["opened", "written", "closed"]


async def test_a_pushed_reading_is_recorded_and_not_confirmed(tmp_path: Path) -> None:
    watch = new_watch()
    air = Air()
    out = tmp_path / "out"
    async with (
        on_air(air, watch, watch.advertisement) as peripheral,
        air.serve_controller() as port,
    ):
        process = await start(
            watch.advertisement.address, out, "--transport", f"tcp-client:127.0.0.1:{port}",
            "--config", a_config(tmp_path), "--may-bind", "--format", "pcapng",
        )  # fmt: skip
        await says(process, "the watch is ready")
        watch.set_battery(41, asyncio.get_running_loop().time())
        peripheral.wake()
        await asyncio.to_thread(until_recorded, out)
        process.terminate()
        await process.communicate()
    assert battery_levels(out) == [41]
    assert watch.erased == ()


def until_recorded(out: Path) -> None:
    """Another process writes, so there is nothing to wait on but the file."""
    end = time.monotonic() + 10
    while not battery_levels(out):
        assert time.monotonic() < end
        time.sleep(0.02)


def battery_levels(out: Path) -> list[int]:
    readings = [seen.reading for seen in of(ReadingSeen, told(out.read_bytes()))]
    return [reading.level_pct for reading in readings if isinstance(reading, BatteryLevel)]


async def test_listening_writes_nothing_but_subscriptions_and_ends_by_itself(
    tmp_path: Path,
) -> None:
    watch = new_watch()
    out = tmp_path / "out.btsnoop"
    async with watch_and_controller(watch) as transport:
        process = await start(
            watch.advertisement.address, out, "--transport", transport, "--listen",
            "--config", a_config(tmp_path), "--format", "btsnoop", "--duration", "0.5",
        )  # fmt: skip
        await process.communicate()
        assert process.returncode == 0
    outcomes = told(out.read_bytes(), with_att=True)
    assert of(AnomalySeen, outcomes) == []
    written = [seen for seen in outcomes if getattr(seen, "opcode", "").startswith("write_")]
    assert {getattr(seen, "uuid", "")[4:8] for seen in written} == {"2902"}


async def test_a_watch_that_refuses_is_told_in_one_line_and_the_file_is_kept(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    watch = new_watch()
    async with watch_and_controller(watch) as transport:
        process = await start(
            watch.advertisement.address, out, "--transport", transport,
            "--config", a_config(tmp_path), "--protocol", "fitcloud",
        )  # fmt: skip
        _, errors = await process.communicate()
    assert process.returncode == 77
    assert errors.decode().splitlines()[-1].startswith("gatewayd: ")
    assert "--may-bind" in errors.decode()
    assert len(of(ConnectionSeen, told(out.read_bytes(), with_att=True))) == 1


async def test_a_search_that_is_interrupted_leaves_no_file(tmp_path: Path) -> None:
    air = Air()
    async with air.serve_controller() as port:
        process = await start(
            "C0:FF:EE:00:00:77", tmp_path / "out", "--transport", f"tcp-client:127.0.0.1:{port}",
            "--config", a_config(tmp_path), "--listen",
        )  # fmt: skip
        await says(process, "looking for")
        assert (tmp_path / "out").exists()
        process.send_signal(signal.SIGINT)
        await says(process, "nothing was recorded")
        assert await process.wait() == 0
    assert not (tmp_path / "out").exists()


async def test_what_is_neither_an_address_nor_a_watch_is_one_line(tmp_path: Path) -> None:
    process = await start("alice", tmp_path / "out", "--config", a_config(tmp_path))
    _, errors = await process.communicate()
    assert process.returncode == 78
    assert b"alice is neither" in errors
    assert not (tmp_path / "out").exists()


@needs_mosquitto
async def test_a_running_gateway_records_what_it_stores_and_is_not_disturbed(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "recordings"
    async with furnished(tmp_path, new_watch()) as house:
        gateway = await Daemon.start(house.config, command=("run", "--record", str(directory)))
        house.daemons.append(gateway)
        await gateway.says("recording")
        await gateway.says("synchronised")
        rival = await start(SLUG, tmp_path / "out", "--config", house.config)
        _, errors = await rival.communicate()
        assert rival.returncode == 74
        assert b"The gateway is running" in errors
        await house.everything_published()
        await gateway.stop()
        await house.check_books()
        (file,) = directory.iterdir()
        outcomes = told(file.read_bytes())
        found = [
            seen.reading
            for seen in of(ReadingSeen, outcomes)
            # these are dated by our clock, and the watch's history ended long ago
            if not isinstance(seen.reading, BatteryLevel | DayTotals)
        ]
        stored = [entry for entry in house._initial if entry.kind != "day_totals"]
        assert delivered(found) == held(stored)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
