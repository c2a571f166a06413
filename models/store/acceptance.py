"""Commands of many requests, each to one execution, accepted by one statement.

Only the plain case is taken here: a known execution of an open instance, a key that is new, no deviation for which a
step may demand a second person. Whatever is not taken has changed nothing and goes the long way
(`models.store.commands.accept`), which also says what is wrong with it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from models.flow.status import INSTANCE_CLOSED
from models.store.canonical import content_hash
from models.store.commands import Wanted, command_id
from models.store.people import Person
from models.store.proposals import deviation_of
from models.wire import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Lone:
    """A command to one execution, ready to be written.

    Attributes:
        key: the request's `Idempotency-Key`, which is its actor's own.
        row: JSON of what is written; made per request, so that what cannot be sent harms nobody else.
    """

    tenant_id: UUID
    id: UUID
    actor_id: UUID
    key: str | None
    row: bytes


# By key, one after the other (OFFSET 0 keeps the planner from turning it round): it takes the JSON for a hundred rows,
# and to match so many it read every execution of every open instance (seen).
_ACCEPT = text(
    """
    WITH asked AS (
        SELECT * FROM json_to_recordset(CAST(:asked AS json)) AS one (
            id uuid, execution_id uuid, actor_id uuid, on_behalf_of text, kind text, key text, mark text, body jsonb,
            body_hash text, source text)
    ), found AS (
        SELECT asked.*, e.workflow_instance_id FROM asked
        CROSS JOIN LATERAL (SELECT x.workflow_instance_id FROM step_execution x
                            WHERE x.tenant_id = :tenant AND x.id = asked.execution_id OFFSET 0) AS e
        CROSS JOIN LATERAL (SELECT y.status FROM workflow_instance y
                            WHERE y.tenant_id = :tenant AND y.id = e.workflow_instance_id OFFSET 0) AS i
        WHERE i.status <> ALL(:closed)
    ), taken AS (
        INSERT INTO request (tenant_id, actor_id, key, body_hash, command_ids)
        SELECT :tenant, actor_id, key, mark, ARRAY[id] FROM found WHERE key IS NOT NULL ORDER BY actor_id, key
        ON CONFLICT (tenant_id, actor_id, key) DO NOTHING RETURNING actor_id, key
    )
    INSERT INTO command (tenant_id, id, request_key, actor_id, on_behalf_of, kind, workflow_instance_id, body,
                         body_hash, source)
    SELECT :tenant, id, key, actor_id, on_behalf_of, kind, workflow_instance_id, body, body_hash, source FROM found
    WHERE key IS NULL OR EXISTS (SELECT FROM taken t WHERE (t.actor_id, t.key) = (found.actor_id, found.key))
    RETURNING id, workflow_instance_id
    """
)
_KEEP = text("SELECT id FROM command WHERE tenant_id = :tenant AND id = ANY(:ids) FOR KEY SHARE")


def lone(
    person: Person, kind: str, execution_id: UUID, args: Mapping[str, Any], *, key: str | None, fingerprint: str
) -> Lone | None:
    """A request's command as this module takes it; None where a step may demand a second person.

    Raises:
        ValueError, UnicodeEncodeError: it holds what cannot be stored.
    """
    if deviation_of(kind, args) is not None:
        return None
    # The instance is found by the statement itself.
    body = Wanted(kind=kind, instance_id=execution_id, executions=(execution_id,), args=args).body()
    identity = command_id(person.id, key, 0)
    row = {
        "id": str(identity),
        "execution_id": str(execution_id),
        "actor_id": str(person.id),
        "on_behalf_of": person.on_behalf_of or None,
        "kind": kind,
        "key": key,
        "mark": fingerprint,
        "body": body,
        "body_hash": content_hash(body),
        "source": person.source,
    }
    encoded = json.dumps(row, ensure_ascii=False).encode()
    return Lone(tenant_id=person.tenant_id, id=identity, actor_id=person.id, key=key, row=encoded)


def accepting(tenant: UUID, group: Sequence[Lone]) -> Statement:
    """Write those that can be; rows of `id`, `workflow_instance_id` for each that was. No key may be there twice."""
    asked = f"[{b','.join(one.row for one in group).decode()}]"
    return Statement(_ACCEPT, {"tenant": tenant, "asked": asked, "closed": sorted(INSTANCE_CLOSED)})


def keeping(tenant: UUID, commands: Sequence[UUID]) -> Statement:
    """Lock commands, in nobody's way; a row for each that is there."""
    return Statement(_KEEP, {"tenant": tenant, "ids": list(commands)})
