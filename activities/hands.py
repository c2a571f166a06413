"""Facts of assignment: who may do a step, whose a new execution becomes, and who stands in for whom.

Read only where a step says something about it, or where a command puts work into named hands.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.batching import Batch, Stored
from models.flow.facts import Assigned, Barred
from models.flow.graph import Graph
from models.flow.policies import Assignment, Auto, LevelAction, Revisit, assignment_of, level_at
from models.flow.state import Ref, State
from models.permissions import permissions_of
from models.requirements.expressions import ExpressionError, evaluate
from models.store.absences import Away, absent_whom, away_of, represented_by
from models.store.reading import fetch
from models.store.workers import workers_of

BEARING: Final = frozenset({"claim", "start", "complete"})
"""Commands whose actor takes the work into their hands."""
PASSING: Final = frozenset({"reassign", "delegate"})
"""Commands that put it into the hands that they name."""
WORK: Final = "execution.work"

_PEOPLE = text(
    """
    SELECT u.id, u.username, u.is_active AND NOT u.is_service AS is_active,
           ARRAY(SELECT r.role FROM user_role r WHERE (r.tenant_id, r.user_id) = (u.tenant_id, u.id)) AS roles
    FROM user_account u WHERE u.tenant_id = :tenant AND (u.id::text = ANY(:named) OR u.username = ANY(:named))
    """
)
_HOLDERS = text(
    """
    SELECT u.id, u.username, true AS is_active, array_agg(r.role) AS roles
    FROM user_account u JOIN user_role r ON (r.tenant_id, r.user_id) = (u.tenant_id, u.id)
    WHERE u.tenant_id = :tenant AND u.is_active AND NOT u.is_service
      AND EXISTS (SELECT FROM user_role w WHERE (w.tenant_id, w.user_id) = (u.tenant_id, u.id) AND w.role = ANY(:roles))
    GROUP BY u.id, u.username
    """
)
_LOADS = text(
    "SELECT assigned_to, count(*) AS held FROM step_execution WHERE tenant_id = :tenant AND exited_at IS NULL"
    " AND assigned_to = ANY(:users) GROUP BY assigned_to"
)
_EARLIER = text(
    """
    SELECT id, subject_no, step_key, visit_number, completed_by FROM step_execution
    WHERE tenant_id = :tenant AND workflow_instance_id = :instance AND subject_no = ANY(:subjects)
      AND step_key = ANY(:steps) AND status <> 'rolled_back'
    ORDER BY subject_no, step_key, visit_number
    """
)
_AROUND = text(
    """
    SELECT w.subject_no, s.id AS subject_id, s.identifier, s.title, s.attributes, t.key AS type, i.context, i.owner_id
    FROM workflow_subject w
    JOIN workflow_instance i ON (i.tenant_id, i.id) = (w.tenant_id, w.instance_id)
    JOIN subject s ON (s.tenant_id, s.id) = (w.tenant_id, w.subject_id)
    JOIN subject_type t ON (t.tenant_id, t.id) = (s.tenant_id, s.subject_type_id)
    WHERE w.tenant_id = :tenant AND w.instance_id = :instance AND w.subject_no = ANY(:subjects)
    """
)
_OWNER = text("SELECT owner_id FROM workflow_instance WHERE tenant_id = :tenant AND id = :instance")


@dataclass(frozen=True, slots=True)
class Someone:
    """A person who may be given work."""

    id: UUID
    username: str
    roles: frozenset[str]
    is_active: bool = True

    @property
    def may_work(self) -> bool:
        """Whether they hold the permission now."""
        return self.is_active and WORK in permissions_of(self.roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandFacts:
    """What the core is told about hands; see `models.flow.facts.Facts`."""

    barred: Mapping[Ref, Barred] = field(default_factory=dict)
    assigned: Mapping[tuple[int, str], Assigned] = field(default_factory=dict)
    escalated_to: Mapping[tuple[Ref, int], str] = field(default_factory=dict)
    stand_ins: Mapping[str, frozenset[str]] = field(default_factory=dict)


class _Pool(NamedTuple):
    """Candidates who are there, and who stands in for those who are away; both by the candidates' names."""

    there: Sequence[Someone]
    stand_ins: Sequence[Assigned]


@dataclass(slots=True)
class _Before:
    """Who did what before, for the subjects of a batch."""

    workers: dict[tuple[int, str], frozenset[str]] = field(default_factory=dict)
    """(subject, step) → everybody who had a hand in it, on any visit."""
    last: dict[tuple[int, str], tuple[int, UUID | None]] = field(default_factory=dict)
    """(subject, step) → the last visit, and who completed it."""
    visits: dict[tuple[int, str, int], UUID | None] = field(default_factory=dict)


