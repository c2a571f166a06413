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
    decided_at: str | None
    responses: list[Json]


class Approvals(Shape):
    """A page of requests."""

    items: list[Approval]
    next_cursor: str | None
