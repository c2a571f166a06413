"""Executions and the commands to them."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from api.schemas.base import Body, Json, LocalMoment, Shape, StepRef, Text, UserRef

OnBehalfOf = Annotated[
    str | None,
    Field(max_length=200, description="Who did it, for an import: importer role in a sandbox tenant only."),
]


Reason = Annotated[str, Field(max_length=10_000, description="At least 10 characters; journaled and audited.")]
StepKey = Annotated[str, Field(min_length=1, max_length=100)]


class Claim(Body):
    """Claim or start: nothing else to say."""

    on_behalf_of: OnBehalfOf = None


class Force(Body):
    """A controlled deviation: completes although requirements are unmet."""

    reason: Reason


class Complete(Body):
    """The work is done."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decision_result": "pass", "notes": "Within limits."}]})

    decision_result: str = Field(default="", max_length=100, description="Where the step decides: yes, no, …")
    notes: Text = ""
    force: Force | None = None
    on_behalf_of: OnBehalfOf = None


class Release(Body):
    """Back to the pool."""

    reason: Text = ""
    on_behalf_of: OnBehalfOf = None


class SignOff(Body):
    """QA accepts the work of another person."""

    comment: Text = ""
    on_behalf_of: OnBehalfOf = None


Priority = Annotated[int, Field(ge=-100, le=100)]


class Reassign(Body):
    """Into other hands, or back to the pool."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "ann", "reason": "Bob is on leave this week."}]})

    to: str | None = Field(max_length=200, description="User id or username; null puts it back to the pool.")
    reason: str = Field(max_length=10_000, description="At least 10 characters.")
    on_behalf_of: OnBehalfOf = None


class Delegate(Body):
    """Have another person do it; it comes back to be completed."""

    to: str = Field(max_length=200, description="User id or username.")
    reason: Text = ""
    on_behalf_of: OnBehalfOf = None


class Snooze(Body):
    """Due later."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"until": "2026-12-01T12:00:00Z", "reason": "The steel comes on Monday."}]}
    )

    until: LocalMoment
    reason: str = Field(min_length=1, max_length=10_000)
    on_behalf_of: OnBehalfOf = None


class Prioritise(Body):
    """More or less urgent."""

    priority: Priority
    reason: Text = ""
    on_behalf_of: OnBehalfOf = None


class Bulk(Body):
    """The same command for many executions, also of several workflows."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"action": "complete", "execution_ids": ["5f0c2f52-6f0e-5b1c-9c5e-3a4b8a2f0c11"]}]
        }
    )

    action: Literal[
        "claim", "start", "complete", "release", "signoff", "skip", "move", "rewind", "reassign", "prioritise"
    ]
    execution_ids: list[UUID] = Field(max_length=10_000)
    decision_result: str = Field(default="", max_length=100)
    notes: Text = ""
    reason: Text = Field(default="", description="For release and deviations.")
    to_step: StepKey | None = Field(default=None, description="For skip, move and rewind: key of a step.")
    comment: Text = Field(default="", description="For signoff.")
    to: str | None = Field(default=None, max_length=200, description="For reassign: user id or username; null: nobody.")
    priority: Priority = Field(default=0, description="For prioritise.")
    force: Force | None = None
    on_behalf_of: OnBehalfOf = None

    @model_validator(mode="after")
    def _has_target(self) -> Self:
        if self.action in {"move", "rewind"} and self.to_step is None:
            raise ValueError("name the step to go to by to_step")
        return self


class Skip(Body):
    """Leave the step undone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The customer waives the second wash."}]})

    reason: Reason
    to_step: StepKey | None = Field(
        default=None, description="Key of the step to go on at; the default way unless given."
    )
    decision_result: str = Field(default="", max_length=100, description="Where the step decides: yes, no, …")
    on_behalf_of: OnBehalfOf = None


class Divert(Body):
    """Go to another step: any one (move), or one that was visited before (rewind)."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"to_step": "inspect", "reason": "The gauge was out of calibration."}]}
    )

    to_step: StepKey
    reason: Reason
    on_behalf_of: OnBehalfOf = None


class Undo(Body):
    """Open a completed execution again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Ticked the wrong serial number."}]})

    reason: Reason
    on_behalf_of: OnBehalfOf = None


class SubjectRef(Shape):
    """A subject in short."""

    type: str
    id: str
    identifier: str
    title: str


class IncidentRef(Shape):
    """What stopped an execution."""

    id: str
    code: str
    message: str
    opened_at: str


class AwaitedMessage(Shape):
    """The message from outside that a step waits for: `POST /api/events/` with this name and key lets it go on."""

    event: str
    key: str


class Execution(Shape):
    """One subject at one step on one visit."""

    id: str
    workflow: str
    step: StepRef
    subject: SubjectRef
    visit_number: int
    status: Literal[
        "pending", "claimed", "in_progress", "awaiting_signoff", "waiting", "completed", "skipped", "cancelled",
        "rolled_back",
    ]  # fmt: skip
    assigned_to: UserRef | None
    entered_at: str
    started_at: str | None
    exited_at: str | None
    due_at: str | None
    decision_result: str
    next_step: StepRef | None
    overdue: bool
    branch: str
    """Which branch of a fork; empty on the undivided way."""
    lot: str
    """Which part of a split batch; empty in the undivided one."""
    priority: int
    notes: str
    wake_at: str | None
    """When its timer rings, or rang."""
    awaits: AwaitedMessage | None
    incident: IncidentRef | None


class CommandAnswer(Shape):
    """What a command came to."""

    command_id: str
    outcome: Literal[
        "claimed", "started", "released", "advanced", "completed", "waiting", "awaiting_signoff", "escalated",
        "skipped", "moved", "rewound", "undone", "reassigned", "delegated", "handed_back", "snoozed", "prioritised",
        "children_started",
    ]  # fmt: skip
    execution: Execution
    next: list[Execution] = Field(description="Executions that the subject entered.")


class Later(Shape):
    """Accepted, not settled yet: look at `Location`."""

    command_id: str
    outcome: Literal["accepted", "awaiting_second_person"]


class BulkItem(Shape):
    """What became of one execution; `problem` where it was refused."""

    execution_id: str
    status: int
    outcome: str | None = None
    problem: Json | None = None


class BulkAnswer(Shape):
    """What became of each."""

    items: list[BulkItem]
    command_ids: list[str]


class Command(Shape):
    """A command as it was accepted, and its outcome."""

    id: str
    kind: str
    workflow: str | None
    execution_ids: list[str]
    subject_ids: list[str] = Field(description="Of a command that lets subjects join or takes them out.")
    actor: UserRef
    on_behalf_of: str | None
    accepted_at: str
    settled_at: str | None
    args: Json
    confirmed_by: UserRef | None = Field(description="The second person of a deviation.")
    outcome: Literal["accepted", "refused", "partial", "proposed"] | None
    response_status: int | None
    response: Json | None
