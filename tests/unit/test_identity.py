"""The identity that watches are bound to: chosen once, kept for ever."""

from pathlib import Path

import pytest

from gatewayd.errors import StoreDamaged, StoreError
from gatewayd.identity import user_id


def test_it_is_chosen_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    chosen = user_id(directory)
    assert len(chosen.encode()) <= 28
    assert user_id(directory) == chosen
    assert (directory / "user-id").stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in directory.iterdir()] == ["user-id"]


def test_two_installations_differ(tmp_path: Path) -> None:
    assert user_id(tmp_path / "a") != user_id(tmp_path / "b")


@pytest.mark.parametrize("content", ["", "two words", "x" * 29, "\xff"])
def test_a_damaged_one_is_never_silently_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "user-id").write_text(content)
    with pytest.raises(StoreDamaged, match="backup"):
        user_id(tmp_path)
    assert (tmp_path / "user-id").read_text() == content


def test_a_directory_that_cannot_be_used_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Not a directory"):
        user_id(tmp_path / "file")
