"""What the core and record must know of nested instances: can they start, with which subjects, how do they stand.

Read only where a step concerned has a `child_workflow` requirement, or where something else starts a process; other
steps cost no statement.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.definitions import Definition
from models.flow.facts import EVERY_SUBJECT, Child, EndedChild
from models.flow.graph import Requirement
from models.flow.ids import requirement_id
from models.flow.nesting import nested
from models.flow.state import Ref, execution_id
from models.json_values import plain
from models.patterns import matches
from models.requirements.child_workflow import FindingRule, GivenSubjects, SubjectsFound, SubjectsMade, config_of
from models.requirements.expressions import ExpressionError, evaluate
from models.store.canonical import canonical
from models.store.effectivity import IN_FORCE
from models.store.errors import StoreError
from models.store.json_schema import misfits
from models.store.process_lookup import latest_approved
from models.store.reading import fetch, fetch_one
from models.tables import Process

MOST_SUBJECTS: Final = 10_000
MOST_CANDIDATES: Final = 20_000
"""Subjects that a rule's `where` looks at one by one; more have to be narrowed by `equal` first."""
MOST_DEEP: Final = 20
"""Levels of nesting; more is a process that starts itself."""

_PROCESSES = text(
    """
    SELECT p.id, p.name, p.category, p.status, t.id AS type_id, t.key AS type_key, t.attributes_schema,
           t.identifier_pattern
    FROM process p JOIN subject_type t ON (t.tenant_id, t.id) = (p.tenant_id, p.subject_type_id)
    WHERE p.tenant_id = :tenant AND p.id = ANY(:ids)
    """
)
_WORLD = text(
    """
    SELECT i.identifier, i.name, i.context, t.key AS type_key,
           (WITH RECURSIVE up AS (
                SELECT i.parent_instance_id AS id, 0 AS depth
                UNION ALL
                SELECT w.parent_instance_id, up.depth + 1
                FROM up JOIN workflow_instance w ON w.tenant_id = :tenant AND w.id = up.id WHERE up.depth < :deepest)
            SELECT max(depth) FROM up) AS depth
    FROM workflow_instance i
    JOIN process p ON (p.tenant_id, p.id) = (i.tenant_id, i.process_id)
    JOIN subject_type t ON (t.tenant_id, t.id) = (p.tenant_id, p.subject_type_id)
    WHERE i.tenant_id = :tenant AND i.id = :instance
    """
)
_SUBJECTS = text(
    """
    SELECT w.subject_no, s.id, s.identifier, s.title, s.attributes
    FROM workflow_subject w JOIN subject s ON (s.tenant_id, s.id) = (w.tenant_id, w.subject_id)
    WHERE w.tenant_id = :tenant AND w.instance_id = :instance
      AND (CAST(:numbers AS int[]) IS NULL OR w.subject_no = ANY(:numbers))
    """
)
_CANDIDATES = text(
    """
    SELECT s.id, s.identifier, s.title, s.attributes FROM subject s
    WHERE s.tenant_id = :tenant AND s.subject_type_id = :type AND s.attributes @> CAST(:equal AS jsonb)
    ORDER BY s.identifier, s.id LIMIT :limit
    """
)
_CHILDREN = text(
    """
    SELECT i.triggered_by, i.triggered_requirement_id, i.child_no, i.status, e.kept_gates
    FROM workflow_instance i JOIN step_execution e ON (e.tenant_id, e.id) = (i.tenant_id, i.triggered_by)
    WHERE i.tenant_id = :tenant AND i.triggered_by = ANY(:executions) AND i.child_no IS NOT NULL ORDER BY i.child_no
    """
)
_INCIDENTS = text(
    "SELECT execution_id, code FROM incident"
    " WHERE tenant_id = :tenant AND instance_id = :instance AND execution_id = ANY(:executions) AND resolved_at IS NULL"
)
_ENDED = text(
    "SELECT id, identifier, context FROM workflow_instance"
    " WHERE tenant_id = :tenant AND parent_instance_id = :instance AND id = ANY(:ids)"
)
_CONTEXT = text("SELECT context FROM workflow_instance WHERE tenant_id = :tenant AND id = :instance")


