"""Which of several errors is the one to act on, and to tell."""

from gatewayd.errors import GatewayError


def cause(error: BaseException) -> BaseException:
    """The gravest error in a group, and the first of those: a bug before a known failure, a lasting
    failure before one that is worth another try. An error that is no group is its own cause."""
    return min(_leaves(error), key=_order)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _order(error: BaseException) -> int:
    if not isinstance(error, GatewayError):
        return 0
    return 2 if error.retry else 1
