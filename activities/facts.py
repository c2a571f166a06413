"""Facts: what the core needs to know of the outside to decide one batch, read under the lock on the instance.

First the batch is cut (which of the commands may go together), then everything is read in bulk: a handful of queries
for one command as for a thousand executions. Only what deviates is told: unmet requirements, earlier visits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.batching import DEVIATING, Batch, Stored, cut, execution_ids, fitting, ref_of
from activities.clock import Calendars, Clock
from activities.computing import computed_of
from activities.definitions import Definition
from activities.deviating import add_beside, lots_of, past_of, targets_of
from activities.hands import Hands
from activities.nesting import NestedFacts, Nesting
from models.flow.durations import LONGEST
from models.flow.facts import Deadlines, Facts, SentBack, Unmet, Visits
from models.flow.graph import Graph, RequirementType, Step
from models.flow.nesting import nested
from models.flow.policies import LevelAction, assignment_of, escalation_of
from models.flow.routing import escalation_targets, possible_targets, reached_from
from models.flow.state import Ref, State, execution_id
from models.flow.status import OPEN, ExecutionStatus
from models.requirements.registry import unmet_of, what_stands, what_stands_for, workers_of
from models.store.approvals import rejections_of
from models.store.workers import approvers_of
from models.tables import StepExecution
from models.wire import Row, Statement, Wire

ATTESTED = frozenset({RequirementType.APPROVAL, RequirementType.SIGNATURE})
"""Requirements that another person than the one who does the work may have to answer."""

_COMMANDS = text(
    """
    SELECT c.id, c.kind, c.actor_id, c.body, c.source, c.on_behalf_of, u.username, u.is_active,
           ARRAY(SELECT r.role FROM user_role r WHERE (r.tenant_id, r.user_id) = (u.tenant_id, u.id)) AS roles,
           c.confirmed_by, v.username AS confirmer, v.is_active AS confirmer_is_active,
           ARRAY(SELECT r.role FROM user_role r WHERE (r.tenant_id, r.user_id) = (v.tenant_id, v.id)) AS confirmer_roles
    FROM command c JOIN user_account u ON (u.tenant_id, u.id) = (c.tenant_id, c.actor_id)
    LEFT JOIN user_account v ON (v.tenant_id, v.id) = (c.tenant_id, c.confirmed_by)
    WHERE c.tenant_id = :tenant AND c.workflow_instance_id = :instance AND c.id = ANY(:ids) AND c.outcome IS NULL
    FOR NO KEY UPDATE OF c
    """
)
_NAMES = text("SELECT id, username FROM user_account WHERE tenant_id = :tenant AND id = ANY(:ids)")
_SHOWN = """
    SELECT e.*, h.username AS holder,
           t.key AS subject_type, s.identifier AS subject_identifier, s.title AS subject_title
"""
_WITH = """
    CROSS JOIN LATERAL (SELECT x.identifier, x.title FROM subject x
                        WHERE x.tenant_id = :tenant AND x.id = e.subject_id OFFSET 0) AS s
    JOIN subject_type t ON (t.tenant_id, t.id) = (e.tenant_id, e.subject_type_id)
    LEFT JOIN user_account h ON (h.tenant_id, h.id) = (e.tenant_id, e.assigned_to)
    WHERE e.workflow_instance_id = :instance
"""
# By key, one after the other (OFFSET 0 keeps the planner from turning it round): statistics that are older than an
# instance promise few executions of it, and all of them, a hundred thousand perhaps, would be read for one (seen).
_NAMED = """
    CROSS JOIN LATERAL (SELECT * FROM step_execution x
                        WHERE x.tenant_id = :tenant AND x.id = named.id OFFSET 0) AS e
