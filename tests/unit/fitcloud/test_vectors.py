"""Every golden vector, and every recorded stream as a broken connection would leave it."""

import random
from pathlib import Path

import pytest

from protocols.errors import RemoteProtocolError
from protocols.fitcloud import conformance
from protocols.fitcloud.features import Features
from protocols.fitcloud.records.context import RecordContext
from protocols.fitcloud.records.table import SUPPORTED, decode
from protocols.model.catalog import kind_of
from protocols.model.time import to_datetime
from protocols.testing.vectors import Failed, Passed, Unsupported, Vector, load

FILES = sorted((Path(conformance.__file__).parents[1] / "vectors").glob("*.jsonl"))
VECTORS = [vector for path in FILES for vector in load(path)]
STREAMS = [
    vector
    for vector in VECTORS
    if vector.op == "sync_data" and vector.params["type"] in SUPPORTED and vector.data
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vectors_of_a_file_pass_or_are_honestly_unsupported(path: Path) -> None:
    outcomes = {vector.name: conformance.run(vector) for vector in load(path)}
    assert outcomes
    assert {n: o.difference for n, o in outcomes.items() if isinstance(o, Failed)} == {}
    assert all(o.reason for o in outcomes.values() if isinstance(o, Unsupported))


@pytest.mark.parametrize(
    "name",
    [
        *(path.stem for path in FILES if path.stem.startswith("data-")),
        *("push-events", "push-goals", "push-time"),
    ],
)
def test_files_of_what_this_gateway_speaks_pass_whole(name: str) -> None:
    path = next(path for path in FILES if path.stem == name)
    assert [v.name for v in load(path) if not isinstance(conformance.run(v), Passed)] == []


def context_of(vector: Vector) -> RecordContext:
    features = Features(frozenset(vector.params["features"]))
    return RecordContext(features, vector.params.get("sport_hr_per_item"))


def decode_whatever(vector: Vector, stream: bytes) -> tuple[object, ...]:
    """Readings, which must have times that a calendar can show; or nothing for a refusal."""
    try:
        readings = decode(vector.params["type"], stream, context_of(vector)).readings
    except RemoteProtocolError:
        return ()
    for reading in readings:
        to_datetime(kind_of(reading).starts(reading))
    return readings


@pytest.mark.parametrize("vector", STREAMS, ids=lambda vector: vector.name)
def test_a_stream_cut_at_any_byte_gives_a_beginning_of_its_readings(vector: Vector) -> None:
    whole = decode_whatever(vector, vector.data)
    for end in range(len(vector.data)):
        part = decode_whatever(vector, vector.data[:end])
        if vector.params["type"] == 2:
            continue  # a night that ends early ends in another segment
        assert part == whole[: len(part)]


@pytest.mark.parametrize("vector", STREAMS, ids=lambda vector: vector.name)
def test_garbage_behind_a_stream_takes_nothing_away_and_raises_nothing_odd(vector: Vector) -> None:
    noise = random.Random(vector.name)
    whole = decode_whatever(vector, vector.data)
    for size in (1, 7, 8, 9, 40, 300):
        readings = decode_whatever(vector, vector.data + noise.randbytes(size))
        if vector.params["type"] not in {2, 10, 16} and not truncated(vector):
            assert readings[: len(whole)] == whole


@pytest.mark.parametrize("vector", STREAMS, ids=lambda vector: vector.name)
def test_a_stream_with_flipped_bytes_raises_nothing_odd(vector: Vector) -> None:
    noise = random.Random(vector.name)
    for _ in range(50):
        broken = bytearray(vector.data)
        for _ in range(noise.randint(1, 4)):
            broken[noise.randrange(len(broken))] = noise.randrange(256)
        decode_whatever(vector, bytes(broken))


def truncated(vector: Vector) -> bool:
    oddities = decode(vector.params["type"], vector.data, context_of(vector)).oddities
    return any(kind == "truncated" for kind, _ in oddities)
