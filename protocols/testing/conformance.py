"""Runs golden vectors against a registered protocol.

    python -m protocols.testing.conformance [--json] [--protocol NAME] FILE.jsonl …

The last line is `N passed, M failed, K unsupported`. Exit status: 0 when nothing failed and nothing
was unsupported, 1 otherwise, 64 for a wrong call, 65 for a file that is unreadable or no vectors.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Final, NoReturn

from protocols.spec import ENTRY_POINTS, ProtocolSpec
from protocols.testing.vectors import (
    BadVectors,
    Failed,
    Outcome,
    Passed,
    Unsupported,
    Vector,
    load,
)

EX_OK: Final = 0
EX_DIFFERENT: Final = 1
EX_USAGE: Final = 64
EX_DATAERR: Final = 65

BUILT_IN: Final[Mapping[str, str]] = MappingProxyType(
    {"fitcloud": "protocols.fitcloud.conformance"}
)
"""Conformance modules of our own protocols, for a checkout that is not installed."""

Run = Callable[[Vector], Outcome]


class UsageError(Exception):
    """A call that cannot be carried out; one line for the caller."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one vector."""

    file: str
    vector: Vector
    outcome: Outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        files = [(path, _load(path)) for path in options.files]
        adapters = conformance_modules()
        runs = [
            (path, vectors, _adapter(adapters, options.protocol, path)) for path, vectors in files
        ]
    except UsageError as error:
        print(f"conformance: {error}", file=sys.stderr)
        return EX_USAGE
    except (BadVectors, OSError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return EX_DATAERR
    results = [
        Result(str(path), vector, answer(run, vector))
        for path, vectors, run in runs
        for vector in vectors
    ]
    (_print_json if options.json else _print_text)(results)
    return _conclude(results, summarised=not options.json)


def answer(run: Run, vector: Vector) -> Outcome:
    """The adapter's outcome; an adapter that raises has failed the vector."""
    try:
        return run(vector)
    except Exception as error:  # noqa: BLE001 - a decoder that raises what it may not is found here
        return Failed(f"{type(error).__name__} raised: {error}")


def conformance_modules() -> dict[str, str]:
    """Names of conformance modules by protocol: what is registered, beside what is built in.

    Raises UsageError when a registered protocol cannot be loaded.
    """
    modules = dict(BUILT_IN)
    for entry in entry_points(group=ENTRY_POINTS):
        spec = _spec(entry)
        if spec.conformance is not None:
            modules[spec.name] = spec.conformance
    return modules


class _Parser(argparse.ArgumentParser):
    """Ends with sysexits' status for a wrong call instead of 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(EX_USAGE, f"conformance: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m protocols.testing.conformance",
        description="Run golden vectors against a registered protocol.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per vector")
    parser.add_argument("--protocol", metavar="NAME", help="whose vectors they are")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="vectors, JSON lines")
    return parser


def _load(path: Path) -> list[Vector]:
    try:
        return load(path)
    except BadVectors as error:
        raise BadVectors(f"{path}: {error}") from error
    except OSError as error:
        raise OSError(f"{path}: {error.strerror or error}") from error


def _spec(entry: EntryPoint) -> ProtocolSpec:
    try:
        spec = entry.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"protocol {entry.name} cannot be loaded: {error}") from error
    if not isinstance(spec, ProtocolSpec):
        raise UsageError(f"protocol {entry.name} is registered, but is no ProtocolSpec")
    return spec


def _adapter(modules: Mapping[str, str], name: str | None, path: Path) -> Run:
    """The named protocol's adapter, the only one, or that whose name stands in the path."""
    if name is None:
        named = [candidate for candidate in modules if candidate in path.resolve().parts]
        if len(modules) == 1:
            named = list(modules)
        if len(named) != 1:
            raise UsageError(f"{path}: whose vectors? Say --protocol {'|'.join(sorted(modules))}")
        name = named[0]
    if name not in modules:
        raise UsageError(f"no protocol {name} with vectors; known: {', '.join(sorted(modules))}")
    try:
        run: Run = import_module(modules[name]).run
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{modules[name]} cannot answer vectors: {error}") from error
    return run


def _print_text(results: Iterable[Result]) -> None:
    for result in results:
        if isinstance(result.outcome, Failed):
            print(f"FAILED {result.file}:{result.vector.line} {result.vector.name}")
            print(f"       {result.outcome.difference}")


def _print_json(results: Iterable[Result]) -> None:
    for result in results:
        row = {"file": result.file, "line": result.vector.line, "name": result.vector.name}
        match result.outcome:
            case Passed():
                row["outcome"] = "passed"
            case Failed(difference):
                row |= {"outcome": "failed", "difference": difference}
            case Unsupported(reason):
                row |= {"outcome": "unsupported", "reason": reason}
        print(json.dumps(row, ensure_ascii=False))


def _conclude(results: Sequence[Result], *, summarised: bool) -> int:
    reasons = Counter(
        (result.vector.subject, result.outcome.reason)
        for result in results
        if isinstance(result.outcome, Unsupported)
    )
    if summarised:
        for (subject, reason), count in sorted(reasons.items()):
            print(f"unsupported: {count} × {subject}: {reason}")
    failed = sum(isinstance(result.outcome, Failed) for result in results)
    passed = sum(isinstance(result.outcome, Passed) for result in results)
    print(f"{passed} passed, {failed} failed, {reasons.total()} unsupported")
    return EX_DIFFERENT if failed or reasons else EX_OK


if __name__ == "__main__":
    sys.exit(main())
