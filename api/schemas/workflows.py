"""Instances: starting, showing, changing them."""

from datetime import date
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from api.schemas.base import Body, Json, Shape, StepRef, Text, UserRef
from api.schemas.executions import Execution, OnBehalfOf, SubjectRef
from models.store.starting import NamedSubject


class SubjectOf(Body):
    """A subject of the workflow: an existing one by `subject_id`, or a new one by the other fields."""

    subject_type: str = Field(default="", max_length=100)
    subject_id: UUID | None = None
    identifier: str = Field(default="", max_length=200)
    title: str = Field(default="", max_length=500)
    attributes: Json = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.subject_id is not None and (self.identifier or self.title or self.attributes):
            raise ValueError("name an existing subject by subject_id, or describe a new one, not both")
        if self.subject_id is None and not self.subject_type:
            raise ValueError("a new subject needs its subject_type")
        return self

    def named(self) -> NamedSubject:
        """As the store takes it."""
        return NamedSubject(
            subject_type=self.subject_type,
            id=self.subject_id,
            identifier=self.identifier,
            title=self.title,
            attributes=self.attributes,
        )


class StartWorkflow(Body):
    """Start a process with its subjects."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "process_key": "MANUFACTURING",
                    "subjects": [{"subject_type": "Part", "identifier": "SN-0001"}],
                    "name": "Pilot lot",
                    "context": {"erp_id": "WO-123"},
                }
            ]
        }
    )

    process: UUID | None = Field(default=None, description="Id of an approved version.")
    process_key: str | None = Field(default=None, max_length=100, description="Its latest approved version.")
    subjects: list[SubjectOf]
    name: str = Field(default="", max_length=200)
    context: Json = Field(default_factory=dict)
    owner: UUID | None = Field(default=None, description="A user's id; the caller unless given.")
    due_date: date | None = None
    parent_execution: UUID | None = Field(default=None, description="The execution that triggers this workflow.")

    @model_validator(mode="after")
    def _one_process(self) -> Self:
        if (self.process is None) == (self.process_key is None):
            raise ValueError("name the process by either process or process_key")
        return self


class ChangeWorkflow(Body):
    """Hold, resume, cancel (with a reason), or change what the workflow is called, whose it is, its context."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "on_hold", "reason": "Waiting for the gauge."}]}
    )

    status: Literal["on_hold", "in_progress", "cancelled"] | None = None
    reason: Text = ""
    name: str | None = Field(default=None, max_length=200)
    context: Json | None = Field(default=None, description="Replaces the context.")
    owner: UUID | None = None
    due_date: date | None = None
    on_behalf_of: OnBehalfOf = None


class ProcessRef(Shape):
    """The pinned process version."""

    id: str
    key: str
    name: str
    version: str


Status = Literal["pending", "in_progress", "on_hold", "completed", "cancelled"]


class Workflow(Shape):
    """An instance of a process."""

    id: str
    identifier: str
    name: str
    status: Status
    reason: str
    process: ProcessRef
    category: str
    template_source: str
    subject_type: str
    subject_count: int
    owner: UserRef | None
    context: Json
    due_date: str | None
    created_at: str
    started_at: str | None
    completed_at: str | None
    held_at: str | None
    triggered_by: str | None = Field(description="The execution that started it.")
    parent_instance: str | None
    overdue: bool
    open_incidents: int
    current_execution: str | None = Field(description="The execution that is open; null while several are, or none.")


class Workflows(Shape):
    """A page of instances."""

    items: list[Workflow]
    next_cursor: str | None


class StepCounts(Shape):
    """How many executions stand where at one step."""

    key: str
    name: str
    open: int
    counts: dict[str, int]


class CurrentStep(Shape):
    """A step with open executions."""

    key: str
    name: str
    open: int


class Related(Shape):
    """A nested or parent workflow."""

    id: str
    identifier: str
    name: str
    status: Status


class ProcessName(Shape):
    """A process in short."""

    key: str
    name: str


class Child(Related):
    """A workflow that was started below another."""

    process: ProcessName
    triggered_by: str | None = Field(description="The execution that started it.")


class WorkflowRef(Shape):
    """A workflow in short."""

    id: str
    identifier: str


class Incident(Shape):
    """Something stopped and needs a person."""

    id: str
    workflow: WorkflowRef
    execution: str | None
    code: str
    message: str
    params: Json
    opened_at: str
    resolved_at: str | None
    resolution: str


class Incidents(Shape):
    """A page of incidents."""

    items: list[Incident]
    next_cursor: str | None


class AsOfStamp(Shape):
    """Which moment an answer tells of; absent where it tells of the present."""

    as_of: str | None = Field(default=None, description="The moment that was asked for, in UTC.")
    journal_seq: int | None = Field(default=None, description="Position in the workflow's journal at that moment.")


class WorkflowDetail(Workflow, AsOfStamp):
    """An instance in full."""

    steps: list[StepCounts]
    current_steps: list[CurrentStep]
    subjects_finished: dict[str, int] = Field(description="Terminal status → subjects.")
    incidents: list[Incident]
    parent: Related | None
    children: list[Child]


class Descendant(Related):
    """A nested workflow in its tree; `depth` 1 is a child."""

    process: ProcessName
    depth: int
    parent_instance: str
    triggered_by: str | None = Field(description="The execution that asked for it.")
    requirement: str | None = Field(description="The requirement that waits for it.")
    child_no: int | None
    created_at: str
    completed_at: str | None
    open_incidents: int


class Descendants(Shape):
    """A page of a tree."""

    items: list[Descendant]
    next_cursor: str | None


class Difference(Shape):
    """Something that rows and journal tell differently."""

    what: str
    rows: Any
    journal: Any


class ChainProblem(Shape):
    """Something of a hash chain that is not as it was written; `n` is the link."""

    chain: str
    chain_id: str
    what: str
    n: int
    table: str
    row: str


class Verification(Shape):
    """Whether what is shown of a workflow is what its journal tells."""

    workflow: WorkflowRef
    clean: bool
    differences: list[Difference]
    chain_problems: list[ChainProblem]


class Executions(AsOfStamp):
    """A page of executions."""

    items: list[Execution]
    next_cursor: str | None


class AuditActor(Shape):
    """Who acted; the engine has no id."""

    id: str | None
    username: str


class AuditEntry(Shape):
    """Who did what, when, from what to what, why, and from where."""

    id: str
    at: str
    actor: AuditActor
    on_behalf_of: str
    source: str
    action: str
    object_type: str
    object_id: str
    execution: str | None
    subject: SubjectRef | None = Field(description="That of the execution.")
    step: StepRef | None = Field(description="That of the execution.")
    visit_number: int | None = Field(description="That of the execution.")
    old: Json | None
    new: Json | None
    reason: str
    erased_at: str | None


class AuditTrail(Shape):
    """A page of the audit trail."""

    items: list[AuditEntry]
    next_cursor: str | None
