"""The settings: each explained, each in the example file, each read from where it says."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from models.settings import TEMPORAL_VARIABLES, Settings
from tests.platform.test_compose import example, variable

FIELDS = sorted(Settings.model_fields)


@pytest.mark.parametrize("field", FIELDS)
def test_each_setting_says_what_it_does(field: str) -> None:
    assert len(Settings.model_fields[field].description or "") > 20


@pytest.mark.parametrize("field", FIELDS)
def test_each_setting_is_in_the_example_file(field: str) -> None:
    assert variable(field) in example()


def test_the_example_file_names_no_setting_that_does_not_exist() -> None:
    known = {variable(field) for field in FIELDS} | {"GATEWORK_VERSION", "GATEWORK_DB_PASSWORD"}
    assert {name for name in example() if name.startswith("GATEWORK_")} <= known


def test_the_example_files_values_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in example().items():
        if value:
            monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.token_ttl == timedelta(hours=12)
    assert settings.site == "main"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("GATEWORK_API_PORT", "")
    settings = Settings()
    assert settings.database_url is None
    assert settings.api_port == 8000


def test_secrets_do_not_appear_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://owner:hunter2@db/gatework")
    monkeypatch.setenv("GATEWORK_ADMIN_PASSWORD", "hunter2")
    assert "hunter2" not in repr(Settings())


@pytest.mark.parametrize(("name", "value"), [("SITE", "Haupt Werk"), ("API_PORT", "0"), ("TOKEN_TTL", "-PT1H")])
def test_a_wrong_value_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"GATEWORK_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


@pytest.mark.parametrize("name", TEMPORAL_VARIABLES)
def test_temporal_is_given_where_its_own_variables_say_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in TEMPORAL_VARIABLES:
        monkeypatch.delenv(other, raising=False)
    assert not Settings().temporal_is_given
    monkeypatch.setenv(name, "something")
    assert Settings().temporal_is_given


@pytest.mark.parametrize(
    ("chosen", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"api_host": "0.0.0.0", "api_port": 9000}, "http://127.0.0.1:9000"),
        ({"public_url": "https://gatework.example.com/"}, "https://gatework.example.com"),
    ],
)
def test_the_address_of_the_app(chosen: dict[str, object], url: str) -> None:
    assert Settings.model_validate(chosen).base_url == url


def test_the_data_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings(data_dir=Path("data")).state_dir == tmp_path / "data"
