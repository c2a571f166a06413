"""The migrations, the models and the access rules say the same, and the database obeys them."""

from datetime import timedelta
from itertools import product, takewhile

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy.pool import NullPool

from models.db import APP_ROLE, SYSTEM_ROLE, app_engine, normalised, system_engine
from models.settings import Settings
from models.store.bootstrap import bootstrap
from models.store.sessions import log_in
from models.store.tenancy import (
    APPEND_ONLY,
    DELETABLE,
    GLOBAL_TABLES,
    SYSTEM_GRANTS,
    UPDATABLE_COLUMNS,
    access_problems,
    expected_access,
)
from models.tables import metadata
from workers.embedded.postgres import EmbeddedPostgres
from workers.migrate import alembic_config, applied, differences, heads, upgrade

SHAPE = """
    SELECT conrelid::regclass::text || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' '
                     || coalesce(column_default, '') || ' ' || is_identity
    FROM information_schema.columns WHERE table_schema = 'public'
    ORDER BY 1
"""


def engine_on(url: str) -> sa.Engine:
    return sa.create_engine(normalised(url), poolclass=NullPool)


def shape_of(url: str) -> set[str]:
    with engine_on(url).connect() as connection:
        return {row[0] for row in connection.execute(sa.text(SHAPE)) if "alembic_version" not in row[0]}


def test_migrations_and_models_agree(database: str) -> None:
    assert differences(database) is None
    assert applied(database) == heads()


def test_migrations_make_the_very_constraints_indexes_and_defaults_of_the_models(
    database: str, empty_database: str
) -> None:
    with engine_on(empty_database).begin() as connection:
        metadata.create_all(connection)
    migrated, created = shape_of(database), shape_of(empty_database)
    assert migrated - created == set()
    assert created - migrated == set()


def test_every_table_is_closed_to_other_tenants_and_granted_as_listed(database: str) -> None:
    with engine_on(database).connect() as connection:
        assert access_problems(connection) == []


@pytest.mark.parametrize(
    "tampering",
    [
        "ALTER TABLE journal NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE journal DISABLE ROW LEVEL SECURITY",
        "GRANT DELETE ON audit_entry TO gatework_app",
        "GRANT UPDATE (reason) ON audit_entry TO gatework_app",
        "GRANT SELECT ON subject TO PUBLIC",
        "CREATE POLICY everything ON subject TO gatework_app USING (true)",
        "CREATE TABLE forgotten (tenant_id uuid)",
    ],
)
def test_a_loosened_rule_is_noticed(database: str, tampering: str) -> None:
    with engine_on(database).begin() as connection:
        connection.execute(sa.text(tampering))
        assert len(access_problems(connection)) == 1


def test_the_next_upgrade_tightens_what_was_loosened(database: str) -> None:
    with engine_on(database).begin() as connection:
        for statement in (
            "ALTER TABLE journal NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE subject DISABLE ROW LEVEL SECURITY",
            "GRANT DELETE ON audit_entry TO gatework_app",
            "GRANT UPDATE (reason) ON audit_entry TO gatework_app",
            "GRANT SELECT ON subject TO PUBLIC",
            "DROP POLICY tenant_isolation ON step",
        ):
            connection.execute(sa.text(statement))
    upgrade(database)
    with engine_on(database).connect() as connection:
        assert access_problems(connection) == []


def test_the_way_down_and_up_again(empty_database: str) -> None:
    upgrade(empty_database)
    command.downgrade(alembic_config(empty_database), "base")
    assert applied(empty_database) == ()
    upgrade(empty_database)
    assert differences(empty_database) is None


@pytest.fixture
def plain_owner(postgres: EmbeddedPostgres, empty_database: str) -> str:
    """Address of an empty database whose owner is no superuser, as cloud providers hand them out."""
    name = normalised(empty_database).database
    assert name is not None
    with postgres.connect() as connection:
        if connection.execute("SELECT FROM pg_roles WHERE rolname = 'plain_owner'").fetchone() is None:
            connection.execute("CREATE ROLE plain_owner LOGIN CREATEROLE")
        for role in (APP_ROLE, SYSTEM_ROLE):
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None:
                connection.execute(sql.SQL("GRANT {} TO plain_owner WITH ADMIN OPTION").format(sql.Identifier(role)))
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO plain_owner").format(sql.Identifier(name)))
    return normalised(empty_database).set(username="plain_owner").render_as_string(hide_password=False)