@dataclass(slots=True)
class Hands:
    """Reads for one batch."""

    session: AsyncSession
    tenant: UUID
    instance: UUID
    graph: Graph
    now: datetime
    names: dict[str, str] = field(default_factory=dict)
    """Filled with the names of everybody who is read, for refusals."""

    async def of(
        self, batch: Batch, entering: Mapping[int, Sequence[str]], late: Sequence[Ref], state: State
    ) -> HandFacts:
        """Everything for one batch.

        Args:
            batch: the commands that go together.
            entering: subject → steps that it may enter.
            late: executions at which a moment has come.
            state: the run's state.
        """
        return HandFacts(
            barred=await self._barred(batch),
            assigned=await self._assigned(entering),
            escalated_to=await self._escalated(late, state),
            stand_ins=await self._stand_ins(batch),
        )

    async def _barred(self, batch: Batch) -> dict[Ref, Barred]:
        asked = [(row, ref) for row, taken in zip(batch.stored, batch.rows, strict=True) for ref in taken.refs]
        bearing = [
            (row, ref)
            for row, ref in asked
            if row.kind in BEARING and ref in batch.executions and assignment_of(self.graph.steps[ref.step]).restricts
        ]
        passing = [
            (row, ref)
            for row, ref in asked
            if row.kind in PASSING and ref in batch.executions and row.body.get("args", {}).get("to")
        ]
        if not bearing and not passing:
            return {}
        named = await self._people(str(row.body["args"]["to"]) for row, _ in passing)
        wanted = [(_actor(row), ref, batch.executions[ref].assigned_to == row.actor_id) for row, ref in bearing]
        found: dict[Ref, Barred] = {}
        for row, ref in passing:
            to = str(row.body["args"]["to"])
            person = named.get(to)
            if person is None or not person.is_active:
                found[ref] = Barred(code="unassignable", params={"reason": "there is no active person of that name"})
            elif not person.may_work:
                found[ref] = Barred(code="unassignable", params={"reason": f"{person.username} may not work on steps"})
            else:
                wanted.append((person, ref, row.kind == "reassign"))
        before = await self._before([ref for _, ref, _ in wanted])
        around = await self._around([ref for _, ref, _ in wanted if assignment_of(self.graph.steps[ref.step]).rule])
        for person, ref, given in wanted:
            barred = await self._bars(person, ref, before, around, given=given)
            if barred is not None:
                found[ref] = barred
        return found

    async def _bars(
        self, person: Someone, ref: Ref, before: _Before, around: Mapping[int, Mapping[str, Any]], *, given: bool
    ) -> Barred | None:
        """What keeps a person from an execution; `given`: a supervisor or the engine puts it, or has put it, there."""
        rule = assignment_of(self.graph.steps[ref.step])
        if not await self._is_for(person, rule, around.get(ref.subject, {})):
            return Barred(code="not_candidate", params={"candidates": _told(rule)})
        for step in rule.not_who_did:
            if str(person.id) in before.workers.get((ref.subject, step), frozenset()):
                return Barred(code="four_eyes", params={"step": self.graph.steps[step].name})
        previous = before.visits.get((ref.subject, ref.step, ref.visit))
        if previous is None:
            return None
        match rule.revisit:
            case Revisit.SAME if previous != person.id and not given:
                known = (await self._people([str(previous)])).get(str(previous))
                if known is not None and known.may_work and not await self._represents(person, previous):
                    return Barred(code="revisit_by_same", params={"previous_name": known.username})
            case Revisit.DIFFERENT if previous == person.id:
                return Barred(code="revisit_by_another")
            case Revisit.ROLE:
                known = (await self._people([str(previous)])).get(str(previous))
                if known is not None and not known.roles & person.roles:
                    return Barred(code="not_candidate", params={"candidates": ", ".join(sorted(known.roles))})
            case _:
                pass
        return None

    async def _is_for(self, person: Someone, rule: Assignment, around: Mapping[str, Any]) -> bool:
        """Whether a step is for this person, or for somebody who is away and for whom they stand in."""
        if _is_candidate(person, rule, around):
            return True
        rows = await absent_whom(self.session, self.tenant, person.id, self.now)
        absent = (Someone(row["id"], row["username"], frozenset(row["roles"])) for row in rows)
        return any(one.may_work and _is_candidate(one, rule, around) for one in absent)

    async def _represents(self, person: Someone, absent: UUID) -> bool:
        return absent in await represented_by(self.session, self.tenant, person.id, self.now)

    async def _assigned(self, entering: Mapping[int, Sequence[str]]) -> dict[tuple[int, str], Assigned]:
        """Whose new executions become: who did it before, or whoever of the candidates has the least to do."""
        wanted = [
            (subject, step)
            for subject, steps in sorted(entering.items())
            for step in steps
            if assignment_of(self.graph.steps[step]).puts_into_hands
        ]
        if not wanted:
            return {}
        before = await self._before([Ref(subject, step) for subject, step in wanted])
        pools = {step: await self._pool(step) for step in dict.fromkeys(step for _, step in wanted)}
        loads = await self._loads({one.id for pool in pools.values() for one in pool.there})
        found: dict[tuple[int, str], Assigned] = {}
        for subject, step in wanted:
            chosen = await self._choose(subject, step, pools[step], loads, before)
            if chosen is not None:
                found[subject, step] = chosen
        return found

    async def _choose(
        self, subject: int, step: str, pool: _Pool, loads: dict[UUID, int], before: _Before
    ) -> Assigned | None:
        rule = assignment_of(self.graph.steps[step])
        previous = before.last.get((subject, step), (0, None))[1]
        if rule.revisit is Revisit.SAME and previous is not None:
            return await self._or_stand_in(previous)
        if rule.auto is not Auto.LEAST_LOADED:
            return None
        kept_off = {one for other in rule.not_who_did for one in before.workers.get((subject, other), ())}
        if rule.revisit is Revisit.DIFFERENT and previous is not None:
            kept_off.add(str(previous))
        free = [one for one in pool.there if str(one.id) not in kept_off]
        if not free:
            return next((one for one in pool.stand_ins if one.user not in kept_off), None)
        least = min(free, key=lambda one: (loads.get(one.id, 0), one.username))
        loads[least.id] = loads.get(least.id, 0) + 1
        return Assigned(user=str(least.id))

    async def _or_stand_in(self, user: UUID) -> Assigned | None:
        """The person, or who stands in while they are away; nobody where they have left or nobody was named."""
        known = (await self._people([str(user)])).get(str(user))
        if known is None or not known.may_work:
            return None
        away = (await away_of(self.session, self.tenant, [user], self.now)).get(user)
        if away is None:
            return Assigned(user=str(user))
        return None if away.delegate is None else _instead(known, away, away.delegate)

    async def _pool(self, step: str) -> _Pool:
        """Candidates of a step who may work; a rule has to hold without a subject for nobody here."""
        rule = assignment_of(self.graph.steps[step])
        roles = rule.roles or (() if rule.users else _WORKING_ROLES)
        found = {one.id: one for one in (await self._people(rule.users)).values()} if rule.users else {}
        if roles:
            rows = await fetch(self.session, _HOLDERS, tenant=self.tenant, roles=list(roles))
            found |= {row["id"]: self._someone(row) for row in rows}
        working = [one for one in found.values() if one.may_work]
        away = await away_of(self.session, self.tenant, [one.id for one in working], self.now)
        working.sort(key=lambda one: one.username)
        return _Pool(
            there=[one for one in working if one.id not in away],
            stand_ins=await self._stand_ins_of([(one, away[one.id]) for one in working if one.id in away]),
        )

    async def _stand_ins_of(self, absent: Sequence[tuple[Someone, Away]]) -> list[Assigned]:
        """Who does the work of these meanwhile, as far as somebody was named who may work."""
        delegates = await self._people(str(away.delegate) for _, away in absent if away.delegate is not None)
        return [
            _instead(one, away, delegate.id)
            for one, away in absent
            if (delegate := delegates.get(str(away.delegate))) is not None and delegate.may_work
        ]

    async def _loads(self, users: Iterable[UUID]) -> dict[UUID, int]:
        rows = await fetch(self.session, _LOADS, tenant=self.tenant, users=sorted(users))
        return {row["assigned_to"]: row["held"] for row in rows}

    async def _escalated(self, late: Sequence[Ref], state: State) -> dict[tuple[Ref, int], str]:
        """(execution, level) → to whom a level that has come gives it."""
        due: dict[tuple[Ref, int], tuple[str, ...]] = {}
        for ref in late:
            token = state.tokens[ref]
            for mark in range(token.mark, len(token.marks)):
                reached = level_at(self.graph.steps[ref.step], mark)
                if token.marks[mark] <= self.now and reached and reached[1].action is LevelAction.REASSIGN:
                    due[ref, reached[0]] = reached[1].to
        chosen = {to: await self._addressee(to) for to in dict.fromkeys(due.values())}
        return {place: str(one.id) for place, to in due.items() if (one := chosen[to]) is not None}

    async def _addressee(self, to: Sequence[str]) -> Someone | None:
        """The first of `owner`, `user:…`, `role:…` who is there and may work; of a role whoever has the least to do."""
        for word in to:
            kind, _, name = word.partition(":")
            people: list[Someone] = []
            if word == "owner":
                rows = await fetch(self.session, _OWNER, tenant=self.tenant, instance=self.instance)
                people = list((await self._people(str(row["owner_id"]) for row in rows if row["owner_id"])).values())
            elif kind == "user":
                people = list((await self._people([name])).values())
            elif kind == "role":
                rows = await fetch(self.session, _HOLDERS, tenant=self.tenant, roles=[name])
                people = [self._someone(row) for row in rows]
            away = await away_of(self.session, self.tenant, [one.id for one in people], self.now)
            there = [one for one in people if one.may_work and one.id not in away]
            if there:
                loads = await self._loads(one.id for one in there)
                return min(there, key=lambda one: (loads.get(one.id, 0), one.username))
        return None

    async def _stand_ins(self, batch: Batch) -> dict[str, frozenset[str]]:
        """Of actors who claim what another person holds."""
        actors = {
            row.actor_id
            for row, taken in zip(batch.stored, batch.rows, strict=True)
            for ref in taken.refs
            if row.kind == "claim" and ref in batch.executions
            if batch.executions[ref].assigned_to not in (None, row.actor_id)
        }
        return {
            str(actor): frozenset(map(str, await represented_by(self.session, self.tenant, actor, self.now)))
            for actor in sorted(actors)
        }

    async def _before(self, refs: Sequence[Ref]) -> _Before:
        """Earlier executions of the steps that the rules of these refer to, their own included."""
        rules = {ref: assignment_of(self.graph.steps[ref.step]) for ref in refs}
        steps = {step for rule in rules.values() for step in rule.not_who_did}
        steps |= {ref.step for ref, rule in rules.items() if rule.revisit is not Revisit.ANY}
        found = _Before()
        if not steps:
            return found
        subjects = sorted({ref.subject for ref in refs})
        rows = await fetch(
            self.session, _EARLIER, tenant=self.tenant, instance=self.instance, subjects=subjects, steps=sorted(steps)
        )
        hands = await workers_of(self.session, self.tenant, [row["id"] for row in rows])
        for row in rows:
            place = row["subject_no"], row["step_key"]
            found.workers[place] = found.workers.get(place, frozenset()) | hands.get(row["id"], frozenset())
            found.visits[*place, row["visit_number"]] = found.last.get(place, (0, None))[1]
            if row["completed_by"] is not None:
                found.last[place] = row["visit_number"], row["completed_by"]
        return found

    async def _around(self, refs: Sequence[Ref]) -> dict[int, Mapping[str, Any]]:
        subjects = sorted({ref.subject for ref in refs})
        if not subjects:
            return {}
        rows = await fetch(self.session, _AROUND, tenant=self.tenant, instance=self.instance, subjects=subjects)
        return {row["subject_no"]: dict(row) for row in rows}

    async def _people(self, named: Iterable[str]) -> dict[str, Someone]:
        """By id or username, as they were named."""
        wanted = sorted(set(named))
        if not wanted:
            return {}
        found: dict[str, Someone] = {}
        for row in await fetch(self.session, _PEOPLE, tenant=self.tenant, named=wanted):
            one = self._someone(row)
            found |= {name: one for name in (str(one.id), one.username) if name in wanted}
        return found

    def _someone(self, row: RowMapping) -> Someone:
        self.names[str(row["id"])] = row["username"]
        return Someone(row["id"], row["username"], frozenset(row["roles"]), row["is_active"])


