"""Runs the migrations in-process, one process at a time, and then puts the access rules into force.

The address comes in `config.attributes["database_url"]`. What the roles may do is state, not a difference: it is
listed in `models.store.tenancy` and applied after every upgrade where the database says otherwise.
"""

from typing import Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.pool import NullPool
from sqlmodel import AutoString
from sqlmodel.sql.sqltypes import UTCDateTime

from models.db import APP_ROLE, SYSTEM_ROLE, normalised
from models.settings import Settings
from models.store.tenancy import access_problems, access_statements, create_roles
from models.tables import metadata
from models.tables.base import Word

ONE_AT_A_TIME = 4_711_830_025
"""Key of the advisory lock that migrations hold."""


def render_item(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Migrations know SQLAlchemy's types only, so that they run whatever becomes of ours."""
    if kind == "type" and isinstance(item, Word):
        return "sa.Text()"
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return "sa.String()"
    return False


def role_passwords() -> dict[str, str]:
    """Passwords of the roles that log in with an address of their own."""
    settings = Settings()
    passwords = {}
    for role, url in ((APP_ROLE, settings.app_database_url), (SYSTEM_ROLE, settings.system_database_url)):
        if url is None:
            continue
        address = normalised(url.get_secret_value())
        if address.username == role and address.password is not None:
            passwords[role] = address.password
    return passwords


def run(connection: sa.Connection) -> None:
    """Migrate, then grant. One transaction: all of it or nothing."""
    context.configure(connection=connection, target_metadata=metadata, compare_type=True, render_item=render_item)
    with context.begin_transaction():
        connection.execute(sa.text("SET LOCAL lock_timeout = '10s'"))
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
        context.run_migrations()
        at = context.get_context().get_current_heads()
        if not at or set(at) != set(context.script.get_heads()):
            return
        for statement in create_roles(role_passwords()):
            connection.exec_driver_sql(statement.replace("%", "%%"))
        if access_problems(connection):
            for statement in access_statements():
                connection.exec_driver_sql(statement)


engine = sa.create_engine(normalised(context.config.attributes["database_url"]), poolclass=NullPool)
with engine.connect() as connection:
    run(connection)
    connection.commit()
engine.dispose()