"""
_EXECUTIONS = text(f"{_SHOWN} FROM unnest(CAST(:ids AS uuid[])) AS named (id) {_NAMED} {_WITH}")
_OF_COMMAND = text(
    f"{_SHOWN} FROM (SELECT CAST(one.id AS uuid) AS id"  # noqa: S608 - constants only
    " FROM command c, jsonb_array_elements_text(c.body -> 'execution_ids') AS one (id)"
    f" WHERE c.tenant_id = :tenant AND c.id = :command AND c.outcome IS NULL) AS named {_NAMED} {_WITH}"
)
_GIVEN = text(
    f"{_SHOWN} FROM step_execution e {_WITH} AND e.tenant_id = :tenant AND e.step_key = :step"
    " AND e.lot = ANY(:lots) AND e.exited_at IS NULL AND e.status IN ('waiting', 'awaiting_signoff')"
)
_QUIET_LOTS = text(
    """
    SELECT given.lot FROM unnest(CAST(:lots AS text[])) AS given (lot)
    WHERE NOT EXISTS (SELECT FROM step_execution e
                      WHERE e.tenant_id = :tenant AND e.workflow_instance_id = :instance AND e.step_key = :step
                        AND e.exited_at IS NULL AND e.status <> 'waiting' AND e.lot = given.lot AND e.id <> ALL(:ids))
    """
)


def _visited(named: str, at: str = "true") -> TextClause:
    """How often the subjects `named` were at steps: subject after subject by key, for the reason above.

    Which steps is asked of what was found: within the key a list counts for many keys, and a worse index looks better.
    """
    return text(
        f"""
        SELECT e.subject_no, e.step_key, max(e.visit_number) AS last,
               count(*) FILTER (WHERE e.counts AND e.status <> 'rolled_back') AS counted
        FROM {named} AS named (subject_no)
        CROSS JOIN LATERAL (SELECT * FROM step_execution x
                            WHERE x.tenant_id = :tenant AND x.workflow_instance_id = :instance
                              AND x.subject_no = named.subject_no OFFSET 0) AS e
        WHERE {at}
        GROUP BY e.subject_no, e.step_key
        """  # noqa: S608 - constants only
    )


_VISITS = _visited("unnest(CAST(:subjects AS int[]))", "e.step_key = ANY(:steps)")
_VISITS_OF = _visited(
    """(SELECT y.subject_no FROM command c
        CROSS JOIN LATERAL (SELECT * FROM step_execution y
                            WHERE y.tenant_id = :tenant
                              AND y.id = CAST(c.body -> 'execution_ids' ->> 0 AS uuid) OFFSET 0) AS y
        WHERE c.tenant_id = :tenant AND c.id = :command AND y.workflow_instance_id = :instance
          AND jsonb_array_length(c.body -> 'execution_ids') = 1)"""
)
"""The same of the subject of the only execution that a command names, at whatever step."""


@dataclass(slots=True)
class Reading:
    """What one batch has to know; knows no decision itself.

    Rows of executions are plain tuples with the columns of `StepExecution`, `holder`, the username of `assigned_to`,
    and what the subject shows (`subject_type`, `subject_identifier`, `subject_title`); nobody changes them here.
    `session` is for whatever is not asked on every step.
    """

    wire: Wire
    session: AsyncSession
    tenant: UUID
    instance: UUID
    definition: Definition
    calendars: Calendars
    state: State
    beginning: int = 0
    """Subjects of an instance that is to begin."""
    ahead: "Ahead | None" = None
    """Where a lone command came with the answers to what is asked of its execution."""

    @property
    def graph(self) -> Graph:
        """Of the version that the instance is pinned to."""
        return self.definition.graph

    async def cut(
        self,
        command_ids: Sequence[str],
        commands: Sequence[Row],
        executions: Sequence[Row] = (),
        standing: Sequence[Row] = (),
        visits: Sequence[Row] = (),
    ) -> Batch:
        """The commands that go together, out of those that are not settled yet; rows as `asking` had them answered."""
        found = {row.id: Stored.of(row) for row in commands}
        if len(executions) == 1 and [len(execution_ids(row)) for row in found.values()] == [1]:
            # Of a command that names another in vain nothing was asked.
            self.ahead = Ahead(executions[0].id, executions[0].subject_no, standing, visits)
        stored, beyond = fitting([found[one] for one in map(UUID, command_ids) if one in found])
        known = {row.id: row for row in executions}
        if not known:
            known = await self._executions(one for row in stored for one in execution_ids(row))
        batch = cut(stored, known)
        batch.deferred += [str(later.id) for later in beyond]
        batch.set_apart(self.graph)
        return batch

    async def assembled(self, command: Stored) -> Batch:
        """A batch of one command that is not stored: for whoever only asks what it would come to."""
        batch = cut([command], await self._executions(execution_ids(command)))
        batch.set_apart(self.graph)
        return batch

    async def add_rechecks(self, batch: Batch, rechecks: Sequence[Ref]) -> None:
        """Executions that the engine looks at by itself."""
        found = await self._executions(execution_id(self.instance, ref) for ref in rechecks)
        for execution in found.values():
            ref = ref_of(execution)
            batch.executions[ref] = execution
            batch.gated[ref] = execution
            batch.looked[ref] = execution
        batch.set_apart(self.graph)

    async def add_beside(self, batch: Batch) -> None:
        """What deviations concern besides the executions that they name; nothing where there are none."""
        if any(row.kind in DEVIATING for row in batch.rows):
            await add_beside(self.session, self.tenant, self.instance, self.definition, batch)

    async def add_siblings(self, batch: Batch) -> None:
        """Those that a batch release or a batch sign-off would carry along; none of lots in which others still work."""
        moving = {**batch.gated, **batch.diverted}
        steps = {ref.step for ref in moving if self.graph.steps[ref.step].requires_batch_completion}
        for step in sorted(steps):
            here = {ref: execution for ref, execution in moving.items() if ref.step == step}
            signed_here = any(ref in batch.signed for ref in here)
            lots = sorted({execution.lot for execution in here.values()}.union(lots_of(batch.rows)))
            if signed_here:
                # One record may give work and sign it off: whoever worked on any of it must be known.
                batch.signed.update(here)
            else:
                lots = await self._quiet_lots(step, lots, here.values())
            batch.gated.update({ref: one for ref, one in here.items() if _is_stale(one)})
            for execution in await self._given(step, lots) if lots else ():
                ref = ref_of(execution)
                batch.executions.setdefault(ref, execution)
                if execution.status == ExecutionStatus.AWAITING_SIGNOFF and signed_here:
                    batch.gated[ref] = execution
                    batch.signed[ref] = execution
                elif _is_stale(execution):
                    batch.gated[ref] = execution

    async def add_stale(self, batch: Batch, leaving: Sequence[Ref]) -> bool:
        """Of those that are about to leave a batch, the ones nobody looked at although their evidence changed.

        Returns:
            Whether there are any.
        """
        unread = [ref for ref in leaving if ref not in batch.executions]
        found = await self._executions(execution_id(self.instance, ref) for ref in unread)
        for execution in found.values():
            ref = ref_of(execution)
            batch.executions[ref] = execution
            if _is_stale(execution):
                batch.gated[ref] = execution
        return any(
            ref_of(execution) in batch.gated or self.graph.steps[execution.step_key].is_computed
            for execution in found.values()
        )

    async def _quiet_lots(self, step: str, lots: Sequence[str], here: Iterable[StepExecution]) -> list[str]:
        """The lots that have no open work at the step besides this batch's, so that they may be released."""
        ids = [execution.id for execution in here]
        (rows,) = await self._fetch(_QUIET_LOTS, step=step, lots=list(lots), ids=ids)
        return [row.lot for row in rows]

    async def _given(self, step: str, lots: Sequence[str]) -> Sequence[StepExecution]:
        """Executions of these lots whose work is given and which wait for a sign-off or for their batch."""
        (rows,) = await self._fetch(_GIVEN, step=step, lots=list(lots))
        return rows

    async def _fetch(self, clause: TextClause, **parameters: Any) -> list[list[Row]]:
        return await self.wire.fetch(
            Statement(clause, {"tenant": self.tenant, "instance": self.instance, **parameters})
        )

    async def facts(
        self,
        batch: Batch,
        now: datetime,
        entering: Sequence[str] = (),
        late: Sequence[Ref] = (),
        ended: Sequence[str] = (),
    ) -> Facts:
        """Everything else, in bulk.

        Args:
            batch: the commands that go together.
            now: workflow time.
            entering: steps that all subjects enter, besides those that the batch leads to.
            late: executions at which a moment has come.
            ended: nested instances of which the end is to be noted.
        """
        routed = [ref for ref in late if _may_be_routed(self.graph.steps[ref.step])]
        onward = {step: possible_targets(self.graph, step) for step in {ref.step: None for ref in batch.executions}}
        ways = {
            **{ref: onward[ref.step] for ref in batch.executions},
            **{ref: escalation_targets(self.graph, ref.step) for ref in routed},
        }
        sent_back = await self._sent_back(batch)
        for ref, sent in sent_back.items():
            ways[ref] = (*ways[ref], *reached_from(self.graph, sent.to_step))
        chosen = targets_of(self.graph, batch.rows)
        targets = sorted({*chosen, *(key for keys in ways.values() for key in keys)})
        leaving = [ref.subject for ref in batch.executions] if batch.gated or batch.diverted else []
        leaving += [ref.subject for ref in routed]
        await self._name_holders(batch)
        standing, visits = await self._standing_and_visits(self._to_judge(batch), leaving, targets)
        clock = Clock(self.calendars, self.session, self.tenant, self.instance)
        hands = Hands(self.session, self.tenant, self.instance, self.graph, now, batch.names)
        into_hands = {key for key in (*targets, *entering) if assignment_of(self.graph.steps[key]).puts_into_hands}
        comes_to: dict[int, Sequence[str]] = dict.fromkeys(range(self.beginning if into_hands else 0), entering)
        for ref, keys in ways.items() if leaving and into_hands else ():
            comes_to[ref.subject] = tuple(dict.fromkeys((*comes_to.get(ref.subject, ()), *keys, *chosen)))
        held = await hands.of(batch, comes_to, late, self.state)
        nesting = await self._nested(batch, [*targets, *entering], ended, everybody=bool(entering))
        return Facts(
            permissions=batch.permissions,
            names=batch.names,
            unmet=await self._unmet(batch, standing),
            sent_back=sent_back,
            workers=await self._workers(batch),
            approvers=await self._approvers(batch),
            visits=_visits(visits),
            deadlines=await clock.deadlines(self.graph, [*targets, *entering], now),
            snoozed=await self._snoozed(batch, clock, now),
            moved=await clock.moved(self.graph, self.state, now)
            if any(row.kind == "resume" for row in batch.rows)
            else {},
            barred=held.barred,
            assigned=held.assigned,
            escalated_to=held.escalated_to,
            stand_ins=held.stand_ins,
            computed=dict(await computed_of(self.session, self.tenant, self.graph, batch, now)),
            closed={ref: str(e.status) for ref, e in batch.everything() if e.status not in OPEN},
            past=await past_of(self.session, self.tenant, self.instance, batch.rows),
            done=await clock.with_marks(self.graph, batch.done) if batch.done else {},
            numbers=batch.numbers,
            child_problems=nesting.problems,
            children=nesting.children,
            incidents=nesting.incidents,
            ended=nesting.ended,
            context=nesting.context,
        )

    async def _executions(self, ids: Iterable[UUID]) -> dict[UUID, StepExecution]:
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return {}
        (rows,) = await self._fetch(_EXECUTIONS, ids=wanted)
        return {row.id: row for row in rows}

    async def _name_holders(self, batch: Batch) -> None:
        """Add the names of whoever holds an execution to those of the actors; most came with their rows."""
        unknown: list[UUID] = []
        for execution in batch.executions.values():
            holder: str | None = getattr(execution, "holder", None)
            if execution.assigned_to is not None and holder is not None:
                batch.names[str(execution.assigned_to)] = holder
            unknown += [
                user
                for user in (execution.assigned_to, execution.delegated_by)
                if user is not None and str(user) not in batch.names
            ]
        if unknown:
            (rows,) = await self._fetch(_NAMES, ids=sorted(set(unknown)))
            batch.names |= {str(row.id): row.username for row in rows}

    def _to_judge(self, batch: Batch) -> list[StepExecution]:
        """Executions whose requirements are asked about."""
        open_ones = [e for e in batch.gated.values() if e.status in OPEN]
        return open_ones if any(self.graph.steps[e.step_key].mandatory for e in open_ones) else []

    async def _standing_and_visits(
        self, judged: Sequence[StepExecution], subjects: Sequence[int], steps: Sequence[str]
    ) -> tuple[Sequence[Row], Sequence[Row]]:
        """Two answers in one round trip, or in none; what is not asked is empty."""
        if (ahead := self.ahead) is not None and ahead.answers(judged, subjects):
            return ahead.standing if judged else (), [row for row in ahead.visits if row.step_key in steps]
        keys = {"tenant": self.tenant, "instance": self.instance}
        asked: dict[str, Statement] = {}
        if judged:
            asked["standing"] = what_stands(self.tenant, [e.id for e in judged])
        if subjects and steps:
            asked["visits"] = Statement(_VISITS, {**keys, "subjects": sorted(set(subjects)), "steps": list(steps)})
        answers = dict(zip(asked, await self.wire.fetch(*asked.values()) if asked else (), strict=True))
        return answers.get("standing", ()), answers.get("visits", ())

    async def _nested(
        self, batch: Batch, steps: Sequence[str], ended: Sequence[str], *, everybody: bool
    ) -> NestedFacts:
        """Of processes that the steps start; without such a step no query."""
        graph = self.graph
        concerned = [key for key in steps if key in graph.steps and any(nested(graph.steps[key]))]
        if not (concerned or ended or batch.retried):
            return NestedFacts()
        reading = Nesting(self.session, self.tenant, self.instance, self.definition)
        subjects = None if everybody else sorted({ref.subject for ref in batch.executions})
        return await reading.facts(subjects=subjects, steps=concerned, retried=tuple(batch.retried), ended=ended)

    async def _unmet(self, batch: Batch, standing: Sequence[Row]) -> dict[Ref, tuple[Unmet, ...]]:
        judged = self._to_judge(batch)
        if not judged:
            return {}
        found = await unmet_of(self.session, self.tenant, self.definition.process_id, self.graph, judged, standing)
        return {ref_of(e): found[e.id] for e in judged if found.get(e.id)}

    async def _sent_back(self, batch: Batch) -> dict[Ref, SentBack]:
        """Rejections that take work back; steps without such an approval cost no query."""
        asked = {
            e.id: ref for ref, e in batch.looked.items() if self.graph.steps[ref.step].sends_back and e.status in OPEN
        }
        if not asked:
            return {}
        found: dict[Ref, SentBack] = {}
        for row in await rejections_of(self.session, self.tenant, list(asked)):
            sent = SentBack(to_step=row["back_to"], by=row["username"], comment=row["comment"])
            found.setdefault(asked[row["execution_id"]], sent)
        return found

    async def _workers(self, batch: Batch) -> dict[Ref, frozenset[str]]:
        if not batch.signed:
            return {}
        ids = [e.id for e in batch.signed.values()]
        found = await workers_of(self.session, self.tenant, ids)
        return {ref_of(e): found.get(e.id, frozenset()) for e in batch.signed.values()}

    async def _approvers(self, batch: Batch) -> dict[Ref, frozenset[str]]:
        """Of executions whose step asks for an approval or a signature; the others cost no query."""
        asked = {
            e.id: ref
            for ref, e in batch.gated.items()
            if any(one.requirement_type in ATTESTED for one in self.graph.steps[ref.step].requirements)
        }
        if not asked:
            return {}
        found = await approvers_of(self.session, self.tenant, list(asked))
        return {asked[one]: users for one, users in found.items()}

    async def visits(self, subjects: Sequence[int], steps: Sequence[str]) -> dict[tuple[int, str], Visits]:
        """How often subjects were at steps, where they were at all."""
        if not subjects or not steps:
            return {}
        _, rows = await self._standing_and_visits((), subjects, steps)
        return _visits(rows)

    async def _snoozed(self, batch: Batch, clock: Clock, now: datetime) -> dict[tuple[Ref, str], Deadlines]:
        """Without those that are too far ahead, which are refused: their levels may lie behind the last of all days."""
        return {
            (ref, row.args["until"]): await clock.snoozed(self.graph.steps[ref.step], until)
            for row in batch.rows
            if row.kind == "snooze" and (until := datetime.fromisoformat(row.args["until"])) - now <= LONGEST
            for ref in row.refs
            if ref in batch.executions
        }


