"""Whether the rows of an instance are the fold of its journal, which is what the product promises (DESIGN §2).

Reads, and changes nothing but scratch tables. Two folds are made, each by code of its own: that of the rows, run again
from the first event (`activities.rebuild`) and compared with every column of every row, which finds what was changed
behind the journal's back; and the engine's (`evolve`, and a plain count of what was entered and left), compared with
what it knows of the rows, which finds where the two folds part.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.contract import Cohort
from activities.guard import is_passing
from activities.journal import PAGE, fold_cohorts, read_after
from activities.rebuild import FOLDED, UntellableError, compared, open_scratch, rebuild
from models.flow import events as ev
from models.flow.state import Ref, State, Token, execution_id

_INSTANCE = text(
    "SELECT status, seq, record_no, held_at FROM workflow_instance WHERE tenant_id = :tenant AND id = :instance"
)
_EXECUTIONS = text(
    """
    SELECT e.*, s.key AS step_of_id, n.key AS next_key,
           (SELECT i.id FROM incident i WHERE i.tenant_id = e.tenant_id AND i.execution_id = e.id
            AND i.resolved_at IS NULL) AS incident
    FROM step_execution e JOIN step s ON (s.tenant_id, s.id) = (e.tenant_id, e.step_id)
    LEFT JOIN step n ON (n.tenant_id, n.id) = (e.tenant_id, e.next_step_id)
    WHERE e.tenant_id = :tenant AND e.workflow_instance_id = :instance
    """
)
_ENDS = text(
    "SELECT terminal_status, count(*) AS number FROM workflow_subject"
    " WHERE tenant_id = :tenant AND instance_id = :instance AND terminal_status IS NOT NULL GROUP BY terminal_status"
)
_JOURNAL = text(
    "SELECT count(*) AS number, max(seq) AS last, max(record_no) AS records, count(DISTINCT record_no) AS distinct_ones"
    " FROM journal WHERE tenant_id = :tenant AND instance_id = :instance"
)
_CHILDREN = text("SELECT id FROM workflow_instance WHERE tenant_id = :tenant AND parent_instance_id = :instance")


UNTELLABLE: Final = "the journal cannot be told"
MOST: Final = 100
"""Differing rows of one table and instance that are named; whatever has more is as broken as it can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that rows and journal tell differently; JSON-ready where it comes from rebuilt rows."""

    what: str
    rows: Any
    journal: Any


@dataclass(slots=True)
class _Left:
    """How an execution ended, by the journal."""

    status: str
    at: datetime
    result: str = ""
    next_step: str | None = None


@dataclass(slots=True)
class _Told:
    """All that a journal tells of an instance."""

    state: State
    entered: dict[Ref, datetime] = field(default_factory=dict)
    left: dict[Ref, _Left] = field(default_factory=dict)


async def differences(connection: AsyncConnection, tenant: UUID, instance: UUID) -> list[Difference]:
    """What differs; empty where all is well.

    Args:
        connection: In a transaction of the tenant that may write to scratch tables; in REPEATABLE READ, or holding the
            instance, where the engine is at work.
        tenant: The tenant.
        instance: Which instance.
    """
    try:
        found = await rebuilt_differences(connection, tenant, instance)
        return found or await _engine_differences(connection, tenant, instance)
    except (UntellableError, DBAPIError, ValueError, KeyError, TypeError) as error:
        if is_passing(error):
            raise
        return [Difference(what=UNTELLABLE, rows=None, journal=f"{type(error).__name__}: {error}"[:500])]


async def rebuilt_differences(connection: AsyncConnection, tenant: UUID, instance: UUID) -> list[Difference]:
    """Columns that differ from the rows which the journal makes; those stay in the scratch tables."""
    await open_scratch(connection)
    await rebuild(connection, tenant, instance)
    found: list[Difference] = []
    for name, table in FOLDED.items():
        keys = {"tenant": tenant, "instance": instance, "limit": MOST}
        for row in (await connection.execute(compared(name, table), keys)).mappings():
            found += _columns(f"{name} {row['key']}", row["rows"], row["journal"])
    return found


def _columns(what: str, rows: Mapping[str, Any] | None, journal: Mapping[str, Any] | None) -> list[Difference]:
    if rows is None or journal is None:
        return [Difference(what=what, rows=rows, journal=journal)]
    return [
        Difference(what=f"{what}: {name}", rows=value, journal=journal[name])
        for name, value in rows.items()
        if value != journal[name]
    ]


async def _engine_differences(connection: AsyncConnection, tenant: UUID, instance: UUID) -> list[Difference]:
    """What the engine's own state says otherwise than the rows."""
    keys = {"tenant": tenant, "instance": instance}
    told = await _read(connection, tenant, instance)
    own = (await connection.execute(_INSTANCE, keys)).mappings().one()
    rows = {_ref(row): row for row in map(dict, (await connection.execute(_EXECUTIONS, keys)).mappings())}
    ends = {found.terminal_status: found.number for found in await connection.execute(_ENDS, keys)}
    journal = dict((await connection.execute(_JOURNAL, keys)).mappings().one())
    children = {str(one) for one in (await connection.execute(_CHILDREN, keys)).scalars()}
    state = told.state
    compared = [
        ("instance.status", own["status"], state.status.value),
        ("instance.seq", own["seq"], journal["last"] or 0),
        ("instance.record_no", own["record_no"], journal["records"] or 0),
        ("instance.held_at", own["held_at"], state.held_at),
        ("journal has no gap", journal["last"] or 0, journal["number"]),
        ("records have no gap", journal["records"] or 0, journal["distinct_ones"]),
        ("subjects' ends", ends, state.finished),
        ("executions", sorted(rows), sorted(told.entered)),
        ("open executions", sorted(ref for ref in rows if rows[ref]["exited_at"] is None), sorted(state.tokens)),
        ("children have rows", sorted(set(state.children) & children), sorted(state.children)),
        ("busy", _busy(rows), state.busy),
    ]
    found = [Difference(what=what, rows=one, journal=other) for what, one, other in compared if one != other]
    for ref in sorted(rows.keys() & told.entered.keys()):
        found += _compare(instance, ref, rows[ref], told)
    return found


