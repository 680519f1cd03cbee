"""`gatewayd export`: files that other programs read."""

import builtins
import csv
import json
import stat
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gatewayd.cli.main import main
from gatewayd.export.xml_files import GPX, TCX, TRACK_POINT
from gatewayd.store import SqliteStore
from gatewayd.store.database import migrations
from tests.unit.stored import filled, lines

IN_GPX = {"g": GPX, "x": TRACK_POINT}
IN_TCX = {"t": TCX}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Open, as it is while the gateway runs."""
    opened = await filled(tmp_path / "store.db")
    yield opened
    await opened.close()


@pytest.fixture
def export(tmp_path: Path, store: SqliteStore) -> Callable[..., int]:
    def run(*arguments: str) -> int:
        return main(["export", "--store", str(tmp_path / "store.db"), *arguments])

    return run


def test_json_holds_everything_from_header_to_end(
    export: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "all.jsonl"
    assert export(str(out)) == 0
    assert capsys.readouterr().err == f"gatewayd: 25 lines in {out}\n"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    got = lines(out.read_text())
    assert (got[0]["type"], got[0]["schema"]) == ("header", 1)
    assert got[0]["store_schema"] == migrations()[-1].version
    counts = Counter(str(line["type"]) for line in got[1:-1])
    assert counts == {"device": 2, "reading": 19, "conflict": 1, "raw": 1}
    assert got[-1] == {"type": "end", "counts": dict(counts)}
    days = [line for line in got if line.get("kind") == "day_totals"]
    assert [(line["revision"], line["steps"]) for line in days] == [(1, 4_000), (2, 5_000)]
    (conflict,) = [line for line in got if line["type"] == "conflict"]
    assert (conflict["device"], conflict["kind"], conflict["bpm"]) == ("alice", "heart_rate", 99)
    (raw,) = [line for line in got if line["type"] == "raw"]
    assert (raw["data"], raw["context"]) == ("01ff", {"features": "1 5"})


def test_a_choice_of_readings_brings_nothing_beside_it(
    export: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert export("--kind", "battery", "--device", "bob", "-") == 0
    got = lines(capsys.readouterr().out)
    assert [line["type"] for line in got] == ["header", "device", "reading", "end"]
    assert {line["device"] for line in got[1:3]} == {"bob"}


def test_a_file_that_is_there_is_kept_unless_told(
    export: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "all.jsonl"
    out.write_text("mine")
    assert export(str(out)) == 74
    assert out.read_text() == "mine"
    assert capsys.readouterr().err == (
        f"gatewayd: {out} exists already. Name another file, or add --force.\n"
    )
    assert export("--force", str(out)) == 0
    assert lines(out.read_text())[-1]["type"] == "end"
    assert export("--format", "csv", str(tmp_path)) == 74
    assert "is not empty" in capsys.readouterr().err


def test_what_cannot_be_written_is_one_line_and_leaves_nothing(
    export: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(str(tmp_path / "no" / "such" / "all.jsonl")) == 74
    assert "cannot be written (No such file or directory)" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert export("--format", "csv", str(tmp_path / "file" / "x")) == 74
    assert [path.name for path in tmp_path.glob("all*")] == []


def test_csv_is_a_file_a_kind(export: Callable[..., int], tmp_path: Path) -> None:
    out = tmp_path / "csv"
    assert export("--format", "csv", str(out)) == 0
    names = {path.stem for path in out.iterdir()}
    assert names == {
        "battery",
        "day_totals",
        "gps_track",
        "heart_rate",
        "sleep_session",
        "sleep_stage",
        "steps",
        "workout",
    }
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    with (out / "sleep_session.csv").open(newline="") as file:
        (session,) = csv.DictReader(file)
    assert (session["night"], session["session"], session["asleep_s"]) == (
        "2026-07-01",
        "night",
        "3600",
    )
    with (out / "heart_rate.csv").open(newline="") as file:
        assert [row["bpm"] for row in csv.DictReader(file)] == [str(60 + k) for k in range(10)]
    # the newest revision only
    with (out / "day_totals.csv").open(newline="") as file:
        assert [(row["revision"], row["steps"]) for row in csv.DictReader(file)] == [("2", "5000")]


def test_gpx_is_the_track_of_a_workout_in_its_segments(
    export: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gpx"
    assert export("--format", "gpx", str(out)) == 0
    assert "1 workout (1 without a GPS track left out)" in capsys.readouterr().err
    (path,) = out.iterdir()
    assert path.name == "alice-20260701T160000Z-outdoor_run.gpx"
    root = ET.parse(path).getroot()  # noqa: S314 - our own
    segments = root.findall("g:trk/g:trkseg", IN_GPX)
    assert [len(segment) for segment in segments] == [2, 1]
    points = root.findall(".//g:trkpt", IN_GPX)
    assert [(point.get("lat"), point.get("lon")) for point in points] == [
        ("52.500000", "13.400000"),
        ("52.501000", "13.401000"),
        ("52.510000", "-13.410000"),
    ]
    assert [point.findtext("g:time", None, IN_GPX) for point in points] == [
        "2026-07-01T16:00:00Z",
        "2026-07-01T16:01:00Z",
        "2026-07-01T16:06:40Z",
    ]
    assert [point.findtext("g:ele", None, IN_GPX) for point in points] == ["34", "35", "-3"]
    # the last heart rate is five minutes old by then
    assert [point.findtext(".//x:hr", None, IN_GPX) for point in points] == ["101", "121", None]


def test_tcx_has_a_lap_and_all_that_the_watch_told(
    export: Callable[..., int], tmp_path: Path
) -> None:
    out = tmp_path / "tcx"
    assert export("--format", "tcx", str(out)) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "alice-20260701T160000Z-outdoor_run.tcx",
        "alice-20260701T180000Z-yoga.tcx",
    ]
    root = ET.parse(out / "alice-20260701T160000Z-outdoor_run.tcx").getroot()  # noqa: S314
    activity = root.find("t:Activities/t:Activity", IN_TCX)
    assert activity is not None
    assert activity.get("Sport") == "Running"
    lap = activity.find("t:Lap", IN_TCX)
    assert lap is not None
    assert [child.tag.partition("}")[2] for child in lap] == [
        "TotalTimeSeconds",
        "DistanceMeters",
        "Calories",
        "AverageHeartRateBpm",
        "MaximumHeartRateBpm",
        "Intensity",
        "TriggerMethod",
        "Track",
        "Track",
    ]
    assert [lap.findtext(f"t:{name}", None, IN_TCX) for name in ("Calories", "DistanceMeters")] == [
        "210",
        "3000",
    ]
    told = [
        (
            point.findtext("t:Time", "", IN_TCX)[14:19],
            point.findtext("t:DistanceMeters", None, IN_TCX),
            point.findtext("t:HeartRateBpm/t:Value", None, IN_TCX),
            point.find("t:Position", IN_TCX) is not None,
        )
        for point in lap.findall("t:Track/t:Trackpoint", IN_TCX)
    ]
    assert told == [
        ("00:00", None, "101", True),
        ("01:00", "160", "121", True),
        ("01:30", None, "130", False),
        ("02:00", "330", None, False),
        ("06:40", None, None, True),
    ]
    yoga = ET.parse(out / "alice-20260701T180000Z-yoga.tcx").getroot()  # noqa: S314
    assert yoga.find("t:Activities/t:Activity[@Sport='Other']", IN_TCX) is not None
    assert not yoga.findall(".//t:Trackpoint", IN_TCX)


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("parquet", "pyarrow", "pyarrow"), ("fit", "fit_tool", "fit-tool")],
)
def test_a_format_whose_library_is_missing_says_so_in_one_line(
    export: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    module: str,
    package: str,
) -> None:
    import sys

    for loaded in [one for one in sys.modules if one.startswith(("gatewayd.export.", module))]:
        monkeypatch.delitem(sys.modules, loaded)
    real = builtins.__import__

    def without(wanted: str, *rest: object, **more: object) -> object:
        if wanted.partition(".")[0] == module:
            raise ImportError(wanted)
        return real(wanted, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    assert export("--format", name, str(tmp_path / "out")) == 69
    assert capsys.readouterr().err == (
        f"gatewayd: The format {name} needs {package}, which is not installed."
        " Run: pip install 'gatewayd[export]'.\n"
    )
    assert not (tmp_path / "out").exists()


def test_parquet_columns_have_their_types(export: Callable[..., int], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from datetime import UTC, date, datetime

    from pyarrow import parquet

    out = tmp_path / "parquet"
    assert export("--format", "parquet", str(out)) == 0
    (session,) = parquet.read_table(out / "sleep_session.parquet").to_pylist()
    assert session["night"] == date(2026, 7, 1)
    assert session["start"] == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert (session["session"], session["efficiency_pct"], session["latency_s"]) == (
        "night",
        100.0,
        None,
    )
    run, yoga = parquet.read_table(out / "workout.parquet").to_pylist()
    assert run["samples"][0] == {
        "elapsed_s": 60,
        "steps": 150,
        "distance_m": 160,
        "energy_kcal": 11.0,
        "bpm": 121,
    }
    assert run["heart_rates"] == [[0, 101], [90, 130], [100, 0]]
    assert (run["summary"]["max_bpm"], yoga["summary"], yoga["samples"]) == (151, None, [])
    heart = parquet.read_table(out / "heart_rate.parquet")
    assert heart.schema.field("bpm").type == "int64"
    assert heart.num_rows == 10
    assert stat.S_IMODE((out / "workout.parquet").stat().st_mode) == 0o600


def test_every_kind_has_a_parquet_schema(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from gatewayd.export.parquet import table
    from protocols.model.catalog import KINDS

    for kind in KINDS:
        assert {*kind.fields} <= {*table(kind.name, tmp_path).schema.names}


def test_fit_is_read_back_by_a_decoder(export: Callable[..., int], tmp_path: Path) -> None:
    pytest.importorskip("fit_tool")
    from fit_tool.fit_file import FitFile
    from fit_tool.profile.messages.activity_message import ActivityMessage
    from fit_tool.profile.messages.event_message import EventMessage
    from fit_tool.profile.messages.record_message import RecordMessage
    from fit_tool.profile.messages.session_message import SessionMessage
    from fit_tool.profile.profile_type import Sport

    out = tmp_path / "fit"
    assert export("--format", "fit", str(out)) == 0
    assert len([*out.iterdir()]) == 2
    file = FitFile.from_file(str(out / "alice-20260701T160000Z-outdoor_run.fit"))
    messages = [record.message for record in file.records if not record.is_definition]
    start_ms = 1_782_921_600_000
    records = [message for message in messages if isinstance(message, RecordMessage)]
    assert [
        ((one.timestamp - start_ms) // 1000, one.heart_rate, one.distance) for one in records
    ] == [(0, 101, None), (60, 121, 160.0), (90, 130, None), (120, None, 330.0), (400, None, None)]
    assert records[0].position_lat == pytest.approx(52.5, abs=1e-6)
    assert records[2].position_lat is None
    assert records[-1].position_long == pytest.approx(-13.41, abs=1e-6)
    (session,) = [message for message in messages if isinstance(message, SessionMessage)]
    assert session.sport == Sport.RUNNING.value
    assert (session.total_distance, session.total_calories, session.max_heart_rate) == (
        3_000.0,
        210,
        151,
    )
    assert session.total_elapsed_time == 1_200.0
    events = [message.event_type for message in messages if isinstance(message, EventMessage)]
    assert events == [0, 4, 0, 4]  # start, stop, start again in the second segment, stop
    (whole,) = [message for message in messages if isinstance(message, ActivityMessage)]
    assert whole.local_timestamp - (whole.timestamp // 1000 - 631_065_600) == 7_200


def test_every_sport_of_ours_is_one_that_the_library_knows() -> None:
    profile = pytest.importorskip("fit_tool.profile.profile_type")
    from protocols.fitcloud.fit_sports import FIT_SPORT

    for sport, sub_sport in FIT_SPORT.values():
        assert profile.Sport(sport).value == sport
        assert profile.SubSport(sub_sport).value == sub_sport


def test_json_output_is_json_even_with_strange_names(
    export: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert export("-") == 0
    for line in capsys.readouterr().out.splitlines():
        assert isinstance(json.loads(line), dict)
