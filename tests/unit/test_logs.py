"""Logs: their forms, and what never gets into them."""

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from gatewayd import logs
from gatewayd.config_models import LogConfig, LogFormat, LogLevel


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    logging.root.handlers[:], logging.root.level = handlers, level


def written(
    *calls: tuple[str, dict[str, object]],
    form: LogFormat = "json",
    level: LogLevel = "info",
    user_id: str | None = None,
) -> list[str]:
    stream = io.StringIO()
    logs.configure(LogConfig(level, form), user_id=user_id, stream=stream, environ={})
    log = logs.get_logger()
    for event, facts in calls:
        log.warning(event, **facts)
    return stream.getvalue().splitlines()


def test_a_machine_gets_one_json_object_a_line() -> None:
    (line,) = written(("link_lost", {"retry_in_s": 2.5}), form="auto")
    got = json.loads(line)
    assert got.pop("timestamp").endswith("Z")
    assert got == {"event": "link_lost", "level": "warning", "retry_in_s": 2.5}


def test_a_person_gets_text() -> None:
    (line,) = written(("link_lost", {"retry_in_s": 2.5}), form="console")
    assert "link_lost" in line
    assert "retry_in_s=2.5" in line
    assert "\x1b" not in line


def test_addresses_and_the_user_id_are_shortened_wherever_they_stand() -> None:
    (line,) = written(
        (
            "seen C0:FF:EE:12:34:56",
            {
                "path": "/org/bluez/hci0/dev_C0_FF_EE_12_34_56/service000a",
                "inner": {"c0-ff-ee-12-34-56": ["by house-1", ("C0:FF:EE:12:34:56",)]},
                "error": ValueError("no C0:FF:EE:12:34:56"),
            },
        ),
        user_id="house-1",
    )
    got = json.loads(line)
    assert got["event"] == "seen …34:56"
    assert got["path"] == "/org/bluez/hci0/…34:56/service000a"
    assert got["inner"] == {"…34:56": ["by …-1", ["…34:56"]]}
    assert got["error"] == "no …34:56"
    assert "house" not in line


def test_what_only_resembles_an_address_is_left_alone() -> None:
    (line,) = written(("at", {"time": "12:34:56", "uuid": "00001800-0000-1000-8000-00805f9b34fb"}))
    assert json.loads(line)["time"] == "12:34:56"
    assert json.loads(line)["uuid"] == "00001800-0000-1000-8000-00805f9b34fb"


def test_bytes_are_counted_and_text_of_a_peer_cannot_forge_or_flood_a_log() -> None:
    (line,) = written(
        ("odd", {"data": b"secret", "name": "a\n<2>b\x1b[2J", "long": "x" * 9999}), form="console"
    )
    assert "6 bytes" in line
    assert "secret" not in line
    assert r"a\n<2>b\x1b[2J" in line
    assert len(line) < 1000


def test_a_traceback_is_redacted_too() -> None:
    stream = io.StringIO()
    logs.configure(LogConfig(format="json"), stream=stream, environ={})
    try:
        raise ValueError("C0:FF:EE:12:34:56")
    except ValueError:
        logs.get_logger().error("bug", exc_info=True)
    got = json.loads(stream.getvalue())
    assert "Traceback" in got["exception"]
    assert got["exception"].endswith("ValueError: …34:56")


def test_the_journal_gets_priorities_and_no_time(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        logs.configure(LogConfig("debug"), stream=stream, environ=environ)
        log = logs.get_logger()
        log.debug("a")
        log.info("b")
        log.warning("c")
        log.error("d")
        log.critical("e")
        stream.seek(0)
        lines = stream.read().splitlines()
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
    assert json.loads(lines[0][3:]) == {"event": "a", "level": "debug"}


def test_another_stream_than_the_journal_is_not_the_journal(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as stream:
        assert not logs.in_journal(stream, {"JOURNAL_STREAM": "1:2"})
    assert not logs.in_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})


def test_levels_below_the_chosen_one_are_not_written() -> None:
    assert written(("quiet", {}), level="error") == []


def test_libraries_are_heard_from_warning_up_even_when_we_debug() -> None:
    stream = io.StringIO()
    logs.configure(LogConfig("debug", "json"), stream=stream, environ={})
    library = logging.getLogger("some.library")
    library.info("value %s", "72")
    library.warning("lost C0:FF:EE:%s", "12:34:56")
    library.warning("%d", "no number")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["event"] == "lost …34:56"
    assert (first["level"], first["library"]) == ("warning", "some.library")
    assert second["event"] == "%d"


def test_an_address_is_shortened_to_its_end() -> None:
    assert logs.short_address("AA:BB:CC:DD:EE:FF") == "…EE:FF"
    assert logs.short_address("dev_aa_bb_cc_dd_ee_ff") == "…EE:FF"
