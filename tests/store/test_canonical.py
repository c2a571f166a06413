"""The canonical JSON: equal content has one spelling, also after PostgreSQL stored it as JSONB."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from models.enums import Chain
from models.store.canonical import canonical, content_hash, digest_of
from workers.embedded.postgres import EmbeddedPostgres

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=10)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))


@pytest.mark.parametrize(
    ("value", "spelling"),
    [
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        (1.0, "1"),
        (-0.0, "0"),
        (1e22, "10000000000000000000000"),
        (0.1, "0.1"),
        ("é\n", '"é\\n"'),
        (Chain.TENANT, '"tenant"'),
        (Decimal("10.50"), '"10.5"'),
        (Decimal("1E+3"), '"1000"'),
        (b"\x01\xff", '"01ff"'),
        (UUID(int=7), '"00000000-0000-0000-0000-000000000007"'),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '"2026-01-02T03:04:05.000000Z"'),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), '"2026-01-02T01:04:05.000000Z"'),
        (datetime(2026, 1, 2, tzinfo=UTC).date(), '"2026-01-02"'),
        (timedelta(hours=1, microseconds=5), '"PT3600.000005S"'),
        ((1, 2), "[1,2]"),
    ],
)
def test_each_value_has_one_spelling(value: Any, spelling: str) -> None:
    assert canonical(value).decode() == spelling


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_what_json_has_no_number_for_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="no NaN"):
        canonical(value)


@pytest.mark.parametrize("value", [datetime(2026, 1, 1), object(), {1, 2}])  # noqa: DTZ001 - that is the point
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="no canonical form"):
        canonical(value)


@pytest.fixture(scope="module")
def connection(postgres: EmbeddedPostgres) -> Any:
    with postgres.connect() as opened:
        yield opened


@settings(max_examples=200, deadline=None)
@given(value=JSON)
def test_the_spelling_survives_jsonb(connection: psycopg.Connection, value: Any) -> None:
    stored = connection.execute("SELECT %s", [Jsonb(value)]).fetchone()
    assert stored is not None
    assert canonical(stored[0]) == canonical(value)


def test_the_hash_is_of_the_spelling() -> None:
    assert digest_of({"a": 1.0, "b": 2}) == digest_of({"b": 2.0, "a": 1})
    assert content_hash([]) == "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