async def test_an_owner_who_is_no_superuser_migrates_and_is_bound_by_the_rules(plain_owner: str) -> None:
    upgrade(plain_owner)
    with engine_on(plain_owner).connect() as connection:
        assert access_problems(connection) == []
    settings = Settings(database_url=SecretStr(plain_owner))
    made = await bootstrap(settings)
    app, system = app_engine(settings), system_engine(settings)
    grant = await log_in(app, system, made.logins[0].username, made.logins[0].password, ttl=timedelta(hours=1))
    assert grant.tenant_id == made.tenant_id
    await app.dispose()
    await system.dispose()
    with engine_on(plain_owner).connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM subject_type")).scalar() == 0


def test_roles_with_a_password_of_their_own_may_log_in(
    postgres: EmbeddedPostgres, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_DATABASE_URL", f"postgresql://{APP_ROLE}:it%27s%25secret@db.invalid/gatework")
    upgrade(database)
    query = "SELECT rolcanlogin, rolpassword IS NOT NULL FROM pg_authid WHERE rolname = %s"
    with postgres.connect() as connection:
        assert connection.execute(query, [APP_ROLE]).fetchone() == (True, True)
        assert connection.execute(query, [SYSTEM_ROLE]).fetchone() == (False, False)
        connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(APP_ROLE)))


def test_every_word_list_names_a_table() -> None:
    named = APPEND_ONLY | DELETABLE | set(UPDATABLE_COLUMNS) | set(SYSTEM_GRANTS)
    assert named <= set(metadata.tables)
    for table, columns in UPDATABLE_COLUMNS.items():
        assert set(columns) <= set(metadata.tables[table].columns.keys())
    assert {access.table for access in expected_access()} == set(metadata.tables)
    assert not GLOBAL_TABLES & set(metadata.tables)


def test_rows_have_no_relationships_and_foreign_keys_carry_the_tenant() -> None:
    for table in metadata.tables.values():
        if table.name == "tenant":
            continue
        assert next(iter(table.primary_key.columns)).name == "tenant_id", table.name
        for key in table.foreign_key_constraints:
            assert key.column_keys[0] == "tenant_id", key.name
            assert key.ondelete == "RESTRICT", key.name


def test_only_records_that_stand_on_their_own_do_not_lead_back_to_their_tenant() -> None:
    reaching = {"tenant"}
    while True:
        more = {
            table.name
            for table in metadata.tables.values()
            if table.name not in reaching
            and any(
                key.referred_table.name in reaching and not any(c.nullable for c in key.columns)
                for key in table.foreign_key_constraints
            )
        }
        if not more:
            break
        reaching |= more
    assert set(metadata.tables) - reaching == {"audit_entry", "chain_link", "chain_checkpoint", "outbox"}


def test_times_carry_a_zone_and_documents_are_jsonb(database: str) -> None:
    with psycopg.connect(normalised(database).set(drivername="postgresql").render_as_string()) as connection:
        found = connection.execute(
            "SELECT DISTINCT data_type FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
    assert not {"timestamp without time zone", "json", "double precision"} & {row[0] for row in found}


def test_no_index_competes_with_a_key_that_foreign_keys_look_up() -> None:
    """Without statistics the planner takes an index that shares two leading columns for as good as the key itself."""
    for table in metadata.tables.values():
        looked_up = {
            tuple(element.column.name for element in key.elements)
            for other in metadata.tables.values()
            for key in other.foreign_key_constraints
            if key.referred_table is table
        }
        kept = [list(one.columns.keys()) for one in table.constraints if isinstance(one, sa.UniqueConstraint)]
        kept += [[column.name for column in index.columns] for index in table.indexes]
        kept.append(list(table.primary_key.columns.keys()))
        unique = [set(table.primary_key.columns.keys()), *map(set, looked_up)]
        for key_columns, columns in product(looked_up, kept):
            shared = set(takewhile(key_columns.__contains__, columns))
            assert len(shared) < 2 or any(key <= shared for key in unique), (table.name, key_columns, columns)
