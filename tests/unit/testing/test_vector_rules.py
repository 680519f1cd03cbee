"""The rules by which results are compared."""

import pytest

from protocols.testing.vectors import Failed, Passed, compared, difference, parse


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (1.0, 1.0000009),
        (0.0, 0),
        (1, 1.0),
        ({"a": [1, None]}, {"a": (1, None)}),
        (None, None),
    ],
)
def test_equal_within_the_rules(expected: object, actual: object) -> None:
    assert difference(expected, actual) is None


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (1.0, 1.000002),
        (0.0, 1e-9),
        (1_000_000_000, 1_000_000_001),
        (True, 1),
        (0, False),
        (0, None),
        ("1", 1),
        ([1], [1, 2]),
        ([1, 2], [1]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, {"a": 1}),
        ([], {}),
        ([], None),
    ],
)
def test_different_by_the_rules(expected: object, actual: object) -> None:
    assert difference(expected, actual) is not None


def test_any_rejection_answers_an_error_whatever_its_label() -> None:
    assert compared({"error": "X"}, {"error": "Y"}) == Passed()
    assert isinstance(compared({"error": "X"}, None), Failed)
    assert isinstance(compared(None, {"error": "Y"}), Failed)


def test_both_schemas_come_out_alike() -> None:
    (one, other) = parse(
        '{"name":"a","kind":"decode","op":"x","params":{"p":1},"hex":["01","02"],"expect":3}\n\n'
        '{"name":"b/c","kind":"encode","input":{"p":1},"hex":"0102","output":3,'
        '"packets":[{"cmd":2,"key":1,"hex":"0102"}],"compare":"shape"}'
    )
    assert (one.op, other.op) == ("x", None)
    assert one.params == other.params == {"p": 1}
    assert one.data == other.data == b"\1\2"
    assert one.expect == other.expect == 3
    assert (other.compare, other.line, other.subject) == ("shape", 3, "b encode")
    assert other.packets is not None
    assert (other.packets[0].command, other.packets[0].value) == (2, b"\1\2")
