"""A tenant's own wording of notices: kept only after it was tried, shown with why it last failed."""

from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from models.notices.kinds import NoticeKind
from models.notices.render import VARIABLES, Rendered, TemplateRefusedError, check_template, page, render
from models.notices.sample import sample_values
from models.notices.shipped import SHIPPED, Wording
from models.store.audit import AuditDraft, audit_tenant
from models.store.notice_errors import NoticeKindUnknownError, TemplateRefusedByRulesError
from models.store.people import Person
from models.store.reading import fetch_one, run
from models.store.views import moment

_ONE = text("SELECT * FROM notification_template WHERE tenant_id = :tenant AND kind = :kind")
_KEEP = text(
    """
    INSERT INTO notification_template (tenant_id, kind, subject, body, body_html, updated_by)
    VALUES (:tenant, :kind, :subject, :body, :body_html, :me)
    ON CONFLICT (tenant_id, kind) DO UPDATE
    SET subject = EXCLUDED.subject, body = EXCLUDED.body, body_html = EXCLUDED.body_html, updated_at = now(),
        updated_by = EXCLUDED.updated_by, last_error = '', last_error_at = NULL
    """
)
PARTS = ("subject", "body", "body_html")


def kind_named(kind: str) -> NoticeKind:
    """The kind of this name.

    Raises:
        StoreError: notice_kind_unknown.
    """
    try:
        return NoticeKind(kind)
    except ValueError as error:
        raise NoticeKindUnknownError(kind=kind, known=", ".join(NoticeKind)) from error


async def template_row(session: AsyncSession, tenant_id: UUID, kind: NoticeKind) -> RowMapping | None:
    """The tenant's own wording of a kind, if it has one."""
    return await fetch_one(session, _ONE, tenant=tenant_id, kind=kind.value)


async def keep_template(session: AsyncSession, person: Person, kind: NoticeKind, own: Wording) -> None:
    """Keep a tenant's wording; empty parts are as shipped.

    Raises:
        StoreError: template_refused.
    """
    try_template(kind, own)
    before = await template_row(session, person.tenant_id, kind)
    new = {name: getattr(own, name) for name in PARTS}
    await run(session, _KEEP, {"tenant": person.tenant_id, "kind": kind.value, "me": person.id, **new})
    draft = AuditDraft(
        action="notification_template.changed", object_type="notification_template", object_id=kind.value,
        old=None if before is None else {name: before[name] for name in PARTS}, new=new,
    )  # fmt: skip
    await audit_tenant(session, person.actor, draft)


def try_template(kind: NoticeKind, own: Wording) -> Rendered:
    """How a wording reads with example values.

    Raises:
        StoreError: template_refused, with the part and the reason.
    """
    for part in PARTS:
        try:
            check_template(getattr(own, part))
        except TemplateRefusedError as error:
            raise TemplateRefusedByRulesError(part=part, detail=str(error)) from error
    try:
        said = render(filled(kind, own), sample_values(kind))
    except TemplateRefusedError as error:
        raise TemplateRefusedByRulesError(part="wording", detail=str(error)) from error
    if not said.subject or not said.text:
        raise TemplateRefusedByRulesError(part="wording", detail="subject and body must say something")
    return said


def filled(kind: NoticeKind, own: Wording) -> Wording:
    """A wording with its empty parts as shipped."""
    shipped = SHIPPED[kind]
    return Wording(subject=own.subject or shipped.subject, body=own.body or shipped.body, body_html=own.body_html)


def template_json(kind: NoticeKind, row: RowMapping | None) -> dict[str, Any]:
    """A wording as the API shows it, beside the shipped one and what it may name."""
    shipped = SHIPPED[kind]
    return {
        "kind": kind.value,
        "subject": "" if row is None else row["subject"],
        "body": "" if row is None else row["body"],
        "body_html": "" if row is None else row["body_html"],
        "shipped": {"subject": shipped.subject, "body": shipped.body},
        "variables": dict(VARIABLES),
        "updated_at": None if row is None else moment(row["updated_at"]),
        "last_error": "" if row is None else row["last_error"],
        "last_error_at": None if row is None else moment(row["last_error_at"]),
    }


def preview_json(said: Rendered, link: str) -> dict[str, Any]:
    """A preview as the API shows it; `html` is a page of its own, to be shown in a frame that may do nothing."""
    return {"subject": said.subject, "text": said.text, "html": page(said.html, [("Open in Gatework", link)])}
