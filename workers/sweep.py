"""The sweep: whatever a lost signal, a dead worker or a lost Temporal left behind is taken up again from PostgreSQL.

Accepted commands without an outcome are signalled again (a closed instance refuses them); an open instance whose run is
gone gets an incident and a new run that goes on from the journal. Process versions whose time is over are deprecated;
messages that nobody can wait for any more are forgotten, and so is what was delivered long ago. One worker sweeps at a
time.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.contract import SWEEP, Swept
from activities.leftovers import refuse_closed
from models.db import system_session, tenant_session
from models.store.deliveries import forget_delivered
from models.store.effectivity import supersede_due, tenants_with_versions_over
from models.store.instances import START_TOPIC
from models.store.messages import forget_expired
from workers.instances import new_instance
from workflows.contract import SIGNAL_CHECK_DEADLINES, WORKFLOW
from workflows.starting import restart_instance, signal_commands

log = logging.getLogger(__name__)

RESIGNAL_AFTER = timedelta(seconds=10)
RETRY_FAILED_AFTER = timedelta(minutes=1)
"""A run that failed by a fault of ours would fail again at once."""
LATE = timedelta(minutes=2)
"""How long a deadline may have passed unmarked before the sweep takes its timer for lost."""
DELIVERY_RETENTION = timedelta(days=90)
LOCK = 0x6761_7465
"""Key of the advisory lock under which one worker sweeps."""

_ALONE = text("SELECT pg_try_advisory_xact_lock(:key)")
_UNSETTLED = text(
    """
    SELECT c.tenant_id, c.workflow_instance_id AS instance, array_agg(c.id ORDER BY c.accepted_at, c.id) AS ids,
           bool_or(i.completed_at IS NOT NULL) AS closed
    FROM command c JOIN workflow_instance i ON (i.tenant_id, i.id) = (c.tenant_id, c.workflow_instance_id)
    WHERE c.outcome IS NULL AND COALESCE(c.signalled_at, c.accepted_at) < now() - CAST(:age AS interval)
    GROUP BY c.tenant_id, c.workflow_instance_id LIMIT 1000
    """
)
_SIGNALLED = text("UPDATE command SET signalled_at = now() WHERE id = ANY(:ids)")
_OPEN = text(
    """
    SELECT i.tenant_id, i.id FROM workflow_instance i
    WHERE i.completed_at IS NULL AND i.created_at < now() - CAST(:age AS interval)
      AND NOT EXISTS (SELECT FROM outbox o
                      WHERE o.tenant_id = i.tenant_id AND o.topic = :topic AND o.key = i.id::text)
    """
)
_LATE = text(
    """
    SELECT DISTINCT i.tenant_id, i.id
    FROM step_execution e JOIN workflow_instance i ON (i.tenant_id, i.id) = (e.tenant_id, e.workflow_instance_id)
    WHERE e.exited_at IS NULL AND e.status <> 'waiting' AND i.status = 'in_progress'
      AND ((e.due_at < now() - CAST(:late AS interval) AND NOT e.overdue)
           OR (e.limit_at < now() - CAST(:late AS interval) AND e.escalation_level < 2)
           OR e.wake_at < now() - CAST(:late AS interval))
    LIMIT 1000
    """
)
_INCIDENT = text(
    """
    INSERT INTO incident (tenant_id, id, instance_id, code, message)
    SELECT :tenant, :id, :instance, 'run_gone', :message
    WHERE NOT EXISTS (SELECT FROM incident WHERE tenant_id = :tenant AND instance_id = :instance
                      AND code = 'run_gone' AND resolved_at IS NULL)
    """
)
MESSAGE = "Temporal no longer runs this instance; it was started again from its journal."


class Sweep:
    """Looks for what was left behind."""

    def __init__(
        self,
        *,
        system: AsyncEngine,
        app: AsyncEngine,
        client: Client,
        task_queue: str,
        resignal_after: timedelta = RESIGNAL_AFTER,
        retry_failed_after: timedelta = RETRY_FAILED_AFTER,
        late: timedelta = LATE,
        delivery_retention: timedelta = DELIVERY_RETENTION,
    ) -> None:
        """Take what the composition root wired."""
        self._patience = retry_failed_after
        self._system = system
        self._app = app
        self._client = client
        self._queue = task_queue
        self._age = resignal_after
        self._late = late
        self._kept = delivery_retention

    @activity.defn(name=SWEEP)
    async def sweep(self) -> Swept:
        """One look, for the Schedule's workflow."""
        return await self.sweep_once()

    async def sweep_once(self) -> Swept:
        """One look, unless another worker is at it."""
        done: Counter[str] = Counter()
        async with system_session(self._system) as session:
            connection = await session.connection()
            if not (await connection.execute(_ALONE, {"key": LOCK})).scalar():
                return Swept(skipped=1)
            for tenant, instance in await self._without_run(await self._open_instances()):
                with _passing(instance, done):
                    await self._bring_back(tenant, instance)
                    done["restarted"] += 1
            for row in (await connection.execute(_UNSETTLED, {"age": self._age})).all():
                with _passing(row.instance, done):
                    done[await self._settle_or_signal(connection, row)] += 1
            for row in (await connection.execute(_LATE, {"late": self._late})).all():
                with _passing(row.id, done):
                    await self._client.get_workflow_handle(str(row.id)).signal(SIGNAL_CHECK_DEADLINES)
                    done["late"] += 1
            for tenant in await tenants_with_versions_over(connection, datetime.now(UTC)):
                with _passing(tenant, done):
                    async with tenant_session(self._app, tenant) as own:
                        await supersede_due(own, tenant, datetime.now(UTC))
                    done["superseded"] += 1
            done["forgotten"] = await forget_expired(connection)
            done["cleared"] = await forget_delivered(self._system, datetime.now(UTC) - self._kept)
        return Swept(**done)

    async def _settle_or_signal(self, connection: AsyncConnection, row: Row[Any]) -> str:
        if row.closed:
            async with tenant_session(self._app, row.tenant_id) as own:
                await refuse_closed(own, row.tenant_id, row.instance, row.ids)
            return "refused"
        await signal_commands(self._client, str(row.instance), [str(one) for one in row.ids])
        await connection.execute(_SIGNALLED, {"ids": row.ids})
        return "signalled"

    async def _open_instances(self) -> list[tuple[UUID, UUID]]:
        async with system_session(self._system) as session:
            connection = await session.connection()
            rows = await connection.execute(_OPEN, {"age": self._age, "topic": START_TOPIC})
            return [(row.tenant_id, row.id) for row in rows]

    async def _without_run(self, instances: Sequence[tuple[UUID, UUID]]) -> list[tuple[UUID, UUID]]:
        """Visibility says which run, cheaply and a little late; describe has the last word on the others."""
        if not instances:
            return []
        query = f"WorkflowType = '{WORKFLOW}' AND ExecutionStatus = 'Running'"
        running = {execution.id async for execution in self._client.list_workflows(query)}
        return [pair for pair in instances if str(pair[1]) not in running and await self._is_gone(pair[1])]

    async def _is_gone(self, instance: UUID) -> bool:
        try:
            described = await self._client.get_workflow_handle(str(instance)).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return True
            raise
        if described.status is WorkflowExecutionStatus.FAILED and described.close_time is not None:
            return described.close_time < datetime.now(UTC) - self._patience
        return described.status not in {
            WorkflowExecutionStatus.RUNNING,
            WorkflowExecutionStatus.CONTINUED_AS_NEW,
        }

    async def _bring_back(self, tenant: UUID, instance: UUID) -> None:
        async with tenant_session(self._app, tenant) as session:
            connection = await session.connection()
            found = await new_instance(session, tenant, instance)
            seq = (
                await connection.execute(
                    text("SELECT seq FROM workflow_instance WHERE tenant_id = :tenant AND id = :instance"),
                    {"tenant": tenant, "instance": instance},
                )
            ).scalar_one()
            identity = uuid5(instance, f"run_gone/{seq}")
            keys = {"tenant": tenant, "instance": instance, "id": identity, "message": MESSAGE}
            await connection.execute(_INCIDENT, keys)
        log.warning("instance %s has no run; starting it again from its journal", instance)
        await restart_instance(self._client, found, task_queue=self._queue)


@contextmanager
def _passing(what: UUID, done: Counter[str]) -> Iterator[None]:
    """One instance or tenant that cannot be helped now must not keep the sweep from the others."""
    try:
        yield
    except (RPCError, LookupError, RuntimeError, DBAPIError) as error:
        done["left"] += 1
        log.warning("sweep: %s is left for the next time: %s", what, error)
