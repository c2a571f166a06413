"""Approval: a request opened on entry, decided stage by stage. Derived: it is never completed by hand.

How approvers answer is in `models.requirements.deciding`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import Field, ValidationError
from sqlalchemy import RowMapping

from models.enums import ApprovalState
from models.flow.durations import parse_duration
from models.notices.kinds import NoticeKind
from models.requirements.base import Asked, Config, ConfigProblem, Gate, Json, Key, Look, RequirementKind
from models.requirements.references import Inline, Named, reference
from models.store.approvals import (
    Terms,
    newest_requests,
    open_requests,
    responses_of,
    templates_of,
    withdraw_pending,
    withdraw_uncounted,
)
from models.store.delegations import delegations_of
from models.store.evidence import Projected, Sealing, project
from models.store.freezing import template_copy
from models.store.next_round import ask_again
from models.store.notices import About, Recipients, put_notice
from models.store.stages import Mode, Stage, parse_stages
from models.store.views import moment
from models.tables import StepExecution


class Who(Config):
    """Roles and users (by id or username)."""

    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


class OnReject(Config):
    """What a rejection leads to."""

    back_to: str = Field(min_length=1)


class ApprovalConfig(Config):
    """A template (by id, by key, or written out), or the stages themselves, or just the roles or users of one stage.

    Attributes:
        as_approved: the template as it was when the version was approved; written then, whatever was sent.
        on_reject: `{"back_to": step key}`; of the process, so it stands here also where a template is named.
    """

    template_id: UUID | None = None
    template: str | Inline | None = None
    stages: tuple[dict[str, Any], ...] = ()
    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    mode: Mode = Mode.ANY
    n: int = Field(default=1, ge=1)
    due_in: timedelta | None = None
    remind_before: timedelta | None = None
    escalate_to: Who = Who()
    allow_self_approval: bool = False
    allow_delegation: bool = False
    on_reject: OnReject | None = None
    as_approved: dict[str, Any] | None = None

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

    def terms(self, template: Mapping[str, Any] | None) -> Terms:
        """How requests are answered: by the template where one is named, else by what stands here.

        Args:
            template: As `models.store.freezing.template_copy` makes it.
        """
        back_to = "" if self.on_reject is None else self.on_reject.back_to
        if template is None:
            return Terms(
                stages=self.own_stages,
                due_in=self.due_in,
                remind_before=self.remind_before,
                escalate_to=self.escalate_to.model_dump(mode="json"),
                allow_self_approval=self.allow_self_approval,
                allow_delegation=self.allow_delegation,
                back_to=back_to,
            )
        return Terms(
            template_id=UUID(template["id"]),
            stages=template["stages"],
            due_in=_span(template["due_in"]),
            remind_before=_span(template["remind_before"]),
            escalate_to=template["escalate_to"],
            allow_self_approval=template["allow_self_approval"],
            allow_delegation=template["allow_delegation"],
            back_to=back_to,
        )


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
        for name, span in (("due_in", config.due_in), ("remind_before", config.remind_before)):
            if span is not None and span <= timedelta():
                yield ConfigProblem("config_invalid", f"/{name}", "A duration must be longer than nothing.")
        if config.remind_before is not None and config.due_in is None:
            yield ConfigProblem("config_invalid", "/remind_before", "A reminder needs a due_in that it comes before.")

    def steps_named(self, config: ApprovalConfig) -> Mapping[str, str]:
        """The step to which a rejection leads."""
        return {} if config.on_reject is None else {"/on_reject/back_to": config.on_reject.back_to}

    async def unmet(self, look: Look, asked: Sequence[Asked]) -> dict[Key, str]:
        """One query: the newest round of each."""
        executions = [execution.id for _, at in asked for execution in at]
        newest = await newest_requests(look.session, look.tenant_id, executions)
        keys = ((execution.id, gate.id) for gate, at in asked for execution in at)
        reasons = ((key, _missing(newest.get(key))) for key in keys)
        return {key: reason for key, reason in reasons if reason is not None}

    async def open(self, look: Look, asked: Sequence[Asked], now: datetime) -> None:
        """Ask the approvers; per requirement one statement and one notice."""
        configs = {gate.id: ApprovalConfig(**gate.requirement.config) for gate, _ in asked}
        templates = await _live_templates(look, configs.values())
        for gate, executions in asked:
            config = configs[gate.id]
            live = templates.get(config.template_wanted) if config.template_wanted is not None else None
            terms = config.terms(config.as_approved or live)
            ids = [execution.id for execution in executions]
            await open_requests(look.session, look.tenant_id, gate.id, ids, terms, now)
            if not terms.stages or not executions:
                continue
            about = About(
                instance=executions[0].workflow_instance_id, executions=ids,
                object_type="step_requirement", object_id=gate.id,
            )  # fmt: skip
            due_at = None if terms.due_in is None else moment(now + terms.due_in)
            first = Stage.model_validate(terms.stages[0])
            params = {"requirement": gate.requirement.name, "stage": first.name, "due_at": due_at}
            recipients = Recipients(users=first.users, roles=first.roles)
            await put_notice(look.session, look.tenant_id, NoticeKind.APPROVAL_REQUESTED, recipients, about, params)

    async def close(self, look: Look, execution_ids: Sequence[UUID], now: datetime) -> None:
        """Nobody has to answer any more."""
        await withdraw_pending(look.session, look.tenant_id, execution_ids, now)

    async def reopen(
        self, look: Look, asked: Sequence[Asked], links: Mapping[UUID, Sealing], closed_at: datetime, now: datetime
    ) -> None:
        """Ask again, so that nobody has to: what somebody recalled, or what was answered, stays as it is."""
        newest = await newest_requests(look.session, look.tenant_id, list(links))
        withdrawn = [
            request
            for gate, executions in asked
            for execution in executions
            if (request := newest.get((execution.id, gate.id))) is not None
            and (request["state"], request["decided_at"]) == (ApprovalState.WITHDRAWN, closed_at)
        ]
        rows = [await _ask_again(look, links[one["execution_id"]], one, now) for one in withdrawn]
        if rows:
            await project(look.session, look.tenant_id, rows)

    async def drop(self, look: Look, execution_ids: Sequence[UUID], now: datetime) -> None:
        """Nobody has to answer for these requirements any more."""
        await withdraw_uncounted(look.session, look.tenant_id, execution_ids, now)

    async def shown(self, look: Look, execution: StepExecution, gate: Gate) -> Json:
        """The newest round with its answers."""
        newest = await newest_requests(look.session, look.tenant_id, [execution.id])
        request = newest.get((execution.id, gate.id))
        if request is None:
            return {"approval": None}
        answers = await responses_of(look.session, look.tenant_id, [request["id"]])
        given_away = await delegations_of(look.session, look.tenant_id, [request["id"]])
        found = request["id"]
        return {"approval": request_json(request, answers.get(found, ()), given_away.get(found, ()))}


async def _ask_again(look: Look, link: Sealing, request: RowMapping, now: datetime) -> Projected:
    """The next round of a request; where its requirement stands then."""
    again = await ask_again(look.session, link, request["id"], now=now, by=None)
    link.tell(
        "approval.requested_again", "approval_request", again,
        old={"request": str(request["id"]), "state": request["state"], "round": request["round"]},
        new={"round": request["round"] + 1, "state": "pending"},
    )  # fmt: skip
    return Projected(
        execution_id=request["execution_id"], requirement_id=request["requirement_id"], complete=False,
        evidence={"approval_request_id": str(again)}, at=now, by=None,
    )  # fmt: skip


async def _live_templates(look: Look, configs: Iterable[ApprovalConfig]) -> dict[Named, Json]:
    """Templates of versions that were approved before these kept copies; most ask for none."""
    wanted = {config.template_wanted for config in configs if config.as_approved is None} - {None}
    if not wanted:
        return {}
    ids = [one for one in wanted if isinstance(one, UUID)]
    keys = [one for one in wanted if isinstance(one, str)]
    rows = await templates_of(look.session, look.tenant_id, ids=ids, keys=keys)
    return {name: template_copy(row) for name, row in rows.items()}


def _span(written: str | None) -> timedelta | None:
    return None if written is None else parse_duration(written)


def request_json(request: RowMapping, responses: Sequence[RowMapping], delegations: Sequence[RowMapping] = ()) -> Json:
    """An approval request as the API shows it."""
    return {
        "id": str(request["id"]),
        "state": request["state"],
        "round": request["round"],
        "stage": request["stage"],
        "stages": request["stages"],
        "requested_at": moment(request["requested_at"]),
        "due_at": moment(request["due_at"]),
        "overdue_at": moment(request["overdue_at"]),
        "reminded_at": moment(request["reminded_at"]),
        "decided_at": moment(request["decided_at"]),
        "allow_delegation": request["allow_delegation"],
        "on_reject": {"back_to": request["back_to"]} if request["back_to"] else None,
        "delegations": [_delegation_json(one) for one in delegations],
        "responses": [
            {
                "stage": one["stage"],
                "decision": one["decision"],
                "user": {"id": str(one["user_id"]), "username": one["username"], "full_name": one["full_name"]},
                "delegated_from": _owner_json(one),
                "comment": one["comment"],
                "self_approval_reason": one["self_approval_reason"],
                "content_hash": one["content_hash"],
                "at": moment(one["at"]),
            }
            for one in responses
        ],
    }


def _owner_json(response: RowMapping) -> Json | None:
    if response["delegated_from"] is None:
        return None
    names = {"username": response["owner_username"], "full_name": response["owner_name"]}
    return {"id": str(response["owner_id"]), **names}


def _delegation_json(row: RowMapping) -> Json:
    return {
        "stage": row["stage"],
        "user": {"id": str(row["user_id"]), "username": row["username"]},
        "delegate": {"id": str(row["delegate_id"]), "username": row["delegate_username"]},
        "reason": row["reason"],
        "at": moment(row["at"]),
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
        case ApprovalState.REJECTED if request["back_to"]:
            return f"the approval was rejected; the work is to go back to '{request['back_to']}'"
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