async def _read(connection: AsyncConnection, tenant: UUID, instance: UUID) -> _Told:
    told = _Told(state=State(instance_id=str(instance)))
    while page := await read_after(connection, tenant, instance, told.state.seq, PAGE):
        told.state = fold_cohorts(told.state, (cohort for _, cohort in page))
        told.state.seq = page[-1][0]
        for _, cohort in page:
            _note(told, cohort)
    return told


def _note(told: _Told, cohort: Cohort) -> None:
    for subject in cohort.subjects:
        match cohort.event:
            case ev.ExecutionEntered(ref=ref, at=at):
                told.entered[ref._replace(subject=subject)] = at
            case ev.ExecutionCompleted(ref=ref, at=at, result=result, next_step=next_step):
                told.left[ref._replace(subject=subject)] = _Left("completed", at, result, next_step)
            case ev.ExecutionCancelled(ref=ref, at=at):
                told.left[ref._replace(subject=subject)] = _Left("cancelled", at)
            case ev.ExecutionDiverted(ref=ref, at=at, status=status, to_step=to_step):
                told.left[ref._replace(subject=subject)] = _Left(status, at, next_step=to_step)
            case ev.VisitRolledBack(ref=ref):
                told.left[ref._replace(subject=subject)].status = "rolled_back"
            case ev.ExecutionRestored(ref=ref):
                told.left.pop(ref._replace(subject=subject), None)
            case _:
                pass


def _ref(row: Mapping[str, Any]) -> Ref:
    return Ref(row["subject_no"], row["step_key"], row["visit_number"], row["branch"])


def _busy(rows: Mapping[Ref, Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    working = ((ref, row) for ref, row in rows.items() if row["exited_at"] is None and row["status"] != "waiting")
    return dict(Counter((ref.step, row["lot"]) for ref, row in working))


def _compare(instance: UUID, ref: Ref, row: Mapping[str, Any], told: _Told) -> Iterator[Difference]:
    wanted: dict[str, Any] = {
        "id": execution_id(instance, ref),
        "step_of_id": ref.step,
        "entered_at": told.entered[ref],
        **_as_left(told.left.get(ref)),
        **_as_open(told.state.tokens.get(ref), row),
    }
    for name, value in wanted.items():
        if row[name] != value:
            yield Difference(what=f"{ref}.{name}", rows=row[name], journal=value)


def _as_left(left: _Left | None) -> dict[str, Any]:
    if left is None:
        return {"exited_at": None, "next_key": None}
    result = {"decision_result": left.result} if left.status == "completed" else {}
    return {"status": left.status, "exited_at": left.at, "next_key": left.next_step, "incident": None, **result}


def _as_open(token: Token | None, row: Mapping[str, Any]) -> dict[str, Any]:
    if token is None:
        return {}
    over_the_limit = row["limit_at"] is not None and token.limit_at is None
    return {
        "status": token.status.value,
        "assigned_to": _user(token.assignee),
        "completed_by": _user(token.done_by),
        "decision_result": token.result,
        "due_at": token.due_at,
        "overdue": token.overdue,
        "incident": _user(token.incident),
        "delegated_by": _user(token.owner),
        "wake_at": token.wake_at,
        "lot": token.lot,
        **({"escalation_level": max(2, row["escalation_level"])} if over_the_limit else {"limit_at": token.limit_at}),
    }


def _user(identity: str | None) -> UUID | None:
    return None if identity is None else UUID(identity)
