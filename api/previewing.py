"""What a command would come to, put into words for each subject."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import text

from activities.batching import Stored
from activities.preview import Preview, preview
from api.auth import Principal
from api.commanding import refusal_params
from api.deps import transaction
from api.problems import document
from api.schemas.previews import Preview as Asked
from api.services import Services
from models.flow import events as ev
from models.flow.authority import PERMISSIONS
from models.flow.batch import Outcome
from models.flow.cohorts import pack, unpack
from models.flow.wording import sentence
from models.permissions import roles_with
from models.store.proposals import demands_second_person
from models.store.reading import fetch
from models.store.starting import NamedSubject, check_joining

Json = dict[str, Any]

SHOWN: Final = 1_000
REASON: Final = "only to see what would happen"
NOBODY: Final = UUID(int=0)
"""Stands for the second person where one is demanded."""

_SUBJECTS = text(
    """
    SELECT w.subject_no, u.id, u.identifier, u.title, t.key AS type
    FROM workflow_subject w
    JOIN subject u ON (u.tenant_id, u.id) = (w.tenant_id, w.subject_id)
    JOIN subject_type t ON (t.tenant_id, t.id) = (u.tenant_id, u.subject_type_id)
    WHERE w.tenant_id = :tenant AND w.instance_id = :instance AND w.subject_no = ANY(:numbers)
    UNION ALL
    SELECT :first + joins.place - 1, u.id, u.identifier, u.title, t.key
    FROM unnest(CAST(:joining AS uuid[])) WITH ORDINALITY AS joins (id, place)
    JOIN subject u ON u.tenant_id = :tenant AND u.id = joins.id
    JOIN subject_type t ON (t.tenant_id, t.id) = (u.tenant_id, u.subject_type_id)
    """
)
"""Who the numbers are, and those that would join under the next ones."""


async def previewed(held: Services, caller: Principal, workflow_id: UUID, asked: Asked) -> Json:
    """Think a command through and say what it would come to. Writes nothing."""
    kind = "complete" if asked.action == "force" else asked.action
    body = _body(asked)
    async with transaction(held, caller) as session:
        if kind == "add_subjects":
            await check_joining(
                session, caller.tenant_id, workflow_id, [NamedSubject(id=one) for one in asked.subject_ids]
            )
        two = await demands_second_person(session, caller.tenant_id, workflow_id, kind, body)
    command = Stored(
        uuid4(), kind, caller.user_id, body, caller.source, None, caller.username, tuple(caller.roles),
        *((NOBODY, "a second person", roles_with(PERMISSIONS[asked.action])) if two else ()),
    )  # fmt: skip
    found = await preview(held.app, caller.tenant_id, workflow_id, command, datetime.now(UTC))
    told = _told(found)
    numbers = sorted(told, key=lambda one: (one not in found.asked, one))
    async with transaction(held, caller) as session:
        keys = {"tenant": caller.tenant_id, "instance": workflow_id, "numbers": numbers[:SHOWN]}
        joining = [UUID(one) for one in _joining(found)]
        rows = await fetch(session, _SUBJECTS, **keys, joining=joining, first=found.before.subjects)
    names = {
        row["subject_no"]: {name: str(row[name]) for name in ("type", "id", "identifier", "title")} for row in rows
    }
    events = [one.event for one in found.decision.happened]
    return {
        "action": asked.action,
        "second_person": two,
        "problem": next((_problem(one) for one in found.decision.outcomes if one.refused and _is_whole(one)), None),
        "workflow": [
            words for event in events if getattr(event, "ref", None) is None and (words := sentence(found.graph, event))
        ],
        "subjects": [
            {"subject": names.get(number), "asked": number in found.asked, **told[number]} for number in numbers[:SHOWN]
        ],
        "subject_count": len(numbers),
    }


def _body(asked: Asked) -> Json:
    args: Json
    match asked.action:
        case "complete":
            args = {"decision_result": asked.decision_result}
        case "force":
            args = {"decision_result": asked.decision_result, "force": REASON}
        case "skip":
            args = {"reason": REASON, "to_step": asked.to_step, "decision_result": asked.decision_result}
        case "move" | "rewind":
            args = {"reason": REASON, "to_step": asked.to_step or ""}
        case "add_subjects":
            args = {"reason": REASON, "to_step": asked.to_step}
        case "split":
            groups = [
                {**one.model_dump(exclude={"execution_ids"}), "count": len(one.execution_ids)} for one in asked.groups
            ]
            args = {"reason": REASON, "groups": groups}
        case "merge":
            args = {"reason": REASON, "lots": asked.lots, "into": asked.into}
        case _:
            args = {"reason": REASON}
    grouped = [str(one) for group in asked.groups for one in group.execution_ids] if asked.action == "split" else []
    named = {"subject_ids": [str(one) for one in asked.subject_ids]} if asked.action.endswith("_subjects") else {}
    return {"execution_ids": grouped or [str(one) for one in asked.execution_ids], **named, "args": args}


def _told(found: Preview) -> dict[int, Json]:
    """For each subject what happens, which executions open and close, and why it would be refused."""
    told: dict[int, Json] = {}
    for item in unpack(pack(found.decision.happened)):
        event = item.event
        ref = getattr(event, "ref", None)
        if ref is None or ref.subject < 0:
            continue
        one = told.setdefault(ref.subject, {"happens": [], "opens": [], "closes": [], "problem": None})
        if words := sentence(found.graph, event):
            one["happens"].append(words)
        place = {"step": ref.step, "visit_number": ref.visit, "branch": ref.branch}
        match event:
            case ev.ExecutionEntered(assignee=assignee):
                one["opens"].append({**place, "status": "claimed" if assignee else "pending"})
            case ev.ExecutionRestored(assignee=assignee):
                one["opens"].append({**place, "status": "in_progress" if assignee else "pending"})
            case ev.ExecutionDiverted(status=status):
                one["closes"].append({**place, "status": status})
            case ev.ExecutionCompleted():
                one["closes"].append({**place, "status": "completed"})
            case ev.ExecutionCancelled():
                one["closes"].append({**place, "status": "cancelled"})
            case _:
                pass
    for ref in found.ahead:
        told[ref.subject]["happens"].append(f"goes on from '{found.graph.steps[ref.step].name}' by what is found there")
    for outcome in found.decision.outcomes:
        if outcome.refused and not _is_whole(outcome) and outcome.ref is not None:
            one = told.setdefault(outcome.ref.subject, {"happens": [], "opens": [], "closes": [], "problem": None})
            one["problem"] = _problem(outcome)
    return told


def _joining(found: Preview) -> Sequence[str]:
    events = [one.event for one in found.decision.happened]
    return [one for event in events if isinstance(event, ev.SubjectsAdded) for one in event.subject_ids]


def _is_whole(outcome: Outcome) -> bool:
    return outcome.ref is None or outcome.ref.subject < 0


def _problem(outcome: Outcome) -> Json:
    response = {"code": outcome.outcome, "params": dict(outcome.params)}
    return document(outcome.outcome, refusal_params(outcome.outcome, response))
