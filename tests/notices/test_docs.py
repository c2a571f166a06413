"""The page for users says what the code does."""

from pathlib import Path

import pytest

from models.notices.kinds import NoticeKind
from models.notices.render import _FILTERS
from models.notices.targets import APPRISE_SCHEMAS
from models.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_is_explained(kind: NoticeKind) -> None:
    assert f"`{kind.value}`" in PAGE


def test_services_filters_and_settings_are_named() -> None:
    for schema in APPRISE_SCHEMAS:
        assert f"`{schema}`" in PAGE or f"`{schema.removesuffix('s')}(s)`" in PAGE, schema
    assert all(f"`{one}`" in PAGE for one in _FILTERS - {"e"})
    for field in ("secret_key", "apprise_allowed", "private_targets_allowed", "delivery_retries"):
        assert f"GATEWORK_{field.upper()}" in PAGE


def test_the_pauses_are_those_of_the_settings() -> None:
    words = {5: "5 s", 300: "5 min", 1800: "30 min", 7200: "2 h", 18000: "5 h", 36000: "10 h", 50400: "14 h",
             72000: "20 h", 86400: "24 h"}  # fmt: skip
    said = [words[int(pause.total_seconds())] for pause in Settings().retry_pauses]
    assert f"after {', '.join(said[:-1])} and {said[-1]}" in PAGE
