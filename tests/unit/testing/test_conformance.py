"""The conformance command: a runner that cannot fail would be worthless."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from itertools import islice
from pathlib import Path

import pytest

from protocols.fitcloud import conformance as fitcloud
from protocols.spec import ProtocolSpec
from protocols.testing import conformance
from protocols.testing.vectors import Failed, Outcome, Passed, Vector, parse

GOLDEN = Path(fitcloud.__file__).parents[1] / "vectors"
GOOD = {
    "name": "battery-1",
    "kind": "decode",
    "op": "battery",
    "params": {},
    "hex": "00325a",
    "expect": {"batteryCount": 50, "isCharging": False, "percentage": 90},
}

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*rows: object) -> str:
        path = tmp_path / "rows.jsonl"
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        path.write_text("\n".join(lines), encoding="utf-8")
        return str(path)

    return write


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[-1]


def test_all_passed_is_status_zero(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert conformance.main([write(GOOD)]) == 0
    assert last_line(capsys) == "1 passed, 0 failed, 0 unsupported"


def test_a_wrong_value_is_found_and_named(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    bad = GOOD | {"name": "bad", "expect": GOOD["expect"] | {"percentage": 91}}  # type: ignore[operator]
    assert conformance.main([write(GOOD, bad)]) == 1
    out = capsys.readouterr().out
    assert "bad" in out
    assert "result.percentage: expected 91, got 90" in out
    assert out.splitlines()[-1] == "1 passed, 1 failed, 0 unsupported"


def test_an_unsupported_operation_is_told_and_no_success(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conformance.main([write(GOOD | {"op": "teleport"}, GOOD | {"op": "teleport"})]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "unsupported: 2 × teleport: no such operation",
        "0 passed, 0 failed, 2 unsupported",
    ]


def test_json_has_a_line_per_vector_and_ends_with_the_count(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = GOOD | {"expect": None}
    conformance.main(["--json", write(GOOD, bad, GOOD | {"op": "teleport"})])
    *rows, last = capsys.readouterr().out.splitlines()
    assert [json.loads(row)["outcome"] for row in rows] == ["passed", "failed", "unsupported"]
    assert "difference" in json.loads(rows[1])
    assert last == "1 passed, 1 failed, 1 unsupported"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "line 2: not a vector (no JSON object)"),
        ('{"op": "x", "kind": "decode"}', "line 2: not a vector ('name' is missing)"),
        ('{"name": "x", "op": "x", "kind": "decode", "hex": "0"}', "line 2: not a vector"),
        ('{"name": "x", "op": "x", "kind": "decode", "params": []}', None),
        ('{"name": "x", "op": "x", "kind": "decode", "params": [1]}', "line 2: not a vector"),
        ('{"name": 1, "op": "x", "kind": "decode"}', "line 2: not a vector (its name is no text)"),
        ("[" * 100_000, "line 2: n"),
    ],
)
def test_what_is_no_vector_is_one_clear_line_and_status_65(
    write: Write, capsys: pytest.CaptureFixture[str], row: str, says: str | None
) -> None:
    status = conformance.main([write(GOOD, row)])
    captured = capsys.readouterr()
    if says is None:
        assert status == 1
        return
    assert status == 65
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert says in captured.err


def test_unreadable_files_are_one_clear_line_and_status_65(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "binary"):
        assert conformance.main([str(path)]) == 65
        err = capsys.readouterr().err
        assert len(err.splitlines()) == 1
        assert str(path) in err


def test_a_wrong_call_is_status_64(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert conformance.main(["--protocol", "nonsense", write(GOOD)]) == 64
    assert "no protocol nonsense" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        conformance.main([])
    assert caught.value.code == 64


def test_an_adapter_that_raises_has_failed_the_vector() -> None:
    def broken(_: Vector) -> Outcome:
        raise ZeroDivisionError("oh")

    outcome = conformance.answer(broken, Vector("x", "decode", "op"))
    assert isinstance(outcome, Failed)
    assert outcome.difference == "ZeroDivisionError raised: oh"


def test_a_strangers_protocol_answers_with_its_own_module(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(vector: Vector) -> Outcome:
        assert vector.data == b"\0\x32\x5a"
        return Passed()

    module = type(sys)("stranger")
    module.__dict__["run"] = run
    module.__dict__["SPEC"] = ProtocolSpec(
        name="stranger",
        title="A stranger's",
        match=lambda _: None,
        open_session=lambda _: (_ for _ in ()).throw(AssertionError),
        services=frozenset(),
        conformance="stranger",
    )
    monkeypatch.setitem(sys.modules, "stranger", module)
    entry = EntryPoint("stranger", "stranger:SPEC", "gatewayd.protocols")
    monkeypatch.setattr(conformance, "entry_points", lambda **_: [entry])
    assert conformance.main(["--protocol", "stranger", write(GOOD | {"op": "theirs"})]) == 0
    capsys.readouterr()
    assert conformance.main([write(GOOD)]) == 64
    assert "Say --protocol fitcloud|stranger" in capsys.readouterr().err


def test_a_protocol_that_cannot_be_loaded_is_said_so(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = EntryPoint("broken", "no_such_module:SPEC", "gatewayd.protocols")
    monkeypatch.setattr(conformance, "entry_points", lambda **_: [entry])
    assert conformance.main([write(GOOD)]) == 64
    assert "protocol broken cannot be loaded" in capsys.readouterr().err


def corruptions(value: object) -> Iterator[object]:
    """The same shape with one leaf changed, for each leaf; labels of errors are no values."""
    match value:
        case {"error": str(), **others} if not others:
            yield None
        case dict() if value:
            for key in value:
                if key != "exception" and not (key == "error" and isinstance(value[key], str)):
                    yield from (value | {key: other} for other in corruptions(value[key]))
        case list() if value:
            yield value[:-1]
            for index, one in enumerate(value):
                for other in corruptions(one):
                    yield [*value[:index], other, *value[index + 1 :]]
        case bool():
            yield not value
        case int() | float():
            yield value + 1
        case str():
            yield "00" + value
        case _:
            yield {"something": "else"}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("data-*.jsonl")), ids=lambda path: path.stem)
def test_no_corrupted_expectation_of_our_own_vectors_passes(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if not isinstance(fitcloud.run(next(parse(line))), Passed):
            continue
        for other in islice(corruptions(row["expect"]), 40):
            (broken,) = parse(json.dumps(row | {"expect": other}))
            outcome = conformance.answer(fitcloud.run, broken)
            assert isinstance(outcome, Failed), (row["name"], other)


def test_the_command_runs_as_a_module(write: Write) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "protocols.testing.conformance", write(GOOD)],
        capture_output=True,
        text=True,
        check=False,
        cwd=GOLDEN.parents[2],
    )
    assert (done.returncode, done.stdout) == (0, "1 passed, 0 failed, 0 unsupported\n")
