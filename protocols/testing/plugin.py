"""Pytest plug-in for those who write a protocol; `README.md` beside it is its manual.

It is loaded into every test run of the environment that it is installed in. So it imports nothing
but pytest before one of its fixtures is asked for, registers only names of its own, and does
nothing to a test that does not ask for it. What needs a radio or a trace is in
`gatewayd.testing.plugin`.
"""

import glob
from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from protocols.testing.cases import Duets, VectorCase
    from protocols.testing.playbook import Playbook
    from protocols.testing.virtual_watch import History, VirtualWatch, WatchProfile

_ENDINGS: Final = pytest.StashKey[list[Callable[[], None]]]()
"""What has to hold when a test has passed."""


# --- hooks ------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Settings of the configuration file."""
    parser.addini(
        "protocol_vectors",
        "files of golden vectors for tests that take `vector` without a mark",
        type="paths",
        default=[],
    )
    parser.addini(
        "protocol_vectors_adapter",
        "module whose run(vector) answers golden vectors, where a mark names none",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The mark."""
    config.addinivalue_line(
        "markers",
        "vectors(*globs, adapter=None): run the test for each golden vector of these files"
        " (relative to the test's own file); the argument `vector` holds it",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `vector` runs for each."""
    if not wants(metafunc, "vector"):
        return
    mark = metafunc.definition.get_closest_marker("vectors")
    paths = files_for(metafunc, mark, "protocol_vectors")
    if paths is None:
        return
    from protocols.testing.cases import vector_cases
    from protocols.testing.vectors import BadVectors

    named = None if mark is None else mark.kwargs.get("adapter")
    adapter = named or metafunc.config.getini("protocol_vectors_adapter") or None
    try:
        cases = vector_cases(paths, adapter)
    except (BadVectors, OSError) as error:
        pytest.fail(str(error), pytrace=False)
    metafunc.parametrize("vector", cases, ids=[case.vector.name for case in cases], indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test that passed has to have come to its end, too."""
    result = yield
    faults = (_fault(finish) for finish in pyfuncitem.stash.get(_ENDINGS, []))
    found = next((fault for fault in faults if fault is not None), None)
    if found is not None:  # what is wrong says it all; where it was found is no help
        pytest.fail(found, pytrace=False)
    return result


# --- fixtures ---------------------------------------------------------------------------------


@pytest.fixture
def vector(request: pytest.FixtureRequest) -> "VectorCase":
    """One golden vector: `vector.check()` answers it, `vector.vector` is what stands in the file.

    See the mark `vectors`.
    """
    case: VectorCase | None = getattr(request, "param", None)
    if case is None:
        pytest.fail(
            'which vectors? Mark the test: @pytest.mark.vectors("vectors/*.jsonl", adapter="…")',
            pytrace=False,
        )
    return case


@pytest.fixture
def playbook(request: pytest.FixtureRequest) -> "Playbook[Any]":
    """A scripted exchange with one procedure. A script that ends before its procedure fails."""
    from protocols.testing.playbook import Playbook

    script: Playbook[Any] = Playbook()
    _at_the_end(request, script.finish)
    return script


@pytest.fixture
def duet(request: pytest.FixtureRequest, watch_now: datetime) -> "Duets":
    """Makes `protocols.testing.duet.Duet`s: `duet(session)` is one with `virtual_watch`.

    A test whose watch was told to forget what was not durable fails.
    """
    from protocols.testing.cases import Duets

    duets = Duets(lambda: request.getfixturevalue("virtual_watch"), watch_now)
    _at_the_end(request, duets.finish)
    return duets


@pytest.fixture
def watch_now() -> datetime:
    """The local time at which the watch's history ends and a duet begins; override it at will."""
    return datetime(2026, 3, 10, 21, 0)  # noqa: DTZ001 - a watch knows no time zone


@pytest.fixture
def watch_profile() -> "WatchProfile":
    """What kind of watch it is: a modern one without GPS; override it at will."""
    from protocols.testing.virtual_watch import MODERN

    return MODERN


@pytest.fixture
def watch_user() -> str | None:
    """Whom the watch is bound to, None for nobody; override it at will."""
    return "owner@example.org"


@pytest.fixture
def watch_history(watch_now: datetime, watch_profile: "WatchProfile") -> "History":
    """What the watch holds: two days of a plausible life; override it at will."""
    from protocols.testing.virtual_watch import build_history

    return build_history(watch_now, days=2, profile=watch_profile)


@pytest.fixture
def virtual_watch(
    watch_history: "History", watch_profile: "WatchProfile", watch_user: str | None
) -> "VirtualWatch":
    """A watch made of software, of `watch_profile`, with `watch_history`."""
    from protocols.testing.virtual_watch import VirtualWatch

    return VirtualWatch(watch_history, profile=watch_profile, bound_user=watch_user)


# --- for plug-ins that go on from here ---------------------------------------------------------


def wants(metafunc: pytest.Metafunc, name: str) -> bool:
    """Whether a test takes this argument and does not parametrise it itself."""
    if name not in metafunc.fixturenames:
        return False
    marks = metafunc.definition.iter_markers("parametrize")
    return not any(name in _names(mark) for mark in marks)


def files_for(
    metafunc: pytest.Metafunc, mark: pytest.Mark | None, setting: str
) -> Sequence[Path] | None:
    """The files of a test's mark, or else of a setting; None when there is neither.

    Fails when nothing matches: a test that runs for no file is one that nobody misses.
    """
    if mark is not None:
        patterns = [metafunc.definition.path.parent / str(pattern) for pattern in mark.args]
    else:
        patterns = metafunc.config.getini(setting)
    if mark is None and not patterns:
        return None
    found: list[Path] = []
    for pattern in patterns:
        matches = sorted(glob.glob(str(pattern), recursive=True))  # noqa: PTH207 - it may be absolute
        if not matches:
            pytest.fail(f"no file matches {pattern}", pytrace=False)
        found += map(Path, matches)
    if not found:
        pytest.fail("the mark names no files", pytrace=False)
    return list(dict.fromkeys(found))


def _names(mark: pytest.Mark) -> Iterable[str]:
    names = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
    return [name.strip() for name in names.split(",")] if isinstance(names, str) else names


def _at_the_end(request: pytest.FixtureRequest, finish: Callable[[], None]) -> None:
    request.node.stash.setdefault(_ENDINGS, []).append(finish)


def _fault(finish: Callable[[], None]) -> str | None:
    try:
        finish()
    except AssertionError as error:
        return str(error)
    return None