def _may_be_routed(step: Step) -> bool:
    return any(level.action is LevelAction.ROUTE for level in escalation_of(step).levels)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What was asked of the only execution of a lone command before anything was known of it."""

    execution: UUID
    subject: int
    standing: Sequence[Row]
    visits: Sequence[Row]

    def answers(self, judged: Sequence[StepExecution], subjects: Sequence[int]) -> bool:
        """Whether nothing is asked beyond it."""
        return all(one.id == self.execution for one in judged) and all(one == self.subject for one in subjects)


def asking(tenant: UUID, instance: UUID, command_ids: Sequence[str]) -> tuple[Statement, ...]:
    """What can be asked before anything is known: the commands, and of a lone one its executions.

    Of an execution that it alone names, also what was given there and where its subject has been. The executions of
    many are read once it is clear which of them go together.
    """
    keys: dict[str, Any] = {"tenant": tenant, "instance": instance}
    ids = [UUID(one) for one in command_ids]
    commands = Statement(_COMMANDS, keys | {"ids": ids})
    if len(ids) != 1:
        return (commands,)
    of = keys | {"command": ids[0]}
    return commands, Statement(_OF_COMMAND, of), what_stands_for(tenant, ids[0]), Statement(_VISITS_OF, of)


def _visits(rows: Sequence[Row]) -> dict[tuple[int, str], Visits]:
    return {(row.subject_no, row.step_key): Visits(last=row.last, counted=row.counted) for row in rows}


def _is_stale(execution: StepExecution) -> bool:
    """It waits for its batch, and its evidence changed since it became ready."""
    return execution.status == ExecutionStatus.WAITING and execution.evidence_rev != execution.ready_rev
