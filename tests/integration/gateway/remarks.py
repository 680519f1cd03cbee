"""Figures that a test wants said at the end of the run, whether it passed or not."""

import pytest

REMARKS = pytest.StashKey[list[str]]()
