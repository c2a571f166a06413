"""The database side of the hand-written workflows: an execution, its evidence, an audit row and an outcome row.

Set-based and in one transaction, as somebody who knows PostgreSQL would write it; raw psycopg, no tenants, no chain.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool
from temporalio import activity

from bench.rows import CHECK, CHECK_AND_RECORD, CHECK_AND_RECORD_MANY, RECORD, Batch, Item

CHANNEL = "bench_by_hand"
LONGEST_NOTICE = 200
"""Ids that fit into one NOTIFY."""

TABLES = """
CREATE TABLE execution (
    id uuid PRIMARY KEY, instance text NOT NULL, status text NOT NULL, items jsonb NOT NULL, completed_at timestamptz
);
CREATE TABLE evidence (execution_id uuid PRIMARY KEY REFERENCES execution, checked jsonb NOT NULL);
CREATE TABLE audit (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, execution_id uuid NOT NULL REFERENCES execution,
    actor text NOT NULL, old text NOT NULL, new text NOT NULL, at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE outcome (
    execution_id uuid PRIMARY KEY REFERENCES execution, outcome text NOT NULL, body jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
"""
_READ = """
SELECT e.id, e.items, v.checked, e.status FROM execution e LEFT JOIN evidence v ON v.execution_id = e.id
WHERE e.id = ANY(%s)
"""
_DONE = "UPDATE execution SET status = 'completed', completed_at = now() WHERE id = ANY(%s) AND status = 'pending'"
_AUDIT = "INSERT INTO audit (execution_id, actor, old, new) SELECT unnest(%s::uuid[]), 'ann', 'pending', 'completed'"
_OUTCOME = """
INSERT INTO outcome (execution_id, outcome, body)
SELECT id, word, jsonb_build_object('execution_id', id, 'outcome', word)
FROM unnest(%s::uuid[], %s::text[]) AS given (id, word)
"""
_READY = "INSERT INTO execution (id, instance, status, items) SELECT unnest(%s::uuid[]), %s, 'pending', %s"
_TICKED = "INSERT INTO evidence (execution_id, checked) SELECT unnest(%s::uuid[]), %s"

Connection = AsyncConnection[TupleRow]


class HandDatabase:
    """Activities and preparations on one pool."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool

    async def make_ready(self, instance: str, ids: Sequence[UUID], items: Sequence[str]) -> None:
        """Executions with their checklist ticked; not part of what is measured."""
        async with self._pool.connection() as connection:
            await connection.execute(_READY, [list(ids), instance, json.dumps(list(items))])
            await connection.execute(_TICKED, [list(ids), json.dumps(list(range(len(items))))])

    @activity.defn(name=CHECK)
    async def check(self, item: Item) -> bool:
        """Whether every item is ticked."""
        async with self._pool.connection() as connection:
            return bool((await _judge(connection, [UUID(item.execution_id)]))[0][1] == "advanced")

    @activity.defn(name=RECORD)
    async def record(self, item: Item) -> None:
        """Write it down."""
        async with self._pool.connection() as connection:
            await _write(connection, [(UUID(item.execution_id), "advanced")], item.execution_id)

    @activity.defn(name=CHECK_AND_RECORD)
    async def check_and_record(self, item: Item) -> str:
        """Both in one transaction."""
        async with self._pool.connection() as connection:
            judged = await _judge(connection, [UUID(item.execution_id)], lock=True)
            await _write(connection, judged, item.execution_id)
            return judged[0][1]

    @activity.defn(name=CHECK_AND_RECORD_MANY)
    async def check_and_record_many(self, batch: Batch) -> int:
        """Both for all of them in one transaction."""
        ids = [UUID(one) for one in batch.execution_ids]
        async with self._pool.connection() as connection:
            judged = await _judge(connection, ids, lock=True)
            await _write(connection, judged, batch.key or ",".join(batch.execution_ids[:LONGEST_NOTICE]))
            return len(judged)

    @property
    def activities(self) -> Sequence[Callable[..., Any]]:
        """For the worker."""
        return (self.check, self.record, self.check_and_record, self.check_and_record_many)


async def _judge(connection: Connection, ids: Sequence[UUID], *, lock: bool = False) -> list[tuple[UUID, str]]:
    rows = await (await connection.execute(_READ + ("FOR UPDATE OF e" if lock else ""), [list(ids)])).fetchall()
    return [
        (one, "advanced" if status == "pending" and set(checked or ()) >= set(range(len(items))) else "blocked")
        for one, items, checked, status in rows
    ]


async def _write(connection: Connection, judged: Sequence[tuple[UUID, str]], notice: str) -> None:
    done = [one for one, word in judged if word == "advanced"]
    await connection.execute(_DONE, [done])
    await connection.execute(_AUDIT, [done])
    await connection.execute(_OUTCOME, [[one for one, _ in judged], [word for _, word in judged]])
    await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, notice])
