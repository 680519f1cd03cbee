"""`gatewayd readings` and `gatewayd devices`: what is stored, in three shapes."""

import csv
import io
import json
from argparse import ArgumentTypeError
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatewayd.cli.main import main
from gatewayd.cli.selection import moment
from gatewayd.mqtt import payloads
from gatewayd.store import SqliteStore
from tests.unit.stored import RUN_UTC_S, filled, lines


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Open, as it is while the gateway runs."""
    opened = await filled(tmp_path / "store.db")
    yield opened
    await opened.close()


@pytest.fixture
def path(tmp_path: Path, store: SqliteStore) -> str:
    return str(tmp_path / "store.db")


def test_lines_are_the_published_objects_with_their_devices_name(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["readings", "--store", path, "--json"]) == 0
    got = lines(capsys.readouterr().out)
    assert len(got) == 18
    first = next(line for line in got if line["kind"] == "sleep_session")
    assert list(first)[:3] == ["device", "id", "kind"]
    assert first["device"] == "alice"
    assert first["derived"] is True
    assert (first["session"], first["asleep_s"], first["efficiency_pct"]) == ("night", 3600, 100.0)
    assert [line for line in got if "derived" in line] == [first]


async def test_a_line_without_the_name_is_what_is_on_mqtt(
    path: str, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    published = {out.reading_id: payloads.reading(out) for out in await store.pending(0, 100)}
    assert main(["readings", "--store", path, "--json", "--device", "alice"]) == 0
    seen = 0
    for line in capsys.readouterr().out.splitlines():
        found = published.get(json.loads(line)["id"])
        if found is not None:
            assert line == '{"device":"alice",' + found.decode()[1:]
            seen += 1
    assert seen > 10


def test_a_pipe_gets_lines_and_filters_choose(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--kind", "heart_rate", "--kind", "steps", "--latest", "3", "--device", "alice"]
    assert main(["readings", "--store", path, *arguments]) == 0
    got = lines(capsys.readouterr().out)
    assert [line["bpm"] for line in got] == [67, 68, 69]
    assert main(["readings", "--store", path, "--since", "2026-07-01T16:00:00+00:00"]) == 0
    assert [line["kind"] for line in lines(capsys.readouterr().out)] == [
        "workout",
        "gps_track",
        "workout",
    ]
    until = datetime.fromtimestamp(RUN_UTC_S, UTC).isoformat()
    assert main(["readings", "--store", path, "--until", until, "--kind", "workout"]) == 0
    assert capsys.readouterr().out == ""


def test_the_table_shows_local_time_and_values(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["readings", "--store", path, "--table"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["LOCAL", "TIME", "DEVICE", "KIND", "VALUES"]
    assert "2026-07-01 12:00:00  alice   heart_rate     bpm=60 method=periodic" in out
    (run,) = [line for line in out if "outdoor_run" in line]
    assert run.startswith("2026-07-01 18:00:00  alice   workout ")
    assert "samples=[2]" in run
    assert "for 0:20:00" in run
    assert len(out) == 19


def test_csv_is_one_kinds_table(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["readings", "--store", path, "--csv", "--kind", "workout"]) == 0
    rows = [*csv.DictReader(io.StringIO(capsys.readouterr().out))]
    run, yoga = rows
    assert (run["start"], run["sport"], run["duration_s"]) == (
        "2026-07-01T16:00:00Z",
        "outdoor_run",
        "1200",
    )
    assert json.loads(run["summary"])["max_bpm"] == 151
    assert (yoga["track_id"], yoga["verified"], yoga["end"]) == ("", "true", "2026-07-01T18:10:00Z")
    assert main(["readings", "--store", path, "--csv"]) == 65
    said = capsys.readouterr()
    assert said.out == ""
    assert "Choose it with --kind (battery, day_totals," in said.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kind", "heartrate"], "there is no kind heartrate. Did you mean heart_rate?"),
        (["--since", "yesterday"], "yesterday is no time. Write 2026-11-24,"),
        (["--latest", "0"], "0 is no number of readings."),
        (["--json", "--csv"], "not allowed with"),
    ],
)
def test_a_mistake_is_named(
    path: str, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["readings", "--store", path, *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_watch_that_is_not_known_is_suggested(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["readings", "--store", path, "--device", "alise"]) == 65
    assert capsys.readouterr().err == (
        "gatewayd: there is no watch named alise. Did you mean alice?\n"
    )


def test_without_a_store_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("readings", "devices"):
        assert main([command, "--store", str(tmp_path / "none.db")]) == 74
        assert capsys.readouterr().err.startswith("gatewayd: There is no store at ")


def test_the_configuration_says_where_the_store_is(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[store]\npath = "{path}"\n')
    assert main(["readings", "--config", str(config), "--kind", "battery"]) == 0
    assert lines(capsys.readouterr().out)[0]["device"] == "bob"


def test_times_are_written_in_several_ways() -> None:
    now = datetime(2026, 7, 8, 12, tzinfo=UTC)
    assert moment("7d", now) == datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()
    assert moment("24h", now) == datetime(2026, 7, 7, 12, tzinfo=UTC).timestamp()
    assert moment("30m", now) == now.timestamp() - 1_800
    assert moment("2w", now) == now.timestamp() - 14 * 86_400
    assert moment("2026-07-01T10:00:00Z") == datetime(2026, 7, 1, 10, tzinfo=UTC).timestamp()
    local = datetime(2026, 7, 1).astimezone()
    assert moment("2026-07-01") == local.timestamp()
    for wrong in ("", "7", "7y", "2026-13-01", "999999w"):
        with pytest.raises(ArgumentTypeError):
            moment(wrong)


def test_devices_are_listed_with_what_is_stored_and_what_waits(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["devices", "--store", path]) == 0
    header, alice, bob = capsys.readouterr().out.splitlines()
    assert header.split() == ["NAME", "PROTOCOL", "LAST", "READING", "READINGS", "WAITING"]
    assert alice.split()[0:2] + alice.split()[-2:] == ["alice", "fitcloud", "17", "15"]
    assert bob.split()[-2:] == ["1", "1"]
    assert main(["devices", "--store", path, "--json"]) == 0
    alice_object, bob_object = lines(capsys.readouterr().out)
    assert bob_object == {
        "device": "bob",
        "protocol": "fitcloud",
        "last_received": "2026-07-02T00:00:00.250Z",
        "readings": 1,
        "waiting": 1,
        "kinds": {
            "battery": {
                "readings": 1,
                "first": "2026-07-01T07:00:00Z",
                "last": "2026-07-01T07:00:00Z",
                "waiting": 1,
            }
        },
    }
    assert alice_object["readings"] == 17
