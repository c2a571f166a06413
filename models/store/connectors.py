"""Connectors of a tenant: made, changed, taken away. What they prove who we are with is kept encrypted, never shown."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ConnectorAuth
from models.notices.targets import TargetRefusedError, check_base, origin_of
from models.secret_box import SecretBox
from models.store.audit import AuditDraft, audit_tenant
from models.store.bulk import insert_rows, update_rows
from models.store.connector_errors import (
    ConnectorKeyTakenError,
    ConnectorSecretNeededError,
    ConnectorTargetRefusedError,
    ConnectorUnknownError,
)
from models.store.people import Person
from models.store.reading import fetch, fetch_one
from models.store.views import moment
from models.tables import Connector

Json = dict[str, Any]

_LIST = text(
    """
    SELECT c.*, u.username AS created_by_name FROM connector c
    LEFT JOIN user_account u ON (u.tenant_id, u.id) = (c.tenant_id, c.created_by)
    WHERE c.tenant_id = :tenant AND c.deleted_at IS NULL
      AND (CAST(:id AS uuid) IS NULL OR c.id = :id) AND c.key > :after COLLATE "C"
    ORDER BY c.key COLLATE "C" LIMIT :limit
    """
)
_LOCK = text("SELECT id FROM connector WHERE tenant_id = :tenant AND id = :id FOR NO KEY UPDATE")
"""Two changes at once must not put the address of one beside the secret of the other."""
_IN_USE = text(
    "SELECT key, base_url, auth, login, secret FROM connector"
    " WHERE tenant_id = :tenant AND key = :key AND deleted_at IS NULL"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorRules:
    """What the deployment says about connectors."""

    box: SecretBox
    private_allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How a connector proves who we are: `login` is the user of `basic`, the name of the header of `header`."""

    auth: ConnectorAuth
    login: str = ""
    secret: str = field(default="", repr=False)

    @property
    def shown(self) -> Json:
        """What the audit trail tells of them."""
        return {"auth": self.auth.value, "login": self.login}


async def list_connectors(
    session: AsyncSession, tenant_id: UUID, *, limit: int, after: str = ""
) -> Sequence[RowMapping]:
    """Connectors by key."""
    return await fetch(session, _LIST, tenant=tenant_id, id=None, after=after, limit=limit)


async def connector_of(session: AsyncSession, tenant_id: UUID, connector: UUID) -> RowMapping:
    """One connector.

    Raises:
        StoreError: connector_unknown.
    """
    row = await fetch_one(session, _LIST, tenant=tenant_id, id=connector, after="", limit=1)
    if row is None:
        raise ConnectorUnknownError(connector=str(connector))
    return row


async def connector_in_use(session: AsyncSession, tenant_id: UUID, key: str) -> RowMapping | None:
    """The connector that a step names; None where there is none, or none any more."""
    return await fetch_one(session, _IN_USE, tenant=tenant_id, key=key)


async def create_connector(
    session: AsyncSession,
    person: Person,
    rules: ConnectorRules,
    *,
    key: str,
    name: str,
    base_url: str,
    credentials: Credentials,
) -> RowMapping:
    """Add a connector.

    Raises:
        StoreError: connector_key_taken, connector_target_refused.
    """
    _check(rules, base_url)
    if await connector_in_use(session, person.tenant_id, key) is not None:
        raise ConnectorKeyTakenError(key=key)
    connector = uuid4()
    values = {"name": name, "base_url": base_url}
    row = {
        "tenant_id": person.tenant_id, "id": connector, "key": key, **values, **_kept(rules, credentials),
        "created_by": person.id,
    }  # fmt: skip
    await insert_rows(session, Connector, [row])
    said = {"key": key, **values, **credentials.shown}
    await _audit(session, person, connector, "created", None, said)
    return await connector_of(session, person.tenant_id, connector)


