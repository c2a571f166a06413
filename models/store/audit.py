"""The audit trail: who did what, when, from what to what, why. Written in the transaction of what it tells of.

There is no way to change something and not to write here: whoever writes rows writes their audit entries with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from models.enums import Chain
from models.store.bulk import Alike, insertion, unfolding
from models.store.canonical import digest_of, utc_text
from models.store.chain import Head, lock_chain, seal
from models.store.chained import row_digest, row_digests
from models.store.ordered_ids import ordered_ids
from models.tables import AuditEntry
from models.wire import Statement

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts: a user, or the engine (`user_id` None); `source` is the device, client or gauge (21 CFR 11.10(h))."""

    tenant_id: UUID
    user_id: UUID | None
    name: str
    on_behalf_of: str = ""
    source: str = ""


def engine_actor(tenant_id: UUID, name: str = "system") -> Actor:
    """The engine itself, where no person acts; `ops:temporal` for what was done in Temporal's own Web UI."""
    return Actor(tenant_id=tenant_id, user_id=None, name=name, source="engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditDraft:
    """One entry to be. `old` and `new` hold only what changed, JSON-ready; never a password or a token."""

    action: str
    object_type: str
    object_id: str | UUID = ""
    old: Json | None = None
    new: Json | None = None
    reason: str = ""
    instance_id: UUID | None = None
    execution_id: UUID | None = None
    actor: Actor | None = None
    """Where one transaction carries out what several people asked for; else the actor of the call."""
    executions: Sequence[UUID] = ()
    """Where the same happened to many: each gets an entry of its own, about itself; `object_id` and `execution_id` are
    not given then."""


async def write_audit(
    session: AsyncSession,
    actor: Actor,
    drafts: Sequence[AuditDraft],
    *,
    head: Head,
    covering: Sequence[bytes] = (),
    at: datetime | None = None,
) -> Head:
    """Write the entries and seal them, with what else this transaction added, by one link.

    One statement, and one more for each draft about many executions.

    Args:
        session: The transaction that locked `head`.
        actor: Who acted, unless a draft says otherwise.
        drafts: In the order in which things happened; their ids sort in it.
        head: The chain to seal with, from `lock_chain`.
        covering: Digests of other rows added with `chain_n = head.n + 1` (journal, evidence).
        at: Server time in UTC; now unless given.

    Returns:
        The new head.
    """
    moment = at or datetime.now(UTC)
    entries = audit_entries(actor, drafts, head=head, at=moment)
    connection = await session.connection()
    for statement in entries.statements:
        await connection.execute(statement.clause, statement.parameters)
    return await seal(session, head, [*covering, *entries.digests], at=moment)


@dataclass(frozen=True, slots=True)
class Entries:
    """Audit entries to be written, and the digests that the link of their transaction has to cover."""

    statements: Sequence[Statement]
    digests: Sequence[bytes]


def audit_entries(actor: Actor, drafts: Sequence[AuditDraft], *, head: Head, at: datetime) -> Entries:
    """What `write_audit` writes before it seals; see there."""
    shared = _Shared(head, at)
    ids = iter(ordered_ids(at, sum(max(1, len(draft.executions)) for draft in drafts)))
    single: list[dict[str, Any]] = []
    digests: list[bytes] = []
    statements: list[Statement] = []
    for draft in drafts:
        if len(draft.executions) > FEW:
            unfolded = _alike(list(islice(ids, len(draft.executions))), draft, actor, shared)
            statements += unfolded.statements
            digests += unfolded.digests
        else:
            single += [_row(next(ids), one, actor, shared) for one in _each(draft)]
    if single:
        statements.append(insertion(AuditEntry, single))
    return Entries(statements, [*digests, *(row["digest"] for row in single)])


FEW = 20
"""Entries of one draft that go with all the others into one statement; beyond it has a statement of its own."""


def _each(draft: AuditDraft) -> Iterator[AuditDraft]:
    if not draft.executions:
        yield draft
    for execution in draft.executions:
        yield replace(draft, object_id=execution, execution_id=execution, executions=())


def _alike(ids: Sequence[UUID], draft: AuditDraft, actor: Actor, shared: "_Shared") -> Entries:
    """The entries of one draft about many executions, unfolded by PostgreSQL."""
    common = _content(draft, draft.actor or actor, shared)
    executions = [str(one) for one in draft.executions]
    names = [str(one) for one in ids]
    which = {"id": names, "object_id": executions, "execution_id": executions}
    digests = row_digests(AuditEntry, common, which)
    return Entries([unfolding(AuditEntry, Alike(common=common, varying={**which, "digest": digests}))], digests)


async def audit_tenant(session: AsyncSession, actor: Actor, *drafts: AuditDraft) -> Head:
    """Write entries on the tenant's own chain: what belongs to no instance. Locks it, so do it last."""
    head = await lock_chain(session, actor.tenant_id, Chain.TENANT, actor.tenant_id)
    return await write_audit(session, actor, drafts, head=head)


def content_digest(old: Json | None, new: Json | None) -> bytes:
    """The digest that stands for `old` and `new`, so that they can be erased without breaking the chain."""
    return digest_of([old, new])


class _Shared:
    """What the entries of one call have in common, spelled and hashed once; drafts of a cohort share their values."""

    def __init__(self, head: Head, at: datetime) -> None:
        self._place = {
            "tenant_id": str(head.tenant_id),
            "at": utc_text(at),
            "chain": head.chain.value,
            "chain_id": str(head.chain_id),
            "chain_n": head.n + 1,
        }
        self._actors: dict[int, dict[str, Any]] = {}
        self._contents: dict[tuple[int, int], bytes] = {}

    def of(self, actor: Actor) -> dict[str, Any]:
        """The columns that say who, when and where."""
        found = self._actors.get(id(actor))
        if found is None:
            found = self._actors[id(actor)] = self._place | {
                "actor_id": str(actor.user_id) if actor.user_id is not None else None,
                "actor_name": actor.name,
                "on_behalf_of": actor.on_behalf_of,
                "source": actor.source,
            }
        return found

    def content(self, old: Json | None, new: Json | None) -> bytes:
        """The digest of the values, remembered by their identity; the drafts keep them alive."""
        same = (id(old), id(new))
        found = self._contents.get(same)
        if found is None:
            found = self._contents[same] = content_digest(old, new)
        return found


def _content(draft: AuditDraft, actor: Actor, shared: _Shared) -> dict[str, Any]:
    """All but which entry it is, and of which object."""
    return shared.of(actor) | {
        "action": draft.action,
        "object_type": draft.object_type,
        "instance_id": str(draft.instance_id) if draft.instance_id is not None else None,
        "old": draft.old,
        "new": draft.new,
        "reason": draft.reason,
        "content_digest": shared.content(draft.old, draft.new),
    }


def _row(entry_id: UUID, draft: AuditDraft, actor: Actor, shared: _Shared) -> dict[str, Any]:
    row = _content(draft, draft.actor or actor, shared) | {
        "id": str(entry_id),
        "object_id": str(draft.object_id),
        "execution_id": str(draft.execution_id) if draft.execution_id is not None else None,
    }
    row["digest"] = row_digest(AuditEntry, row)
    return row
