"""Journal rows and cohorts of events: one row per cohort, its event as JSON without what the row's columns say."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import Discriminator, TypeAdapter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.contract import Cohort
from models.flow.events import Event
from models.flow.folding import fold_packed
from models.flow.state import State

_EVENT: TypeAdapter[Any] = TypeAdapter(Annotated[Event, Discriminator("kind")])

_READ = text(
    "SELECT seq, kind, subjects, data, command_id FROM journal"
    " WHERE tenant_id = :tenant AND instance_id = :instance AND seq > :after ORDER BY seq LIMIT :limit"
)

PAGE = 2_000


def event_data(event: Event) -> dict[str, Any]:
    """The event as the journal's `data` keeps it; `kind` is a column, the subject is in `subjects`."""
    data: dict[str, Any] = _EVENT.dump_python(event, mode="json")
    del data["kind"]
    return data


def cohort_of(row: Mapping[str, Any]) -> Cohort:
    """The cohort that a journal row keeps."""
    event = _EVENT.validate_python({"kind": row["kind"], **row["data"]}, strict=False)
    command = row["command_id"]
    return Cohort(event=event, subjects=tuple(row["subjects"]), command_id=None if command is None else str(command))


async def read_after(
    connection: AsyncConnection, tenant_id: UUID, instance_id: UUID, after: int, limit: int = PAGE
) -> list[tuple[int, Cohort]]:
    """Journal positions and cohorts that follow `after`, at most `limit`."""
    parameters = {"tenant": tenant_id, "instance": instance_id, "after": after, "limit": limit}
    rows = (await connection.execute(_READ, parameters)).mappings().all()
    return [(row["seq"], cohort_of(dict(row))) for row in rows]


async def fold_journal(connection: AsyncConnection, tenant_id: UUID, instance_id: UUID) -> State:
    """The state that the whole journal of an instance folds to."""
    state = State(instance_id=str(instance_id))
    while page := await read_after(connection, tenant_id, instance_id, state.seq):
        # In a thread, for a long story must not stop the worker's event loop.
        state = await asyncio.to_thread(fold_cohorts, state, [cohort for _, cohort in page])
        state.seq = page[-1][0]
    return state


def fold_cohorts(state: State, cohorts: Iterable[Cohort]) -> State:
    """The state after these cohorts; `seq` is the caller's to set."""
    return fold_packed(state, (cohort.core() for cohort in cohorts))