async def change_connector(
    session: AsyncSession,
    person: Person,
    rules: ConnectorRules,
    connector: UUID,
    values: Mapping[str, Any],
    credentials: Credentials | None,
) -> RowMapping:
    """Change its name, where it leads, or how it proves who we are; requests of steps follow at once.

    Raises:
        StoreError: connector_unknown, connector_target_refused, connector_secret_needed.
    """
    before = await _locked(session, person.tenant_id, connector)
    url = values.get("base_url", before["base_url"])
    _check(rules, url)
    if credentials is None and before["auth"] != ConnectorAuth.NONE and origin_of(url) != origin_of(before["base_url"]):
        # Whoever may change the address must not thereby learn the secret.
        raise ConnectorSecretNeededError
    kept = {} if credentials is None else _kept(rules, credentials)
    changes = {**values, **kept, "changed_at": datetime.now(UTC)}
    await update_rows(session, Connector, [{"tenant_id": person.tenant_id, "id": connector, **changes}])
    given = {} if credentials is None else credentials.shown
    new: Json = {name: value for name, value in {**values, **given}.items() if value != before[name]}
    old: Json = {name: before[name] for name in new}
    if credentials is not None and credentials.secret:
        new["secret"] = "renewed"  # noqa: S105 - a word for the trail
    if new:
        await _audit(session, person, connector, "changed", old, new)
    return await connector_of(session, person.tenant_id, connector)


async def delete_connector(session: AsyncSession, person: Person, connector: UUID) -> None:
    """Take it away: its secret is gone, and steps that name it stop in an incident until there is another of its key.

    Raises:
        StoreError: connector_unknown.
    """
    before = await _locked(session, person.tenant_id, connector)
    gone = {"deleted_at": datetime.now(UTC), "secret": b""}
    await update_rows(session, Connector, [{"tenant_id": person.tenant_id, "id": connector, **gone}])
    told = {name: before[name] for name in ("key", "name", "base_url")}
    await _audit(session, person, connector, "deleted", told, None)


def auth_headers(connector: RowMapping, box: SecretBox) -> dict[str, str]:
    """What a request through a connector says of who we are.

    Raises:
        SecretUnreadableError: the secret was kept with a key that is not ours.
    """
    match ConnectorAuth(connector["auth"]):
        case ConnectorAuth.NONE:
            return {}
        case ConnectorAuth.BASIC:
            pair = f"{connector['login']}:{box.open(connector['secret'])}"
            return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        case ConnectorAuth.BEARER:
            return {"authorization": f"Bearer {box.open(connector['secret'])}"}
        case ConnectorAuth.HEADER:
            return {connector["login"].lower(): box.open(connector["secret"])}


def connector_json(row: RowMapping) -> Json:
    """A connector as the API shows it; never its secret."""
    auth: Json = {"type": row["auth"]}
    if row["auth"] == ConnectorAuth.BASIC:
        auth["username"] = row["login"]
    if row["auth"] == ConnectorAuth.HEADER:
        auth["header"] = row["login"]
    return {
        "id": str(row["id"]),
        **{name: row[name] for name in ("key", "name", "base_url")},
        "auth": auth,
        "created_at": moment(row["created_at"]),
        "created_by": row["created_by_name"],
        "changed_at": moment(row["changed_at"]),
    }


async def _locked(session: AsyncSession, tenant_id: UUID, connector: UUID) -> RowMapping:
    await fetch(session, _LOCK, tenant=tenant_id, id=connector)
    return await connector_of(session, tenant_id, connector)


def _kept(rules: ConnectorRules, given: Credentials) -> Json:
    sealed = b"" if given.auth is ConnectorAuth.NONE else rules.box.seal(given.secret)
    return {**given.shown, "secret": sealed}


def _check(rules: ConnectorRules, base_url: str) -> None:
    try:
        check_base(base_url, private_allowed=rules.private_allowed)
    except TargetRefusedError as error:
        raise ConnectorTargetRefusedError(detail=str(error)) from error


async def _audit(
    session: AsyncSession, person: Person, connector: UUID, verb: str, old: Json | None, new: Json | None
) -> None:
    draft = AuditDraft(action=f"connector.{verb}", object_type="connector", object_id=connector, old=old, new=new)
    await audit_tenant(session, person.actor, draft)
