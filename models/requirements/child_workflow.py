"""Child workflow: nested instances that the engine starts on entry. Derived: met when enough of them completed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import RowMapping, text

from models.flow.nesting import OnFailure
from models.requirements.base import Asked, Config, ConfigProblem, Gate, Json, Key, Look, RequirementKind
from models.requirements.expressions import problem_in
from models.requirements.scopes import OF_A_RULE, misnamed, of_a_candidate
from models.store.reading import fetch
from models.tables import StepExecution

_CHILDREN = text(
    """
    SELECT triggered_by, triggered_requirement_id, id, identifier, name, status, child_no FROM workflow_instance
    WHERE tenant_id = :tenant AND triggered_by = ANY(:executions) ORDER BY child_no, created_at, id
    """
)
NAMED = 3
"""Children named in a reason."""


class NewSubjects(Config):
    """Subjects made for each child."""

    type: str
    count: int = Field(default=1, ge=1, le=10_000)
    attributes: dict[str, Any] = Field(default_factory=dict)


class SubjectsMade(Config):
    """`{"new": {"type", "count", "attributes"}}`."""

    new: NewSubjects


class FindingRule(Config):
    """Which of the subjects there are.

    Attributes:
        type: key of their type.
        equal: attribute → CEL over `subject`, `context`, `instance`: subjects whose attribute has that value. Found by
            the database, so it is the way for many.
        where: CEL over the candidate as well (`candidate`, or the type's key in lower case), true for those to take.
    """

    type: str
    equal: dict[str, str] = Field(default_factory=dict)
    where: str | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if not self.equal and self.where is None:
            raise ValueError("say which subjects: give equal, where, or both")
        return self


class SubjectsFound(Config):
    """`{"rule": {"type", "equal", "where"}}`."""

    rule: FindingRule


GivenSubjects = Literal["same"] | SubjectsMade | SubjectsFound
"""Which subjects a nested instance gets: those of whoever asks for it, new ones, or what a rule finds."""


class ChildWorkflowConfig(Config):
    """Which process (by id, by key, or by template) is started how often, with which subjects.

    Attributes:
        context: key of the child's context → key of ours, copied when it starts.
        context_back: key of our context → key of the child's, copied when it completes.
        on_failure: what a cancelled child means: it blocks, opens an incident, or counts as done.
    """

    process_id: UUID | None = None
    process: str | None = None
    process_template: str | None = None
    count: int = Field(default=1, ge=1, le=1_000)
    subjects: GivenSubjects = "same"
    context: dict[str, str] = Field(default_factory=dict)
    context_back: dict[str, str] = Field(default_factory=dict)
    on_failure: OnFailure = OnFailure.BLOCK
    name: str = ""


class ChildWorkflowKind(RequirementKind):
    """No evidence of its own: the children are the evidence."""

    name = "child_workflow"
    config_model = ChildWorkflowConfig
    derived = True

    def further_problems(self, config: ChildWorkflowConfig) -> Iterable[ConfigProblem]:
        """A rule whose expressions cannot run."""
        return rule_problems(config.subjects)

    async def unmet(self, look: Look, asked: Sequence[Asked]) -> dict[Key, str]:
        """One query: the children of all executions."""
        children = await _children(look, [execution for _, at in asked for execution in at])
        found: dict[Key, str] = {}
        for gate, at in asked:
            config = ChildWorkflowConfig(**gate.requirement.config)
            for execution in at:
                reason = _missing(config, children.get((execution.id, gate.id), ()))
                if reason is not None:
                    found[execution.id, gate.id] = reason
        return found

    async def shown(self, look: Look, execution: StepExecution, gate: Gate) -> Json:
        """The children and how they stand."""
        children = (await _children(look, [execution])).get((execution.id, gate.id), ())
        shown = [{"id": str(one["id"]), **{n: one[n] for n in ("identifier", "name", "status")}} for one in children]
        return {"children": shown}


def rule_problems(subjects: GivenSubjects) -> Iterable[ConfigProblem]:
    """Expressions of a rule that cannot run, or use a name that means nothing there."""
    if not isinstance(subjects, SubjectsFound):
        return
    rule = subjects.rule
    expressions = {f"/subjects/rule/equal/{name}": (one, OF_A_RULE) for name, one in rule.equal.items()}
    if rule.where is not None:
        expressions["/subjects/rule/where"] = rule.where, of_a_candidate(rule.type)
    for pointer, (expression, scope) in expressions.items():
        problem = problem_in(expression) or misnamed(expression, scope)
        if problem is not None:
            yield ConfigProblem("config_invalid", pointer, problem)


async def _children(look: Look, executions: Sequence[StepExecution]) -> dict[Key, list[RowMapping]]:
    found: dict[Key, list[RowMapping]] = {}
    ids = [execution.id for execution in executions]
    for row in await fetch(look.session, _CHILDREN, tenant=look.tenant_id, executions=ids):
        found.setdefault((row["triggered_by"], row["triggered_requirement_id"]), []).append(row)
    return found


def config_of(config: Mapping[str, Any]) -> ChildWorkflowConfig:
    """A published requirement's config in its shape."""
    return ChildWorkflowConfig.model_validate(dict(config))


def _missing(config: ChildWorkflowConfig, children: Sequence[RowMapping]) -> str | None:
    wanted = config.count
    completed = sum(one["status"] == "completed" for one in children)
    over = sum(one["status"] == "cancelled" for one in children) if config.on_failure is OnFailure.IGNORE else 0
    if completed + over >= wanted:
        return None
    lost = [one["identifier"] for one in children if one["status"] == "cancelled"]
    running = [one["identifier"] for one in children if one["status"] not in {"completed", "cancelled"}]
    notes = [
        *([f"cancelled: {_named(lost)}"] if lost else []),
        *([f"still open: {_named(running)}"] if running else []),
    ]
    return f"{completed} of {wanted} child workflows completed" + (f" ({'; '.join(notes)})" if notes else "")


def _named(identifiers: Sequence[str]) -> str:
    more = f" and {len(identifiers) - NAMED} more" if len(identifiers) > NAMED else ""
    return ", ".join(identifiers[:NAMED]) + more
