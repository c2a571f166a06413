"""Channels of a tenant: rooms (Teams, Slack, … through Apprise) and shared mailboxes that get notices of some kinds.

An Apprise URL is a secret (it carries the room's token): it is kept encrypted and only its beginning is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ChannelKind, DeliveryChannel
from models.notices.kinds import NoticeKind
from models.notices.targets import TargetRefusedError, check_apprise
from models.secret_box import SecretBox
from models.store.audit import AuditDraft, audit_tenant
from models.store.bulk import insert_rows, update_rows
from models.store.notice_errors import ChannelUnknownError, TargetRefusedByRulesError
from models.store.notices import NOTICES_CHANNEL
from models.store.people import Person
from models.store.reading import RING, beyond, fetch, fetch_one, run
from models.store.views import moment
from models.tables import NotificationChannel, NotificationDelivery

_LIST = text(
    """
    SELECT * FROM notification_channel WHERE tenant_id = :tenant AND deleted_at IS NULL
      AND (CAST(:id AS uuid) IS NULL OR id = :id)
      AND (CAST(:after_at AS timestamptz) IS NULL OR (created_at, id) > (:after_at, CAST(:after_id AS uuid)))
    ORDER BY created_at, id LIMIT :limit
    """
)
_BURY = text(
    "UPDATE notification_delivery SET state = 'dead', last_error = 'the channel was deleted'"
    " WHERE tenant_id = :tenant AND channel_id = :id AND state IN ('pending', 'failed')"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRules:
    """What the deployment says about channels."""

    box: SecretBox
    apprise_allowed: bool
    private_allowed: bool


async def list_channels(
    session: AsyncSession, tenant_id: UUID, *, limit: int, after: tuple[datetime, UUID] | None = None
) -> Sequence[RowMapping]:
    """Channels, oldest first."""
    return await fetch(
        session, _LIST, tenant=tenant_id, id=None, limit=limit,
        **beyond(after),
    )  # fmt: skip


async def channel_of(session: AsyncSession, tenant_id: UUID, channel: UUID) -> RowMapping:
    """One channel.

    Raises:
        StoreError: channel_unknown.
    """
    row = await fetch_one(session, _LIST, tenant=tenant_id, id=channel, limit=1, **beyond(None))
    if row is None:
        raise ChannelUnknownError(id=str(channel))
    return row


async def create_channel(
    session: AsyncSession,
    person: Person,
    rules: ChannelRules,
    *,
    name: str,
    kind: ChannelKind,
    target: str,
    kinds: Sequence[NoticeKind],
) -> RowMapping:
    """Add a channel.

    Raises:
        StoreError: target_refused.
    """
    shown = _checked(rules, kind, target)
    channel = uuid4()
    row = {
        "tenant_id": person.tenant_id, "id": channel, "name": name, "channel_kind": kind.value,
        "target": rules.box.seal(target.strip()), "shown": shown, "kinds": [one.value for one in kinds],
        "created_by": person.id,
    }  # fmt: skip
    await insert_rows(session, NotificationChannel, [row])
    new = {"name": name, "channel_kind": kind.value, "target": shown, "kinds": row["kinds"]}
    await _audit(session, person, channel, "created", None, new)
    return await channel_of(session, person.tenant_id, channel)


async def change_channel(
    session: AsyncSession, person: Person, rules: ChannelRules, channel: UUID, values: dict[str, Any]
) -> RowMapping:
    """Change name, target, kinds or is_active.

    Raises:
        StoreError: channel_unknown, target_refused.
    """
    before = await channel_of(session, person.tenant_id, channel)
    changes = dict(values)
    if "target" in values:
        changes["shown"] = _checked(rules, ChannelKind(before["channel_kind"]), values["target"])
        changes["target"] = rules.box.seal(values["target"].strip())
    if "kinds" in values:
        changes["kinds"] = [NoticeKind(one).value for one in values["kinds"]]
    await update_rows(session, NotificationChannel, [{"tenant_id": person.tenant_id, "id": channel, **changes}])
    shown = {name: value for name, value in changes.items() if name != "target"}
    await _audit(session, person, channel, "changed", {name: before[name] for name in shown}, shown)
    return await channel_of(session, person.tenant_id, channel)


async def delete_channel(session: AsyncSession, person: Person, channel: UUID) -> None:
    """Take it away: its target is gone, what was on its way to it is dead.

    Raises:
        StoreError: channel_unknown.
    """
    before = await channel_of(session, person.tenant_id, channel)
    gone = {"is_active": False, "deleted_at": datetime.now(UTC), "target": b""}
    await update_rows(session, NotificationChannel, [{"tenant_id": person.tenant_id, "id": channel, **gone}])
    await run(session, _BURY, {"tenant": person.tenant_id, "id": channel})
    await _audit(session, person, channel, "deleted", {"name": before["name"], "target": before["shown"]}, None)


async def try_channel(session: AsyncSession, person: Person, channel: UUID) -> UUID:
    """Send a message that says that it is one to try; the delivery's id.

    Raises:
        StoreError: channel_unknown.
    """
    row = await channel_of(session, person.tenant_id, channel)
    delivery = uuid4()
    said = f"{person.printed_name} tried whether notices of Gatework arrive here. They do."
    message = {"title": f"A test from Gatework: {row['name']}"[:200], "text": said, "html": "", "link": ""}
    new = {
        "tenant_id": person.tenant_id, "id": delivery, "channel": DeliveryChannel.ROOM.value, "kind": "test",
        "channel_id": channel, "payload": message,
    }  # fmt: skip
    await insert_rows(session, NotificationDelivery, [new])
    await run(session, RING, {"channel": NOTICES_CHANNEL})
    return delivery


def channel_json(row: RowMapping) -> dict[str, Any]:
    """A channel as the API shows it; of an Apprise URL only the service."""
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "channel_kind": row["channel_kind"],
        "target": row["shown"],
        "kinds": row["kinds"],
        "is_active": row["is_active"],
        "created_at": moment(row["created_at"]),
    }


def _checked(rules: ChannelRules, kind: ChannelKind, target: str) -> str:
    """How the target is shown, where it may be one."""
    try:
        if kind is ChannelKind.EMAIL:
            return validate_email(target.strip(), check_deliverability=False).normalized
        if not rules.apprise_allowed:
            raise TargetRefusedError("this deployment does not allow Apprise (GATEWORK_APPRISE_ALLOWED)")
        check_apprise(target, private_allowed=rules.private_allowed)
    except (TargetRefusedError, EmailNotValidError) as error:
        raise TargetRefusedByRulesError(detail=str(error)) from error
    return target.strip().partition("://")[0].lower() + "://…"


async def _audit(
    session: AsyncSession, person: Person, channel: UUID, verb: str, old: dict[str, Any] | None,
    new: dict[str, Any] | None,
) -> None:  # fmt: skip
    name = "notification_channel"
    draft = AuditDraft(action=f"{name}.{verb}", object_type=name, object_id=channel, old=old, new=new)
    await audit_tenant(session, person.actor, draft)
