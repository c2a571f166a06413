"""Approval: a request opened on entry, decided stage by stage. Derived: it is never completed by hand.

How approvers answer is in `models.requirements.deciding`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import Field, ValidationError
from sqlalchemy import RowMapping

from models.enums import ApprovalState
from models.requirements.base import Asked, Config, ConfigProblem, Gate, Json, Key, Look, RequirementKind
from models.requirements.references import Inline, Named, reference
from models.store.approvals import newest_requests, open_requests, responses_of, templates_of, withdraw_pending
from models.store.stages import Mode, Stage, parse_stages
from models.store.views import moment
from models.tables import StepExecution


class ApprovalConfig(Config):
    """A template (by id, by key, or written out), or the stages themselves, or just the roles or users of one stage."""

    template_id: UUID | None = None
    template: str | Inline | None = None
    stages: tuple[dict[str, Any], ...] = ()
    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    mode: Mode = Mode.ANY
    n: int = Field(default=1, ge=1)
    due_in: timedelta | None = None
    allow_self_approval: bool = False

    @property
    def template_wanted(self) -> Named | None:
        """The id or key of the template."""
        return reference(self.template_id, self.template)

    @property
    def own_stages(self) -> tuple[dict[str, Any], ...]:
        """The stages written here."""
        if self.stages or not (self.roles or self.users):
            return self.stages
        return ({"name": "", "mode": self.mode, "n": self.n, "roles": list(self.roles), "users": list(self.users)},)


class ApprovalKind(RequirementKind):
    """Evidence: `{"approval_request_id": …}`, the newest round."""

    name = "approval"
    config_model = ApprovalConfig
    derived = True

    def further_problems(self, config: ApprovalConfig) -> Iterable[ConfigProblem]:
        """It says who approves, in exactly one way."""
        if config.template_wanted is None and not config.own_stages:
            yield ConfigProblem("config_invalid", "/template", "Name a template, or the stages, roles or users.")
        elif config.template_wanted is None:
            try:
                parse_stages(config.own_stages)
            except ValueError as error:
                yield ConfigProblem("config_invalid", "/stages", f"{error}.")

    async def unmet(self, look: Look, asked: Sequence[Asked]) -> dict[Key, str]:
        """One query: the newest round of each."""
        executions = [execution.id for _, at in asked for execution in at]
        newest = await newest_requests(look.session, look.tenant_id, executions)
        keys = ((execution.id, gate.id) for gate, at in asked for execution in at)
        reasons = ((key, _missing(newest.get(key))) for key in keys)
        return {key: reason for key, reason in reasons if reason is not None}

    async def open(self, look: Look, asked: Sequence[Asked], now: datetime) -> None:
        """Ask the approvers; one query for the templates, one statement per requirement."""
        configs = {gate.id: ApprovalConfig(**gate.requirement.config) for gate, _ in asked}
        wanted = {config.template_wanted for config in configs.values()} - {None}
        ids = [one for one in wanted if isinstance(one, UUID)]
        keys = [one for one in wanted if isinstance(one, str)]
        templates = await templates_of(look.session, look.tenant_id, ids=ids, keys=keys) if wanted else {}
        for gate, executions in asked:
            config = configs[gate.id]
            template = templates.get(config.template_wanted) if config.template_wanted is not None else None
            own = template is None
            await open_requests(
                look.session, look.tenant_id, gate.id, [execution.id for execution in executions],
                template_id=None if template is None else template["id"],
                stages=config.own_stages if template is None else template["stages"],
                allow_self_approval=config.allow_self_approval if template is None else template["allow_self_approval"],
                due_in=config.due_in if own or template is None else template["due_in"], now=now,
            )  # fmt: skip

    async def close(self, look: Look, execution_ids: Sequence[UUID], now: datetime) -> None:
        """Nobody has to answer any more."""
        await withdraw_pending(look.session, look.tenant_id, execution_ids, now)

    async def shown(self, look: Look, execution: StepExecution, gate: Gate) -> Json:
        """The newest round with its answers."""
        newest = await newest_requests(look.session, look.tenant_id, [execution.id])
        request = newest.get((execution.id, gate.id))
        if request is None:
            return {"approval": None}
        answers = await responses_of(look.session, look.tenant_id, [request["id"]])
        return {"approval": request_json(request, answers.get(request["id"], ()))}


def request_json(request: RowMapping, responses: Sequence[RowMapping]) -> Json:
    """An approval request as the API shows it."""
    return {
        "id": str(request["id"]),
        "state": request["state"],
        "round": request["round"],
        "stage": request["stage"],
        "stages": request["stages"],
        "requested_at": moment(request["requested_at"]),
        "due_at": moment(request["due_at"]),
        "decided_at": moment(request["decided_at"]),
        "responses": [
            {
                "stage": one["stage"],
                "decision": one["decision"],
                "user": {"id": str(one["user_id"]), "username": one["username"], "full_name": one["full_name"]},
                "comment": one["comment"],
                "self_approval_reason": one["self_approval_reason"],
                "content_hash": one["content_hash"],
                "at": moment(one["at"]),
            }
            for one in responses
        ],
    }


def stage_of(request: RowMapping) -> Stage:
    """The stage that is to be answered now."""
    return Stage.model_validate(request["stages"][request["stage"]])


def _missing(request: RowMapping | None) -> str | None:
    if request is None:
        return "the approval has not been requested"
    match ApprovalState(request["state"]):
        case ApprovalState.APPROVED:
            return None
        case ApprovalState.PENDING:
            return _awaited(request)
        case ApprovalState.REJECTED:
            return "the approval was rejected; correct the work, then request it again"
        case state:
            return f"the approval is {state.value}; request it again"


def _awaited(request: RowMapping) -> str:
    try:
        stage, total = stage_of(request), len(request["stages"])
    except (ValidationError, IndexError):
        return "the approval names nobody who could answer; have the process corrected"
    place = f"stage {request['stage'] + 1} of {total}, " if total > 1 else ""
    again = f" (round {request['round']})" if request["round"] > 1 else ""
    return f"waits for approval: {place}{stage.approvers}{again}"
