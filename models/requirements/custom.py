"""Custom: a CEL expression over `execution`, `subject`, `context` and `evidence`, or a named check of a site, says so.

True meets it. False does not, for the config's `message`; neither does an error, which is shown as it is. What a named
check needs besides is in `models.requirements.named_checks`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import RowMapping, text

from models.requirements.base import Asked, Config, ConfigProblem, Giving, Json, Key, Look, RequirementKind, invalid
from models.requirements.expressions import ExpressionError, evaluate, problem_in
from models.requirements.named_checks import ask_site, still_missing
from models.requirements.scopes import OF_A_CHECK, misnamed
from models.store.canonical import canonical
from models.store.reading import fetch

LARGEST_EVIDENCE = 64 * 1024

_WORLD = text(
    """
    SELECT e.id, e.status, e.visit_number, e.branch, e.step_key, e.decision_result, e.notes, e.overdue, e.assigned_to,
           e.entered_at, e.started_at, e.due_at, i.id AS instance_id, i.identifier AS instance_identifier,
           i.name AS instance_name, i.context,
           s.id AS subject_id, s.identifier, s.title, s.attributes, t.key AS subject_type
    FROM step_execution e
    JOIN workflow_instance i ON (i.tenant_id, i.id) = (e.tenant_id, e.workflow_instance_id)
    JOIN subject s ON (s.tenant_id, s.id) = (e.tenant_id, e.subject_id)
    JOIN subject_type t ON (t.tenant_id, t.id) = (s.tenant_id, s.subject_type_id)
    WHERE e.tenant_id = :tenant AND e.id = ANY(:executions)
    """
)
_EVIDENCE = text(
    """
    SELECT c.execution_id, c.requirement_id, c.evidence FROM step_requirement_completion c
    WHERE c.tenant_id = :tenant AND c.execution_id = ANY(:executions) AND c.requirement_id = ANY(:requirements)
    """
)


class CustomConfig(Config):
    """Either `expression` in CEL, or the name of a `check` that a worker of a site carries out.

    Attributes:
        message: shown while an expression is false.
        queue: of the site (`site-x`); that of the core workers' own site unless told.
        parameters: handed to the check.
        timeout: of one attempt.
        retries: attempts after the first one.
        wait: how long a worker of the site may take to pick the check up.
    """

    expression: str = ""
    message: str = ""
    check: str = Field(default="", max_length=100)
    queue: str = Field(default="", max_length=100, pattern=r"^(site-[A-Za-z0-9._-]+)?$")
    parameters: dict[str, Any] = Field(default_factory=dict)
    timeout: timedelta = Field(default=timedelta(seconds=30), gt=timedelta(), le=timedelta(days=1))
    retries: int = Field(default=3, ge=0, le=100)
    wait: timedelta = Field(default=timedelta(minutes=1), gt=timedelta(), le=timedelta(days=7))


class CustomKind(RequirementKind):
    """Evidence: any JSON object; the expression sees it as `evidence`."""

    name = "custom"
    config_model = CustomConfig

    def further_problems(self, config: CustomConfig) -> Iterable[ConfigProblem]:
        """An expression that cannot run, or none; a check beside an expression."""
        if bool(config.expression) == bool(config.check):
            yield ConfigProblem("config_invalid", "/expression", "Write an expression, or name a check; one of both.")
            return
        if config.check:
            return
        problem = problem_in(config.expression) or misnamed(config.expression, OF_A_CHECK)
        if problem is not None:
            yield ConfigProblem("config_invalid", "/expression", problem)

    async def unmet(self, look: Look, asked: Sequence[Asked]) -> dict[Key, str]:
        """For expressions two queries, then one evaluation per execution; for checks none."""
        found: dict[Key, str] = {}
        by_expression = []
        for one in asked:
            config = CustomConfig(**one.gate.requirement.config)
            if not config.check:
                by_expression.append(one)
                continue
            for execution in one.executions:
                standing = look.of(execution, one.gate)
                reason = None if standing.complete else still_missing(config.check, standing.evidence)
                if reason is not None:
                    found[execution.id, one.gate.id] = reason
        return found | (await self._by_expression(look, by_expression) if by_expression else {})

    async def _by_expression(self, look: Look, asked: Sequence[Asked]) -> dict[Key, str]:
        ids = list({execution.id for _, at in asked for execution in at})
        gates = [gate.id for gate, _ in asked]
        worlds = {row["id"]: row for row in await fetch(look.session, _WORLD, tenant=look.tenant_id, executions=ids)}
        rows = await fetch(look.session, _EVIDENCE, tenant=look.tenant_id, executions=ids, requirements=gates)
        given: dict[tuple[UUID, UUID], Json] = {
            (row["execution_id"], row["requirement_id"]): row["evidence"] for row in rows
        }
        found: dict[Key, str] = {}
        for gate, at in asked:
            config = CustomConfig(**gate.requirement.config)
            for execution in at:
                world = worlds.get(execution.id)
                evidence = given.get((execution.id, gate.id), {})
                reason = "the execution is gone" if world is None else _missing(config, world, evidence)
                if reason is not None:
                    found[execution.id, gate.id] = reason
        return found

    async def give(self, giving: Giving) -> Json | None:
        """Keep what was sent beside the expression, or have the named check carried out on it."""
        if len(canonical(giving.evidence)) > LARGEST_EVIDENCE:
            raise invalid("", f"Evidence of a custom requirement may have at most {LARGEST_EVIDENCE} bytes.")
        config = CustomConfig(**giving.config)
        if config.check:
            [row] = await fetch(giving.session, _WORLD, tenant=giving.tenant_id, executions=[giving.execution.id])
            return await ask_site(giving, config, world_of(row, giving.evidence))
        return None if giving.evidence == giving.before else dict(giving.evidence)


def world_of(row: RowMapping, evidence: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of an expression."""
    execution = ("id", "status", "visit_number", "branch", "decision_result", "notes", "overdue", "assigned_to",
                 "entered_at", "started_at", "due_at")  # fmt: skip
    return {
        "execution": {"step": row["step_key"], **{name: row[name] for name in execution}},
        "instance": {"id": row["instance_id"], "identifier": row["instance_identifier"], "name": row["instance_name"]},
        "subject": {
            "id": row["subject_id"],
            "type": row["subject_type"],
            "identifier": row["identifier"],
            "title": row["title"],
            "attributes": row["attributes"],
        },
        "context": row["context"],
        "evidence": evidence,
    }


def _missing(config: CustomConfig, row: RowMapping, evidence: Json) -> str | None:
    try:
        answer = evaluate(config.expression, world_of(row, evidence))
    except ExpressionError as error:
        return f"the check cannot be carried out: {error}"
    if answer is True:
        return None
    return config.message or (
        "the check is not passed" if answer is False else "the check cannot be carried out: it must be true or false"
    )
