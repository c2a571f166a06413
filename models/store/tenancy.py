"""Who may touch which table: the one list of grants and row-level security, and the SQL that puts it into force.

`migrations/env.py` applies it after every upgrade where the database differs, so a new table is closed from its first
day. A table that is not named here gets the default: the application may read, insert and update rows of its tenant.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Table, text

from models.db import APP_ROLE, SYSTEM_ROLE, TENANT_SETTING
from models.tables import metadata

APPEND_ONLY: Final = frozenset(
    {
        "action_request", "approval_delegation", "approval_response", "audit_entry", "chain_checkpoint", "chain_link",
        "evidence_record", "journal", "measurement", "message", "message_delivery", "quality_report", "signature",
        "signature_void",
    }
)  # fmt: skip
"""The record itself: nobody changes or deletes these rows (21 CFR 11.10(e))."""

SEALED: Final = frozenset({"process_step", "step", "step_edge", "step_requirement"})
"""Steps of approved versions: written once, at approval."""

DELETABLE: Final = frozenset({"calendar", "document_link", "instance_watch", "user_role"})
"""Current facts whose history is in the audit trail, and who watches what."""

UPDATABLE_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "tenant": ("chain_n", "chain_hash"),
    "user_account": (
        "full_name", "email", "password_hash", "is_active", "must_change_password", "password_changed_at",
        "last_login_at", "failed_logins", "locked_until",
    ),
    "auth_token": ("last_seen_at", "revoked_at"),
    "command": (
        "signalled_at", "outcome", "settled_at", "settled_seq", "response_status", "response", "confirmed_by",
        "confirmed_at",
    ),
    "request": ("command_ids", "response_status", "response"),
    "notification": ("read_at",),
    "document": ("state", "title", "subject_id", "released_by", "released_at", "effective_at", "obsoleted_at"),
}  # fmt: skip
"""Tables of which the application changes these columns only: who a user is, what a document names, never change."""

NOT_INSERTED: Final = frozenset({"tenant"})

_DEADLINES: Final = (
    "tenant_id", "workflow_instance_id", "status", "exited_at", "due_at", "limit_at", "wake_at", "overdue",
    "escalation_level",
)  # fmt: skip
_ON_THE_WAY: Final = (
    "tenant_id", "id", "channel", "user_id", "webhook_id", "channel_id", "digest", "state", "next_attempt_at",
    "attempts", "created_at",
)  # fmt: skip
SYSTEM_GRANTS: Final[dict[str, tuple[str, ...]]] = {
    # login: whose name or token is this?
    "tenant": ("SELECT",),
    "user_account": ("SELECT",),
    "user_role": ("SELECT",),
    "auth_token": ("SELECT", "UPDATE (last_seen_at)"),
    # dispatcher
    "outbox": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    # sweep: what was accepted and not settled, what is open and has no run, what is late and not marked
    "command": ("SELECT", "UPDATE (signalled_at)"),
    "workflow_instance": ("SELECT",),
    "step_execution": (f"SELECT ({', '.join(_DEADLINES)})",),
    # sweep: which versions are over
    "process": ("SELECT",),
    # courier: what is due to go out; what it says is read as the application, of one tenant
    "notification_delivery": (
        f"SELECT ({', '.join(_ON_THE_WAY)})",
        "UPDATE (attempts, next_attempt_at)",
        # sweep: what was delivered and kept long enough
        "DELETE",
    ),
    # sweep: which messages were kept long enough, and let nobody go on
    "message": ("SELECT (tenant_id, id, received_at, expires_at)", "DELETE"),
    "message_delivery": ("SELECT (tenant_id, message_id)",),
    # recorder: what anybody wants to hear of; sweep: whom nothing can be sent to any more
    "webhook": ("SELECT (tenant_id, id, kinds, is_active, deleted_at)",),
    "notification_channel": ("SELECT (tenant_id, id, kinds, is_active, deleted_at)",),
    "notification_preference": ("SELECT (tenant_id, choices)",),
}
"""What the system role may do in all tenants at once; nothing else."""

GLOBAL_TABLES: Final = frozenset({"alembic_version"})
"""Tables that belong to no tenant; both roles may read them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What is granted on one table, and by which column it is bound to its tenant."""

    table: str
    tenant_column: str
    app: tuple[str, ...]
    system: tuple[str, ...]


def expected_access() -> list[Access]:
    """The rules of every table of the code."""
    return [_access(table) for table in metadata.sorted_tables]


def _access(table: Table) -> Access:
    return Access(
        table=table.name,
        tenant_column="id" if table.name == "tenant" else "tenant_id",
        app=tuple(_app_grants(table.name)),
        system=SYSTEM_GRANTS.get(table.name, ()),
    )


def _app_grants(name: str) -> Iterator[str]:
    yield "SELECT"
    if name not in NOT_INSERTED:
        yield "INSERT"
    if name in UPDATABLE_COLUMNS:
        yield f"UPDATE ({', '.join(UPDATABLE_COLUMNS[name])})"
    elif name not in APPEND_ONLY | SEALED and name != "outbox":
        yield "UPDATE"
    if name in DELETABLE:
        yield "DELETE"


def create_roles(passwords: dict[str, str]) -> Iterator[str]:
    """SQL that makes the two roles where they are missing; a role with a password may log in."""
    for role in (APP_ROLE, SYSTEM_ROLE):
        yield (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN "
            f"CREATE ROLE {role} NOLOGIN; END IF; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
        yield (
            f"DO $$ BEGIN IF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN "
            f"GRANT {role} TO CURRENT_USER; END IF; END $$"
        )
        if role in passwords:
            secret = passwords[role].replace("'", "''")
            yield f"ALTER ROLE {role} LOGIN PASSWORD '{secret}'"


def access_statements() -> Iterator[str]:
    """SQL that puts the rules into force, whatever was there before."""
    both = f"{APP_ROLE}, {SYSTEM_ROLE}"
    yield f"GRANT USAGE ON SCHEMA public TO {both}"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {both}"
    for name in sorted(GLOBAL_TABLES):
        yield f"GRANT SELECT ON {name} TO {both}"
    for access in expected_access():
        yield f"GRANT {', '.join(access.app)} ON {access.table} TO {APP_ROLE}"
        yield f"ALTER TABLE {access.table} ENABLE ROW LEVEL SECURITY"
        yield f"ALTER TABLE {access.table} FORCE ROW LEVEL SECURITY"
        yield f"DROP POLICY IF EXISTS tenant_isolation ON {access.table}"
        mine = f"{access.tenant_column} = NULLIF(current_setting('{TENANT_SETTING}', true), '')::uuid"
        yield f"CREATE POLICY tenant_isolation ON {access.table} USING ({mine}) WITH CHECK ({mine})"
        yield f"DROP POLICY IF EXISTS across_tenants ON {access.table}"
        if access.system:
            yield f"GRANT {', '.join(access.system)} ON {access.table} TO {SYSTEM_ROLE}"
            yield f"CREATE POLICY across_tenants ON {access.table} TO {SYSTEM_ROLE} USING (true) WITH CHECK (true)"


_SECURITY = text(
    """
    SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
           array(SELECT p.policyname || ':' || array_to_string(p.roles, ',')
                 FROM pg_policies p WHERE p.schemaname = 'public' AND p.tablename = c.relname
                 ORDER BY p.policyname) AS policies
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    """
)

_GRANTS = text(
    """
    SELECT name, COALESCE(r.rolname, 'PUBLIC') AS grantee, privilege, column_name
    FROM (
        SELECT c.relname AS name, acl.grantee, acl.privilege_type AS privilege, NULL AS column_name
        FROM pg_class c, aclexplode(c.relacl) AS acl
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        UNION ALL
        SELECT c.relname, acl.grantee, acl.privilege_type, a.attname
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) AS acl
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    ) given
    LEFT JOIN pg_roles r ON r.oid = given.grantee
    WHERE given.grantee = 0 OR r.rolname IN (:app, :system)
    """
)


def access_problems(connection: Connection) -> list[str]:
    """Where the database's grants and policies differ from the rules; empty where they agree."""
    security = {row.name: row for row in connection.execute(_SECURITY)}
    granted: dict[tuple[str, str], dict[str, set[str]]] = {}
    for row in connection.execute(_GRANTS, {"app": APP_ROLE, "system": SYSTEM_ROLE}):
        columns = granted.setdefault((row.name, row.grantee), {}).setdefault(row.privilege, set())
        columns.update([row.column_name] if row.column_name is not None else [])
    known = {access.table: access for access in expected_access()}
    problems = [f"{name}: has no rule" for name in sorted(security.keys() - known.keys() - GLOBAL_TABLES)]
    for name, access in known.items():
        if name not in security:
            problems.append(f"{name}: is missing")
            continue
        found = security[name]
        policies = ["tenant_isolation:public"]
        if access.system:
            policies.insert(0, f"across_tenants:{SYSTEM_ROLE}")
        if not (found.enabled and found.forced) or found.policies != policies:
            problems.append(f"{name}: row-level security is {found.enabled}/{found.forced} with {found.policies}")
        for role, wanted in ((APP_ROLE, access.app), (SYSTEM_ROLE, access.system), ("PUBLIC", ())):
            has = granted.get((name, role), {})
            if has != _parsed(wanted):
                problems.append(f"{name}: {role} has {has}, should have {wanted}")
    return problems


def _parsed(grants: tuple[str, ...]) -> dict[str, set[str]]:
    """`UPDATE (a, b)` as `{"UPDATE": {"a", "b"}}`; no columns stand for the whole table."""
    parsed = {}
    for grant in grants:
        privilege, _, columns = grant.partition(" (")
        parsed[privilege] = {column.strip() for column in columns.rstrip(")").split(",") if column}
    return parsed
