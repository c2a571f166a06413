"""The inbox."""

from typing import Literal

from pydantic import Field

from api.schemas.base import Shape, StepRef, UserRef
from api.schemas.executions import Execution, SubjectRef


class WorkflowName(Shape):
    """A workflow in short."""

    id: str
    identifier: str
    name: str


class ProcessName(Shape):
    """A process in short."""

    key: str
    name: str


class Task(Shape):
    """Something that the caller may do now."""

    kind: Literal["execution", "approval", "signature", "signoff", "deviation"]
    id: str = Field(
        description="Of the execution, the approval request, the requirement to sign, the proposed command."
    )
    execution: Execution
    workflow: WorkflowName
    process: ProcessName
    category: str
    site: str | None
    step: StepRef
    subject: SubjectRef
    status: str
    requirement: str | None = Field(description="What is approved or signed.")
    is_decision_point: bool
    assigned_to: UserRef | None
    entered_at: str
    since: str
    due_at: str | None
    overdue: bool


class Tasks(Shape):
    """A page of the inbox."""

    items: list[Task]
    next_cursor: str | None
