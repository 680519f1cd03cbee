"""The plug-ins, seen by the people who use them: whole pytest runs inside a test."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

# Pytester forgets what an inner run imported, and a class that is imported twice is two classes:
# what inner runs share has to be there before the first of them.
import gatewayd.plugins
import gatewayd.testing.conformance
import gatewayd.testing.traces  # noqa: F401
import protocols.fitcloud.spec  # noqa: F401

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[3]
PLUGINS = ("protocols.testing.plugin", "gatewayd.testing.plugin")
LOADED = [part for name in PLUGINS for part in ("-p", name)]

Run = Callable[..., pytest.RunResult]

HEAR = "0000ff03-0000-1000-8000-00805f9b34fb"
TRACE = (
    {"type": "gatt.jsonl", "version": 1, "started": "2026-03-10T20:00:00Z"},
    {"t": 1, "dir": "rx", "op": "notification", "uuid": HEAR, "value": "00"},
    {"t": 2, "dir": "rx", "op": "notification", "uuid": HEAR, "value": "01"},
)
ADAPTER = """
from protocols.testing.vectors import Unsupported, compared
def run(vector):
    if vector.op != "double":
        return Unsupported(f"no {vector.op} here")
    return compared(vector.expect, {"it": 2 * vector.data[0]})
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")

    def run(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest_inprocess(*LOADED, "-p", "no:cacheprovider", *arguments)

    return run


@pytest.fixture
def vectors(pytester: pytest.Pytester) -> None:
    row = {"kind": "decode", "op": "double", "params": {}}
    rows = (
        row | {"name": "right", "hex": "02", "expect": {"it": 4}},
        row | {"name": "wrong", "hex": "02", "expect": {"it": 5}, "note": "by hand"},
        row | {"name": "other", "op": "halve"},
    )
    folder = pytester.mkdir("vectors")
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pytester.makepyfile(their_adapter=ADAPTER)


@pytest.fixture
def traces(pytester: pytest.Pytester) -> Path:
    folder = pytester.mkdir("traces")
    (folder / "a.gatt.jsonl").write_text("".join(json.dumps(row) + "\n" for row in TRACE))
    (folder / "README.md").write_text("what these are")
    pytester.makepyfile("""
        import pytest
        @pytest.mark.traces("traces/*")
        def test_it(trace):
            trace.check()
        """)
    return folder


# --- vectors ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("vectors")
def test_each_vector_is_a_test_that_passes_skips_or_says_what_differed(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile("""
        import pytest
        @pytest.mark.vectors("vectors/*.jsonl", adapter="their_adapter")
        def test_it(vector):
            vector.check()
        """)
    result = run("-v", "-rs")
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["*test_it?right? PASSED*", "*test_it?wrong? FAILED*"])
    result.stdout.fnmatch_lines(
        ["*a.jsonl:2 wrong", "  result.it: expected 5, got 4", "  note: by hand"]
    )
    result.stdout.fnmatch_lines(["SKIPPED*unsupported: no halve here"])


@pytest.mark.usefixtures("vectors")
def test_a_setting_serves_tests_without_a_mark(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makeini("""
        [pytest]
        asyncio_default_fixture_loop_scope = function
        protocol_vectors = vectors/*.jsonl
        protocol_vectors_adapter = their_adapter
        """)
    pytester.makepyfile("def test_it(vector): vector.check()")
    run().assert_outcomes(passed=1, failed=1, skipped=1)


@pytest.mark.usefixtures("vectors")
def test_a_test_may_answer_vectors_itself(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile("""
        import pytest
        from protocols.testing.vectors import Passed
        @pytest.mark.vectors("vectors/*.jsonl")
        def test_it(vector):
            vector.check(lambda _: 1 / 0 if vector.vector.name == "right" else Passed())
        """)
    result = run()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError raised: division by zero"])


@pytest.mark.usefixtures("vectors")
@pytest.mark.parametrize(
    ("mark", "says", "outcome"),
    [
        ('"none/*.jsonl"', "no file matches *none/?.jsonl", "errors"),
        ("", "the mark names no files", "errors"),
        ('"test_*.py"', "*.py: line 1: not JSON*", "errors"),
        ('"vectors/a.jsonl"', "who answers? *adapter=*", "failed"),
        ('"vectors/a.jsonl", adapter="nowhere"', "nowhere cannot answer vectors: *", "failed"),
    ],
)
def test_what_cannot_be_run_is_one_clear_line_and_no_success(
    pytester: pytest.Pytester, run: Run, mark: str, says: str, outcome: str
) -> None:
    pytester.makepyfile(
        f"import pytest\n@pytest.mark.vectors({mark})\ndef test_it(vector): vector.check()"
    )
    result = run()
    assert result.parseoutcomes().get(outcome)
    assert "passed" not in result.parseoutcomes()
    result.stdout.fnmatch_lines([f"*{says}"])


def test_a_vector_without_a_mark_says_what_to_do(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile("def test_a(vector): pass\ndef test_b(trace): pass")
    result = run()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["which vectors? *", "which traces? *"])


# --- traces -----------------------------------------------------------------------------------


def test_a_trace_needs_a_golden_result_and_then_has_to_replay_to_it(traces: Path, run: Run) -> None:
    golden = traces / "a.golden.jsonl"
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a.golden.jsonl is missing. Run pytest --update-golden*"])
    assert not golden.exists()

    result = run("--update-golden", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*wrote *a.golden.jsonl (* lines)*"])
    rows = [json.loads(line) for line in golden.read_text().splitlines()]
    assert rows[-1]["notifications"][0]["notifications"] == 2
    run().assert_outcomes(passed=1)
    run("--update-golden").assert_outcomes(passed=1)

    right = golden.read_text()
    golden.write_text(right.replace('"notifications":2', '"notifications":3'))
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*notifications?0?.notifications: expected 3, got 2"])
    for spoilt, says in (
        ("", "line 1 is new"),
        (right + right, "is missing: "),
        ("?\n" + right, "line 1 is no JSON"),
    ):
        golden.write_text(spoilt)
        result = run()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"*{says}*"])


def test_the_end_of_a_damaged_trace_belongs_to_its_result(traces: Path, run: Run) -> None:
    trace, golden = traces / "a.gatt.jsonl", traces / "a.golden.jsonl"
    trace.write_text(trace.read_text()[:-20])
    run("--update-golden").assert_outcomes(skipped=1)
    *_, summary, fault = map(json.loads, golden.read_text().splitlines())
    assert summary["att_pdus"] == 1
    assert fault == {"type": "fault", "reason": "line 3 is no JSON, or cut off"}
    run().assert_outcomes(passed=1)


def test_a_protocol_that_is_not_there_fails(
    pytester: pytest.Pytester, traces: Path, run: Run
) -> None:
    pytester.makepyfile("""
        import pytest
        @pytest.mark.traces("traces/*", protocol="fitclown")
        def test_a(trace): trace.check()
        """)
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a.gatt.jsonl: there is no protocol fitclown*"])


def test_a_project_may_have_an_option_of_that_name_itself(
    pytester: pytest.Pytester, traces: Path, run: Run
) -> None:
    pytester.makeconftest("""
        def pytest_addoption(parser):
            parser.addoption("--update-golden", action="store_true", help="theirs")
        """)
    run("--update-golden").assert_outcomes(skipped=1)
    assert (traces / "a.golden.jsonl").exists()


# --- playbook, duet, watch --------------------------------------------------------------------


def test_a_script_that_ends_before_its_procedure_fails(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile("""
        from protocols.procedure import tell
        def greet():
            yield from tell("hello")
            yield from tell("goodbye")
        def test_whole(playbook):
            playbook.start(greet()).wrote("hello").wrote("goodbye").returned()
        def test_half(playbook):
            playbook.start(greet()).wrote("hello")
        def test_wrong(playbook):
            assert playbook.start(greet()) is None
        """)
    result = run()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["the exchange differs from its script", "  + wrote goodbye*"])
    # a test that failed is not told twice (the summary may say it again, in full where CI is set)
    told = str(result.stdout).partition("short test summary")[0]
    assert told.count("+ wrote goodbye") == 1


def test_a_duet_with_the_virtual_watch_fetches_all_that_it_holds(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile("""
        import pytest
        from protocols.fitcloud.session import FitCloudSession
        from protocols.model.catalog import Category
        from protocols.model.intents import Sync
        from protocols.session import SessionSettings
        from protocols.testing.duet import EarlyErasure
        from protocols.testing.virtual_watch import PLAIN

        @pytest.fixture
        def done(duet, virtual_watch, watch_user):
            settings = SessionSettings(watch_user, consent=frozenset(Category))
            done = duet(FitCloudSession(settings))
            ticket = done.submit(Sync())
            assert done.run(lambda: ticket in done.settled)
            assert done.settled[ticket] is None
            assert done.readings
            assert not virtual_watch.held
            return done

        def test_modern(done, virtual_watch):
            assert virtual_watch.profile.features > PLAIN.features

        class TestOfAPlainWatch:
            @pytest.fixture
            def watch_profile(self):
                return PLAIN
            def test_plain(self, done, virtual_watch):
                assert virtual_watch.profile is PLAIN

        def test_early(done):
            done.early_erasures.append(EarlyErasure(3, 120))

        def test_half(duet):
            with pytest.raises(TypeError, match="needs the facts"):
                duet(FitCloudSession(SessionSettings("x")), object())
        """)
    result = run()
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["told to forget before it was durable: 120 bytes of kind 3"])


# --- conformance ------------------------------------------------------------------------------


def test_conformance_is_collected_on_demand_and_can_be_selected(run: Run) -> None:
    assert run().ret is pytest.ExitCode.NO_TESTS_COLLECTED
    result = run("--protocol-conformance", "-k", "fitcloud and not vectors")
    outcomes = result.parseoutcomes()
    assert result.ret is pytest.ExitCode.OK
    assert outcomes["passed"] > 40
    assert "skipped" not in outcomes
    result.stdout.fnmatch_lines(["collected * items / * deselected / * selected"])
    listed = run("--protocol-conformance", "--collect-only", "-q", "-m", "protocol_conformance")
    listed.stdout.fnmatch_lines(["protocols::fitcloud::vectors/data-frame/*"])


STRANGER = """
from protocols.spec import ProtocolSpec
from protocols.session import Close, Subscribe
import collections

class Session:
    def __init__(self, settings):
        self.effects = collections.deque()
    def opened(self, facts, now):
        self.effects.append(Subscribe("a"))
    def received(self, characteristic, data, now):
        {received}
    def written(self, now): pass
    failed = submit = confirm = lambda self, *_: None
    def tick(self, now): pass
    def closed(self, now): pass
    def deadline(self): return None
    def next_effect(self):
        return self.effects.popleft() if self.effects else None

SPEC = ProtocolSpec(
    name="{name}", title="A stranger's", match=lambda _: None, open_session=Session,
    services=frozenset(), conformance={conformance},
)
"""


def stranger(
    pytester: pytest.Pytester, name: str, *, received: str = "pass", conformance: object = None
) -> Path:
    """A distribution with one protocol, as `pip install --target` would leave it."""
    package = pytester.mkpydir(name)
    text = STRANGER.format(name=name, received=received, conformance=repr(conformance))
    (package / "spec.py").write_text(text)
    info = pytester.mkdir(f"{name}-1.dist-info")
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[gatewayd.protocols]\n{name} = {name}.spec:SPEC\n")
    pytester.syspathinsert()
    return package


def test_a_stranger_without_anything_is_told_what_is_missing(
    pytester: pytest.Pytester, run: Run
) -> None:
    stranger(pytester, "harmless")
    result = run("--protocol-conformance", "-k", "harmless", "-rs")
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] == 9  # it can be used, and its session bears noise
    assert "failed" not in outcomes
    result.stdout.fnmatch_lines_random(
        ["SKIPPED*no function `rehearsal`*", "SKIPPED*no `observe`*", "SKIPPED*shown no reading*"]
    )


def test_a_stranger_that_breaks_the_rules_fails(pytester: pytest.Pytester, run: Run) -> None:
    package = stranger(pytester, "fragile", received="data[3]", conformance="fragile.spec")
    (package / "vectors").mkdir()
    (package / "vectors" / "bad.jsonl").write_text("{")
    (package / "vectors" / "good.jsonl").write_text(
        '{"name": "x", "kind": "decode", "op": "x", "expect": 1}'
    )
    (package / "traces").mkdir()
    (package / "traces" / "x.btsnoop").write_bytes(b"nonsense")
    result = run("--protocol-conformance", "-k", "fragile")
    result.stdout.fnmatch_lines_random(
        [
            "IndexError: index out of range",
            "fragile/spec.py:*: in received",
            "*bad.jsonl: line 1: not JSON*",
            "fragile.spec cannot answer vectors: *",
            "*x.golden.jsonl is missing*",
        ]
    )


def test_a_protocol_that_cannot_be_loaded_fails(pytester: pytest.Pytester, run: Run) -> None:
    package = stranger(pytester, "broken")
    (package / "spec.py").write_text("1 / 0")
    result = run("--protocol-conformance", "-k", "broken")
    result.assert_outcomes(failed=1, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines(["broken of broken: ZeroDivisionError*"])


# --- manners ----------------------------------------------------------------------------------


def test_the_entry_points_are_named_like_their_modules() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    assert table["pytest11"] == {name: name for name in PLUGINS}


def test_loading_the_plug_ins_loads_next_to_nothing() -> None:
    probe = f"""
import sys, pytest
try:
    import pytest_asyncio
except ImportError:
    pass
before = set(sys.modules)
import {", ".join(PLUGINS)}
print(*sorted(set(sys.modules) - before))
"""
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )
    ours = {name for name in done.stdout.split() if name.startswith(("protocols", "gatewayd"))}
    packages = {"protocols", "protocols.testing", "gatewayd", "gatewayd.testing"}
    assert ours == packages | {"gatewayd.testing.options"} | set(PLUGINS)
    assert not set(done.stdout.split()) & {"bleak", "bumble", "structlog", "hypothesis"}


def test_the_rest_of_the_kit_does_without_pytest() -> None:
    names = ("conformance", "duet", "noise", "playbook", "rehearsal", "vectors", "virtual_watch")
    statement = ", ".join(f"protocols.testing.{name}" for name in names)
    # -S leaves out everything that is installed
    subprocess.run([sys.executable, "-S", "-c", f"import {statement}"], cwd=ROOT, check=True)


def test_tests_that_do_not_ask_for_it_do_not_notice(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makeconftest("""
        import pytest
        @pytest.fixture
        def radio(): return "theirs"
        @pytest.fixture(params=[1, 2])
        def vector(request): return request.param
        """)
    pytester.makepyfile("""
        import pytest, unittest
        def test_theirs(radio, vector): assert (radio, vector // 3) == ("theirs", 0)
        @pytest.mark.parametrize("trace, playbook", [(1, 2)])
        def test_parametrised(trace, playbook): assert (trace, playbook) == (1, 2)
        @pytest.mark.vectors
        def test_marked(): pass
        class TestOld(unittest.TestCase):
            def test_old(self): pass
        """)
    run("--strict-markers").assert_outcomes(passed=5)


@pytest.mark.parametrize(
    ("missing", "says"),
    [("bumble", "*pip install 'gatewayd?demo?'"), ("asyncio", "*pip install pytest-asyncio")],
)
def test_without_its_parts_the_radio_is_skipped_with_the_reason(
    pytester: pytest.Pytester, run: Run, missing: str, says: str
) -> None:
    if missing == "bumble":
        pytester.makeconftest("import sys; sys.modules['bumble'] = None")
    pytester.makepyfile("""
        async def test_it(radio, watch_on_air): raise AssertionError
        """)
    arguments = ["-p", "no:asyncio"] if missing == "asyncio" else ["--asyncio-mode=auto"]
    done = pytester.runpytest_subprocess(*LOADED, "-rs", *arguments)
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines([f"SKIPPED{says}"])