_WORKING_ROLES: Final = ("operator", "engineer", "quality_manager")
"""Whom work is dealt out to where a step names nobody: those whose daily business it is."""


def _instead(absent: Someone, away: Away, delegate: UUID) -> Assigned:
    reason = f"{absent.username} is away until {away.until:%Y-%m-%d %H:%M} UTC"
    return Assigned(user=str(delegate), instead_of=str(absent.id), reason=reason)


def _actor(row: Stored) -> Someone:
    return Someone(row.actor_id, row.actor_name, frozenset(row.roles))


def _is_candidate(person: Someone, rule: Assignment, around: Mapping[str, Any]) -> bool:
    if not (rule.roles or rule.users or rule.rule):
        return True
    if person.roles.intersection(rule.roles) or {str(person.id), person.username}.intersection(rule.users):
        return True
    return bool(rule.rule) and _holds(rule.rule, person, around)


def _holds(expression: str, person: Someone, around: Mapping[str, Any]) -> bool:
    """Whether the rule makes the person a candidate. One that cannot be evaluated makes nobody one."""
    subject = {name: around.get(name) for name in ("type", "identifier", "title")}
    values = {
        "user": {"id": str(person.id), "username": person.username, "roles": sorted(person.roles)},
        "subject": {"id": around.get("subject_id"), **subject, "attributes": around.get("attributes") or {}},
        "context": around.get("context") or {},
    }
    try:
        return evaluate(expression, values) is True
    except ExpressionError:
        return False


def _told(rule: Assignment) -> str:
    named = [*(f"role {role}" for role in rule.roles), *rule.users]
    if rule.rule:
        named.append("whoever the step's rule names")
    return ", ".join(named)
