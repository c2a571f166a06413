"""When a start may skip preparing: same code, same databases."""

from pathlib import Path

import pytest

from workers import prepared


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    for name in prepared.DATABASES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    prepared.note(tmp_path)
    return tmp_path


def test_the_second_start_may_skip_it(state_dir: Path) -> None:
    assert prepared.is_prepared(state_dir)


def test_a_new_folder_is_not_prepared(tmp_path: Path) -> None:
    assert not prepared.is_prepared(tmp_path)


@pytest.mark.parametrize("name", prepared.DATABASES)
def test_a_database_that_was_deleted_and_made_anew_is_not_prepared(name: str, state_dir: Path) -> None:
    (state_dir / name).rename(state_dir / "old")
    assert not prepared.is_prepared(state_dir)
    (state_dir / name).touch()
    assert not prepared.is_prepared(state_dir)


def test_other_code_prepares_again(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "SOURCES", ("migrations",))
    assert not prepared.is_prepared(state_dir)