class ChildProcessUnusableError(RuntimeError):
    """A nested process cannot be started; the message says why, for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedFacts:
    """What the core is told about nested instances; see `models.flow.facts.Facts`."""

    problems: Mapping[tuple[int, str, str], str] = field(default_factory=dict)
    children: Mapping[Ref, Mapping[str, tuple[Child, ...]]] = field(default_factory=dict)
    incidents: Mapping[Ref, str] = field(default_factory=dict)
    ended: Mapping[str, EndedChild] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Nesting:
    """Reads within one transaction, for one instance."""

    session: AsyncSession
    tenant: UUID
    instance: UUID
    definition: Definition
    _world: RowMapping | None = None
    _subjects: dict[int, RowMapping] = field(default_factory=dict)

    async def facts(
        self,
        *,
        subjects: Sequence[int] | None,
        steps: Collection[str],
        retried: Collection[Ref],
        ended: Sequence[str],
    ) -> NestedFacts:
        """What the core has to know.

        Args:
            subjects: those that may enter one of the steps; None: all.
            steps: that may be entered.
            retried: executions whose children are to be started again.
            ended: children of which the end is to be noted.
        """
        wanted = dict.fromkeys((*steps, *(ref.step for ref in retried)))
        at = [(step, one) for step in wanted for one in nested(self.definition.graph.steps[step])]
        numbers = None if subjects is None else [*subjects, *(ref.subject for ref in retried)]
        return NestedFacts(
            problems=await self._problems(at, numbers) if at else {},
            children=await self._children(retried) if retried else {},
            incidents=await self._incidents(retried) if retried else {},
            ended=await self._ended(ended) if ended else {},
            context=await self._context() if ended else {},
        )

    async def _problems(
        self, at: Sequence[tuple[str, Requirement]], numbers: Sequence[int] | None
    ) -> dict[tuple[int, str, str], str]:
        processes = await self._processes(UUID(str(one.config["process_id"])) for _, one in at)
        found: dict[tuple[int, str, str], str] = {}
        for step, requirement in at:
            rule = config_of(requirement.config).subjects
            try:
                process = await self._usable(processes.get(str(requirement.config["process_id"])), rule)
            except ChildProcessUnusableError as error:
                found[EVERY_SUBJECT, step, requirement.key] = str(error)
                continue
            if not isinstance(rule, SubjectsFound):
                continue
            for subject in (await self._of_numbers(numbers)).values():
                try:
                    await self._matching(rule.rule, process, subject)
                except ChildProcessUnusableError as error:
                    found[subject["subject_no"], step, requirement.key] = str(error)
        return found

    async def _processes(self, ids: Iterable[UUID]) -> dict[str, RowMapping]:
        rows = await fetch(self.session, _PROCESSES, tenant=self.tenant, ids=sorted(set(ids)))
        return {str(row["id"]): row for row in rows}

    async def _usable(self, process: RowMapping | None, rule: GivenSubjects) -> RowMapping:
        """The process, if it can be started below this instance with such subjects.

        Raises:
            ChildProcessUnusableError: it is not in force, takes other subjects, or is nested too deep.
        """
        if process is None or process["status"] not in IN_FORCE:
            named = "its process" if process is None else f"'{process['name']}'"
            raise ChildProcessUnusableError(f"{named} is {'gone' if process is None else process['status']}")
        world = await self.world()
        if world["depth"] + 1 >= MOST_DEEP:
            raise ChildProcessUnusableError(f"workflows may be nested {MOST_DEEP} levels deep at most")
        taken = world["type_key"] if rule == "same" else _type_of(rule)
        if taken != process["type_key"]:
            raise ChildProcessUnusableError(
                f"'{process['name']}' takes subjects of type {process['type_key']}, not {taken}"
            )
        if isinstance(rule, SubjectsMade):
            wrong = misfits(process["attributes_schema"], rule.new.attributes)
            if wrong:
                raise ChildProcessUnusableError(f"new subjects do not fit their type: {wrong[0]['message']}")
            if not matches(process["identifier_pattern"], f"{process['type_key'].upper()}-2026-0001"):
                raise ChildProcessUnusableError(f"numbers do not fit the identifiers of {process['type_key']}")
        return process

    async def usable(self, process_id: UUID, rule: GivenSubjects) -> RowMapping:
        """A version that is to be started with these subjects, checked.

        Raises:
            ChildProcessUnusableError: as the message says.
        """
        return await self._usable((await self._processes([process_id])).get(str(process_id)), rule)

    async def found(self, rule: FindingRule, process: RowMapping, subject_no: int) -> list[UUID]:
        """The subjects that a rule finds for one of ours.

        Raises:
            ChildProcessUnusableError: none, too many, or an expression that cannot be evaluated.
        """
        return await self._matching(rule, process, (await self._of_numbers([subject_no]))[subject_no])

    async def world(self) -> RowMapping:
        """The instance: identifier, name, context, key of its subjects' type, depth in the tree."""
        if self._world is None:
            keys = {"tenant": self.tenant, "instance": self.instance, "deepest": MOST_DEEP}
            self._world = await fetch_one(self.session, _WORLD, **keys)
        if self._world is None:
            raise LookupError(f"no instance {self.instance}")
        return self._world

    async def _of_numbers(self, numbers: Sequence[int] | None) -> dict[int, RowMapping]:
        if numbers is None or not set(numbers) <= self._subjects.keys():
            wanted = None if numbers is None else sorted(set(numbers))
            keys = {"tenant": self.tenant, "instance": self.instance, "numbers": wanted}
            rows = await fetch(self.session, _SUBJECTS, **keys)
            self._subjects |= {row["subject_no"]: row for row in rows}
        return dict(self._subjects) if numbers is None else {one: self._subjects[one] for one in set(numbers)}

    async def _matching(self, rule: FindingRule, process: RowMapping, subject: RowMapping) -> list[UUID]:
        world = await self.world()
        known = {
            "subject": _subject(subject, world["type_key"]),
            "context": world["context"],
            "instance": {"identifier": world["identifier"], "name": world["name"]},
        }
        try:
            equal = {name: plain(evaluate(expression, known)) for name, expression in rule.equal.items()}
            candidates = await self._candidates(process, equal)
            taken = [one["id"] for one in candidates if _takes(rule, process["type_key"], one, known)]
        except (ExpressionError, ValueError) as error:
            raise ChildProcessUnusableError(f"its rule cannot be evaluated: {error}") from error
        if not taken:
            raise ChildProcessUnusableError(f"its rule finds no {process['type_key']}")
        if len(taken) > MOST_SUBJECTS:
            raise ChildProcessUnusableError(f"its rule finds more than {MOST_SUBJECTS} subjects")
        return taken

    async def _candidates(self, process: RowMapping, equal: Mapping[str, Any]) -> Sequence[RowMapping]:
        keys = {"tenant": self.tenant, "type": process["type_id"], "limit": MOST_CANDIDATES + 1}
        rows = await fetch(self.session, _CANDIDATES, equal=canonical(equal).decode(), **keys)
        if len(rows) > MOST_CANDIDATES:
            raise ChildProcessUnusableError(f"its rule has to look at more than {MOST_CANDIDATES} subjects; narrow it")
        return rows

    async def _children(self, retried: Collection[Ref]) -> dict[Ref, dict[str, tuple[Child, ...]]]:
        refs = {execution_id(self.instance, ref): ref for ref in retried}
        rows = await fetch(self.session, _CHILDREN, tenant=self.tenant, executions=list(refs))
        found: dict[Ref, dict[str, tuple[Child, ...]]] = {}
        for ref in refs.values():
            keys = {
                requirement_id(self.definition.process_id, ref.step, one.key): one.key
                for one in nested(self.definition.graph.steps[ref.step])
            }
            at = found.setdefault(ref, {})
            for row in rows:
                kept = {UUID(str(one)): key for key, one in row["kept_gates"].items()}
                key = kept.get(row["triggered_requirement_id"]) or keys.get(row["triggered_requirement_id"])
                if key is not None and refs[row["triggered_by"]] == ref:
                    at[key] = (*at.get(key, ()), Child(number=row["child_no"], status=row["status"]))
        return found

    async def _incidents(self, retried: Collection[Ref]) -> dict[Ref, str]:
        refs = {execution_id(self.instance, ref): ref for ref in retried}
        keys = {"tenant": self.tenant, "instance": self.instance, "executions": list(refs)}
        return {refs[row["execution_id"]]: row["code"] for row in await fetch(self.session, _INCIDENTS, **keys)}

    async def _ended(self, ids: Sequence[str]) -> dict[str, EndedChild]:
        keys = {"tenant": self.tenant, "instance": self.instance, "ids": [UUID(one) for one in ids]}
        rows = await fetch(self.session, _ENDED, **keys)
        return {str(row["id"]): EndedChild(identifier=row["identifier"], context=row["context"]) for row in rows}

    async def _context(self) -> Mapping[str, Any]:
        row = await fetch_one(self.session, _CONTEXT, tenant=self.tenant, instance=self.instance)
        return {} if row is None else dict(row["context"])


async def in_force(session: AsyncSession, tenant: UUID, key: str | None) -> Process:
    """The version of a key that new instances are started by now.

    Raises:
        ChildProcessUnusableError: there is none.
    """
    try:
        return await latest_approved(session, tenant, key=key)
    except StoreError as error:
        raise ChildProcessUnusableError(f"no version of '{key}' is in force") from error


def _type_of(rule: SubjectsMade | SubjectsFound) -> str:
    return rule.new.type if isinstance(rule, SubjectsMade) else rule.rule.type


def _subject(row: RowMapping, type_key: str) -> dict[str, Any]:
    return {"id": row["id"], "type": type_key, **{name: row[name] for name in ("identifier", "title", "attributes")}}


def _takes(rule: FindingRule, type_key: str, candidate: RowMapping, known: Mapping[str, Any]) -> bool:
    if rule.where is None:
        return True
    shown = _subject(candidate, type_key)
    # The type's own name first: one that is called Subject or Context must not hide ours.
    return evaluate(rule.where, {type_key.lower(): shown, **known, "candidate": shown}) is True
