"""Which of several errors is told."""

from gatewayd.causes import cause
from gatewayd.errors import ConfigError, LinkLost, StoreDamaged


def test_an_error_that_is_no_group_is_its_own_cause() -> None:
    error = LinkLost("gone")
    assert cause(error) is error


def test_a_bug_weighs_more_than_a_lasting_failure_and_that_more_than_a_passing_one() -> None:
    lost, damaged, bug = LinkLost("gone"), StoreDamaged("torn"), KeyError("x")
    assert cause(ExceptionGroup("g", [lost, ExceptionGroup("h", [damaged, bug])])) is bug
    assert cause(ExceptionGroup("g", [lost, ExceptionGroup("h", [damaged])])) is damaged


def test_of_equals_the_first_wins() -> None:
    first, second = ConfigError(["a"]), StoreDamaged("b")
    assert cause(ExceptionGroup("g", [first, second])) is first
