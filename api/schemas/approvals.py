"""Approval requests."""

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Json, Shape, StepRef, Text


class Answer(Body):
    """What an approver says."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"comment": "Checked against the control plan."}]})

    comment: Text = Field(default="", description="A rejection says why; so does deciding on one's own work.")
    content_hash: str | None = Field(
        default=None, max_length=64, description="Hash of what was shown; a change meanwhile is refused."
    )


class Again(Body):
    """What was corrected."""

    comment: Text = ""


class Recall(Body):
    """Why it is taken back."""

    reason: Text = ""


class Delegation(Body):
    """To whom the answer is handed on, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "quentin", "reason": "On leave until Monday."}]})

    to: str = Field(min_length=1, max_length=200, description="Id or username.")
    reason: Text = ""


class Approval(Shape):
    """One round of a request, with what it is about."""

    id: str
    state: str = Field(description="pending, approved, rejected, voided or withdrawn")
    round: int
    stage: int = Field(description="Index of the stage that is to be answered, from 0.")
    stages: list[Json]
    execution: str
    requirement: Json
    workflow: Json
    step: StepRef
    subject: Json
    visit_number: int
    content_hash: str = Field(description="Hash of what is there to be approved now.")
    requested_at: str
    due_at: str | None
    reminded_at: str | None
    overdue_at: str | None = Field(description="When it was noticed to be overdue.")
    decided_at: str | None
    allow_delegation: bool
    on_reject: Json | None = Field(description="What a rejection leads to.")
    responses: list[Json]
    delegations: list[Json]


class Approvals(Shape):
    """A page of requests."""

    items: list[Approval]
    next_cursor: str | None
