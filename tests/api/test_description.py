"""The description of the API: complete, current, and every code explained."""

import json
import re
from pathlib import Path
from typing import Any, LiteralString, get_args

import httpx
import psycopg
import pytest

from api.app import create_app
from api.problem_table import FLOW_STATUS, HTTP, STORE_STATUS, sentence_of
from models.flow.batch import WORDS, WayTaken
from models.flow.errors import REFUSALS
from models.flow.transitions import Action
from models.settings import Settings
from models.store.errors import CODES
from tests.api.caller import Caller

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def test_every_code_of_core_and_store_has_a_status() -> None:
    assert set(FLOW_STATUS) == set(REFUSALS)
    assert set(CODES) - {"store_error"} == set(STORE_STATUS)
    assert not set(HTTP) & (set(FLOW_STATUS) | set(STORE_STATUS))


def test_every_code_says_what_to_do() -> None:
    for code in (*FLOW_STATUS, *STORE_STATUS, *HTTP):
        assert re.fullmatch(r"[a-z][a-z_]*", code)
        assert len(sentence_of(code)) > 20, code


def test_every_route_describes_its_answers(described: dict[str, Any]) -> None:
    for path, methods in described["paths"].items():
        for method, spec in methods.items():
            name = f"{method} {path}"
            assert spec.get("summary"), name
            assert spec.get("description"), name
            assert spec.get("tags"), name
            if path.startswith("/api/"):
                assert "500" in spec["responses"], name
                for status, answer in spec["responses"].items():
                    if int(status) >= 400:
                        assert "application/problem+json" in answer["content"], (name, status)


def test_every_code_is_named_by_some_route(described: dict[str, Any]) -> None:
    text = json.dumps(described["paths"])
    internal = {"http_error", "unavailable", "conflict", "method_not_allowed", "unsupported_media_type",
                "request_too_large", "json_invalid", "unknown_command", "execution_not_found", "too_busy",
                "content_missing", "child_failed", "action_failed", "expression_failed"}  # fmt: skip
    missing = {code for code in (*FLOW_STATUS, *STORE_STATUS, *HTTP) if f'"{code}"' not in text} - internal
    assert not missing


def test_the_committed_description_is_current(described: dict[str, Any]) -> None:
    written = json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert written == json.loads(json.dumps(described)), "run: python scripts/export_openapi.py"


def test_every_word_for_what_a_command_to_an_execution_did_is_described(described: dict[str, Any]) -> None:
    kinds = {*Action, "undo", "retry_child"}
    said = {WORDS[kind] for kind in kinds & WORDS.keys()} | set(get_args(WayTaken))
    assert kinds - WORDS.keys() == {"complete", "signoff"}
    assert {*described["components"]["schemas"]["CommandAnswer"]["properties"]["outcome"]["enum"]} == said


def test_a_default_fits_its_pattern(described: dict[str, Any]) -> None:
    fields = {
        f"{name}.{field}": spec
        for name, shape in described["components"]["schemas"].items()
        for field, spec in shape.get("properties", {}).items()
        if "pattern" in spec and spec.get("default")
    }
    assert "NewPreferences.daily_at" in fields
    assert [name for name, spec in fields.items() if not re.search(spec["pattern"], spec["default"])] == []


def test_the_page_of_errors_is_current() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    for code in (*FLOW_STATUS, *STORE_STATUS, *HTTP):
        assert f"`{code}`" in page, "run: python scripts/export_openapi.py"


def test_the_description_and_its_page_need_no_internet(client: httpx.Client) -> None:
    assert client.get("/openapi.json").json()["info"]["title"] == "Gatework"
    page = client.get("/docs")
    assert page.status_code == 200
    assert not re.findall(r"(?:src|href)=\"https?://(?!127\.0\.0\.1)", page.text)
    for asset in set(re.findall(r"(?:src|href)=\"([^\"]+)\"", page.text)):
        assert client.get(asset).status_code == 200


def test_a_body_that_is_too_large_is_refused(client: httpx.Client, operator: Caller) -> None:
    size = 27 * 1024 * 1024
    for content in (b"x" * size, (b"x" * 65536 for _ in range(size // 65536))):
        answer = operator.ask("POST", "/api/subjects/", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


def test_health_readiness_and_metrics(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["checks"] == {"database": "ok", "migrations": "ok", "temporal": "ok"}
    assert 'route="/healthz"' in client.get("/metrics").text


def test_every_metric_is_explained(client: httpx.Client) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    told = set(re.findall(r"^# TYPE (gatework_\w+) ", client.get("/metrics").text, re.MULTILINE))
    counted = {name for name in told if not name.endswith("_created")}
    assert {"gatework_dead_letters", "gatework_outbox_age_seconds", "gatework_outbox_rows"} < counted
    assert counted == set(re.findall(r"^\| `(gatework_\w+)`", page, re.MULTILINE))


def tell(settings: Settings, statement: LiteralString) -> None:
    """Change rows directly."""
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value().replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute(statement)


def test_what_waits_to_go_out_is_measured(client: httpx.Client, api_settings: Settings) -> None:
    def measured(name: str) -> float:
        (found,) = re.findall(rf"^{name} (\S+)$", client.get("/metrics").text, re.MULTILINE)
        return float(found)

    before = measured('gatework_dead_letters{channel="email"}')
    tell(
        api_settings,
        "INSERT INTO outbox (tenant_id, topic, next_attempt_at) SELECT id, 'notice', now() - interval '10 hours'"
        " FROM tenant LIMIT 1",
    )
    assert measured("gatework_outbox_age_seconds") >= 36_000
    assert measured('gatework_outbox_rows{topic="notice"}') >= 1
    assert measured('gatework_dead_letters{channel="email"}') == before
    tell(api_settings, "DELETE FROM outbox WHERE next_attempt_at < now() - interval '9 hours'")
    assert measured("gatework_outbox_age_seconds") < 36_000


def test_every_answer_is_named_and_hardened(client: httpx.Client) -> None:
    answer = client.get("/api/me/", headers={"X-Request-ID": "abc-1"})
    assert answer.headers["x-request-id"] == "abc-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in client.get("/healthz", headers={"Origin": "https://evil"}).headers
    assert client.get("/healthz", headers={"X-Request-ID": "a\tb"}).headers["x-request-id"] != "a\tb"
