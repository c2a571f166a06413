"""The outbox's way out: rows that were committed with their cause become workflow starts and signals, at least once.

Several workers may dispatch side by side (SKIP LOCKED). Rows of the same topic and instance are coalesced into one
call in the order in which they were put in (a hold that had to wait must not arrive after its resume), and only the
rows that were read are deleted. A receiver that is not there keeps its rows, with backoff; rows for an instance that is
closed are dropped, for nobody will ever read them.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.client import Client

from activities.children import CHILD_ENDED_TOPIC, COMMANDS_TOPIC
from activities.contract import CheckCall, CheckRequest
from models.db import system_session, tenant_session
from models.flow.state import Ref
from models.requirements.named_checks import RUN_CHECK_TOPIC
from models.store.evidence import CHANGED_TOPIC
from models.store.instances import OUTBOX_CHANNEL, START_TOPIC
from workers.instances import new_instance
from workers.listening import Listener
from workflows.contract import SIGNAL_CHILD_ENDED, SIGNAL_COMMANDS, SIGNAL_EVIDENCE_CHANGED, ChildNews
from workflows.starting import start_check, start_instance

log = logging.getLogger(__name__)

BATCH = 500
POLL_SECONDS = 1.0
LONGEST_BACKOFF = timedelta(minutes=1)

_TAKE = text(
    """
    SELECT o.tenant_id, o.id, o.topic, o.key, o.payload, o.attempts, i.completed_at IS NOT NULL AS closed
    FROM outbox o LEFT JOIN workflow_instance i ON i.tenant_id = o.tenant_id AND i.id::text = o.key
    WHERE o.topic = ANY(:topics)
      AND EXISTS (SELECT FROM outbox due WHERE (due.tenant_id, due.topic, due.key) = (o.tenant_id, o.topic, o.key)
                  AND due.next_attempt_at <= now())
    ORDER BY o.id LIMIT :limit
    FOR UPDATE OF o SKIP LOCKED
    """
)
_DELETE = text("DELETE FROM outbox WHERE id = ANY(:ids)")
_POSTPONE = text(
    "UPDATE outbox SET attempts = attempts + 1, next_attempt_at = now() + :backoff, last_error = :error"
    " WHERE id = ANY(:ids)"
)
TOPICS = (START_TOPIC, COMMANDS_TOPIC, CHANGED_TOPIC, CHILD_ENDED_TOPIC, RUN_CHECK_TOPIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Rows of one topic for one instance, sent as one call."""

    tenant_id: UUID
    topic: str
    instance_id: str
    ids: tuple[int, ...]
    payloads: tuple[Mapping[str, Any], ...]
    attempts: int
    closed: bool


class Dispatcher:
    """Empties the outbox until it is told to stop."""

    def __init__(
        self, *, system: AsyncEngine, app: AsyncEngine, client: Client, task_queue: str, site_queue: str = ""
    ) -> None:
        """Take what the composition root wired; `site_queue` takes checks that name no other."""
        self._site_queue = site_queue
        self._system = system
        self._app = app
        self._client = client
        self._queue = task_queue

    async def run(self, stop: asyncio.Event) -> None:
        """Dispatch whenever something is put in, and look once a second in case a notice was lost."""
        async with Listener(self._system, OUTBOX_CHANNEL) as listener:
            while not stop.is_set():
                try:
                    while await self.dispatch_once() == BATCH:
                        pass
                except Exception:
                    log.exception("the outbox could not be read; trying again")
                await listener.wait(POLL_SECONDS, stop)

    async def dispatch_once(self) -> int:
        """Send one batch.

        Returns:
            How many rows were taken.
        """
        async with system_session(self._system) as session:
            connection = await session.connection()
            rows = (await connection.execute(_TAKE, {"limit": BATCH, "topics": list(TOPICS)})).mappings().all()
            parcels = _parcels([dict(row) for row in rows])
            results = await asyncio.gather(*(self._send(parcel) for parcel in parcels))
            await _settle(connection, list(zip(parcels, results, strict=True)))
            return len(rows)

    async def _send(self, parcel: Parcel) -> str:
        """Empty where it went out (or may be dropped), else why it did not."""
        if parcel.closed:
            return ""
        try:
            match parcel.topic:
                case _ if parcel.topic == START_TOPIC:
                    await self._start(parcel)
                case _ if parcel.topic == COMMANDS_TOPIC:
                    ids = [command for payload in parcel.payloads for command in payload["command_ids"]]
                    await self._signal(parcel, SIGNAL_COMMANDS, ids)
                case _ if parcel.topic == CHANGED_TOPIC:
                    refs = list(dict.fromkeys(Ref(*payload["ref"]) for payload in parcel.payloads))
                    await self._signal(parcel, SIGNAL_EVIDENCE_CHANGED, refs)
                case _ if parcel.topic == RUN_CHECK_TOPIC:
                    await self._run_check(parcel)
                case _:
                    for payload in parcel.payloads:
                        news = ChildNews(child_id=payload["child_id"], status=payload["status"])
                        await self._signal(parcel, SIGNAL_CHILD_ENDED, news)
        except Exception as error:  # noqa: BLE001 - one parcel must not stop the others
            log.warning("outbox: %s for %s not sent: %s", parcel.topic, parcel.instance_id, error)
            return str(error)[:500] or type(error).__name__
        return ""

    async def _start(self, parcel: Parcel) -> None:
        async with tenant_session(self._app, parcel.tenant_id) as session:
            instance = await new_instance(session, parcel.tenant_id, UUID(parcel.instance_id))
        await start_instance(self._client, instance, task_queue=self._queue)

    async def _run_check(self, parcel: Parcel) -> None:
        """Start the workflow of a run; the parcel's key is the run's id, so that it starts once."""
        payload = dict(parcel.payloads[0])
        queue = payload.pop("queue") or self._site_queue
        call = CheckCall(**payload.pop("call"))
        asked = CheckRequest(tenant_id=str(parcel.tenant_id), queue=queue, call=call, **payload)
        await start_check(self._client, asked, task_queue=self._queue)

    async def _signal(self, parcel: Parcel, signal: str, argument: object) -> None:
        await self._client.get_workflow_handle(parcel.instance_id).signal(signal, argument)


def _parcels(rows: Sequence[Mapping[str, Any]]) -> list[Parcel]:
    grouped: dict[tuple[UUID, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((row["tenant_id"], row["topic"], row["key"]), []).append(row)
    return [
        Parcel(
            tenant_id=tenant,
            topic=topic,
            instance_id=key,
            ids=tuple(row["id"] for row in found),
            payloads=tuple(row["payload"] for row in found),
            attempts=max(row["attempts"] for row in found),
            closed=bool(found[0]["closed"]),
        )
        for (tenant, topic, key), found in grouped.items()
    ]


async def _settle(connection: AsyncConnection, results: Sequence[tuple[Parcel, str]]) -> None:
    sent = [one for parcel, error in results if not error for one in parcel.ids]
    if sent:
        await connection.execute(_DELETE, {"ids": sent})
    for parcel, error in results:
        if error:
            backoff = min(timedelta(seconds=2**parcel.attempts), LONGEST_BACKOFF)
            await connection.execute(_POSTPONE, {"ids": list(parcel.ids), "backoff": backoff, "error": error})
