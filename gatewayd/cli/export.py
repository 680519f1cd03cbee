"""`gatewayd export`: the store's content as files for other programs."""

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from gatewayd.cli.selection import add_filters, add_store, store_path, wanted
from gatewayd.errors import MissingExtra, OutputFailed

if TYPE_CHECKING:
    from gatewayd.export.activities import Activity
    from gatewayd.store.reader import StoreReader, Wanted

FORMATS: Final = ("json", "csv", "parquet", "gpx", "tcx", "fit")
NEEDS: Final = {"parquet": "pyarrow", "fit": "fit-tool"}

_OWNER_ONLY: Final = 0o600
_SHOWN_EVERY: Final = 5_000


def configure(parser: ArgumentParser) -> None:
    """Arguments."""
    add_store(parser)
    add_filters(parser)
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="json",
        help="json: everything, in one file of JSON Lines; csv and parquet: a file a kind;"
        " gpx (with a GPS track), tcx and fit: a file a workout (default: json)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite what is there")
    parser.add_argument(
        "out",
        type=Path,
        metavar="OUT",
        help="a file for json (- for standard output), else a folder",
    )
    parser.set_defaults(execute=execute)


def execute(options: Namespace) -> int:
    """Write the files; what was written is told on standard error.

    Raises ConfigError, StoreError, PermissionRefused, NotStored, MissingExtra, OutputFailed.
    """
    from gatewayd.store.reader import StoreReader

    with StoreReader.open(store_path(options)) as store:
        chosen = wanted(options, store)
        try:
            told = _WRITERS[options.format](store, chosen, options)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(
                f"{options.out} cannot be written ({error.strerror})",
                "Free some space, or name another place",
            ) from error
    print(f"gatewayd: {told} in {options.out}", file=sys.stderr)
    return 0


def _json(store: "StoreReader", chosen: "Wanted", options: Namespace) -> str:
    from gatewayd.cli.main import version
    from gatewayd.export.lines import lines

    everything = lines(store, chosen, version(), time.time())
    with _output(options) as file:
        return f"{_counted(_written(everything, file))} lines"


def _csv(store: "StoreReader", chosen: "Wanted", options: Namespace) -> str:
    from gatewayd.export.tables import write_csv

    def write(kind: str, path: Path) -> Iterator[None]:
        with _private(path) as file:
            yield from write_csv(kind, store.readings(chosen._replace(kinds=(kind,))), file)

    return _by_kind(store, chosen, options, write)


def _parquet(store: "StoreReader", chosen: "Wanted", options: Namespace) -> str:
    with _extra("parquet"):
        from gatewayd.export import parquet

    def write(kind: str, path: Path) -> Iterator[None]:
        into = parquet.table(kind, path)
        path.touch(_OWNER_ONLY)
        yield from parquet.write(into, store.readings(chosen._replace(kinds=(kind,))))

    return _by_kind(store, chosen, options, write)


def _gpx(store: "StoreReader", chosen: "Wanted", options: Namespace) -> str:
    from gatewayd.export.xml_files import gpx

    def write(activity: "Activity") -> bytes | None:
        return gpx(activity) if activity.has_track else None

    return _by_workout(store, chosen, options, write)


def _tcx(store: "StoreReader", chosen: "Wanted", options: Namespace) -> str:
    from gatewayd.export.xml_files import tcx

    sport_of = _sports(store)
    return _by_workout(store, chosen, options, lambda one: tcx(one, sport_of(one)[0]))


def _fit(store: "StoreReader", chosen: "Wanted", options: Namespace) -> str:
    with _extra("fit"):
        from gatewayd.export.fit import fit

    sport_of = _sports(store)
    return _by_workout(store, chosen, options, lambda one: fit(one, *sport_of(one)))


_WRITERS: Final[dict[str, Callable[["StoreReader", "Wanted", Namespace], str]]] = {
    "json": _json,
    "csv": _csv,
    "parquet": _parquet,
    "gpx": _gpx,
    "tcx": _tcx,
    "fit": _fit,
}


def _by_kind(
    store: "StoreReader",
    chosen: "Wanted",
    options: Namespace,
    write: Callable[[str, Path], Iterator[None]],
) -> str:
    folder = _folder(options)
    kinds = chosen.kinds or store.kinds()
    count = sum(_counted(write(kind, folder / f"{kind}.{options.format}")) for kind in kinds)
    return f"{count} readings of {len(kinds)} kinds"


def _by_workout(
    store: "StoreReader",
    chosen: "Wanted",
    options: Namespace,
    write: Callable[["Activity"], bytes | None],
) -> str:
    from gatewayd.export.activities import activities, file_stem, track_id
    from gatewayd.store.reader import Wanted

    folder = _folder(options)
    located = store.readings(Wanted(devices=chosen.devices, kinds=("gps_track",)))
    tracks = {track_id(track): track for track in located}
    workouts = store.readings(chosen._replace(kinds=("workout",)))
    written = left_out = 0
    for activity in activities(workouts, tracks):
        content = write(activity)
        if content is None:
            left_out += 1
            continue
        with _private(folder / f"{file_stem(activity)}.{options.format}") as file:
            file.buffer.write(content)
        written += 1
    without = f" ({left_out} without a GPS track left out)" if left_out else ""
    return f"{written} {'workout' if written == 1 else 'workouts'}{without}"


def _sports(store: "StoreReader") -> "Callable[[Activity], tuple[int, int]]":
    """FIT's numbers for a workout's sport, as its device's protocol knows them; else generic."""
    from gatewayd.plugins import discover

    sports = {
        record.name: record.spec.fit_sports for record in discover() if record.spec is not None
    }
    of_device = {device.known.slug: sports.get(device.protocol, {}) for device in store.devices()}

    def sport_of(activity: "Activity") -> tuple[int, int]:
        return of_device.get(activity.slug, {}).get(activity.sport_code, (0, 0))

    return sport_of


@contextmanager
def _output(options: Namespace) -> Iterator[TextIO]:
    if str(options.out) == "-":
        yield sys.stdout
        return
    if options.out.exists() and not options.force:
        raise OutputFailed(f"{options.out} exists already", "Name another file, or add --force")
    unfinished = options.out.with_name(f"{options.out.name}.{os.getpid()}")
    try:
        with _private(unfinished) as file:
            yield file
        unfinished.replace(options.out)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _folder(options: Namespace) -> Path:
    folder: Path = options.out
    if folder.is_dir() and any(folder.iterdir()) and not options.force:
        raise OutputFailed(f"{folder} is not empty", "Name another folder, or add --force")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _private(path: Path) -> TextIO:
    """A new file that only its owner may read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY)
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")


def _written(lines: Iterable[str], file: TextIO) -> Iterator[None]:
    for line in lines:
        file.write(f"{line}\n")
        yield


def _counted(rows: Iterator[None]) -> int:
    """Do the work, and show on a terminal how far it is."""
    count = 0
    shown = sys.stderr.isatty()
    for _ in rows:
        count += 1
        if shown and count % _SHOWN_EVERY == 0:
            print(f"\r{count}", end="", file=sys.stderr, flush=True)
    if shown and count >= _SHOWN_EVERY:
        print("\r\x1b[K", end="", file=sys.stderr)
    return count


@contextmanager
def _extra(name: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingExtra(
            f"The format {name} needs {NEEDS[name]}, which is not installed",
            "Run: pip install 'gatewayd[export]'",
        ) from error
